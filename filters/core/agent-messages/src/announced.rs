//! What the headers alone say of a request, for hosts that can't hold them until the body is there.

use serde_json::Map;

use crate::a2a::{self, Place};
use crate::call::{Operation, Revision};
use crate::error::{HeaderProblem, MessageError, shortened};
use crate::headers::{METHOD, MessageHeaders, NAME, Verb};
use crate::mcp;
use crate::protocol::Protocol;

/// What a request will turn out to ask, as far as its headers tell. Parsing the body refuses one that asks anything
/// else.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// In the wire's own word; nothing where it could be one of several.
    pub method: Option<&'static str>,
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

fn session(verb: &'static str, headers: &MessageHeaders) -> Result<Option<Announced>, MessageError> {
    mcp::check_response(headers)?;
    found(Some(verb), Operation::Connect)
}

/// A message of 2026-07-28, whose headers mirror its body.
fn message(headers: &MessageHeaders) -> Result<Option<Announced>, MessageError> {
    let target = || headers.name.clone().ok_or(mcp::mismatch(NAME, HeaderProblem::Missing));
    let Some(method) = headers.method.as_deref() else {
        // Only notifications may leave it out.
        return untargeted(headers, None);
    };
    match method {
        "tools/call" => found(Some("tools/call"), Operation::CallTool { name: target()?, arguments: Map::new() }),
        "prompts/get" => found(Some("prompts/get"), Operation::GetPrompt { name: target()?, arguments: Map::new() }),
        "resources/read" => found(Some("resources/read"), Operation::ReadResource { uri: target()? }),
        "completion/complete" if headers.name.is_none() => Ok(None),
        "completion/complete" => Err(mcp::mismatch(NAME, HeaderProblem::Differs)),
        "initialize" => Err(mcp::mismatch(METHOD, HeaderProblem::Differs)),
        method => match CONNECTING.into_iter().find(|known| *known == method) {
            Some(method) => untargeted(headers, Some(method)),
            None => Err(MessageError::UnknownMethod { method: shortened(method), modern: true }),
        },
    }
}

/// Methods that are about no tool, prompt or resource.
const CONNECTING: [&str; 7] = [
    "notifications/cancelled",
    "notifications/progress",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "tools/list",
];

fn untargeted(headers: &MessageHeaders, method: Option<&'static str>) -> Result<Option<Announced>, MessageError> {
    match headers.name {
        Some(_) => Err(mcp::mismatch(NAME, HeaderProblem::Differs)),
        None => found(method, Operation::Connect),
    }
}

fn found(method: Option<&'static str>, operation: Operation) -> Result<Option<Announced>, MessageError> {
    Ok(Some(Announced { method, operation }))
}

#[cfg(test)]
mod tests;
