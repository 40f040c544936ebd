//! Claims of a token whose signature the proxy itself has verified (Envoy's `jwt_authn`).
//!
//! The proxy checks the signature and what it is configured to; here everything else is checked as for any other token:
//! it accepts a token without `exp`, and any audience where none is configured.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::claims::{ClaimPaths, Claims, at_path};
use crate::error::{TokenError, shortened};
use crate::issuer::VerifierError;
use crate::kind;
use crate::signature::Signed;
use crate::token::{Lifetime, VerifiedToken};
use crate::verify::check_lifetime;

/// An issuer whose signatures the proxy verifies.
#[derive(Debug, Clone)]
pub struct ProxyIssuer {
    /// `iss`, exactly.
    pub issuer: String,
    /// Where groups and roles are.
    pub claims: ClaimPaths,
}

/// Takes claims that the proxy has verified for those of a token.
#[derive(Debug)]
pub struct ClaimsVerifier {
    issuers: Vec<ProxyIssuer>,
    lifetime: Lifetime,
}

// === impl ClaimsVerifier ===

impl ClaimsVerifier {
    /// Prepares the issuers; of any other, no claim counts.
    ///
    /// # Errors
    /// Anything that could not, or not safely, be used.
    pub fn new(
        issuers: Vec<ProxyIssuer>,
        clock_skew_seconds: u64,
        max_lifetime_seconds: u64,
    ) -> Result<Self, VerifierError> {
        let lifetime = check_lifetime(clock_skew_seconds, max_lifetime_seconds)?;
        for (index, one) in issuers.iter().enumerate() {
            if one.issuer.is_empty() || one.issuer.contains('#') {
                return Err(VerifierError::Issuer { index });
            }
            if issuers.iter().take(index).any(|other| other.issuer == one.issuer) {
                return Err(VerifierError::Duplicate { index, issuer: shortened(&one.issuer) });
            }
        }
        Ok(Self { issuers, lifetime })
    }

    /// Checks the claims for `audience` at `now` (Unix seconds).
    ///
    /// # Errors
    /// They are not those of a token that is good here and now.
    pub fn verify(&self, raw: &Map<String, Value>, audience: &str, now: u64) -> Result<Rc<VerifiedToken>, TokenError> {
        let claims = Claims::read(raw)?;
        // The header, in which a token could say that it is an access token, is not here.
        kind::check_claims(raw)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.issuer == claims.issuer)
            .ok_or_else(|| TokenError::UnknownIssuer { issuer: shortened(&claims.issuer) })?;
        let groups = self.ids(issuer, at_path(raw, issuer.claims.groups.as_deref())?);
        let roles = self.ids(issuer, at_path(raw, issuer.claims.roles.as_deref())?);
        // The token's own text is not here; its claims identify it as well.
        let fingerprint = Sha256::digest(Value::Object(raw.clone()).to_string()).into();
        let token = VerifiedToken::new(Signed::by_the_proxy(), claims, groups, roles, fingerprint);
        token.check(audience, now, self.lifetime)?;
        Ok(Rc::new(token))
    }

    fn ids(&self, issuer: &ProxyIssuer, names: BTreeSet<String>) -> BTreeSet<String> {
        crate::issuer::qualified(self.issuers.len(), &issuer.issuer, names)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ClaimsVerifier, ProxyIssuer};
    use crate::claims::ClaimPaths;
    use crate::error::TokenError;

    const HR: &str = "https://hr.example/mcp";
    const NOW: u64 = 1_000;

    fn verifier(issuers: &[&str]) -> ClaimsVerifier {
        let claims = ClaimPaths { groups: Some("groups".to_owned()), roles: None };
        let issuer = |&issuer: &&str| ProxyIssuer { issuer: issuer.to_owned(), claims: claims.clone() };
        ClaimsVerifier::new(issuers.iter().map(issuer).collect(), 30, 3_600).unwrap()
    }

    fn check(change: Value) -> Result<Vec<String>, TokenError> {
        let mut claims =
            json!({ "iss": "https://idp", "sub": "alice", "aud": HR, "exp": NOW + 60, "groups": ["staff"] });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = verifier(&["https://idp"]).verify(claims.as_object().unwrap(), HR, NOW)?;
        Ok(token.groups().iter().cloned().collect())
    }

    #[test]
    fn claims_are_checked_like_those_of_any_token() {
        assert_eq!(check(json!({})), Ok(vec!["staff".to_owned()]));
        assert_eq!(check(json!({ "exp": null })), Err(TokenError::MissingClaim("exp")));
        assert_eq!(check(json!({ "aud": null })), Err(TokenError::MissingClaim("aud")));
        assert_eq!(check(json!({ "aud": "x" })), Err(TokenError::Audience { expected: HR.to_owned() }));
        assert_eq!(check(json!({ "exp": NOW - 60 })), Err(TokenError::Expired { expired_at: NOW - 60, now: NOW }));
        assert_eq!(check(json!({ "iss": "x" })), Err(TokenError::UnknownIssuer { issuer: "x".to_owned() }));
        assert_eq!(check(json!({ "at_hash": "x" })), Err(TokenError::OtherKind { claim: "at_hash" }));
        assert_eq!(check(json!({ "groups": 7 })), Err(TokenError::MalformedClaim("groups".to_owned())));
    }

    #[test]
    fn with_several_issuers_groups_are_theirs() {
        let claims = json!({ "iss": "https://b", "sub": "alice", "aud": HR, "exp": NOW + 60, "groups": ["staff"] });
        let token = verifier(&["https://a", "https://b"]).verify(claims.as_object().unwrap(), HR, NOW).unwrap();
        assert_eq!(token.groups().iter().collect::<Vec<_>>(), ["https://b#staff"]);
    }
}
