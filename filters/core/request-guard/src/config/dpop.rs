//! How callers prove that they have the keys that their tokens are bound to (RFC 9449).

use serde::Deserialize;

use super::HmacKey;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dpop {
    /// What proofs may be signed with.
    pub(crate) algorithms: Vec<String>,
    /// Only tokens that are bound to a key come in.
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default = "one_minute")]
    pub(crate) max_age_seconds: u64,
    /// Where proofs must have a nonce.
    pub(crate) nonce: Option<Nonce>,
}

/// With which keys nonces are made: the first one makes them, all of them verify.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nonce {
    pub(crate) keys: Vec<HmacKey>,
    #[serde(default = "five_minutes")]
    pub(crate) lifetime_seconds: u64,
}

fn one_minute() -> u64 {
    60
}

fn five_minutes() -> u64 {
    300
}
