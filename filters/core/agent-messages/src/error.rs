//! Why a message is refused.

use thiserror::Error;

use crate::batch::BatchProblem;
use crate::json::JsonError;
use crate::jsonrpc::{EnvelopeError, RequestId};

/// A message that is not judged, with the id to answer to where one could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The id of the request.
    pub id: Option<RequestId>,
    /// What is wrong with it.
    pub error: MessageError,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not `POST`, `GET` or `DELETE`.
    #[error("the HTTP method is not `POST`, `GET` or `DELETE`")]
    Verb,
    /// Not exactly one `content-type`: JSON in UTF-8, or in gRPC its own.
    #[error("the content type is not that of the protocol: JSON in UTF-8, or in gRPC its own")]
    ContentType,
    /// A body that would have to be decoded first.
    #[error("the body has a content encoding")]
    ContentEncoding,
    /// `content-length` is no number.
    #[error("the content length is no number")]
    ContentLength,
    /// A body where there can be none.
    #[error("a `GET` or `DELETE` has no body")]
    BodyNotAllowed,
    /// Not JSON that everybody reads in the same way.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Several messages in one body.
    #[error(transparent)]
    Batch(#[from] BatchProblem),
    /// Not a JSON-RPC message.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A header that must mirror the body and does not.
    #[error("header `{header}` {problem}")]
    HeaderMismatch {
        /// Its name.
        header: &'static str,
        /// How.
        problem: HeaderProblem,
    },
    /// A `GET` or `DELETE` of 2026-07-28, which has no sessions.
    #[error("this revision of the protocol has no sessions: `POST` only")]
    NoSessions,
    /// A header that must mirror an argument and does not.
    #[error("header `{header}` {problem}")]
    ParamHeader {
        /// Its name, in lower case.
        header: String,
        /// How.
        problem: HeaderProblem,
    },
    /// A protocol revision that is not among those supported.
    #[error("protocol version `{requested}` is not supported")]
    UnsupportedVersion {
        /// What was asked for, shortened.
        requested: String,
    },
    /// A path, with this HTTP method, that is in none of the bindings that the agent has.
    #[error("the agent has nothing at this path")]
    Binding,
    /// A query with a name that the operation does not have, or that repeats, or with a value that servers read
    /// differently.
    #[error("the query has something that the operation does not have, or has it twice")]
    Query,
    /// A method that is not in the table of the revision.
    #[error("method `{method}` is unknown")]
    UnknownMethod {
        /// The method, shortened.
        method: String,
        /// Whether the message is of revision 2026-07-28 or later.
        modern: bool,
    },
    /// A parameter on which the decision depends.
    #[error("`params.{member}` {problem}")]
    Params {
        /// Its name.
        member: &'static str,
        /// What is wrong with it.
        problem: ParamsProblem,
    },
    /// A parameter on which the decision about an extension's method depends.
    #[error("`params{pointer}` {problem}")]
    Target {
        /// Where the operator says that it is (RFC 6901).
        pointer: String,
        /// What is wrong with it.
        problem: ParamsProblem,
    },
}

/// How a header fails to mirror the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderProblem {
    /// It is required and not there.
    #[error("is missing")]
    Missing,
    /// It is there more than once.
    #[error("is repeated")]
    Repeated,
    /// Its value is not one that the specification allows.
    #[error("is malformed")]
    Malformed,
    /// It says something else than the body.
    #[error("differs from the body")]
    Differs,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParamsProblem {
    /// It is required and not there.
    #[error("is missing")]
    Missing,
    /// It has another JSON type than the specification gives it.
    #[error("has the wrong type")]
    WrongType,
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It is longer than any real one.
    #[error("is too long")]
    TooLong,
    /// It holds control characters.
    #[error("holds control characters")]
    ControlCharacter,
    /// A member spells the name in another case or, of A2A, in both of its spellings.
    #[error("has a spelling that servers read differently")]
    Ambiguous,
    /// It belongs to another method, or to the same one in another version.
    #[error("has no place in this method")]
    Unexpected,
    /// Another member says something else.
    #[error("contradicts another member")]
    Contradicts,
    /// The host that it leads to is not beyond doubt.
    #[error("is not an `http` or `https` URL with a plain host")]
    Url,
}

/// Why an answer can't be shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// A type of content in which a list could hide.
    #[error("the content type is neither JSON nor an event stream")]
    ContentType,
    /// A body that would have to be decoded first.
    #[error("the body has a content encoding")]
    ContentEncoding,
    /// More bytes than are filtered.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The most that are.
        limit: usize,
    },
    /// Not JSON that everybody reads in the same way.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A JSON-RPC response with neither or both of `result` and `error`, or not for this request.
    #[error("not the JSON-RPC response to this request")]
    NotTheResponse,
    /// An event that holds neither a request nor a notification nor a response.
    #[error("an event is no JSON-RPC message")]
    NotAMessage,
    /// An event with a field that event streams don't have.
    #[error("an event has a field other than `data`, `event`, `id` and `retry`")]
    Field,
    /// A request of the server, where there may be none.
    #[error("the server asks for `{method}`, which it may not")]
    ServerRequest {
        /// The method, shortened.
        method: String,
    },
    /// A place to send messages to that is not this server's, or comes at another time than first.
    #[error("an `endpoint` event that leads elsewhere, or has no place in this stream")]
    Endpoint,
    /// A session of the server that can't be pinned to its caller.
    #[error("a session id that is repeated, too long, or not visible ASCII")]
    Session,
    /// A list whose items can't be told.
    #[error("the list `{list}` is not an array of named items")]
    List {
        /// The member of the result.
        list: String,
    },
}

/// A piece of what the caller sent, short enough for a log line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
