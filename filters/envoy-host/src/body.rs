//! Request and response bodies, as far as the host has buffered them.

use crate::abi::{self, HostError, Status};

/// Which body of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// What the client sent.
    Request,
    /// What the upstream answered.
    Response,
    /// Of a document that was fetched.
    CallResponse,
}

/// What is buffered now, `max_bytes` at most: all of it while the stream is held, one piece while it flows.
///
/// # Errors
/// The host refused. A body that never came is empty, not an error.
pub(crate) fn read_body(body: Body, max_bytes: usize) -> Result<Vec<u8>, HostError> {
    match abi::get_buffer(body.number(), max_bytes) {
        Err(HostError::Call { status: Status::NotFound, .. }) => Ok(Vec::new()),
        read => read,
    }
}

/// Puts `value` in place of all that is buffered now.
///
/// # Errors
/// The host refused.
pub(crate) fn replace_body(body: Body, value: &[u8]) -> Result<(), HostError> {
    abi::set_buffer(body.number(), usize::MAX >> 1, value)
}

// === impl Body ===

impl Body {
    fn number(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::Response => 1,
            Self::CallResponse => 4,
        }
    }
}
