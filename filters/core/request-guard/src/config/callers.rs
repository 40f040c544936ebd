//! Which workloads and which users may call.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Dpop, one_day, one_hour, thirty, yes};
use crate::server::Announced;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) sources: Vec<Source>,
    pub(crate) trust_domains: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) required: bool,
    pub(crate) jwt_svid: Option<JwtSvid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Tls,
    Waypoint,
    Xfcc,
    JwtSvid,
}

/// Where a workload shows a JWT-SVID, and which are accepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtSvid {
    pub(crate) header: String,
    pub(crate) audiences: BTreeSet<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) bundles: Vec<Bundle>,
    #[serde(default = "thirty")]
    pub(crate) clock_skew_seconds: u64,
    #[serde(default = "one_hour")]
    pub(crate) max_lifetime_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bundle {
    pub(crate) trust_domain: String,
    pub(crate) jwks: Jwks,
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
    /// Proofs of possession are taken.
    pub(crate) dpop: Option<Dpop>,
    pub(crate) resource_metadata: Option<ResourceMetadata>,
    pub(crate) transaction_tokens: Option<TransactionTokens>,
}

/// Which transaction tokens are taken up. Without it, none is looked at, and none goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionTokens {
    /// The trust domain.
    pub(crate) audience: String,
    /// Of who signs them; without it, that is this filter.
    pub(crate) jwks: Option<Jwks>,
    #[serde(default)]
    pub(crate) algorithms: Vec<String>,
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
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) claims: Claims,
}

/// What an issuer's tokens are held to.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    #[default]
    Jwt,
    Rfc9068,
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

// === impl Tokens ===

impl Tokens {
    /// What the servers say of how to get in.
    pub(crate) fn announced(&self) -> Option<Announced<'_>> {
        self.resource_metadata.as_ref().map(|metadata| Announced { metadata, dpop: self.dpop.as_ref() })
    }
}

fn access_token_type() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}
