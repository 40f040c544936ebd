//! What a request asks: bytes in, one unambiguous call out; and what a response may show.
//!
//! Real servers disagree about odd input: which of two equal keys counts, whether a byte order mark or a batch is
//! fine, whether headers or the body name the tool. Whatever two parsers could read differently is refused here, so
//! that what is judged is what is executed.

mod a2a;
mod announced;
mod call;
mod canonical;
mod error;
mod headers;
mod json;
mod jsonrpc;
mod limits;
mod lists;
mod mcp;
mod params;
mod protocol;
mod sse;
mod url;

pub use a2a::{AgentEndpoint, Binding, is_card};
pub use announced::{Announced, announced};
pub use call::{AgentCall, ListKind, Operation, PushNotificationKind, Revision, TaskKind};
pub use canonical::canonical_json;
pub use error::{HeaderProblem, MessageError, ParamsProblem, Refusal, ResponseError};
pub use headers::{MessageHeaders, Verb};
pub use json::{JsonError, parse_json};
pub use jsonrpc::{EnvelopeError, RequestId};
pub use limits::Limits;
pub use lists::{AnsweredCall, Filtered, ListItem, filter_response};
pub use mcp::SUPPORTED_VERSIONS;
pub use protocol::Protocol;
pub use sse::SseFilter;
