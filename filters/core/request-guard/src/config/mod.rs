//! The configuration contract, version 1, as it is written; `compile` turns it into filters.
//!
//! Every structure refuses fields that it doesn't know, and nothing here has an unsafe default:
//! what an operator leaves out is the closed choice.

mod callers;
mod downscope;
mod dpop;
mod extra_methods;
mod filters;
mod policy;
mod servers;

use serde::Deserialize;

pub(crate) use self::callers::TransactionTokens;
pub(crate) use self::callers::{Claims, Identity, Issuer, Jwks, JwtSvid, Profile, ResourceMetadata, Source, Tokens};
pub(crate) use self::downscope::{ActorToken, AuthMethod, Exchange, IdJag, Resources, Subject, SubjectToken};
pub(crate) use self::downscope::{Downscope, Mint, PublishedKey, Strategy, TransactionToken};
pub(crate) use self::dpop::{Dpop, Nonce};
pub(crate) use self::extra_methods::{Action, ExtraMethod, ItemAction, List as ExtraList};
pub(crate) use self::filters::{AgentGuard, CedarAuthz, JwtAuth, McpParser, ProxyIssuer, ProxyTokens, SpiffeIdentity};
pub(crate) use self::policy::{Enforcement, Policy, TemplateLink};
#[cfg(test)]
pub(crate) use self::servers::Match;
pub(crate) use self::servers::{AllServerRequests, Protocol, Resource, Server, ServerRequests, Tool};

/// With which keys session ids are pinned to their callers: the first one pins, all of them verify.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    pub(crate) keys: Vec<HmacKey>,
}

/// Base64 of 32 random bytes or more: in an environment variable, or here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HmacKey {
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

fn one_hour() -> u64 {
    3_600
}

fn one_day() -> u64 {
    86_400
}
