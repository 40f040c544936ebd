//! What a host is to do next.

use access_policy::AuthorizedCall;

use crate::host::Awaited;

/// The one thing to do after an [`Event`](crate::Event).
#[derive(Debug)]
pub enum Step {
    /// Let this phase go on as it is.
    Continue,
    /// Hold everything; nothing goes on until a later step says so.
    Hold,
    /// Hold everything, and tell the last event again once there is an answer to a call of this purpose.
    Wait(Awaited),
    /// Let the request go on to the upstream with these changes.
    Forward(Forward),
    /// Let the request's headers go on with these changes; the body is still held.
    EditRequest(Vec<HeaderEdit>),
    /// Let the request go on to the next filter, which reads what this one leaves in filter state.
    HandOver(HandOver),
    /// Answer the client in the upstream's place, and hold the rest.
    Reply(Reply),
    /// Let the answer's headers go on with these changes.
    EditResponse(Vec<HeaderEdit>),
    /// Put these bytes in place of the piece (or, of a held answer, of the whole body) and go on.
    ReplaceBody {
        /// What goes on.
        body: Vec<u8>,
        /// Changes to headers that are still held.
        edits: Vec<HeaderEdit>,
    },
    /// Cut the answer off: it has begun, and must not go on.
    Reset,
}

/// A request that may go on. It can be made of an [`AuthorizedCall`] only.
#[derive(Debug)]
pub struct Forward {
    edits: Vec<HeaderEdit>,
    state: Vec<(&'static str, Vec<u8>)>,
}

/// What one stage leaves to the next.
#[derive(Debug, PartialEq, Eq)]
pub struct HandOver {
    /// What to change before the request goes on, in this order.
    pub edits: Vec<HeaderEdit>,
    /// Properties to set.
    pub state: Vec<(&'static str, Vec<u8>)>,
}

/// A change to a header map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Remove every value of the name, which is as received (any bytes).
    Remove(Vec<u8>),
    /// Make this the only value.
    Set(&'static str, String),
}

/// An answer of the guard itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// What access logs show as `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON, or nothing; where `grpc_status` is set, the message in plain text.
    pub body: Vec<u8>,
    /// The status in gRPC, for a caller that speaks it.
    pub grpc_status: Option<u8>,
}

// === impl Forward ===

impl Forward {
    pub(crate) fn new(_proof: &AuthorizedCall, edits: Vec<HeaderEdit>) -> Self {
        Self { edits, state: Vec::new() }
    }

    /// Leaves properties for later stages.
    pub(crate) fn leaving(mut self, state: Vec<(&'static str, Vec<u8>)>) -> Self {
        self.state = state;
        self
    }

    /// Properties to set for later stages.
    #[must_use]
    pub fn state(&self) -> &[(&'static str, Vec<u8>)] {
        &self.state
    }

    /// What to change before the request goes on, in this order.
    #[must_use]
    pub fn edits(&self) -> &[HeaderEdit] {
        &self.edits
    }
}
