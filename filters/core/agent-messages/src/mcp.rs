//! The methods of MCP, what each of them is about, and how the headers mirror them.

use serde_json::{Map, Value};

use crate::call::{ListKind, Operation, Revision};
use crate::error::{HeaderProblem, MessageError, ParamsProblem, shortened};
use crate::headers::{METHOD, MessageHeaders, NAME, VERSION};
use crate::jsonrpc::EnvelopeError;
use crate::params::{folded, text_problem, wrong};

/// What a method and its parameters say.
pub(crate) struct Read {
    pub(crate) revision: Revision,
    pub(crate) operation: Operation,
    pub(crate) list: Option<ListKind>,
}

pub(crate) const MODERN: &str = "2026-07-28";

/// The revisions in which a single request can be made. Servers say no others of themselves either (`server/discover`).
pub const SUPPORTED_VERSIONS: [&str; 1] = [MODERN];

/// Those that need a handshake first.
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

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
    unambiguous(&params)?;
    let revision = revision(headers, has_id, method, &params)?;
    let (operation, list) = operation(method, revision, &mut params)?;
    match (method.starts_with("notifications/"), has_id) {
        (true, true) => return Err(EnvelopeError::UnexpectedId.into()),
        (false, false) => return Err(EnvelopeError::MissingId.into()),
        _ => {}
    }
    mirror(headers, revision, has_id, method, &operation)?;
    Ok(Read { revision, operation, list })
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
        version if LEGACY.contains(&version) => Ok(Revision::Legacy),
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

/// The table: a method that is not in it is refused.
fn operation(
    method: &str,
    revision: Revision,
    params: &mut Map<String, Value>,
) -> Result<(Operation, Option<ListKind>), MessageError> {
    use Revision::{Legacy, Modern};
    let connect = |list| Ok((Operation::Connect, list));
    match (method, revision) {
        ("tools/call", _) => {
            let (name, arguments) = (text(params, "name")?, object(params, "arguments")?);
            Ok((Operation::CallTool { name, arguments }, None))
        }
        ("prompts/get", _) => {
            let (name, arguments) = (text(params, "name")?, object(params, "arguments")?);
            Ok((Operation::GetPrompt { name, arguments }, None))
        }
        ("resources/read", _) => Ok((Operation::ReadResource { uri: text(params, "uri")? }, None)),
        ("resources/subscribe" | "resources/unsubscribe", Legacy) => {
            Ok((Operation::SubscribeResource { uri: text(params, "uri")? }, None))
        }
        ("completion/complete", _) => Ok((completion(params)?, None)),
        ("tools/list", _) => connect(Some(ListKind::Tools)),
        ("prompts/list", _) => connect(Some(ListKind::Prompts)),
        ("resources/list", _) => connect(Some(ListKind::Resources)),
        ("resources/templates/list", _) => connect(Some(ListKind::ResourceTemplates)),
        ("initialize" | "ping" | "logging/setLevel", Legacy) | ("server/discover", Modern) => connect(None),
        ("notifications/initialized" | "notifications/roots/list_changed", Legacy)
        | ("notifications/cancelled" | "notifications/progress", _) => connect(None),
        _ => Err(MessageError::UnknownMethod { method: shortened(method), modern: revision == Modern }),
    }
}

/// Completing reveals what getting or reading would (`completion/complete`, "Security Considerations").
fn completion(params: &mut Map<String, Value>) -> Result<Operation, MessageError> {
    let Some(Value::Object(mut reference)) = params.remove("ref") else {
        return Err(wrong("ref", ParamsProblem::WrongType));
    };
    unambiguous(&reference)?;
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
            unambiguous(&context)?;
            object(&mut context, "arguments")?
        }
        Some(_) => return Err(wrong("context", ParamsProblem::WrongType)),
    };
    let mut argument = object(params, "argument")?;
    unambiguous(&argument)?;
    let name = text(&mut argument, "name")?;
    let value = argument.remove("value").unwrap_or_default();
    if !value.is_string() || arguments.insert(name, value).is_some() {
        return Err(wrong("argument", ParamsProblem::WrongType));
    }
    Ok(arguments)
}

/// Headers repeat what the body says (2026-07-28), or at least never say anything else (before).
fn mirror(
    headers: &MessageHeaders,
    revision: Revision,
    has_id: bool,
    method: &str,
    operation: &Operation,
) -> Result<(), MessageError> {
    let required = revision == Revision::Modern && has_id;
    same(METHOD, headers.method.as_deref(), Some(method), required)?;
    let target = match operation {
        // A completion's target is not `params.name` or `params.uri`.
        _ if method == "completion/complete" => None,
        Operation::Connect => None,
        Operation::CallTool { name, .. } | Operation::GetPrompt { name, .. } => Some(name.as_str()),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(uri.as_str()),
        // Of A2A, whose headers mirror nothing.
        Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => None,
        // Mirrored by nothing either.
        Operation::Batch { .. } => None,
    };
    same(NAME, headers.name.as_deref(), target, required)
}

fn same(header: &'static str, said: Option<&str>, body: Option<&str>, required: bool) -> Result<(), MessageError> {
    match (said, body) {
        (None, Some(_)) if required => Err(mismatch(header, HeaderProblem::Missing)),
        (None, _) => Ok(()),
        (Some(said), Some(body)) if said == body => Ok(()),
        (Some(_), _) => Err(mismatch(header, HeaderProblem::Differs)),
    }
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

/// Members that are judged. Some parsers (Go's `encoding/json`) match names without regard to case.
const JUDGED: [&str; 8] = [META, "argument", "arguments", "context", "name", "ref", "type", "uri"];

fn unambiguous(object: &Map<String, Value>) -> Result<(), MessageError> {
    for name in object.keys() {
        if let Some(member) = JUDGED.into_iter().find(|judged| name != judged && folded(name).eq(judged.chars())) {
            return Err(wrong(member, ParamsProblem::Ambiguous));
        }
    }
    Ok(())
}

pub(crate) fn mismatch(header: &'static str, problem: HeaderProblem) -> MessageError {
    MessageError::HeaderMismatch { header, problem }
}
