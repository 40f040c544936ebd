//! A smaller token in place of the caller's.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::claims::{MAX_ACTORS, actors};
use crate::mint::Mint;
use crate::token::VerifiedToken;

/// The one call that a token is made for.
#[derive(Debug, Clone, Copy)]
pub struct CallBinding<'a> {
    /// Who may accept it.
    pub audience: &'a str,
    /// The server, as the operator names it.
    pub server: &'a str,
    /// The method, in the wire's own word.
    pub method: &'a str,
    /// The tool that is called.
    pub tool: Option<&'a str>,
    /// SHA-256 of the arguments in canonical form (RFC 8785).
    pub arguments_sha256: Option<[u8; 32]>,
    /// The SPIFFE ID of the peer that acts.
    pub actor: Option<&'a str>,
    /// What the token may be good for at most; nothing means all that the subject token is.
    pub scopes: Option<&'a BTreeSet<String>>,
    /// How long it may live at most, in seconds.
    pub ttl_seconds: Option<u64>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MintError {
    /// The subject token lives within the clock skew only: a token that is not longer would be dead.
    #[error("the caller's token has just expired")]
    SubjectExpired,
    /// The chain of actors would become longer than is allowed.
    #[error("more than {MAX_ACTORS} actors")]
    TooManyActors,
    /// The key does not sign.
    #[error("the signing key does not sign")]
    Signing,
}

// === impl DownscopedToken ===

impl DownscopedToken {
    /// Makes a token at `now` (Unix seconds). `entropy` makes its identifiers unique.
    ///
    /// # Errors
    /// The subject token is over, the actors are too many, or the key does not sign.
    pub fn mint(
        mint: &Mint,
        subject: &VerifiedToken,
        call: &CallBinding<'_>,
        now: u64,
        entropy: [u8; 16],
    ) -> Result<Self, MintError> {
        let wanted = call.ttl_seconds.map_or(mint.ttl_seconds, |ttl| ttl.min(mint.ttl_seconds));
        let expires_at = now.saturating_add(wanted).min(subject.expires_at());
        let ttl_seconds = expires_at.checked_sub(now).filter(|&ttl| ttl > 0).ok_or(MintError::SubjectExpired)?;
        let granted = subject.scopes().iter().filter(|scope| call.scopes.is_none_or(|most| most.contains(*scope)));
        let scope = granted.map(String::as_str).collect::<Vec<_>>().join(" ");
        let jti = URL_SAFE_NO_PAD.encode(entropy);
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", mint.issuer.as_str().into());
        set("sub", subject.subject().into());
        set("aud", call.audience.into());
        set("scope", scope.as_str().into());
        set("iat", now.into());
        set("exp", expires_at.into());
        set("jti", jti.as_str().into());
        set("txn", subject.transaction().map_or_else(|| transaction(&entropy), str::to_owned).into());
        set("tctx", context(call));
        if let Some(client_id) = subject.client_id() {
            set("client_id", client_id.into());
        }
        if let Some(act) = act(subject, call.actor)? {
            set("act", act);
        }
        let text = mint.sign(claims).ok_or(MintError::Signing)?;
        Ok(Self { text, jti, scope, ttl_seconds })
    }

    /// The token itself: for the upstream's eyes only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its identifier.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// What it is good for.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long it lives.
    #[must_use]
    pub fn ttl_seconds(&self) -> u64 {
        self.ttl_seconds
    }
}

/// What exactly was authorized (`tctx` of draft-ietf-oauth-transaction-tokens).
fn context(call: &CallBinding<'_>) -> Value {
    let mut context = json!({ "protocol": "mcp", "server": call.server, "method": call.method });
    if let (Some(members), Some(tool)) = (context.as_object_mut(), call.tool) {
        members.insert("tool".to_owned(), tool.into());
    }
    if let (Some(members), Some(hash)) = (context.as_object_mut(), call.arguments_sha256) {
        members.insert("arguments_sha256".to_owned(), URL_SAFE_NO_PAD.encode(hash).into());
    }
    context
}

/// The peer is the current actor; those before it are nested (RFC 8693 section 4.1).
fn act(subject: &VerifiedToken, actor: Option<&str>) -> Result<Option<Value>, MintError> {
    let earlier = subject.act().cloned();
    let Some(actor) = actor else { return Ok(earlier) };
    if subject.actor() == Some(actor) {
        return Ok(earlier);
    }
    let act = match earlier {
        Some(earlier) => json!({ "sub": actor, "act": earlier }),
        None => json!({ "sub": actor }),
    };
    match actors(Some(&act)) {
        Ok(actors) if actors.len() <= MAX_ACTORS => Ok(Some(act)),
        _ => Err(MintError::TooManyActors),
    }
}

/// Not the `jti` in another place: the transaction outlives the token.
fn transaction(entropy: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(b"txn").chain_update(entropy).finalize())
}

#[cfg(test)]
mod tests;
