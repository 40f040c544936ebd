//! The HTTP+JSON binding: HTTP method and path say what is asked, as `google.api.http` in a2a.proto has it.
//!
//! What path, query and body say is put together into the parameters that the same method has in JSON-RPC, and judged
//! as such.

use serde_json::{Map, Value};

use super::members::Members;
use super::{operation, set_push_notification_0_3_rest};
use crate::batch::BatchProblem;
use crate::call::{Operation, PushNotificationKind};
use crate::error::{MessageError, ParamsProblem};
use crate::headers::{Verb, is_json};
use crate::json::parse_json;
use crate::jsonrpc::EnvelopeError;
use crate::limits::Limits;
use crate::params::{text_problem, wrong};

/// A request as far as its HTTP method, path and query say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The name of the operation (A2A 1.0 section 5.3).
    pub(crate) method: &'static str,
    words: Words,
    body: Body,
    /// Variables of the path, under their names in the parameters.
    path: Vec<(&'static str, String)>,
    query: Vec<(&'static str, String)>,
}

/// Which version's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    V0_3,
    V1_0,
}

/// What there is to be said of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// It has the arguments.
    Needed,
    /// It can only repeat what the path says.
    Optional,
    /// The same, and nothing says that it is JSON.
    Untyped,
    /// There is none.
    Never,
}

/// What every server finds in the query, whatever the operation.
const VERSION: &str = "A2A-Version";
/// The operation whose arguments are pages of what it lists.
const LIST_TASKS: &[&str] =
    &["contextId", "historyLength", "includeArtifacts", "pageSize", "pageToken", "status", "statusTimestampAfter"];

/// A tenant of this name would be no tenant to some server.
const NO_TENANTS: [&str; 4] = ["card", "extendedAgentCard", "tasks", "v1"];

