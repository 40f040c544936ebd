//! What the caller sees of a refusal: HTTP status, code, words and challenge.

use access_tokens::{DpopFault, MintError, TokenError};
use agent_messages::{Binding, JsonError, MessageError, SUPPORTED_VERSIONS};
use serde_json::{Value, json};

use super::exchange::Fault;
use super::{Rejection, status};
use crate::audit::Outcome;
use crate::facts::Facts;
use crate::server::challenge;
use crate::step::Reply;

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
/// Long enough to spare a fetch for each token, short enough that a key set with the next key is everywhere soon.
const DOCUMENT_CACHE: &str = "public, max-age=300";
const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
pub(super) const INVALID_PARAMS: i64 = -32_602;
const HEADER_MISMATCH: i64 = -32_020;
const UNSUPPORTED_VERSION: i64 = -32_022;

// === impl Rejection ===

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
            let challenges = self.challenges(facts, &parameters).into_iter();
            headers.extend(challenges.map(|challenge| ("www-authenticate".to_owned(), challenge)));
        }
        if let Self::Possession(error) = self
            && let DpopFault::Nonce(fresh) = error.fault()
        {
            headers.push(("dpop-nonce".to_owned(), fresh.to_owned()));
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
            | Self::Svid(_)
            | Self::Denied(_)
            | Self::InsufficientScope(..)
            | Self::NothingGranted(_)
            | Self::Transaction(_)
            | Self::HandOff(..) => (403, DENIED),
            Self::AmbiguousPath | Self::TokenInQuery | Self::RepeatedHeader => (400, INVALID_REQUEST),
            Self::Possession(error) if error.fault() == DpopFault::Host => (503, UNAVAILABLE),
            Self::NoToken
            | Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::Possession(_)
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
            Self::Mint(MintError::TooManyActors | MintError::NoWorkload) => (403, DENIED),
            Self::Mint(
                MintError::Signing
                | MintError::NoLifetime
                | MintError::TooLong { .. }
                | MintError::OtherTrustDomain { .. },
            )
            | Self::UnexpectedEvent => (500, INTERNAL),
            Self::Answer(_) | Self::EarlyAnswer => (502, BAD_ANSWER),
            Self::Awaited(_) | Self::KeysUnavailable => (503, UNAVAILABLE),
            Self::Exchange(error) => match Fault::of(error) {
                Fault::Token | Fault::Authentication => (401, UNAUTHENTICATED),
                Fault::Denied => (403, DENIED),
                Fault::Unavailable => (503, UNAVAILABLE),
                Fault::Answer => (502, BAD_ANSWER),
                Fault::Configuration => (500, INTERNAL),
            },
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
            Self::Peer(_) | Self::Svid(_) => "workload not accepted".to_owned(),
            Self::NoToken => "authorization required".to_owned(),
            Self::Possession(error) => match error.fault() {
                DpopFault::Token => "invalid token".to_owned(),
                DpopFault::Proof => "invalid proof of possession".to_owned(),
                DpopFault::Nonce(_) => "the proof of possession needs a nonce".to_owned(),
                DpopFault::Host => "tokens can't be checked at the moment".to_owned(),
            },
            Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::Mint(MintError::SubjectExpired { .. }) => "invalid token".to_owned(),
            Self::Awaited(_) | Self::KeysUnavailable => "tokens can't be checked at the moment".to_owned(),
            // About the caller's own message, which it knows.
            Self::Message(error) => error.to_string(),
            Self::BodyTooLarge { .. } => "request body too large".to_owned(),
            Self::UnknownSession => "session not found".to_owned(),
            Self::Transaction(_) => "transaction not accepted".to_owned(),
            Self::Denied(_) | Self::HandOff(..) | Self::Mint(MintError::TooManyActors | MintError::NoWorkload) => {
                "denied by policy".to_owned()
            }
            Self::Hidden(_, missing) => missing.message.clone(),
            Self::InsufficientScope(..) | Self::NothingGranted(_) => "insufficient scope".to_owned(),
            Self::InsufficientAuthentication(..) => "a stronger authentication is required".to_owned(),
            Self::Mint(
                MintError::Signing
                | MintError::NoLifetime
                | MintError::TooLong { .. }
                | MintError::OtherTrustDomain { .. },
            )
            | Self::UnexpectedEvent => "internal error".to_owned(),
            Self::Answer(_) | Self::EarlyAnswer => "the server's answer was refused".to_owned(),
            Self::Exchange(error) => match Fault::of(error) {
                Fault::Token => "invalid token",
                Fault::Authentication => "a stronger authentication is required",
                Fault::Denied => "denied by policy",
                Fault::Unavailable => "tokens can't be exchanged at the moment",
                Fault::Answer => "the token service's answer was refused",
                Fault::Configuration => "internal error",
            }
            .to_owned(),
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

    /// The ways in (RFC 9449 sections 7.1 and 7.2): what is wrong is said of the one that the caller took, or has to take.
    fn challenges(&self, facts: &Facts, parameters: &[(&str, &str)]) -> Vec<String> {
        let metadata = facts.resource_metadata.as_deref();
        let Some(dpop) = &facts.dpop else { return vec![challenge("Bearer", metadata, parameters)] };
        let algorithms = ("algs", &*dpop.algorithms);
        if dpop.presented || dpop.required || matches!(self, Self::Possession(_)) {
            let parameters: Vec<_> = parameters.iter().copied().chain([algorithms]).collect();
            return vec![challenge("DPoP", metadata, &parameters)];
        }
        vec![challenge("Bearer", metadata, parameters), challenge("DPoP", metadata, &[algorithms])]
    }

    /// Parameters of `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470 section 3).
    fn challenge(&self) -> Option<Vec<(&str, &str)>> {
        match self {
            // No error code where no token was sent (RFC 6750 section 3.1).
            Self::NoToken => Some(vec![]),
            Self::TokenInQuery => Some(vec![("error", "invalid_request")]),
            Self::Possession(error) => match error.fault() {
                DpopFault::Token => Some(vec![("error", "invalid_token")]),
                DpopFault::Proof => Some(vec![("error", "invalid_dpop_proof")]),
                DpopFault::Nonce(_) => Some(vec![("error", "use_dpop_nonce")]),
                DpopFault::Host => None,
            },
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
            Self::Exchange(error) => match Fault::of(error) {
                Fault::Token => Some(vec![("error", "invalid_token")]),
                Fault::Authentication => Some(vec![("error", "insufficient_user_authentication")]),
                Fault::Denied | Fault::Unavailable | Fault::Answer | Fault::Configuration => None,
            },
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

// === impl Reply ===

impl Reply {
    /// A public document.
    pub(crate) fn document(document: String) -> Self {
        Self {
            status: 200,
            details: "meshwarden_document",
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("cache-control".to_owned(), DOCUMENT_CACHE.to_owned()),
            ],
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
