//! What the headers alone say of a request, for hosts that can't hold them until the body is there.

use serde_json::Map;

use crate::a2a::{self, Place};
use crate::call::{Operation, Revision, ServerTaskKind};
use crate::error::{HeaderProblem, MessageError, shortened};
use crate::headers::{METHOD, MessageHeaders, NAME, Verb};
use crate::mcp;
use crate::mcp::extra::ExtraMethod;
use crate::protocol::Protocol;

/// What a request will turn out to ask, as far as its headers tell. Parsing the body refuses one that asks anything
/// else.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// In the wire's own word; nothing where it could be one of several.
    pub method: Option<String>,
    /// Arguments that the body will have are left out.
    pub operation: Operation,
}

/// Reads the announcement of a request whose body is still to come: nothing where the headers say nothing of it, as
/// in older revisions of MCP and in A2A, or where the target is not in them.
///
/// A `GET` or `DELETE` is all in its headers: a server may act on them and never look for a body.
///
/// # Errors
/// The request will be refused, whatever its body is.
pub fn announced(headers: &MessageHeaders) -> Result<Option<Announced>, MessageError> {
    match (headers.protocol(), headers.verb()) {
        (Protocol::Mcp, Verb::Get) => session("GET", headers),
        (Protocol::Mcp, Verb::Delete) => session("DELETE", headers),
        (Protocol::Mcp, Verb::Post) => match mcp::header_revision(headers)? {
            Some(Revision::Modern) => message(headers),
            Some(Revision::Legacy) | None => Ok(None),
        },
        (Protocol::A2a, _) => {
            let (method, mut operation) = match &headers.place {
                Place::Agent => return Ok(None),
                Place::Card => ("GET", a2a::public_card()),
                Place::Rest(asked) => (asked.method, asked.announced()?),
                Place::Grpc(method) => (method.name(), method.operation()),
            };
            headers.extensions.show_in(&mut operation);
            found(Some(method), operation)
        }
    }
}

fn session(verb: &str, headers: &MessageHeaders) -> Result<Option<Announced>, MessageError> {
    mcp::check_session(headers)?;
    found(Some(verb), Operation::Connect)
}

/// A message of 2026-07-28, whose headers mirror its body.
fn message(headers: &MessageHeaders) -> Result<Option<Announced>, MessageError> {
    let target = || headers.name.clone().ok_or(mcp::mismatch(NAME, HeaderProblem::Missing));
    let task = |kind| Ok::<_, MessageError>(Operation::server_task(kind, target()?));
    let Some(method) = headers.method.as_deref() else {
        // Only notifications may leave it out.
        let open = headers.extra_methods().have_targeted_notifications();
        return if open { Ok(None) } else { untargeted(headers, None, Operation::Connect) };
    };
    if let Some(extra) = headers.extra_methods().get(method) {
        return self::extra(headers, method, extra);
    }
    match method {
        "tools/call" => found(Some(method), Operation::CallTool { name: target()?, arguments: Map::new() }),
        "prompts/get" => found(Some(method), Operation::GetPrompt { name: target()?, arguments: Map::new() }),
        "resources/read" => found(Some(method), Operation::ReadResource { uri: target()? }),
        "tasks/get" => found(Some(method), task(ServerTaskKind::Get)?),
        "tasks/update" => found(Some(method), task(ServerTaskKind::Update)?),
        "tasks/cancel" => found(Some(method), task(ServerTaskKind::Cancel)?),
        // What there is to hear of is in the body only; listening is connecting in any case.
        "subscriptions/listen" => untargeted(headers, Some(method), Operation::Listen { targets: Vec::new() }),
        "completion/complete" if headers.name.is_none() => Ok(None),
        "completion/complete" => Err(mcp::mismatch(NAME, HeaderProblem::Differs)),
        "initialize" => Err(mcp::mismatch(METHOD, HeaderProblem::Differs)),
        method if CONNECTING.contains(&method) => untargeted(headers, Some(method), Operation::Connect),
        method => Err(MessageError::UnknownMethod { method: shortened(method), modern: true }),
    }
}

/// Of an extension's method, the header with the target may be missing.
fn extra(headers: &MessageHeaders, method: &str, extra: &ExtraMethod) -> Result<Option<Announced>, MessageError> {
    match (extra.untargeted(), &headers.name) {
        (Some(operation), _) => untargeted(headers, Some(method), operation),
        (None, None) => Ok(None),
        (None, Some(target)) => found(Some(method), extra.about(target)),
    }
}

/// Methods that are about no tool, prompt, resource or task.
const CONNECTING: [&str; 7] = [
    "notifications/cancelled",
    "notifications/progress",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "tools/list",
];

fn untargeted(
    headers: &MessageHeaders,
    method: Option<&str>,
    operation: Operation,
) -> Result<Option<Announced>, MessageError> {
    match headers.name {
        Some(_) => Err(mcp::mismatch(NAME, HeaderProblem::Differs)),
        None => found(method, operation),
    }
}

fn found(method: Option<&str>, operation: Operation) -> Result<Option<Announced>, MessageError> {
    Ok(Some(Announced { method: method.map(str::to_owned), operation }))
}

#[cfg(test)]
mod tests;
