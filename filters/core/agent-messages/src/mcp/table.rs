//! The table of methods: what each of them is about, and where its target is.

use serde_json::{Map, Value};

use super::META;
use crate::call::{Operation, Revision, ServerTaskKind};
use crate::error::{MessageError, ParamsProblem, shortened};
use crate::lists::ListKind;
use crate::params::{could_be, text_problem, wrong};

/// Members that are judged, in any method.
const JUDGED: [&str; 13] = [
    META,
    "argument",
    "arguments",
    "context",
    "inputResponses",
    "name",
    "notifications",
    "ref",
    "requestState",
    "task",
    "taskId",
    "type",
    "uri",
];

/// What a client can listen to (2026-07-28 `SubscriptionFilter`, and `taskIds` of the tasks extension).
const LISTENED: [&str; 5] =
    ["promptsListChanged", "resourceSubscriptions", "resourcesListChanged", "taskIds", "toolsListChanged"];

/// More at once is a way to keep the proxy busy: each target is a question to policy.
const MAX_TARGETS: usize = 64;

/// Reads what a method is about; one that is not in the table is refused.
pub(super) fn operation(
    method: &str,
    revision: Revision,
    params: &mut Map<String, Value>,
) -> Result<(Operation, Option<ListKind>), MessageError> {
    use Revision::{Legacy, Modern};
    use ServerTaskKind::{Cancel, Get, List, Update};
    unambiguous(params, &JUDGED)?;
    let about = |operation| Ok((operation, None));
    let connect = |list| Ok((Operation::Connect, list));
    match (method, revision) {
        ("tools/call", _) => {
            resumed(params)?;
            absent_or(params, "task", Value::is_object)?;
            about(Operation::CallTool { name: text(params, "name")?, arguments: object(params, "arguments")? })
        }
        ("prompts/get", _) => {
            resumed(params)?;
            about(Operation::GetPrompt { name: text(params, "name")?, arguments: object(params, "arguments")? })
        }
        ("resources/read", _) => {
            resumed(params)?;
            about(Operation::ReadResource { uri: text(params, "uri")? })
        }
        ("resources/subscribe" | "resources/unsubscribe", Legacy) => {
            about(Operation::SubscribeResource { uri: text(params, "uri")? })
        }
        ("subscriptions/listen", Modern) => about(listen(params)?),
        ("completion/complete", _) => about(completion(params)?),
        ("tools/list", _) => connect(Some(ListKind::Tools)),
        ("prompts/list", _) => connect(Some(ListKind::Prompts)),
        ("resources/list", _) => connect(Some(ListKind::Resources)),
        ("resources/templates/list", _) => connect(Some(ListKind::ResourceTemplates)),
        // The result of a task is part of it.
        ("tasks/get", _) | ("tasks/result", Legacy) => about(Operation::server_task(Get, text(params, "taskId")?)),
        ("tasks/cancel", _) => about(Operation::server_task(Cancel, text(params, "taskId")?)),
        ("tasks/update", Modern) => {
            resumed(params)?;
            about(Operation::server_task(Update, text(params, "taskId")?))
        }
        ("tasks/list", Legacy) => {
            Ok((Operation::ServerTask { kind: List, arguments: Map::new() }, Some(ListKind::Tasks)))
        }
        ("initialize" | "ping" | "logging/setLevel", Legacy) | ("server/discover", Modern) => connect(None),
        // A client has tasks too: those that a server asks of it.
        ("notifications/initialized" | "notifications/roots/list_changed" | "notifications/tasks/status", Legacy)
        | ("notifications/cancelled" | "notifications/progress", _) => connect(None),
        _ => Err(MessageError::UnknownMethod { method: shortened(method), modern: revision == Modern }),
    }
}

/// Whether the method is in the table, whatever the revision.
pub(super) fn has(method: &str) -> bool {
    [Revision::Legacy, Revision::Modern].into_iter().any(|revision| {
        !matches!(operation(method, revision, &mut Map::new()), Err(MessageError::UnknownMethod { .. }))
    })
}

/// A request that is repeated with answers to the server's questions (2026-07-28, "Multi round-trip requests") is judged
/// anew. What it brings is the server's own matter; its state is opaque, and the client's to forge.
fn resumed(params: &Map<String, Value>) -> Result<(), MessageError> {
    absent_or(params, "inputResponses", |responses| {
        responses.as_object().is_some_and(|responses| responses.values().all(Value::is_object))
    })?;
    absent_or(params, "requestState", Value::is_string)
}

