//! The story as data: who asks what through which agent, and what must come of it. The demo shows it, and the
//! end-to-end tests play the same rows.

use crate::acme::{ALICE, MARIA, Server, User};

/// One request of the story.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What the user says, or what is odd about the request.
    pub request: &'static str,
    /// Who asks.
    pub user: User,
    /// With which token.
    pub token: TokenKind,
    /// Through which workload.
    pub agent: Agent,
    /// Whom the agent calls.
    pub server: Server,
    /// What it calls.
    pub call: Call,
    /// What must come of it.
    pub outcome: Expected,
}

/// A part of a story.
#[derive(Debug, Clone, Copy)]
pub struct Scene<R: 'static = Row> {
    /// What it is about.
    pub title: &'static str,
    /// Its requests.
    pub rows: &'static [R],
}

/// A user's token, right or wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Right.
    Good,
    /// Right, and its owner has typed a one-time password (`amr`, RFC 8176).
    OneTimePassword,
    /// None.
    None,
    /// Expired an hour ago.
    Expired,
    /// For a server of somebody else.
    OtherAudience,
    /// Signed by a key that is not the identity provider's.
    OtherKey,
    /// Not signed: `alg: none`.
    Unsigned,
}

/// The workload that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// `spiffe://acme.example/agent/assistant`: may act for users.
    Assistant,
    /// `spiffe://acme.example/agent/batch`: may not.
    Batch,
    /// `spiffe://evil.example/agent/assistant`.
    Stranger,
    /// No certificate at all.
    Nobody,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `tools/call`.
    Tool {
        /// The tool.
        name: &'static str,
        /// Its arguments.
        arguments: &'static [(&'static str, &'static str)],
    },
    /// `resources/read`.
    Read {
        /// The resource.
        uri: &'static str,
    },
    /// `tools/list`.
    ListTools,
    /// `resources/list`.
    ListResources,
}

/// What must come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It goes on, because of these policies; the server gets a token with this scope.
    Allowed {
        /// Determining policies.
        policies: &'static [&'static str],
        /// The scope of the smaller token.
        scope: &'static str,
    },
    /// It goes on for a workload that comes for nobody; the server gets no token.
    AllowedForNobody {
        /// Determining policies.
        policies: &'static [&'static str],
    },
    /// It goes on, and the caller sees these items of the server's list and no others.
    Shows {
        /// Names or URIs.
        items: &'static [&'static str],
    },
    /// Policy says no: 403.
    Denied {
        /// Determining policies; none when nothing permits it.
        policies: &'static [&'static str],
    },
    /// Policy says no, and the caller is told that there is no such task.
    TaskNotFound,
    /// It does not even come before policy.
    Refused {
        /// The status.
        status: u16,
    },
    /// There is no connection to send it on.
    NoConnection,
}

/// "How many vacation days do I have left?", which most of the odd requests ask.
const OWN_TIME_OFF: Row = Row {
    request: "How many vacation days do I have left?",
    user: ALICE,
    token: TokenKind::Good,
    agent: Agent::Assistant,
    server: Server::Hr,
    call: Call::Tool { name: "get_time_off", arguments: &[("employee_id", "E1001")] },
    outcome: Expected::Allowed { policies: &["own-time-off"], scope: "hr.read" },
};

const DELETE_TICKET: Row = Row {
    request: "Delete that ticket",
    server: Server::Tickets,
    call: Call::Tool { name: "delete_ticket", arguments: &[("ticket_id", "T-1001")] },
    outcome: Expected::Denied { policies: &["destructive-tools-need-a-second-factor"] },
    ..OWN_TIME_OFF
};

const SALARIES: Row = Row {
    request: "What's the average salary for my position?",
    call: Call::Tool {
        name: "query_compensation",
        arguments: &[("department", "engineering"), ("position", "developer")],
    },
    outcome: Expected::Denied { policies: &[] },
    ..OWN_TIME_OFF
};

