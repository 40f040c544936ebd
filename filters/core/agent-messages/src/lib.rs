//! What a request asks: bytes in, one unambiguous call out; and what a response may show.
//!
//! Real servers disagree about odd input: which of two equal keys counts, whether a byte order mark or a batch is
//! fine, whether headers or the body name the tool. Whatever two parsers could read differently is refused here, so
//! that what is judged is what is executed.

mod a2a;
mod announced;
mod batch;
mod call;
mod canonical;
mod error;
mod headers;
mod json;
mod jsonrpc;
mod limits;
mod lists;
mod mcp;
mod param_headers;
mod params;
mod pointer;
mod protocol;
mod sent;
mod spelling;
mod sse;
mod url;

pub use a2a::{AgentEndpoint, Binding, is_card};
pub use announced::{Announced, announced};
pub use batch::{BatchProblem, Batches};
pub use call::{AgentCall, Operation, PushNotificationKind, Revision, ServerTaskKind, TaskKind};
pub use canonical::canonical_json;
pub use error::{HeaderProblem, MessageError, ParamsProblem, Refusal, ResponseError};
pub use headers::{MessageHeaders, Verb};
pub use json::{JsonError, parse_json};
pub use jsonrpc::{EnvelopeError, RequestId};
pub use limits::Limits;
pub use lists::{AnsweredCall, ExtraList, Filtered, ItemKind, ListItem, ListKind, filter_response};
pub use mcp::SUPPORTED_VERSIONS;
pub use mcp::extra::{ExtraMethod, ExtraMethodProblem, ExtraMethods, JudgedAs};
pub use param_headers::{ParamHeaderProblem, ParamHeaders};
pub use pointer::Pointer;
pub use protocol::Protocol;
pub use sse::{SseFilter, StreamKind, Viewer};
