//! A smaller token in place of the caller's (RFC 9068, RFC 8693 section 4, draft-ietf-oauth-transaction-tokens).

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::actors::{Actors, MAX_ACTORS};
use crate::mint::Mint;
use crate::token::VerifiedToken;
use crate::transaction::VerifiedTransaction;

/// The one call that a token is made for.
#[derive(Debug, Clone, Copy)]
pub struct CallBinding<'a> {
    /// Who may accept it: `aud`.
    pub audience: &'a str,
    /// What the server speaks: `mcp` or `a2a`.
    pub protocol: &'a str,
    /// The server, as the operator names it.
    pub server: &'a str,
    /// The method, in the wire's own word; nothing when the token is for all that the server offers.
    pub method: Option<&'a str>,
    /// What is called, got or read.
    pub target: Option<Target<&'a str>>,
    /// SHA-256 of MCP's arguments, or of A2A's parameters, in canonical form (RFC 8785).
    pub arguments_sha256: Option<[u8; 32]>,
    /// The SPIFFE ID of the peer that acts.
    pub actor: Option<&'a str>,
    /// What the token may be good for at most; `None` is all that the subject token is good for.
    pub scopes: Option<&'a BTreeSet<String>>,
    /// How long it may live at most, in seconds; `None` is the mint's own limit.
    pub ttl_seconds: Option<u64>,
    /// The transaction that the call belongs to, as another token says; `None` where none came.
    pub transaction: Option<&'a VerifiedTransaction>,
}

/// What a call is about beside its arguments, by the name that it has in `tctx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target<S> {
    /// The name of a tool.
    Tool(S),
    /// The name of a prompt.
    Prompt(S),
    /// The URI of a resource.
    Resource(S),
}

/// A token for one call. It is never wider than the token it stands for: its scopes are among that one's, and it
/// expires no later.
pub struct DownscopedToken {
    text: String,
    jti: String,
    scope: String,
    ttl_seconds: u64,
}

/// Why no token could be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintError {
    /// The subject token was accepted within the clock skew only; what is made of it can't live longer and would be
    /// dead.
    #[error("the caller's token expired at {expired_at}, now is {now}")]
    SubjectExpired {
        /// `exp` of the subject token, in Unix seconds.
        expired_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// A lifetime of zero seconds was asked for.
    #[error("a token cannot live for 0 seconds")]
    NoLifetime,
    /// The chain of actors would become longer than is allowed.
    #[error("more than {MAX_ACTORS} actors")]
    TooManyActors,
    /// The token would be larger than a header should be: a name in the call is very long.
    #[error("the token would have {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// What it has.
        bytes: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A transaction token names the workload that asked for it, and none is known.
    #[error("no workload is known, which a transaction token has to name")]
    NoWorkload,
    /// The transaction is of another trust domain than the token is to be for.
    #[error("the transaction is of another trust domain than `{audience}`")]
    OtherTrustDomain {
        /// `aud` of the token that was to be made.
        audience: String,
    },
    /// The key does not sign.
    #[error("the signing key does not sign")]
    Signing,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    sub_id: SubjectId<'a>,
    aud: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Value>,
    txn: &'a str,
    tctx: Context<'a>,
}

/// Whose `sub` it is (RFC 9493 section 3.2.4): a subject is unique within its issuer only, and `iss` is now the mesh.
#[derive(Serialize)]
pub(crate) struct SubjectId<'a> {
    pub(crate) format: &'static str,
    pub(crate) iss: &'a str,
    pub(crate) sub: &'a str,
}

/// What exactly was authorized.
#[derive(Serialize)]
pub(crate) struct Context<'a> {
    protocol: &'a str,
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(flatten)]
    target: Option<Target<&'a str>>,
    /// Lower-case hexadecimal, as in the audit line.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_sha256: Option<String>,
}

/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";
/// Servers refuse headers that are much larger.
const MAX_BYTES: usize = 16_384;

// === impl Target ===

impl Target<&str> {
    /// The same, for later.
    #[must_use]
    pub fn to_owned(self) -> Target<String> {
        match self {
            Self::Tool(name) => Target::Tool(name.to_owned()),
            Self::Prompt(name) => Target::Prompt(name.to_owned()),
            Self::Resource(uri) => Target::Resource(uri.to_owned()),
        }
    }
}

impl Target<String> {
    /// The same, borrowed.
    #[must_use]
    pub fn as_deref(&self) -> Target<&str> {
        match self {
            Self::Tool(name) => Target::Tool(name),
            Self::Prompt(name) => Target::Prompt(name),
            Self::Resource(uri) => Target::Resource(uri),
        }
    }
}