/// All of it, in order.
pub const STORY: &[Scene] = &[
    Scene {
        title: "Alice asks her assistant",
        rows: &[
            Row {
                request: "What's our work-from-home policy?",
                server: Server::Docs,
                call: Call::Read { uri: "doc://hr/policies/work-from-home" },
                outcome: Expected::Allowed { policies: &["read-documents"], scope: "docs.read" },
                ..OWN_TIME_OFF
            },
            OWN_TIME_OFF,
            Row {
                request: "And how many has Bob?",
                call: Call::Tool { name: "get_time_off", arguments: &[("employee_id", "E1002")] },
                outcome: Expected::Denied { policies: &[] },
                ..OWN_TIME_OFF
            },
            SALARIES,
            Row {
                request: "Are there reorganization plans?",
                server: Server::Docs,
                call: Call::Read { uri: "doc://exec/reorganization-2027" },
                outcome: Expected::Denied { policies: &["confidential"] },
                ..OWN_TIME_OFF
            },
            Row {
                request: "Update my address",
                server: Server::Tickets,
                call: Call::Tool {
                    name: "create_ticket",
                    arguments: &[("title", "New address"), ("description", "1 Main St")],
                },
                outcome: Expected::Allowed { policies: &["work-with-tickets"], scope: "tickets.write" },
                ..OWN_TIME_OFF
            },
            DELETE_TICKET,
            Row {
                request: "Delete it: here is my one-time password",
                token: TokenKind::OneTimePassword,
                outcome: Expected::Allowed { policies: &["work-with-tickets"], scope: "tickets.write" },
                ..DELETE_TICKET
            },
        ],
    },
    Scene {
        title: "Maria, head of engineering, asks hers",
        rows: &[
            Row {
                request: "What do my developers earn?",
                user: MARIA,
                outcome: Expected::Allowed { policies: &["compensation-of-own-department"], scope: "hr.read" },
                ..SALARIES
            },
            Row {
                request: "And those in sales?",
                user: MARIA,
                call: Call::Tool {
                    name: "query_compensation",
                    arguments: &[("department", "sales"), ("position", "developer")],
                },
                ..SALARIES
            },
        ],
    },
    Scene {
        title: "Agents look around: a list shows what its caller may call",
        rows: &[
            Row {
                request: "Which tools has HR for Alice?",
                call: Call::ListTools,
                outcome: Expected::Shows { items: &["get_time_off"] },
                ..OWN_TIME_OFF
            },
            Row {
                request: "And for Maria?",
                user: MARIA,
                call: Call::ListTools,
                outcome: Expected::Shows { items: &["get_time_off", "query_compensation"] },
                ..OWN_TIME_OFF
            },
            Row {
                request: "Which documents are there?",
                server: Server::Docs,
                call: Call::ListResources,
                outcome: Expected::Shows { items: &["doc://hr/policies/work-from-home"] },
                ..OWN_TIME_OFF
            },
            Row {
                request: "What can be done with tickets?",
                server: Server::Tickets,
                call: Call::ListTools,
                outcome: Expected::Shows { items: &["create_ticket"] },
                ..OWN_TIME_OFF
            },
        ],
    },
    Scene {
        title: "The vacation days once more, and something is wrong",
        rows: &[
            Row {
                request: "An agent that may not act for users",
                agent: Agent::Batch,
                outcome: Expected::Denied { policies: &[] },
                ..OWN_TIME_OFF
            },
            Row { request: "No certificate", agent: Agent::Nobody, outcome: Expected::NoConnection, ..OWN_TIME_OFF },
            Row {
                request: "A certificate of another trust domain",
                agent: Agent::Stranger,
                outcome: Expected::NoConnection,
                ..OWN_TIME_OFF
            },
            Row {
                request: "No token",
                token: TokenKind::None,
                outcome: Expected::Refused { status: 401 },
                ..OWN_TIME_OFF
            },
            Row {
                request: "An expired token",
                token: TokenKind::Expired,
                outcome: Expected::Refused { status: 401 },
                ..OWN_TIME_OFF
            },
            Row {
                request: "A token for another audience",
                token: TokenKind::OtherAudience,
                outcome: Expected::Refused { status: 401 },
                ..OWN_TIME_OFF
            },
            Row {
                request: "A token signed by another key",
                token: TokenKind::OtherKey,
                outcome: Expected::Refused { status: 401 },
                ..OWN_TIME_OFF
            },
            Row {
                request: "A token that is not signed (alg: none)",
                token: TokenKind::Unsigned,
                outcome: Expected::Refused { status: 401 },
                ..OWN_TIME_OFF
            },
        ],
    },
];
