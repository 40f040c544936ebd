//! What one message may cost.

/// Bounds on everything that the other side controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub max_body_bytes: usize,
    /// Arrays and objects inside each other.
    pub max_json_depth: usize,
    /// Values, members and elements in all.
    pub max_json_nodes: usize,
    /// Bytes of one server-sent event.
    pub max_sse_event_bytes: usize,
}
