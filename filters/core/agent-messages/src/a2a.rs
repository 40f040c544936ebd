//! The methods of A2A in the vocabularies of 1.0 and 0.3, and what each of them is about.
//!
//! The method decides on the vocabulary, whatever `A2A-Version` says: so do servers that speak both. HTTP+JSON is read
//! into the parameters of JSON-RPC, so that a decision does not depend on the binding; of gRPC only the method is known.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::call::{Operation, PushNotificationKind, TaskKind};
use crate::error::{MessageError, ParamsProblem, shortened};
use crate::jsonrpc::EnvelopeError;
use crate::params::wrong;

mod binding;
mod extensions;
pub(crate) mod grpc;
mod members;
pub(crate) mod rest;

pub(crate) use binding::Place;
pub use binding::{AgentEndpoint, Binding, is_card};
pub(crate) use extensions::Extensions;
use members::Members;

/// Members of the parameters that are judged in some method. In a method that does not have it, each is refused: a
/// server of the other vocabulary could look there.
const PARAMS: &[&str] = &[
    "config",
    "configId",
    "configuration",
    "contextId",
    "id",
    "message",
    "name",
    "parent",
    "pushNotificationConfig",
    "pushNotificationConfigId",
    "request",
    "taskId",
    "tenant",
    "url",
];
const MESSAGE: &[&str] = &["content", "contextId", "extensions", "parts", "referenceTaskIds", "taskId"];
const CONFIGURATION: &[&str] = &["pushNotification", "pushNotificationConfig", "taskPushNotificationConfig"];
const PUSH_NOTIFICATION: &[&str] = &["id", "pushNotificationConfig", "taskId", "tenant", "url"];
const PART: &[&str] = &["data", "file", "kind", "raw", "text", "url"];
const FILE: &[&str] = &["bytes", "fileWithBytes", "fileWithUri", "uri"];
/// `TaskPushNotificationConfig` of 0.3.
const CONFIG: &[&str] = &["name", "pushNotificationConfig"];

/// What policies see of a call: flat, and named alike in both vocabularies.
#[derive(Default)]
struct Arguments(Map<String, Value>);

/// Reads one request.
pub(crate) fn read(has_id: bool, method: &str, params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let operation = operation(method, params)?;
    // A2A has no notifications.
    if has_id { Ok(operation) } else { Err(EnvelopeError::MissingId.into()) }
}

/// The card that anybody may ask for with a `GET`.
pub(crate) fn public_card() -> Operation {
    Operation::AgentCard { arguments: card_arguments(false).0 }
}

/// The table: a method that is not in it is refused.
fn operation(method: &str, params: &Map<String, Value>) -> Result<Operation, MessageError> {
    use PushNotificationKind::{Delete, Get, List};
    match method {
        "SendMessage" | "SendStreamingMessage" | "message/send" | "message/stream" => send_message(params),
        "GetTask" | "tasks/get" => task(TaskKind::Get, params),
        "CancelTask" | "tasks/cancel" => task(TaskKind::Cancel, params),
        "SubscribeToTask" | "tasks/resubscribe" => task(TaskKind::Subscribe, params),
        "ListTasks" | "tasks/list" => list_tasks(params),
        "CreateTaskPushNotificationConfig" => set_push_notification(params),
        "tasks/pushNotificationConfig/set" => set_push_notification_0_3(params),
        "GetTaskPushNotificationConfig" => push_notification(Get, "taskId", Some("id"), params),
        "ListTaskPushNotificationConfigs" => push_notification(List, "taskId", None, params),
        "DeleteTaskPushNotificationConfig" => push_notification(Delete, "taskId", Some("id"), params),
        "tasks/pushNotificationConfig/get" => push_notification(Get, "id", Some("pushNotificationConfigId"), params),
        "tasks/pushNotificationConfig/list" => push_notification(List, "id", None, params),
        "tasks/pushNotificationConfig/delete" => {
            push_notification(Delete, "id", Some("pushNotificationConfigId"), params)
        }
        "GetExtendedAgentCard" | "agent/getAuthenticatedExtendedCard" => extended_card(params),
        method => Err(MessageError::UnknownMethod { method: shortened(method), modern: false }),
    }
}

