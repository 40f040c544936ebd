//! A token that was verified.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::{Claims, actors};
use crate::error::TokenError;
use crate::jwks::Signed;

/// Proof that a configured issuer signed this token. Whether it is good now and here is asked at every use
/// ([`TokenVerifier::verify`](crate::TokenVerifier::verify)), so that remembering it is safe.
#[derive(Debug)]
pub struct VerifiedToken {
    claims: Claims,
    groups: BTreeSet<String>,
    roles: BTreeSet<String>,
    fingerprint: [u8; 32],
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

    /// `iss`, one of those configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.claims.issuer
    }

    /// `sub`, unique within the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// `aud`, never empty.
    #[must_use]
    pub fn audiences(&self) -> &BTreeSet<String> {
        &self.claims.audiences
    }

    /// The words of `scope` (or `scp`).
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.claims.scopes
    }

    /// `client_id` (or `azp`): the application that asked for the token.
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

    /// Group ids: as the issuer names them, or behind `<issuer>#` where several issuers are configured.
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
        self.claims.certificate.as_ref()
    }

    /// The token is bound in a way that nobody here checks (`cnf` with anything but `x5t#S256`).
    #[must_use]
    pub fn unsupported_confirmation(&self) -> bool {
        self.claims.unsupported_confirmation
    }

    /// The current actor: the outermost `act.sub` (RFC 8693 section 4.1).
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actors().first().copied()
    }

    /// All actors, the current one first. Only the first may count for access (RFC 8693 section 4.1).
    #[must_use]
    pub fn actors(&self) -> Vec<&str> {
        // Read once before: it can't fail now.
        actors(self.claims.act.as_ref()).unwrap_or_default()
    }

    /// `txn`: names the transaction across hops.
    #[must_use]
    pub fn transaction(&self) -> Option<&str> {
        self.claims.transaction.as_deref()
    }

    /// Every claim without a method of its own, as a set of strings: strings, whole numbers and truth values in their
    /// JSON spelling, and arrays of them. Objects, fractions and null are left out.
    #[must_use]
    pub fn tags(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.claims.tags
    }

    /// SHA-256 of the token's text.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    pub(crate) fn act(&self) -> Option<&serde_json::Value> {
        self.claims.act.as_ref()
    }

    /// Everything about a token that depends on when and where it is shown.
    pub(crate) fn check(&self, audience: &str, now: u64, skew: u64, max_lifetime: u64) -> Result<(), TokenError> {
        let claims = &self.claims;
        if claims.expires_at.saturating_add(skew) <= now {
            return Err(TokenError::Expired { expired_at: claims.expires_at, now });
        }
        let from = claims.not_before.into_iter().chain(claims.issued_at).max().unwrap_or_default();
        if from > now.saturating_add(skew) {
            return Err(TokenError::NotYetValid { from, now });
        }
        let lifetime = claims.expires_at.saturating_sub(claims.issued_at.unwrap_or(now));
        if lifetime > max_lifetime {
            return Err(TokenError::LivesTooLong { lifetime, limit: max_lifetime });
        }
        if !claims.audiences.contains(audience) {
            return Err(TokenError::Audience { expected: audience.to_owned() });
        }
        Ok(())
    }
}
