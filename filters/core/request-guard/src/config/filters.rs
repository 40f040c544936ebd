//! The whole configuration of each filter: the same sections, each filter those that concern it.

use serde::Deserialize;

use super::{
    Audit, Batches, Claims, Downscope, Identity, Limits, Policy, ResourceMetadata, Server, Sessions, Tokens, one_day,
    thirty, yes,
};

/// The whole configuration of `agent_guard`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentGuard {
    pub(crate) servers: Vec<Server>,
    pub(crate) identity: Identity,
    pub(crate) tokens: Tokens,
    pub(crate) policy: Policy,
    pub(crate) downscope: Downscope,
    pub(crate) sessions: Option<Sessions>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) batches: Batches,
    #[serde(default)]
    pub(crate) hide_denied: bool,
    #[serde(default)]
    pub(crate) audit: Audit,
    #[serde(default = "yes")]
    pub(crate) hold_headers: bool,
}

/// The whole configuration of `spiffe_identity`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpiffeIdentity {
    pub(crate) identity: Identity,
    #[serde(default)]
    pub(crate) audit: Audit,
}

/// The whole configuration of `jwt_auth`: `tokens`, or `downscope`, or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtAuth {
    #[serde(default)]
    pub(crate) servers: Vec<Server>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) downscope: Option<Downscope>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) audit: Audit,
}

/// The whole configuration of `mcp_parser`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct McpParser {
    pub(crate) servers: Vec<Server>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) batches: Batches,
    /// Whether method, tool and server go into headers too, for routes and filters that read nothing else.
    #[serde(default)]
    pub(crate) set_headers: bool,
    #[serde(default)]
    pub(crate) audit: Audit,
}

/// The whole configuration of `cedar_authz`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CedarAuthz {
    pub(crate) servers: Vec<Server>,
    pub(crate) policy: Policy,
    /// Where Envoy's own `jwt_authn` checks tokens, in the place of `jwt_auth`.
    pub(crate) tokens: Option<ProxyTokens>,
    pub(crate) sessions: Option<Sessions>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) hide_denied: bool,
    #[serde(default)]
    pub(crate) audit: Audit,
}

/// What is taken from Envoy's `jwt_authn`, and what is asked of it beyond the signature.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyTokens {
    /// As in the provider's `payload_in_metadata`.
    pub(crate) payload_in_metadata: String,
    pub(crate) issuers: Vec<ProxyIssuer>,
    #[serde(default = "yes")]
    pub(crate) required: bool,
    #[serde(default = "thirty")]
    pub(crate) clock_skew_seconds: u64,
    #[serde(default = "one_day")]
    pub(crate) max_lifetime_seconds: u64,
    pub(crate) resource_metadata: Option<ResourceMetadata>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyIssuer {
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) claims: Claims,
}