/// Reads path and query, which come after the agent's own path. Nothing if the path is not of this binding.
pub(super) fn asked(verb: Verb, target: &[u8]) -> Result<Option<Asked>, MessageError> {
    let Ok(target) = std::str::from_utf8(target) else { return Ok(None) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(path) = path.strip_prefix('/') else { return Ok(None) };
    // Decoded once. What would have to be decoded again is no path of an operation.
    let Some(segments) = path.split('/').map(decoded).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some(mut asked) = route(verb, &segments) else { return Ok(None) };
    asked.query = read_query(asked.method, query)?;
    Ok(Some(asked))
}

/// The operation at a path. One that could be read with a tenant and without is neither.
fn route(verb: Verb, segments: &[&str]) -> Option<Asked> {
    if let ["v1", rest @ ..] = segments {
        return of_version(Words::V0_3, verb, rest);
    }
    let (tenant, below) = segments.split_first()?;
    match (of_version(Words::V1_0, verb, segments), of_version(Words::V1_0, verb, below)) {
        (Some(asked), None) => Some(asked),
        (None, Some(mut asked)) if is_name(tenant) && !NO_TENANTS.contains(tenant) && !tenant.starts_with('.') => {
            asked.path.push(("tenant", (*tenant).to_owned()));
            Some(asked)
        }
        (None | Some(_), _) => None,
    }
}

fn of_version(words: Words, verb: Verb, segments: &[&str]) -> Option<Asked> {
    let found = |method, body, path: &[(&'static str, &str)]| {
        let path: Vec<_> = path.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        let named = path.iter().all(|(_, value)| is_name(value));
        named.then_some(Asked { method, words, body, path, query: Vec::new() })
    };
    match (verb, segments) {
        (Verb::Post, ["message:send"]) => found("SendMessage", Body::Needed, &[]),
        (Verb::Post, ["message:stream"]) => found("SendStreamingMessage", Body::Needed, &[]),
        (Verb::Get, ["tasks"]) => found("ListTasks", Body::Never, &[]),
        (verb, ["tasks", task]) => match (verb, task.split_once(':')) {
            (Verb::Get, None) => found("GetTask", Body::Never, &[("id", task)]),
            (Verb::Post, Some((id, "cancel"))) => found("CancelTask", Body::Optional, &[("id", id)]),
            // The table of the specification has `POST`, a2a.proto has `GET`.
            (Verb::Post, Some((id, "subscribe"))) => found("SubscribeToTask", Body::Optional, &[("id", id)]),
            (Verb::Get, Some((id, "subscribe"))) => found("SubscribeToTask", Body::Never, &[("id", id)]),
            _ => None,
        },
        (Verb::Post, ["tasks", task, "pushNotificationConfigs"]) => {
            found("CreateTaskPushNotificationConfig", Body::Needed, &[("taskId", task)])
        }
        (Verb::Get, ["tasks", task, "pushNotificationConfigs"]) => {
            found("ListTaskPushNotificationConfigs", Body::Never, &[("taskId", task)])
        }
        (Verb::Get, ["tasks", task, "pushNotificationConfigs", id]) => {
            found("GetTaskPushNotificationConfig", Body::Never, &[("taskId", task), ("id", id)])
        }
        (Verb::Delete, ["tasks", task, "pushNotificationConfigs", id]) => {
            found("DeleteTaskPushNotificationConfig", Body::Never, &[("taskId", task), ("id", id)])
        }
        (Verb::Get, ["extendedAgentCard"]) if words == Words::V1_0 => found("GetExtendedAgentCard", Body::Never, &[]),
        (Verb::Get, ["card"]) if words == Words::V0_3 => found("GetExtendedAgentCard", Body::Never, &[]),
        _ => None,
    }
}

/// A colon ends a name for some servers and not for others.
fn is_name(name: &str) -> bool {
    text_problem(name).is_none() && !name.contains(':')
}

/// Only what the operation has, each name in its one spelling and once: some servers take the first of two, some the
/// last, and others look at one of the spellings.
fn read_query(method: &str, query: &str) -> Result<Vec<(&'static str, String)>, MessageError> {
    let known: &[&str] = match method {
        "ListTasks" => LIST_TASKS,
        "GetTask" => &["historyLength"],
        "ListTaskPushNotificationConfigs" => &["pageSize", "pageToken"],
        _ => &[],
    };
    let mut read: Vec<(&'static str, String)> = Vec::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(MessageError::Query)?;
        let name = known.iter().chain([&VERSION]).find(|known| **known == name).ok_or(MessageError::Query)?;
        // Some read a space where others read a plus, and some take a semicolon for an ampersand.
        let value = decoded(value).filter(|text| !pair.contains(['+', ';']) && !text.chars().any(char::is_control));
        if read.iter().any(|(other, _)| other == name) {
            return Err(MessageError::Query);
        }
        read.push((name, value.ok_or(MessageError::Query)?));
    }
    read.retain(|(name, _)| *name != VERSION);
    Ok(read)
}

/// Percent-decoded once; nothing if that is malformed, or if it could be done again.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok().filter(|byte| *byte != b'%')?
        } else {
            byte
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

// === impl Asked ===

impl Asked {
    /// Whether the body may come as what the header says, which is then remembered.
    pub(crate) fn takes(&mut self, content_type: Option<&[u8]>) -> bool {
        match (self.body, content_type) {
            (Body::Never, _) => true,
            (Body::Optional, None) => {
                self.body = Body::Untyped;
                true
            }
            (Body::Needed | Body::Optional | Body::Untyped, content_type) => {
                content_type.is_some_and(|value| is_json(value, &["application/json", "application/a2a+json"]))
            }
        }
    }

    /// What is asked, and all that the agent acts on, once the body is there.
    pub(crate) fn read(&self, body: &[u8], limits: &Limits) -> Result<(Map<String, Value>, Operation), MessageError> {
        let members = match self.body {
            Body::Never if !body.is_empty() => return Err(MessageError::BodyNotAllowed),
            Body::Untyped if !body.is_empty() => return Err(MessageError::ContentType),
            Body::Never | Body::Untyped => Map::new(),
            Body::Optional if body.is_empty() => Map::new(),
            Body::Optional | Body::Needed => match parse_json(body, limits.max_json_depth, limits.max_json_nodes)? {
                Value::Object(members) => members,
                Value::Array(_) => return Err(BatchProblem::Refused.into()),
                _ => return Err(EnvelopeError::NotAnObject.into()),
            },
        };
        let params = self.params(members)?;
        let operation = match (self.words, self.method) {
            (Words::V0_3, "CreateTaskPushNotificationConfig") => set_push_notification_0_3_rest(&params)?,
            _ => operation(self.method, &params)?,
        };
        Ok((params, operation))
    }

    /// What is known without the body: everything, or of what needs one the operation alone, its arguments empty.
    pub(crate) fn announced(&self) -> Result<Operation, MessageError> {
        match (self.body, self.method) {
            (Body::Needed, "CreateTaskPushNotificationConfig") => {
                Ok(Operation::PushNotification { kind: PushNotificationKind::Set, arguments: Map::new() })
            }
            (Body::Needed, _) => Ok(Operation::SendMessage { arguments: Map::new() }),
            (Body::Optional | Body::Untyped | Body::Never, method) => operation(method, &self.params(Map::new())?),
        }
    }

    /// The parameters of JSON-RPC. What the path says, the body may say again, and nothing else instead; a tenant is in
    /// the path or nowhere.
    fn params(&self, mut members: Map<String, Value>) -> Result<Map<String, Value>, MessageError> {
        let names: Vec<&'static str> =
            self.path.iter().map(|(name, _)| *name).filter(|name| *name != "tenant").chain(["tenant"]).collect();
        let mut said = Members::of(&members, &names)?;
        for &name in &names {
            let in_path = self.path.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str());
            said.same(name, in_path)?;
        }
        // An empty one, or one in the other spelling.
        members.retain(|name, _| !names.iter().any(|own| crate::params::could_be(name, own)));
        for (name, value) in self.path.iter().chain(&self.query) {
            if members.insert((*name).to_owned(), Value::String(value.clone())).is_some() {
                return Err(wrong(name, ParamsProblem::Contradicts));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
