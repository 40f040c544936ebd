//! What goes on in place of the caller's token.

use serde::Deserialize;
use serde_json::Value;

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

fn sixty() -> u64 {
    60
}
