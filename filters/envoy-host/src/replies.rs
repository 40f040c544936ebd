//! Ending a stream ourselves.

use request_guard::Reply;

use crate::abi::{self, HostError};
use crate::headers::serialize;

/// The number of the response stream in the ABI.
const RESPONSE_STREAM: u32 = 1;

/// Answers the client in the upstream's place. The caller must hold the stream afterwards.
///
/// # Errors
/// The host refused; the caller must then hold the stream, so that nothing goes on.
pub(crate) fn send_reply(reply: &Reply) -> Result<(), HostError> {
    abi::send_local_response(reply.status, reply.details, &serialize(&reply.headers), &reply.body, reply.grpc_status)
}

/// Ends a response that has begun and must not go on: the client sees it cut off.
///
/// # Errors
/// The host refused.
pub(crate) fn reset_response() -> Result<(), HostError> {
    abi::close_stream(RESPONSE_STREAM)
}
