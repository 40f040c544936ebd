//! Every way to say no: the only place that knows HTTP status codes, JSON-RPC error codes and those of gRPC.

use access_policy::{Denial, DenialReason, Grounds, StepUp};
use access_tokens::{MintError, TokenError};
use agent_messages::{
    AgentCall, Announced, Binding, JsonError, MessageError, Operation, ResponseError, Revision, SUPPORTED_VERSIONS,
    ServerTaskKind, TaskKind,
};
use peer_identity::PeerError;
use serde_json::{Value, json};

use crate::audit::Outcome;
use crate::facts::Facts;
use crate::hand_off::{HandOff, HandOffProblem};
use crate::server::challenge;
use crate::step::Reply;

mod status;

/// Why a request, or an answer, does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// No configured server stands behind this host and path.
    UnknownServer,
    /// Two servers could read the path differently.
    AmbiguousPath,
    /// A page of this origin may not call (MCP transports, "Security Warning").
    Origin,
    /// A token in the query (RFC 6750 section 2; MCP forbids it).
    TokenInQuery,
    /// A header that may not repeat does.
    RepeatedHeader,
    /// The workload is not known or not trusted.
    Peer(PeerError),
    /// No token, where one is needed.
    NoToken,
    /// The token is not good here.
    Token(TokenError),
    /// Whether the token is good can't be told before its issuer's keys are there.
    KeysAwaited,
    /// Its issuer's keys can't be had.
    KeysUnavailable,
    /// The token must be proven in a way that is not checked here.
    UnprovenConfirmation,
    /// The token is bound to another certificate than the peer's (RFC 8705 section 3).
    OtherCertificate,
    /// The token names another actor than the peer (RFC 8693 section 4.1).
    OtherActor,
    /// The token was not given to the peer.
    NotTheRecipient,
    /// The token has none of these scopes, which are all that may go on.
    NothingGranted(String),
    /// The message can't be judged.
    Message(MessageError),
    /// More bytes than are judged.
    BodyTooLarge {
        /// The most that is.
        limit: usize,
    },
    /// Policy does not allow it.
    Denied(Refused),
    /// Policy does not allow it, and nobody may learn that it exists.
    Hidden(Refused, Box<Missing>),
    /// Policy could allow it to a token with more scopes.
    InsufficientScope(Refused, String),
    /// Policy could allow it after a stronger authentication (RFC 9470).
    InsufficientAuthentication(Refused, String),
    /// A session that was not given to this caller by this server, or is not as it was given.
    UnknownSession,
    /// What an earlier stage should have left is not there, or does not fit.
    HandOff(HandOff, HandOffProblem),
    /// The upstream answered before the body had gone on.
    EarlyAnswer,
    /// No token could be made for the upstream.
    Mint(MintError),
    /// The upstream's answer can't be shown to the caller.
    Answer(ResponseError),
    /// The proxy's callbacks came in an order that has no meaning.
    UnexpectedEvent,
}

/// What policy said, for the audit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    reason: DenialReason,
    policies: Vec<String>,
    errors: Vec<String>,
}

/// The words in which a server says that something isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// Denied by policy. Codes of the guard's own are `-31000` less the HTTP status: outside all ranges that JSON-RPC and
/// MCP reserve (MCP 2026-07-28 basic, "Error codes").
const DENIED: i64 = -31_403;
const UNAUTHENTICATED: i64 = -31_401;
const SESSION_NOT_FOUND: i64 = -31_404;
const METHOD_NOT_ALLOWED: i64 = -31_405;
const TOO_LARGE: i64 = -31_413;
const UNSUPPORTED_MEDIA_TYPE: i64 = -31_415;
const INTERNAL: i64 = -31_500;
const BAD_ANSWER: i64 = -31_502;
const UNAVAILABLE: i64 = -31_503;
const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
const HEADER_MISMATCH: i64 = -32_020;
const UNSUPPORTED_VERSION: i64 = -32_022;
/// A2A's `TaskNotFoundError`.
const TASK_NOT_FOUND: i64 = -32_001;
/// Resource not found, in revisions up to 2025-11-25.
const LEGACY_RESOURCE_NOT_FOUND: i64 = -32_002;

// === impl Rejection ===

