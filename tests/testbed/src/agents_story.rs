//! The story of agents that hand work to each other, as data.

use crate::acme::{ALICE, User};
use crate::client::Ask;
use crate::story::{Expected, Scene, TokenKind};

/// One request to an agent.
#[derive(Debug, Clone, Copy)]
pub struct AgentRow {
    /// What it is about.
    pub request: &'static str,
    /// For whom the caller comes, when it has a token.
    pub user: User,
    /// With which token.
    pub token: TokenKind,
    /// Whom the token names as its actors, the current one first: agents of the company.
    pub actors: &'static [&'static str],
    /// Which workload calls: an agent of the company, or one without a certificate.
    pub caller: Option<&'static str>,
    /// Whom it calls.
    pub agent: Colleague,
    /// What it asks.
    pub ask: Ask,
    /// What must come of it.
    pub outcome: Expected,
}

/// An agent that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colleague {
    /// Books journeys.
    Travel,
    /// Pays salaries and expenses.
    Payroll,
}

/// A task that the travel agent has for Alice, and one that payroll has for her.
pub(crate) const TASKS: [&str; 2] = ["T-lisbon", "T-salary"];
/// The conversation of the first.
pub(crate) const CONVERSATION: &str = "c-lisbon";

const LISBON: AgentRow = AgentRow {
    request: "Book me a flight to Lisbon",
    user: ALICE,
    token: TokenKind::Good,
    actors: &[],
    caller: Some("planner"),
    agent: Colleague::Travel,
    ask: Ask::Send { text: "A flight to Lisbon", notify: None },
    outcome: Expected::Allowed { policies: &["ask-travel"], scope: "travel.book" },
};

const EXPENSES: AgentRow = AgentRow {
    request: "The travel agent hands in Alice's expenses",
    actors: &["travel", "planner"],
    caller: Some("travel"),
    agent: Colleague::Payroll,
    ask: Ask::Send { text: "Lisbon: 180 euros", notify: None },
    outcome: Expected::Allowed { policies: &["hand-in-expenses"], scope: "expenses.write" },
    ..LISBON
};

const REMIND: AgentRow = AgentRow {
    request: "The scheduler reminds of a journey",
    token: TokenKind::None,
    caller: Some("scheduler"),
    ask: Ask::Send { text: "Journeys begin tomorrow", notify: None },
    outcome: Expected::AllowedForNobody { policies: &["remind"] },
    ..LISBON
};

/// All of it, in order.
pub const AGENTS_STORY: &[Scene<AgentRow>] = &[
    Scene {
        title: "Alice's planner hands work to the travel agent",
        rows: &[
            AgentRow {
                request: "Who are you?",
                token: TokenKind::None,
                ask: Ask::Card,
                outcome: Expected::AllowedForNobody { policies: &["cards"] },
                ..LISBON
            },
            LISBON,
            AgentRow {
                request: "A hotel too, and tell me as you go",
                ask: Ask::Stream { text: "A hotel in Lisbon" },
                ..LISBON
            },
            AgentRow {
                request: "What became of my flight?",
                ask: Ask::GetTask { id: TASKS[0] },
                outcome: Expected::Allowed { policies: &["follow-tasks"], scope: "travel.book" },
                ..LISBON
            },
            AgentRow {
                request: "What belongs to it?",
                ask: Ask::ListTasks { context: Some(CONVERSATION) },
                outcome: Expected::Allowed { policies: &["list-a-conversation"], scope: "travel.book" },
                ..LISBON
            },
            AgentRow {
                request: "Tell our calendar when it is booked",
                ask: Ask::Send { text: "A flight to Lisbon", notify: Some("https://calendar.acme.example/hook") },
                ..LISBON
            },
        ],
    },
    Scene {
        title: "What it may not",
        rows: &[
            AgentRow {
                request: "What does Bob earn?",
                agent: Colleague::Payroll,
                ask: Ask::Send { text: "What does Bob earn?", notify: None },
                outcome: Expected::Denied { policies: &[] },
                ..LISBON
            },
            AgentRow {
                request: "Show me that task of payroll's",
                agent: Colleague::Payroll,
                ask: Ask::GetTask { id: TASKS[1] },
                outcome: Expected::TaskNotFound,
                ..LISBON
            },
            AgentRow {
                request: "Which tasks are there at all?",
                ask: Ask::ListTasks { context: None },
                outcome: Expected::Denied { policies: &[] },
                ..LISBON
            },
            AgentRow {
                request: "Send the itinerary to my blog",
                ask: Ask::Send { text: "A flight to Lisbon", notify: Some("https://blog.elsewhere.example/hook") },
                outcome: Expected::Denied { policies: &["notify-at-home"] },
                ..LISBON
            },
        ],
    },
    Scene {
        title: "Agents that come for nobody",
        rows: &[
            REMIND,
            AgentRow {
                request: "It asks payroll",
                agent: Colleague::Payroll,
                outcome: Expected::Denied { policies: &[] },
                ..REMIND
            },
            AgentRow {
                request: "The planner, without a user",
                caller: Some("planner"),
                outcome: Expected::Denied { policies: &[] },
                ..REMIND
            },
            AgentRow {
                request: "The scheduler, with Alice's token",
                token: TokenKind::Good,
                outcome: Expected::Denied { policies: &[] },
                ..REMIND
            },
        ],
    },
    Scene {
        title: "How far a request is passed on",
        rows: &[
            EXPENSES,
            AgentRow {
                request: "The planner hands them in itself",
                actors: &[],
                caller: Some("planner"),
                outcome: Expected::Denied { policies: &[] },
                ..EXPENSES
            },
            AgentRow {
                request: "The planner, with the travel agent's token",
                caller: Some("planner"),
                outcome: Expected::Refused { status: 401 },
                ..EXPENSES
            },
            AgentRow {
                request: "They were passed on once more",
                actors: &["travel", "planner", "front-desk"],
                outcome: Expected::Denied { policies: &["not-too-far"] },
                ..EXPENSES
            },
        ],
    },
    Scene {
        title: "The flight once more, and something is wrong",
        rows: &[
            AgentRow { request: "No certificate", caller: None, outcome: Expected::NoConnection, ..LISBON },
            AgentRow {
                request: "An expired token",
                token: TokenKind::Expired,
                outcome: Expected::Refused { status: 401 },
                ..LISBON
            },
            AgentRow {
                request: "A token for another audience",
                token: TokenKind::OtherAudience,
                outcome: Expected::Refused { status: 401 },
                ..LISBON
            },
            AgentRow {
                request: "A token that is not signed (alg: none)",
                token: TokenKind::Unsigned,
                outcome: Expected::Refused { status: 401 },
                ..LISBON
            },
        ],
    },
];

// === impl AgentRow ===

impl From<&AgentRow> for Expected {
    fn from(row: &AgentRow) -> Self {
        row.outcome
    }
}

// === impl Colleague ===

impl Colleague {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Travel, Self::Payroll];

    /// As policies and configuration call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Travel => "travel",
            Self::Payroll => "payroll",
        }
    }

    /// The host that it answers for.
    #[must_use]
    pub fn host(self) -> &'static str {
        match self {
            Self::Travel => "travel.agents.acme.example",
            Self::Payroll => "payroll.agents.acme.example",
        }
    }

    /// Its resource identifier, which is where others reach it.
    #[must_use]
    pub fn audience(self) -> String {
        format!("https://{}/", self.host())
    }
}
