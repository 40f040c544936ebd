//! The messages of MCP: their revision, what their methods are about, and how the headers mirror them.

use serde_json::{Map, Value};

use crate::call::{Operation, Revision, TASK_ID};
use crate::error::{HeaderProblem, MessageError, ParamsProblem, shortened};
use crate::headers::{METHOD, MessageHeaders, NAME, VERSION};
use crate::jsonrpc::EnvelopeError;
use crate::lists::ListKind;
use crate::params::wrong;

pub(crate) mod extra;
mod table;

/// What a method and its parameters say.
pub(crate) struct Read {
    pub(crate) revision: Revision,
    pub(crate) operation: Operation,
    pub(crate) list: Option<ListKind>,
    /// Of an extension's method, as they came.
    pub(crate) params: Option<Map<String, Value>>,
}

pub(crate) const MODERN: &str = "2026-07-28";

/// The revisions that are understood, the oldest first.
pub const SUPPORTED_VERSIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN];

const META: &str = "_meta";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Reads one request or notification.
pub(crate) fn read(
    headers: &MessageHeaders,
    has_id: bool,
    method: &str,
    mut params: Map<String, Value>,
) -> Result<Read, MessageError> {
    table::unambiguous(&params, &[META])?;
    let revision = revision(headers, has_id, method, &params)?;
    let extra = headers.extra_methods().get(method);
    let (operation, list) = match extra {
        Some(extra) => (extra.operation(&params)?, extra.list.clone()),
        None => table::operation(method, revision, &mut params)?,
    };
    match (method.starts_with("notifications/"), has_id) {
        (true, true) => return Err(EnvelopeError::UnexpectedId.into()),
        (false, false) => return Err(EnvelopeError::MissingId.into()),
        _ => {}
    }
    let required = revision == Revision::Modern && has_id;
    same(METHOD, headers.method.as_deref(), Some(method), required)?;
    // Extensions need not say that a header names their target; where one does, it is right.
    same(NAME, headers.name.as_deref(), mirrored(method, &operation), required && extra.is_none())?;
    Ok(Read { revision, operation, list, params: extra.map(|_| params) })
}

/// What has no method belongs to a legacy session, and has nothing that headers could mirror.
pub(crate) fn check_response(headers: &MessageHeaders) -> Result<(), MessageError> {
    match header_revision(headers)? {
        Some(Revision::Modern) => Err(EnvelopeError::UnexpectedResponse.into()),
        Some(Revision::Legacy) | None if headers.method.is_some() => Err(mismatch(METHOD, HeaderProblem::Differs)),
        Some(Revision::Legacy) | None if headers.name.is_some() => Err(mismatch(NAME, HeaderProblem::Differs)),
        Some(Revision::Legacy) | None => Ok(()),
    }
}

/// A `GET` listens on a session, and a `DELETE` ends one.
pub(crate) fn check_session(headers: &MessageHeaders) -> Result<(), MessageError> {
    if headers.is_modern() { Err(MessageError::NoSessions) } else { check_response(headers) }
}

pub(crate) fn header_revision(headers: &MessageHeaders) -> Result<Option<Revision>, MessageError> {
    headers.version.as_deref().map(known_revision).transpose()
}

fn known_revision(version: &str) -> Result<Revision, MessageError> {
    match version {
        MODERN => Ok(Revision::Modern),
        version if SUPPORTED_VERSIONS.contains(&version) => Ok(Revision::Legacy),
        version => Err(MessageError::UnsupportedVersion { requested: shortened(version) }),
    }
}

/// The message's own word counts; the header has to agree (MCP 2026-07-28, Streamable HTTP, "Protocol version").
fn revision(
    headers: &MessageHeaders,
    has_id: bool,
    method: &str,
    params: &Map<String, Value>,
) -> Result<Revision, MessageError> {
    let said = match params.get(META) {
        None => None,
        Some(Value::Object(meta)) => match meta.get(META_VERSION) {
            None => None,
            Some(Value::String(version)) => Some(version.as_str()),
            Some(_) => return Err(wrong(META, ParamsProblem::WrongType)),
        },
        Some(_) => return Err(wrong(META, ParamsProblem::WrongType)),
    };
    match (header_revision(headers)?, said) {
        (None, None) => Ok(Revision::Legacy),
        (None, Some(version)) => match known_revision(version)? {
            Revision::Modern => Err(mismatch(VERSION, HeaderProblem::Missing)),
            Revision::Legacy => Ok(Revision::Legacy),
        },
        (Some(_), Some(version)) if headers.version.as_deref() != Some(version) => {
            known_revision(version)?;
            Err(mismatch(VERSION, HeaderProblem::Differs))
        }
        // The handshake is the legacy one, whatever is said around it.
        (Some(Revision::Modern), None) if method == "initialize" => Err(mismatch(VERSION, HeaderProblem::Differs)),
        (Some(Revision::Modern), None) if has_id => Err(wrong(META, ParamsProblem::Missing)),
        (Some(Revision::Modern), _) if has_id => capabilities(params).map(|()| Revision::Modern),
        (Some(revision), _) => Ok(revision),
    }
}

/// Every request says what its client can do (2026-07-28 basic, "Request metadata").
fn capabilities(params: &Map<String, Value>) -> Result<(), MessageError> {
    let problem = match params.get(META).and_then(|meta| meta.get(META_CAPABILITIES)) {
        Some(Value::Object(_)) => return Ok(()),
        Some(_) => ParamsProblem::WrongType,
        None => ParamsProblem::Missing,
    };
    Err(wrong("_meta.io.modelcontextprotocol/clientCapabilities", problem))
}

/// What `Mcp-Name` repeats (2026-07-28), or at least never contradicts (before).
fn mirrored<'a>(method: &str, operation: &'a Operation) -> Option<&'a str> {
    match operation {
        // A completion's target is not `params.name` or `params.uri`.
        _ if method == "completion/complete" => None,
        Operation::Connect | Operation::Listen { .. } => None,
        Operation::CallTool { name, .. } | Operation::GetPrompt { name, .. } => Some(name),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(uri),
        Operation::ServerTask { arguments, .. } => arguments.get(TASK_ID).and_then(Value::as_str),
        // Of A2A, whose headers mirror nothing.
        Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => None,
        // Mirrored by nothing either.
        Operation::Batch { .. } => None,
    }
}

fn same(header: &'static str, said: Option<&str>, body: Option<&str>, required: bool) -> Result<(), MessageError> {
    match (said, body) {
        (None, Some(_)) if required => Err(mismatch(header, HeaderProblem::Missing)),
        (None, _) => Ok(()),
        (Some(said), Some(body)) if said == body => Ok(()),
        (Some(_), _) => Err(mismatch(header, HeaderProblem::Differs)),
    }
}

pub(crate) fn mismatch(header: &'static str, problem: HeaderProblem) -> MessageError {
    MessageError::HeaderMismatch { header, problem }
}

#[cfg(test)]
mod tests;