fn send_message(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let tenant = params.text("tenant")?;
    // 0.3 has two names for it in HTTP+JSON (a2a.proto, `Message request = 1 [json_name = "message"]`).
    let message = [params.object("message", MESSAGE)?, params.object("request", MESSAGE)?];
    let mut message = only("message", message)?.ok_or(wrong("message", ParamsProblem::Missing))?;
    let configuration = params.object("configuration", CONFIGURATION)?;
    params.end()?;
    let task = message.text("taskId")?;
    let mut arguments = Arguments::default();
    arguments.text("contextId", message.text("contextId")?);
    arguments.strings("referenceTaskIds", message.strings("referenceTaskIds")?);
    arguments.strings("extensions", message.strings("extensions")?);
    arguments.strings("partKinds", part_kinds(&mut message)?);
    if let Some(mut configuration) = configuration {
        // In 1.0, in 0.3, and in 0.3 over HTTP+JSON.
        let push = [
            configuration.object("taskPushNotificationConfig", PUSH_NOTIFICATION)?,
            configuration.object("pushNotificationConfig", PUSH_NOTIFICATION)?,
            configuration.object("pushNotification", PUSH_NOTIFICATION)?,
        ];
        if let Some(mut push) = only("pushNotificationConfig", push)? {
            arguments.text("pushNotificationHost", Some(push.host()?));
            // It is for the message's own task (a2a.proto, `SendMessageConfiguration`).
            push.same("taskId", task)?;
            push.same("tenant", tenant)?;
            push.text("id")?;
            push.end()?;
        }
    }
    arguments.text("taskId", task);
    arguments.text("tenant", tenant);
    Ok(Operation::SendMessage { arguments: arguments.0 })
}

/// The one of several that is there: a server looks at one of them only.
fn only<T, const N: usize>(member: &'static str, all: [Option<T>; N]) -> Result<Option<T>, MessageError> {
    let mut there = all.into_iter().flatten();
    let one = there.next();
    if there.next().is_some() { Err(wrong(member, ParamsProblem::Contradicts)) } else { Ok(one) }
}

/// The kinds of a message's parts, in the words of 1.0: `text`, `raw`, `url`, `data`. A `file` of 0.3 is one of the
/// two in the middle.
fn part_kinds(message: &mut Members<'_>) -> Result<Vec<String>, MessageError> {
    // 0.3 over HTTP+JSON calls them `content`.
    let parts = match only("parts", [message.take("parts"), message.take("content")])? {
        None => return Err(wrong("parts", ParamsProblem::Missing)),
        Some(Value::Array(parts)) if parts.is_empty() => return Err(wrong("parts", ParamsProblem::Empty)),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(wrong("parts", ParamsProblem::WrongType)),
    };
    let kinds: BTreeSet<&str> = parts.iter().map(part_kind).collect::<Result<_, _>>()?;
    Ok(kinds.into_iter().map(str::to_owned).collect())
}

fn part_kind(part: &Value) -> Result<&'static str, MessageError> {
    let members = part.as_object().ok_or(wrong("parts", ParamsProblem::WrongType))?;
    let mut part = Members::of(members, PART)?;
    // Null is a value here (a2a.proto, `google.protobuf.Value data`).
    let data_is_null = members.get("data").is_some_and(Value::is_null);
    let kind = part.text("kind")?;
    let mut contents = ["text", "raw", "url", "file", "data"]
        .into_iter()
        .filter(|content| part.take(content).is_some() || (*content == "data" && data_is_null));
    let content = match (contents.next(), contents.next()) {
        (None, _) => return Err(wrong("parts", ParamsProblem::Missing)),
        (Some(content), None) => content,
        (Some(_), Some(_)) => return Err(wrong("parts", ParamsProblem::Contradicts)),
    };
    if kind.is_some_and(|kind| kind != content) {
        return Err(wrong("kind", ParamsProblem::Contradicts));
    }
    if content != "file" {
        return Ok(content);
    }
    let mut file = match members.get("file") {
        Some(Value::Object(file)) => Members::of(file, FILE)?,
        _ => return Err(wrong("file", ParamsProblem::WrongType)),
    };
    let kinds = ["bytes", "fileWithBytes", "uri", "fileWithUri"].map(|content| {
        let kind = if matches!(content, "bytes" | "fileWithBytes") { "raw" } else { "url" };
        file.take(content).map(|_| kind)
    });
    only("file", kinds)?.ok_or(wrong("file", ParamsProblem::Missing))
}

fn task(kind: TaskKind, params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let mut arguments = Arguments::default();
    arguments.text("taskId", Some(params.required("id")?));
    arguments.text("tenant", params.text("tenant")?);
    params.end()?;
    Ok(Operation::Task { kind, arguments: arguments.0 })
}

fn list_tasks(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let mut arguments = Arguments::default();
    arguments.text("contextId", params.text("contextId")?);
    arguments.text("tenant", params.text("tenant")?);
    params.end()?;
    Ok(Operation::Task { kind: TaskKind::List, arguments: arguments.0 })
}