/// One request for several things.
fn listen(params: &mut Map<String, Value>) -> Result<Operation, MessageError> {
    let mut wanted = match params.remove("notifications") {
        Some(Value::Object(wanted)) => wanted,
        Some(_) => return Err(wrong("notifications", ParamsProblem::WrongType)),
        None => return Err(wrong("notifications", ParamsProblem::Missing)),
    };
    unambiguous(&wanted, &LISTENED)?;
    // A sloppy server could look one level higher.
    if params.keys().any(|name| LISTENED.iter().any(|member| could_be(name, member))) {
        return Err(wrong("notifications", ParamsProblem::Unexpected));
    }
    let resources = texts(&mut wanted, "resourceSubscriptions")?;
    let tasks = texts(&mut wanted, "taskIds")?;
    for changes in ["promptsListChanged", "resourcesListChanged", "toolsListChanged"] {
        absent_or(&wanted, changes, Value::is_boolean)?;
        wanted.remove(changes);
    }
    // News of something that nobody here judges.
    if !wanted.is_empty() {
        return Err(wrong("notifications", ParamsProblem::Unexpected));
    }
    let resources = resources.into_iter().map(|uri| Operation::SubscribeResource { uri });
    let tasks = tasks.into_iter().map(|id| Operation::server_task(ServerTaskKind::Get, id));
    let targets: Vec<Operation> = resources.chain(tasks).collect();
    if targets.len() > MAX_TARGETS {
        return Err(wrong("notifications", ParamsProblem::TooLong));
    }
    Ok(Operation::Listen { targets })
}

/// Completing reveals what getting or reading would (`completion/complete`, "Security Considerations").
fn completion(params: &mut Map<String, Value>) -> Result<Operation, MessageError> {
    let Some(Value::Object(mut reference)) = params.remove("ref") else {
        return Err(wrong("ref", ParamsProblem::WrongType));
    };
    unambiguous(&reference, &JUDGED)?;
    let kind = text(&mut reference, "type")?;
    match kind.as_str() {
        "ref/prompt" => Ok(Operation::GetPrompt { name: text(&mut reference, "name")?, arguments: completed(params)? }),
        "ref/resource" => Ok(Operation::ReadResource { uri: text(&mut reference, "uri")? }),
        _ => Err(wrong("ref", ParamsProblem::WrongType)),
    }
}

/// The arguments so far, and the one that is being completed.
fn completed(params: &mut Map<String, Value>) -> Result<Map<String, Value>, MessageError> {
    let mut arguments = match params.remove("context") {
        None => Map::new(),
        Some(Value::Object(mut context)) => {
            unambiguous(&context, &JUDGED)?;
            object(&mut context, "arguments")?
        }
        Some(_) => return Err(wrong("context", ParamsProblem::WrongType)),
    };
    let mut argument = object(params, "argument")?;
    unambiguous(&argument, &JUDGED)?;
    let name = text(&mut argument, "name")?;
    let value = argument.remove("value").unwrap_or_default();
    if !value.is_string() || arguments.insert(name, value).is_some() {
        return Err(wrong("argument", ParamsProblem::WrongType));
    }
    Ok(arguments)
}

fn text(object: &mut Map<String, Value>, member: &'static str) -> Result<String, MessageError> {
    let problem = match object.remove(member) {
        None => ParamsProblem::Missing,
        Some(Value::String(text)) => match text_problem(&text) {
            Some(problem) => problem,
            None => return Ok(text),
        },
        Some(_) => ParamsProblem::WrongType,
    };
    Err(wrong(member, problem))
}

/// Absent is empty.
fn object(params: &mut Map<String, Value>, member: &'static str) -> Result<Map<String, Value>, MessageError> {
    match params.remove(member) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(wrong(member, ParamsProblem::WrongType)),
    }
}

/// Absent is none.
fn texts(object: &mut Map<String, Value>, member: &'static str) -> Result<Vec<String>, MessageError> {
    let elements = match object.remove(member) {
        None => return Ok(Vec::new()),
        Some(Value::Array(elements)) => elements,
        Some(_) => return Err(wrong(member, ParamsProblem::WrongType)),
    };
    let text = |element| match element {
        Value::String(text) => match text_problem(&text) {
            None => Ok(text),
            Some(problem) => Err(wrong(member, problem)),
        },
        _ => Err(wrong(member, ParamsProblem::WrongType)),
    };
    elements.into_iter().map(text).collect()
}

fn absent_or(
    params: &Map<String, Value>,
    member: &'static str,
    right: impl FnOnce(&Value) -> bool,
) -> Result<(), MessageError> {
    if params.get(member).is_none_or(right) { Ok(()) } else { Err(wrong(member, ParamsProblem::WrongType)) }
}

/// Some parsers match names without regard to case (Go's `encoding/json`), some take `task_id` for `taskId` and `meta`
/// for `_meta` (the Python SDK).
pub(super) fn unambiguous(object: &Map<String, Value>, judged: &[&'static str]) -> Result<(), MessageError> {
    for name in object.keys() {
        if let Some(member) = judged.iter().find(|member| name != *member && could_be(name, member)) {
            return Err(wrong(member, ParamsProblem::Ambiguous));
        }
    }
    Ok(())
}