impl Rejection {
    /// What a denial means to the caller.
    pub(crate) fn of(denial: Denial, hide_denied: bool) -> Self {
        // Who is nobody can become somebody.
        if denial.reason == DenialReason::NoPrincipal {
            return Self::NoToken;
        }
        let missing = if hide_denied { missing(&denial.call) } else { None };
        let task = unseen_task(denial.call.operation(), denial.call.method());
        let Denial { reason, policies, errors, step_up, .. } = denial;
        let grounds = Grounds { reason, policies, errors, step_up };
        match missing {
            Some(missing) => Self::Hidden(Refused::of(grounds), Box::new(missing)),
            None => Self::of_grounds(grounds).hiding(task),
        }
    }

    /// What it means that a token is not good.
    pub(crate) fn of_token(error: TokenError) -> Self {
        match error {
            TokenError::KeysAwaited => Self::KeysAwaited,
            TokenError::KeysUnavailable => Self::KeysUnavailable,
            error => Self::Token(error),
        }
    }

    /// What it means that whatever the body will say, it would be denied. Without the id of the request the words of an
    /// MCP server can't be used; a tool that isn't there is denied in the same ones.
    pub(crate) fn foreseen(grounds: Grounds, announced: &Announced) -> Self {
        Self::of_grounds(grounds)
            .hiding(unseen_task(&announced.operation, announced.method.as_deref().unwrap_or_default()))
    }

    fn hiding(self, task: Option<Missing>) -> Self {
        match (self, task) {
            (Self::Denied(refused), Some(task)) => Self::Hidden(refused, Box::new(task)),
            (rejection, _) => rejection,
        }
    }

    fn of_grounds(mut grounds: Grounds) -> Self {
        if grounds.reason == DenialReason::NoPrincipal {
            return Self::NoToken;
        }
        match grounds.step_up.take() {
            Some(StepUp { scopes, .. }) if !scopes.is_empty() => {
                let scope = scopes.into_iter().collect::<Vec<_>>().join(" ");
                Self::InsufficientScope(Refused::of(grounds), scope)
            }
            Some(StepUp { acr: Some(acr), .. }) => Self::InsufficientAuthentication(Refused::of(grounds), acr),
            Some(StepUp { acr: None, .. }) | None => Self::Denied(Refused::of(grounds)),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Denied(_)
            | Self::Hidden(..)
            | Self::InsufficientScope(..)
            | Self::InsufficientAuthentication(..)
            | Self::NothingGranted(_) => Outcome::Deny,
            Self::KeysAwaited
            | Self::KeysUnavailable
            | Self::Mint(_)
            | Self::Answer(_)
            | Self::EarlyAnswer
            | Self::UnexpectedEvent => Outcome::Error,
            Self::UnknownServer
            | Self::AmbiguousPath
            | Self::Origin
            | Self::TokenInQuery
            | Self::RepeatedHeader
            | Self::Peer(_)
            | Self::NoToken
            | Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::Message(_)
            | Self::UnknownSession
            | Self::HandOff(..)
            | Self::BodyTooLarge { .. } => Outcome::Refuse,
        }
    }

    /// For the operator: exact, and never shown to the caller.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::UnknownServer => "no server is configured for this host and path".to_owned(),
            Self::AmbiguousPath => "the path could be read in two ways".to_owned(),
            Self::Origin => "the `origin` header is not one of `allowed_origins`, or repeats".to_owned(),
            Self::TokenInQuery => "a token in the query".to_owned(),
            Self::RepeatedHeader => "a header that may not repeat does".to_owned(),
            Self::Peer(error) => error.to_string(),
            Self::NoToken => "no token".to_owned(),
            Self::Token(error) => error.to_string(),
            Self::KeysAwaited => "the keys of the token's issuer are being fetched".to_owned(),
            Self::KeysUnavailable => "the keys of the token's issuer could not be fetched".to_owned(),
            Self::UnprovenConfirmation => "the token must be proven in a way that is not supported".to_owned(),
            Self::OtherCertificate => "the token is bound to another certificate".to_owned(),
            Self::OtherActor => "the token names another actor than the peer".to_owned(),
            Self::NotTheRecipient => "the peer is not who was called with the token".to_owned(),
            Self::NothingGranted(scope) => format!("the token has none of the configured scopes `{scope}`"),
            Self::Message(error) => error.to_string(),
            Self::BodyTooLarge { limit } => format!("the body is larger than {limit} bytes"),
            Self::Denied(refused) | Self::Hidden(refused, _) => refused.reason.to_string(),
            Self::InsufficientScope(refused, scope) => format!("{}; scope `{scope}` could allow it", refused.reason),
            Self::InsufficientAuthentication(refused, acr) => format!("{}; acr `{acr}` could allow it", refused.reason),
            Self::UnknownSession => "the session is not one that the server gave to this caller".to_owned(),
            Self::HandOff(hand_off, problem) => hand_off.reason(*problem),
            Self::EarlyAnswer => "the upstream answered before it had the body".to_owned(),
            Self::Mint(error) => format!("no token could be minted: {error}"),
            Self::Answer(error) => format!("the upstream's answer: {error}"),
            Self::UnexpectedEvent => "the proxy's callbacks came in an order that has no meaning".to_owned(),
        }
    }

    pub(crate) fn policies(&self) -> &[String] {
        self.refused().map_or(&[], |refused| &refused.policies)
    }

    pub(crate) fn errors(&self) -> &[String] {
        self.refused().map_or(&[], |refused| &refused.errors)
    }

    fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Denied(refused)
            | Self::Hidden(refused, _)
            | Self::InsufficientScope(refused, _)
            | Self::InsufficientAuthentication(refused, _) => Some(refused),
            _ => None,
        }
    }
}

