//! The story of an MCP server that calls an API outside, as data.

use crate::story::{Expected, Scene};

/// One request that goes out, or tries to.
#[derive(Debug, Clone, Copy)]
pub struct OutboundRow {
    /// What it is about.
    pub request: &'static str,
    /// How it comes about.
    pub way: Way,
    /// What must come of it.
    pub outcome: Expected,
}

/// How a request comes to the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Alice's assistant calls a tool of hr, and hr calls out for its answer.
    Tool,
    /// A workload calls out by itself.
    Out {
        /// Which.
        caller: Outbound,
        /// With which token.
        token: OutboundToken,
    },
}

/// A workload at the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbound {
    /// `spiffe://acme.example/mcp/hr`, which may present what it was called with.
    Hr,
    /// `spiffe://acme.example/mcp/docs`.
    Docs,
    /// The agent that called hr.
    Assistant,
    /// `spiffe://evil.example/mcp/hr`.
    Stranger,
    /// No certificate at all.
    Nobody,
}

/// What is presented there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundToken {
    /// What hr was called with, for the tool that may look outside.
    Hrs,
    /// What hr was called with, for a tool that may not.
    HrsForAnotherTool,
    /// What docs was called with.
    Docs,
    /// Alice's own.
    Alices,
    /// What the API was called with.
    Apis,
    /// What hr was called with, and one character is another.
    Tampered,
    /// The same words, signed by somebody else.
    OtherKey,
    /// None.
    None,
}

const FRIDAY: OutboundRow = OutboundRow {
    request: "Which day is best for a day off?",
    way: Way::Tool,
    outcome: Expected::Allowed { policies: &["suggest-day-off"], scope: "forecast.read" },
};

/// hr's token in the hands of somebody else.
const fn held_by(request: &'static str, caller: Outbound, outcome: Expected) -> OutboundRow {
    OutboundRow { request, way: Way::Out { caller, token: OutboundToken::Hrs }, outcome }
}

/// Another token in hr's hands.
const fn presented(request: &'static str, token: OutboundToken, status: u16) -> OutboundRow {
    OutboundRow { request, way: Way::Out { caller: Outbound::Hr, token }, outcome: Expected::Refused { status } }
}

/// All of it, in order.
pub const OUTBOUND_STORY: &[Scene<OutboundRow>] = &[
    Scene {
        title: "Alice asks for a day off, and HR looks at the weather",
        rows: &[
            FRIDAY,
            held_by(
                "The call that HR makes for it",
                Outbound::Hr,
                Expected::Allowed { policies: &[], scope: "forecast.read" },
            ),
            OutboundRow {
                request: "HR looks out while it is asked for days left",
                way: Way::Out { caller: Outbound::Hr, token: OutboundToken::HrsForAnotherTool },
                outcome: Expected::Denied { policies: &[] },
            },
        ],
    },
    Scene {
        title: "HR's token in other hands",
        rows: &[
            held_by("Another server has got hold of it", Outbound::Docs, Expected::Refused { status: 401 }),
            held_by("So has the agent that it names", Outbound::Assistant, Expected::Refused { status: 401 }),
            held_by("HR of another trust domain", Outbound::Stranger, Expected::NoConnection),
            held_by("No certificate", Outbound::Nobody, Expected::NoConnection),
        ],
    },
    Scene {
        title: "Another token in HR's hands",
        rows: &[
            presented("Alice's own token", OutboundToken::Alices, 401),
            presented("A token for another server", OutboundToken::Docs, 401),
            presented("The token that the API got", OutboundToken::Apis, 401),
            presented("Its own, tampered with", OutboundToken::Tampered, 401),
            presented("Its own, signed by another key", OutboundToken::OtherKey, 401),
            presented("None", OutboundToken::None, 401),
        ],
    },
];

// === impl OutboundRow ===

impl From<&OutboundRow> for Expected {
    fn from(row: &OutboundRow) -> Self {
        row.outcome
    }
}

// === impl Outbound ===

impl Outbound {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hr => "hr",
            Self::Docs => "docs",
            Self::Assistant => "assistant",
            Self::Stranger => "a stranger",
            Self::Nobody => "no workload",
        }
    }
}
