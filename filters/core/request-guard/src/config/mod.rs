//! The configuration contract, version 1, as it is written; `compile` turns it into filters.
//!
//! Every structure refuses fields that it doesn't know, and nothing here has an unsafe default:
//! what an operator leaves out is the closed choice.

mod extra_methods;
mod filters;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::extra_methods::{Action, ExtraMethod, ItemAction, List as ExtraList};
pub(crate) use self::filters::{AgentGuard, CedarAuthz, JwtAuth, McpParser, ProxyIssuer, ProxyTokens, SpiffeIdentity};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) sources: Vec<Source>,
    pub(crate) trust_domains: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Tls,
    Waypoint,
    Xfcc,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    #[serde(default = "yes")]
    pub(crate) required: bool,
    #[serde(default = "thirty")]
    pub(crate) clock_skew_seconds: u64,
    #[serde(default = "one_day")]
    pub(crate) max_lifetime_seconds: u64,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) resource_metadata: Option<ResourceMetadata>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) jwks: Jwks,
    pub(crate) algorithms: Vec<String>,
    #[serde(default = "access_token_type")]
    pub(crate) token_types: Vec<String>,
    #[serde(default)]
    pub(crate) claims: Claims,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwks {
    pub(crate) inline: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) refresh_seconds: Option<u64>,
}

/// Dotted paths of claims.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) groups: Option<String>,
    pub(crate) roles: Option<String>,
}

/// RFC 9728.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceMetadata {
    pub(crate) authorization_servers: Vec<String>,
    #[serde(default)]
    pub(crate) scopes_supported: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) cedar: String,
    #[serde(default = "nothing")]
    pub(crate) entities: Value,
    #[serde(default)]
    pub(crate) shadow: String,
    #[serde(default)]
    pub(crate) enforcement: Enforcement,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Enforcement {
    #[default]
    Enforce,
    Shadow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Downscope {
    pub(crate) strategy: Strategy,
    pub(crate) mint: Option<Mint>,
    pub(crate) exchange: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    Mint,
    Exchange,
    Remove,
    DangerForwardClientToken,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mint {
    pub(crate) issuer: String,
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
    pub(crate) signing_key_env: String,
    #[serde(default = "sixty")]
    pub(crate) ttl_seconds: u64,
    /// For `jwt_auth` alone: what the smaller token is for, where that is not the server's own `audience`.
    pub(crate) audience: Option<String>,
    /// For `jwt_auth` alone: the scopes that the smaller token may have; those of the caller are the limit anyway.
    pub(crate) scopes: Option<Vec<String>>,
}

/// With which keys session ids are pinned to their callers: the first one pins, all of them verify.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    pub(crate) keys: Vec<SessionKey>,
}

/// Base64 of 32 random bytes or more: in an environment variable, or here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionKey {
    pub(crate) env: Option<String>,
    pub(crate) inline: Option<String>,
}

/// What a request may cost at most; the unit is in each name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_json_depth: usize,
    pub(crate) max_json_nodes: usize,
    pub(crate) max_token_bytes: usize,
    pub(crate) max_sse_event_bytes: usize,
}

/// What becomes of several messages in one body.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Batches {
    #[default]
    Refuse,
    /// For clients of 2025-03-26, the only revision that has them.
    AuthorizeEach,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    pub(crate) log: AuditLog,
    pub(crate) arguments: AuditArguments,
}

/// Which decisions are written to the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditLog {
    All,
    #[default]
    Denied,
    None,
}

/// How much of the arguments an audit line shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditArguments {
    #[default]
    Hash,
    None,
    Full,
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

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1_048_576,
            max_json_depth: 32,
            max_json_nodes: 20_000,
            max_token_bytes: 16_384,
            max_sse_event_bytes: 1_048_576,
        }
    }
}

fn yes() -> bool {
    true
}

fn thirty() -> u64 {
    30
}

fn sixty() -> u64 {
    60
}

fn one_day() -> u64 {
    86_400
}

fn access_token_type() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn nothing() -> Value {
    Value::Array(Vec::new())
}