// === impl Refused ===

impl Refused {
    fn of(grounds: Grounds) -> Self {
        Self { reason: grounds.reason, policies: grounds.policies, errors: grounds.errors }
    }
}

// What the caller sees.

impl Rejection {
    /// The reply to the client, in the binding that it understands.
    pub(crate) fn reply(&self, facts: &Facts) -> Reply {
        let (mut status, code) = self.codes();
        let mut headers = Vec::new();
        let mut grpc_status = None;
        let body = match facts.binding {
            Binding::JsonRpc => {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                self.json_rpc(code, facts).to_string()
            }
            Binding::HttpJson => {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                let mut details = None;
                if let Self::Hidden(_, missing) = self {
                    status = 404;
                    details.clone_from(&missing.data);
                }
                status::body(status, &self.message(), details, &facts.request_id).to_string()
            }
            // The proxy makes trailers of it: the body becomes `grpc-message`.
            Binding::Grpc => {
                let message = self.message();
                grpc_status = Some(self.grpc_code(status) as u8);
                match self {
                    Self::Hidden(..) if facts.grpc_of_0_3 => format!("TaskNotFoundError: {message}"),
                    Self::Hidden(..) => {
                        let details = status::task_not_found_trailer(&message);
                        headers.push(("grpc-status-details-bin".to_owned(), details));
                        message
                    }
                    _ => message,
                }
            }
        };
        if let Some(parameters) = self.challenge() {
            let challenge = challenge(facts.resource_metadata.as_deref(), &parameters);
            headers.push(("www-authenticate".to_owned(), challenge));
        }
        if let Some(verbs) = self.verbs() {
            headers.push(("allow".to_owned(), verbs.to_owned()));
        }
        // A reply to one caller is no reply to another. (Nobody keeps the one that is to look like a server's: it is a
        // `POST`'s, and says nothing of how long it is good, RFC 9110 section 9.3.3.)
        if !matches!(self, Self::Hidden(..)) {
            headers.push(("cache-control".to_owned(), "no-store".to_owned()));
        }
        if status == 503 {
            headers.push(("retry-after".to_owned(), "1".to_owned()));
        }
        Reply { status, details: self.details(), headers, body: body.into_bytes(), grpc_status }
    }

    fn json_rpc(&self, code: i64, facts: &Facts) -> Value {
        let mut error = json!({ "code": code, "message": self.message() });
        if let (Some(members), Some(data)) = (error.as_object_mut(), self.data(facts)) {
            members.insert("data".to_owned(), data);
        }
        // Where no id could be read there is none: MCP has no null ids.
        match &facts.id {
            Some(id) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            None => json!({ "jsonrpc": "2.0", "error": error }),
        }
    }

    fn grpc_code(&self, status: u16) -> status::Code {
        match self {
            // Of these, only a task is ever hidden in gRPC.
            Self::Hidden(..) => status::Code::NotFound,
            Self::Message(MessageError::Binding | MessageError::UnknownMethod { .. }) => status::Code::Unimplemented,
            _ => status::Code::of(status),
        }
    }