// === impl DownscopedToken ===

impl DownscopedToken {
    /// Makes a token at `now` (Unix seconds). `entropy` makes its identifiers unique and must be fresh.
    ///
    /// # Errors
    /// The subject token is over, the actors are too many, or the token would be too large.
    pub fn mint(
        mint: &Mint,
        subject: &VerifiedToken,
        call: &CallBinding<'_>,
        now: u64,
        entropy: [u8; 16],
    ) -> Result<Self, MintError> {
        let ttl_seconds = ttl(subject, call, mint.ttl_seconds, now)?;
        let granted = subject.scopes().iter().filter(|scope| call.scopes.is_none_or(|most| most.contains(*scope)));
        let scope = granted.map(String::as_str).collect::<Vec<_>>().join(" ");
        let actors = match call.actor {
            Some(actor) => Some(Actors::followed_by(subject.act(), actor).map_err(|_| MintError::TooManyActors)?),
            None => subject.act().cloned(),
        };
        let jti = URL_SAFE_NO_PAD.encode(entropy);
        let new_transaction = transaction(&entropy);
        let claims = Claims {
            iss: &mint.issuer,
            sub: subject.subject(),
            sub_id: SubjectId { format: "iss_sub", iss: subject.issuer(), sub: subject.subject() },
            aud: call.audience,
            scope: &scope,
            iat: now,
            exp: now.saturating_add(ttl_seconds),
            jti: &jti,
            client_id: subject.client_id(),
            act: actors.map(Actors::into_claim),
            txn: transaction_of(subject, call).unwrap_or(&new_transaction),
            tctx: Context::of(call),
        };
        let text = signed(mint, TYPE, &claims)?;
        Ok(Self { text, jti, scope, ttl_seconds })
    }

    /// The token itself: for the upstream's eyes only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its identifier, which can be logged.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// The scopes that it is good for, as in the claim; empty if none.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long it lives, in seconds; at least 1.
    #[must_use]
    pub fn ttl_seconds(&self) -> u64 {
        self.ttl_seconds
    }
}

impl fmt::Debug for DownscopedToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("DownscopedToken");
        fields.field("jti", &self.jti).field("scope", &self.scope).field("ttl_seconds", &self.ttl_seconds);
        fields.finish_non_exhaustive()
    }
}

// === impl Context ===

impl<'a> Context<'a> {
    pub(crate) fn of(call: &CallBinding<'a>) -> Self {
        Self {
            protocol: call.protocol,
            server: call.server,
            method: call.method,
            target: call.target,
            arguments_sha256: call.arguments_sha256.map(|hash| hex(&hash)),
        }
    }
}

/// How long a token may live: no longer than is asked for, than `limit`, or than the subject token does.
pub(crate) fn ttl(subject: &VerifiedToken, call: &CallBinding<'_>, limit: u64, now: u64) -> Result<u64, MintError> {
    let wanted = call.ttl_seconds.unwrap_or(u64::MAX).min(limit);
    if wanted == 0 {
        return Err(MintError::NoLifetime);
    }
    let expired_at = subject.expires_at();
    let left = expired_at.checked_sub(now).filter(|&left| left > 0);
    left.map(|left| left.min(wanted)).ok_or(MintError::SubjectExpired { expired_at, now })
}

pub(crate) fn signed(mint: &Mint, typ: &str, claims: &impl Serialize) -> Result<String, MintError> {
    let payload = serde_json::to_string(claims).map_err(|_| MintError::Signing)?;
    if payload.len() > MAX_BYTES {
        // Not signed: the size is the caller's choice.
        return Err(MintError::TooLong { bytes: payload.len(), limit: MAX_BYTES });
    }
    mint.sign(typ, &payload).ok_or(MintError::Signing)
}

/// The transaction that the call belongs to; where both name it, it is the same one.
pub(crate) fn transaction_of<'a>(subject: &'a VerifiedToken, call: &CallBinding<'a>) -> Option<&'a str> {
    call.transaction.map(VerifiedTransaction::id).or(subject.transaction())
}

/// 128 bits that are not the `jti` in another place: the transaction outlives the token.
pub(crate) fn transaction(entropy: &[u8; 16]) -> String {
    let hash: [u8; 32] = Sha256::new().chain_update("txn").chain_update(entropy).finalize().into();
    let (id, _) = hash.split_at(16);
    URL_SAFE_NO_PAD.encode(id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
