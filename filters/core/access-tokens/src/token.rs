//! A token that was verified.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::actors::Actors;
use crate::claims::{Claims, Confirmation};
use crate::error::TokenError;
use crate::signature::Signed;

/// Proof that a configured issuer signed this token. Whether it is good now and here is asked at every use
/// ([`TokenVerifier::verify`](crate::TokenVerifier::verify)), so that remembering it is safe.
///
/// Its serialised form is for handing it from one stage to the next within a proxy, never for anything that a peer
/// sent. The token itself is not in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifiedToken {
    claims: Claims,
    groups: BTreeSet<String>,
    roles: BTreeSet<String>,
    fingerprint: [u8; 32],
}

/// What every token is held to, whoever issued it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    pub(crate) clock_skew_seconds: u64,
    pub(crate) max_seconds: u64,
}

// === impl VerifiedToken ===

impl VerifiedToken {
    pub(crate) fn new(
        _proof: Signed,
        claims: Claims,
        groups: BTreeSet<String>,
        roles: BTreeSet<String>,
        fingerprint: [u8; 32],
    ) -> Self {
        Self { claims, groups, roles, fingerprint }
    }

    /// `iss`: one of those configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// `sub`: unique within the issuer, never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// `aud`: never empty.
    #[must_use]
    pub fn audiences(&self) -> &BTreeSet<String> {
        &self.claims.audiences
    }

    /// The words of `scope` (or `scp`), each a scope-token of RFC 6749 section 3.3.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.claims.scopes
    }

    /// `client_id`: the application that asked for the token (RFC 9068 section 2.2), or `azp`, where Keycloak says it.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.client_id.as_deref()
    }

    /// `acr`: how strongly the user was authenticated.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.claims.acr.as_deref()
    }

    /// `amr`: with which methods (RFC 8176).
    #[must_use]
    pub fn amr(&self) -> &BTreeSet<String> {
        &self.claims.amr
    }

    /// Group ids: as the issuer names them, or behind `<issuer>#` where several issuers are configured, because a
    /// group of one must not become a group of another.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Role ids, spelt like group ids.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<String> {
        &self.roles
    }

    /// `exp`, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.claims.expires_at
    }

    /// `nbf`, in Unix seconds.
    #[must_use]
    pub fn not_before(&self) -> Option<u64> {
        self.claims.not_before
    }

    /// `iat`, in Unix seconds.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.claims.issued_at
    }

    /// SHA-256 of the certificate that the token is bound to (`cnf` `x5t#S256`, RFC 8705 section 3.1).
    #[must_use]
    pub fn certificate_thumbprint(&self) -> Option<&[u8; 32]> {
        match &self.claims.confirmation {
            Some(Confirmation::Of { certificate, .. }) => certificate.as_ref(),
            Some(Confirmation::Unsupported) | None => None,
        }
    }

    /// SHA-256 of the key that the token is bound to (`cnf` `jkt`, RFC 9449 section 6.1): whoever presents it has to
    /// prove that it has the key.
    #[must_use]
    pub fn key_thumbprint(&self) -> Option<&[u8; 32]> {
        match &self.claims.confirmation {
            Some(Confirmation::Of { key, .. }) => key.as_ref(),
            Some(Confirmation::Unsupported) | None => None,
        }
    }

    /// The token is bound in a way that nobody here can check (`cnf` with anything but `x5t#S256` and `jkt`), so that it
    /// must not be accepted (RFC 7800 section 3.1).
    #[must_use]
    pub fn unsupported_confirmation(&self) -> bool {
        matches!(self.claims.confirmation, Some(Confirmation::Unsupported))
    }

    /// The current actor: the outermost `act.sub` (RFC 8693 section 4.1).
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.claims.actors.as_ref().and_then(Actors::current)
    }

    /// All actors, the current one first; at most four. Only the first may count for access (RFC 8693 section 4.1).
    #[must_use]
    pub fn actors(&self) -> &[String] {
        self.claims.actors.as_ref().map_or(&[], Actors::names)
    }

    /// `txn`: names the transaction across hops (draft-ietf-oauth-transaction-tokens).
    #[must_use]
    pub fn transaction(&self) -> Option<&str> {
        self.claims.transaction.as_deref()
    }

    /// Every claim without a method of its own, as a set of strings: strings as they are, whole numbers and truth
    /// values in their JSON spelling, arrays of these as sets. Objects, fractions, null and arrays with any of them are
    /// left out.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.claims.tags
    }

    /// SHA-256 of the token's text.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    pub(crate) fn act(&self) -> Option<&Actors> {
        self.claims.actors.as_ref()
    }

    /// Everything about a token that depends on when and where it is shown.
    pub(crate) fn check(&self, audience: &str, now: u64, lifetime: Lifetime) -> Result<(), TokenError> {
        let Claims { expires_at, not_before, issued_at, .. } = self.claims;
        if now >= expires_at.saturating_add(lifetime.clock_skew_seconds) {
            return Err(TokenError::Expired { expired_at: expires_at, now });
        }
        let latest = now.saturating_add(lifetime.clock_skew_seconds);
        if let Some(not_before) = not_before.filter(|&not_before| not_before > latest) {
            return Err(TokenError::NotYetValid { not_before, now });
        }
        if let Some(issued_at) = issued_at.filter(|&issued_at| issued_at > latest) {
            return Err(TokenError::IssuedInFuture { issued_at, now });
        }
        let seconds = expires_at.saturating_sub(issued_at.unwrap_or(now));
        if seconds > lifetime.max_seconds {
            return Err(TokenError::LivesTooLong { seconds, limit: lifetime.max_seconds });
        }
        if !self.claims.audiences.contains(audience) {
            return Err(TokenError::Audience { expected: audience.to_owned() });
        }
        Ok(())
    }
}