    /// Which HTTP methods there are, where this is about them (RFC 9110 section 15.5.6).
    fn verbs(&self) -> Option<&'static str> {
        match self {
            Self::Message(MessageError::Verb) => Some("POST, GET, DELETE"),
            Self::Message(MessageError::NoSessions) => Some("POST"),
            _ => None,
        }
    }

    /// HTTP status and JSON-RPC code.
    fn codes(&self) -> (u16, i64) {
        match self {
            Self::UnknownServer
            | Self::Origin
            | Self::Peer(_)
            | Self::Denied(_)
            | Self::InsufficientScope(..)
            | Self::NothingGranted(_)
            | Self::HandOff(..) => (403, DENIED),
            Self::AmbiguousPath | Self::TokenInQuery | Self::RepeatedHeader => (400, INVALID_REQUEST),
            Self::NoToken
            | Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::InsufficientAuthentication(..) => (401, UNAUTHENTICATED),
            Self::Message(error) => message_codes(error),
            // As for a session that has ended: the client begins another (MCP 2025-11-25, "Session Management").
            Self::UnknownSession => (404, SESSION_NOT_FOUND),
            Self::BodyTooLarge { .. } => (413, TOO_LARGE),
            // The server itself would answer so, in-band.
            Self::Hidden(_, missing) => (200, missing.code),
            Self::Mint(MintError::SubjectExpired { .. }) => (401, UNAUTHENTICATED),
            Self::Mint(MintError::TooManyActors) => (403, DENIED),
            Self::Mint(MintError::Signing | MintError::NoLifetime | MintError::TooLong { .. })
            | Self::UnexpectedEvent => (500, INTERNAL),
            Self::Answer(_) | Self::EarlyAnswer => (502, BAD_ANSWER),
            Self::KeysAwaited | Self::KeysUnavailable => (503, UNAVAILABLE),
        }
    }

    /// Nothing that tells what exists, who may do what, or why a token is not good.
    fn message(&self) -> String {
        match self {
            Self::UnknownServer => "no such server".to_owned(),
            Self::AmbiguousPath => "ambiguous path".to_owned(),
            Self::Origin => "origin not allowed".to_owned(),
            Self::TokenInQuery => "tokens belong in the authorization header".to_owned(),
            Self::RepeatedHeader => "a header is repeated".to_owned(),
            Self::Peer(_) => "workload not accepted".to_owned(),
            Self::NoToken => "authorization required".to_owned(),
            Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::Mint(MintError::SubjectExpired { .. }) => "invalid token".to_owned(),
            Self::KeysAwaited | Self::KeysUnavailable => "tokens can't be checked at the moment".to_owned(),
            // About the caller's own message, which it knows.
            Self::Message(error) => error.to_string(),
            Self::BodyTooLarge { .. } => "request body too large".to_owned(),
            Self::UnknownSession => "session not found".to_owned(),
            Self::Denied(_) | Self::HandOff(..) | Self::Mint(MintError::TooManyActors) => "denied by policy".to_owned(),
            Self::Hidden(_, missing) => missing.message.clone(),
            Self::InsufficientScope(..) | Self::NothingGranted(_) => "insufficient scope".to_owned(),
            Self::InsufficientAuthentication(..) => "a stronger authentication is required".to_owned(),
            Self::Mint(MintError::Signing | MintError::NoLifetime | MintError::TooLong { .. })
            | Self::UnexpectedEvent => "internal error".to_owned(),
            Self::Answer(_) | Self::EarlyAnswer => "the server's answer was refused".to_owned(),
        }
    }

    /// `data` of the error; with it an operator finds the audit line.
    fn data(&self, facts: &Facts) -> Option<Value> {
        match self {
            // Exactly what the server would say of something that is not there.
            Self::Hidden(_, missing) => missing.data.clone(),
            Self::Message(MessageError::UnsupportedVersion { requested }) => Some(json!({
                "supported": SUPPORTED_VERSIONS, "requested": requested, "request_id": facts.request_id
            })),
            _ => Some(json!({ "request_id": facts.request_id })),
        }
    }

    /// Parameters of `WWW-Authenticate: Bearer` (RFC 6750 section 3, RFC 9470 section 3).
    fn challenge(&self) -> Option<Vec<(&str, &str)>> {
        match self {
            // No error code where no token was sent (RFC 6750 section 3.1).
            Self::NoToken => Some(vec![]),
            Self::TokenInQuery => Some(vec![("error", "invalid_request")]),
            Self::Token(TokenError::Repeated | TokenError::Scheme) => Some(vec![("error", "invalid_request")]),
            Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::Mint(MintError::SubjectExpired { .. }) => Some(vec![("error", "invalid_token")]),
            Self::InsufficientScope(_, scope) | Self::NothingGranted(scope) => {
                Some(vec![("error", "insufficient_scope"), ("scope", scope)])
            }
            Self::InsufficientAuthentication(_, acr) => {
                Some(vec![("error", "insufficient_user_authentication"), ("acr_values", acr)])
            }
            _ => None,
        }
    }

    /// `%RESPONSE_CODE_DETAILS%` in access logs.
    fn details(&self) -> &'static str {
        match self.outcome() {
            Outcome::Allow | Outcome::Error => "meshwarden_error",
            Outcome::Deny => "meshwarden_denied",
            Outcome::Refuse => "meshwarden_refused",
        }
    }
}

