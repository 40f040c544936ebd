//! What goes on in place of the caller's token.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Downscope {
    pub(crate) strategy: Strategy,
    pub(crate) mint: Option<Mint>,
    pub(crate) exchange: Option<Value>,
    pub(crate) transaction_token: Option<TransactionToken>,
}

/// The token that goes on beside, signed as `mint` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionToken {
    /// The trust domain.
    pub(crate) audience: String,
    #[serde(default = "sixty")]
    pub(crate) ttl_seconds: u64,
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
    pub(crate) signing_key_env: Option<String>,
    pub(crate) signing_key: Option<String>,
    /// Keys that sign no more, or not yet.
    #[serde(default)]
    pub(crate) published_keys: Vec<PublishedKey>,
    #[serde(default = "sixty")]
    pub(crate) ttl_seconds: u64,
    /// For `jwt_auth` alone: what the smaller token is for, where that is not the server's own `audience`.
    pub(crate) audience: Option<String>,
    /// For `jwt_auth` alone: the scopes that the smaller token may have; those of the caller are the limit anyway.
    pub(crate) scopes: Option<Vec<String>>,
}

/// A key that verifies tokens beside the one that signs them: its public half, or the private one, of which only the
/// public half is used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishedKey {
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
    pub(crate) public_key: Option<String>,
    pub(crate) signing_key_env: Option<String>,
    pub(crate) signing_key: Option<String>,
}

fn sixty() -> u64 {
    60
}