/// In 1.0, the parameters are the configuration.
fn set_push_notification(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let mut arguments = Arguments::default();
    arguments.text("taskId", Some(params.required("taskId")?));
    arguments.text("configId", params.text("id")?);
    arguments.text("pushNotificationHost", Some(params.host()?));
    arguments.text("tenant", params.text("tenant")?);
    params.end()?;
    Ok(Operation::PushNotification { kind: PushNotificationKind::Set, arguments: arguments.0 })
}

fn set_push_notification_0_3(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let config = params.object("pushNotificationConfig", PUSH_NOTIFICATION)?;
    let mut config = config.ok_or(wrong("pushNotificationConfig", ParamsProblem::Missing))?;
    let (task, tenant) = (params.required("taskId")?, params.text("tenant")?);
    params.end()?;
    config.same("taskId", Some(task))?;
    config.same("tenant", tenant)?;
    let mut arguments = Arguments::default();
    arguments.text("taskId", Some(task));
    arguments.text("configId", config.text("id")?);
    arguments.text("pushNotificationHost", Some(config.host()?));
    arguments.text("tenant", tenant);
    config.end()?;
    Ok(Operation::PushNotification { kind: PushNotificationKind::Set, arguments: arguments.0 })
}

/// In 0.3 over HTTP+JSON. The body is the request (a2a.proto, `CreateTaskPushNotificationConfigRequest`), or as its
/// `google.api.http` has it the `config` in there alone. Resource names say again what the path says.
fn set_push_notification_0_3_rest(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let task = params.required("taskId")?;
    let configs = format!("tasks/{task}/pushNotificationConfigs");
    if let Some(parent) = params.text("parent")?
        && parent != configs
        && parent != format!("tasks/{task}")
    {
        return Err(wrong("parent", ParamsProblem::Contradicts));
    }
    let id = params.text("configId")?;
    let mut outer = params.object("config", CONFIG)?;
    let inner = outer.as_mut().map(|config| config.object("pushNotificationConfig", PUSH_NOTIFICATION)).transpose()?;
    let configs_of_push = [inner.flatten(), params.object("pushNotificationConfig", PUSH_NOTIFICATION)?];
    let mut push = only("pushNotificationConfig", configs_of_push)?
        .ok_or(wrong("pushNotificationConfig", ParamsProblem::Missing))?;
    let names = [outer.as_mut().map(|config| config.text("name")).transpose()?.flatten(), params.text("name")?];
    outer.map_or(Ok(()), Members::end)?;
    params.end()?;
    let own = push.text("id")?;
    let named = match only("name", names)? {
        None => None,
        Some(name) => {
            let id = name.strip_prefix(&configs).and_then(|rest| rest.strip_prefix('/'));
            Some(id.ok_or(wrong("name", ParamsProblem::Contradicts))?)
        }
    };
    let ids: BTreeSet<&str> = [id, own, named].into_iter().flatten().collect();
    if ids.len() > 1 {
        return Err(wrong("configId", ParamsProblem::Contradicts));
    }
    let mut arguments = Arguments::default();
    arguments.text("taskId", Some(task));
    arguments.text("configId", ids.first().copied());
    arguments.text("pushNotificationHost", Some(push.host()?));
    push.end()?;
    Ok(Operation::PushNotification { kind: PushNotificationKind::Set, arguments: arguments.0 })
}

/// In 0.3, `id` is the task's; in 1.0 it is the configuration's.
fn push_notification(
    kind: PushNotificationKind,
    task: &'static str,
    config: Option<&'static str>,
    params: &Map<String, Value>,
) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let mut arguments = Arguments::default();
    arguments.text("taskId", Some(params.required(task)?));
    if let Some(config) = config {
        arguments.text("configId", params.text(config)?);
    }
    arguments.text("tenant", params.text("tenant")?);
    params.end()?;
    Ok(Operation::PushNotification { kind, arguments: arguments.0 })
}

fn extended_card(params: &Map<String, Value>) -> Result<Operation, MessageError> {
    let mut params = Members::of(params, PARAMS)?;
    let mut arguments = card_arguments(true);
    arguments.text("tenant", params.text("tenant")?);
    params.end()?;
    Ok(Operation::AgentCard { arguments: arguments.0 })
}

fn card_arguments(extended: bool) -> Arguments {
    Arguments(Map::from_iter([("extended".to_owned(), extended.into())]))
}

// === impl Arguments ===

impl Arguments {
    fn text(&mut self, name: &str, text: Option<impl Into<String>>) {
        if let Some(text) = text {
            self.0.insert(name.to_owned(), Value::String(text.into()));
        }
    }

    fn strings(&mut self, name: &str, strings: Vec<String>) {
        if !strings.is_empty() {
            self.0.insert(name.to_owned(), strings.into());
        }
    }
}

#[cfg(test)]
mod tests;
