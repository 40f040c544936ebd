//! What a server speaks.

use serde::Deserialize;

/// The protocol of a server: the operator says it, no message does. Both protocols know `tasks/get`, for one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Model Context Protocol.
    #[default]
    Mcp,
    /// Agent2Agent.
    A2a,
}

// === impl Protocol ===

impl Protocol {
    /// As configurations and tokens write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
        }
    }
}