fn message_codes(error: &MessageError) -> (u16, i64) {
    match error {
        MessageError::Verb | MessageError::NoSessions => (405, METHOD_NOT_ALLOWED),
        MessageError::ContentType | MessageError::ContentEncoding => (415, UNSUPPORTED_MEDIA_TYPE),
        MessageError::Json(JsonError::TooDeep { .. } | JsonError::TooManyNodes { .. }) => (400, INVALID_REQUEST),
        MessageError::Json(_) => (400, PARSE_ERROR),
        MessageError::ContentLength
        | MessageError::BodyNotAllowed
        | MessageError::Batch(_)
        | MessageError::Envelope(_) => (400, INVALID_REQUEST),
        MessageError::HeaderMismatch { .. } | MessageError::ParamHeader { .. } => (400, HEADER_MISMATCH),
        MessageError::UnsupportedVersion { .. } => (400, UNSUPPORTED_VERSION),
        MessageError::UnknownMethod { modern: true, .. } | MessageError::Binding => (404, METHOD_NOT_FOUND),
        MessageError::UnknownMethod { modern: false, .. } => (403, METHOD_NOT_FOUND),
        MessageError::Params { .. } | MessageError::Target { .. } | MessageError::Query => (400, INVALID_PARAMS),
    }
}

/// What a server says of a tool, prompt, resource or task that it doesn't have (MCP "Error Handling" of each).
fn missing(call: &AgentCall) -> Option<Missing> {
    let operation = call.operation();
    let unknown = |message| Some(Missing { code: INVALID_PARAMS, message, data: None });
    match operation {
        // There is nothing that could be missing; what is listened to need not be there; and no answer to one message
        // of a batch would hide that the others were not answered.
        Operation::Connect
        | Operation::Batch { .. }
        | Operation::Listen { .. }
        | Operation::ServerTask { kind: ServerTaskKind::List, .. } => None,
        // 2025-11-25 and the tasks extension: an invalid or unknown `taskId` is -32602.
        Operation::ServerTask { .. } => unknown("Task not found".to_owned()),
        Operation::CallTool { name, .. } => unknown(format!("Unknown tool: {name}")),
        Operation::GetPrompt { name, .. } => unknown(format!("Unknown prompt: {name}")),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(Missing {
            code: match call.revision() {
                // A completion for what isn't there has invalid parameters in every revision.
                Revision::Legacy if call.method() != "completion/complete" => LEGACY_RESOURCE_NOT_FOUND,
                Revision::Legacy | Revision::Modern => INVALID_PARAMS,
            },
            message: "Resource not found".to_owned(),
            data: Some(json!({ "uri": uri })),
        }),
        // Of these, a server can only say what it says of a task.
        Operation::SendMessage { arguments } if arguments.contains_key("taskId") => Some(task_not_found(call.method())),
        Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => unseen_task(operation, call.method()),
    }
}

/// A task that a caller may not see is not told from one that is not there, whatever the operator says of hiding (A2A:
/// "Servers MUST NOT reveal the existence of resources the client is not authorized to access").
fn unseen_task(operation: &Operation, method: &str) -> Option<Missing> {
    match operation {
        Operation::Task { kind: TaskKind::Get | TaskKind::Cancel | TaskKind::Subscribe, .. }
        | Operation::PushNotification { .. } => Some(task_not_found(method)),
        _ => None,
    }
}

/// In the words of the version that the method is of: 0.3 has no details.
fn task_not_found(method: &str) -> Missing {
    let data = (!method.contains('/')).then(status::task_not_found);
    Missing { code: TASK_NOT_FOUND, message: "Task not found".to_owned(), data }
}

// === impl Reply ===

impl Reply {
    /// A public document.
    pub(crate) fn document(document: String) -> Self {
        Self {
            status: 200,
            details: "meshwarden_document",
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: document.into_bytes(),
            grpc_status: None,
        }
    }

    /// When the proxy itself fails: nothing is known that could be said.
    #[must_use]
    pub fn unavailable() -> Self {
        let error = json!({ "jsonrpc": "2.0", "error": { "code": INTERNAL, "message": "internal error" } });
        Self {
            status: 500,
            details: "meshwarden_error",
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: error.to_string().into_bytes(),
            grpc_status: None,
        }
    }
}
