//! What goes on in place of the caller's token.

use serde::Deserialize;

use super::thirty;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Downscope {
    pub(crate) strategy: Strategy,
    pub(crate) mint: Option<Mint>,
    pub(crate) exchange: Option<Exchange>,
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

/// A token in exchange, in the words of RFC 8693, RFC 7523 and RFC 7591.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) cluster: String,
    pub(crate) uri: String,
    pub(crate) client_id: String,
    pub(crate) token_endpoint_auth_method: Option<AuthMethod>,
    pub(crate) client_secret_env: Option<String>,
    pub(crate) client_key_env: Option<String>,
    pub(crate) client_key_id: Option<String>,
    pub(crate) token_endpoint_auth_signing_alg: Option<String>,
    /// `aud` of client assertions, where the server wants its issuer identifier there.
    pub(crate) client_assertion_audience: Option<String>,
    pub(crate) timeout_milliseconds: Option<u32>,
    pub(crate) grant_type: Option<String>,
    #[serde(default)]
    pub(crate) subject_token: SubjectToken,
    pub(crate) subject_token_type: Option<String>,
    pub(crate) requested_token_type: Option<String>,
    #[serde(default)]
    pub(crate) actor_token: ActorToken,
    pub(crate) audience: Option<String>,
    #[serde(default)]
    pub(crate) resource: Resources,
    pub(crate) scope: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) subject: Subject,
    #[serde(default = "thirty")]
    pub(crate) cache_seconds: u64,
    pub(crate) id_jag: Option<IdJag>,
}

/// The identity provider that vouches for the user at the server above.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdJag {
    pub(crate) cluster: String,
    pub(crate) uri: String,
    pub(crate) client_id: String,
    pub(crate) token_endpoint_auth_method: Option<AuthMethod>,
    pub(crate) client_secret_env: Option<String>,
    pub(crate) client_key_env: Option<String>,
    pub(crate) client_key_id: Option<String>,
    pub(crate) token_endpoint_auth_signing_alg: Option<String>,
    pub(crate) client_assertion_audience: Option<String>,
    pub(crate) timeout_milliseconds: Option<u32>,
    /// The issuer identifier of the server above.
    pub(crate) audience: String,
}

/// RFC 7591 section 2, RFC 7523 section 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// What is exchanged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectToken {
    /// The caller's own.
    #[default]
    Presented,
    /// One of our own, in its place.
    Minted,
}

/// Whether the workload is named in a token of its own.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActorToken {
    #[default]
    None,
    Minted,
}

/// Whether `sub` of the token that comes has to be the caller's.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    #[default]
    Same,
    /// The server has names of its own for users.
    Other,
}

/// One, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Resources {
    One(String),
    Many(Vec<String>),
}

impl Default for Resources {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

fn sixty() -> u64 {
    60
}
