//! What stands behind the listener.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ExtraMethod;

/// One server behind the listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    #[serde(default, rename = "match")]
    pub(crate) matches: Match,
    pub(crate) audience: String,
    /// For `jwt_auth` alone, on the way out: the workloads that `audience` names, as SPIFFE IDs. What is presented are
    /// tokens that they were called with, and each is good in their hands only, whoever acts in it.
    pub(crate) presenters: Option<Vec<String>>,
    /// Web pages that may call, as browsers write their `Origin`; absent is not to look.
    pub(crate) allowed_origins: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) tools: BTreeMap<String, Tool>,
    #[serde(default)]
    pub(crate) resources: BTreeMap<String, Resource>,
    #[serde(default)]
    pub(crate) extra_methods: Vec<ExtraMethod>,
    /// Of MCP: what the server may ask its clients for, in revisions in which it may.
    #[serde(default)]
    pub(crate) server_requests: ServerRequests,
    /// For `a2a`: in which bindings the agent is spoken to; `JSONRPC` and `HTTP+JSON` where nothing is said.
    pub(crate) bindings: Option<Vec<agent_messages::Binding>>,
    /// For `a2a`: whether the card that anybody may see needs no token.
    #[serde(default)]
    pub(crate) public_card: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Mcp,
    A2a,
    /// A plain API, of which nothing but the caller is judged; for `jwt_auth` alone.
    Http,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "write `allow`, `refuse`, or a list of methods such as `roots/list`")]
pub(crate) enum ServerRequests {
    All(AllServerRequests),
    Only(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AllServerRequests {
    Allow,
    Refuse,
}

/// Which requests are for the server; an absent member matches everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) path_prefix: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) hints: Hints,
    #[serde(default)]
    pub(crate) data_class: i64,
    /// Which `Mcp-Param-` header mirrors which argument: a JSON pointer by the rest of the header's name.
    #[serde(default)]
    pub(crate) param_headers: BTreeMap<String, String>,
}

/// Tool hints; what is absent is what MCP assumes of an unannotated tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hints {
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
    pub(crate) open_world: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    #[serde(default)]
    pub(crate) data_class: i64,
}

// === impl ServerRequests ===

impl Default for ServerRequests {
    /// Servers of older revisions ask for roots, samples and answers of users as a matter of course.
    fn default() -> Self {
        Self::All(AllServerRequests::Allow)
    }
}

// === impl Protocol ===

impl Protocol {
    /// As parsed messages have it; nothing for an API whose messages are not read.
    pub(crate) fn of_messages(self) -> Option<agent_messages::Protocol> {
        match self {
            Self::Mcp => Some(agent_messages::Protocol::Mcp),
            Self::A2a => Some(agent_messages::Protocol::A2a),
            Self::Http => None,
        }
    }
}

// === impl Hints ===

impl Default for Hints {
    fn default() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: true }
    }
}
