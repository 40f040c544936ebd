//! From the text of a token to a verified one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::bearer::BearerToken;
use crate::cache::Cache;
use crate::claims::{ClaimPaths, Claims};
use crate::error::TokenError;
use crate::jwks::{Algorithm, KeySet, KeySetError, Unsigned, decode};
use crate::object::Object;
use crate::token::VerifiedToken;

/// One issuer as the operator configures it.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// `iss`, exactly.
    pub issuer: String,
    /// The key set, as JSON (RFC 7517).
    pub jwks: String,
    /// What the issuer signs with.
    pub algorithms: Vec<Algorithm>,
    /// Acceptable `typ` values, as in `at+jwt`. A token without `typ` counts as `JWT`.
    pub token_types: Vec<String>,
    /// Where groups and roles are.
    pub claims: ClaimPaths,
}

/// Why a set of issuers is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// Empty, or with `#`, which ends the issuer's part of a principal's id.
    #[error("issuer {index}: `issuer` must be the issuer's URL, without `#`")]
    Issuer {
        /// Counted from 0.
        index: usize,
    },
    /// The same issuer twice.
    #[error("issuer {index}: `{issuer}` is configured twice")]
    Duplicate {
        /// Counted from 0.
        index: usize,
        /// Its `iss`.
        issuer: String,
    },
    /// Nothing would be accepted.
    #[error("issuer {index}: `token_types` is empty; write for instance `at+jwt`")]
    NoTokenTypes {
        /// Counted from 0.
        index: usize,
    },
    /// Its key set can't be used.
    #[error("issuer {index}: `jwks`: {error}")]
    Keys {
        /// Counted from 0.
        index: usize,
        /// Why.
        error: KeySetError,
    },
}

/// Verifies tokens of the configured issuers and remembers those whose signature is good.
#[derive(Debug)]
pub struct TokenVerifier {
    issuers: Vec<Issuer>,
    clock_skew_seconds: u64,
    max_lifetime_seconds: u64,
    cache: RefCell<Cache>,
}

#[derive(Debug)]
struct Issuer {
    issuer: String,
    keys: KeySet,
    algorithms: Vec<Algorithm>,
    /// Lower case, without `application/`.
    token_types: Vec<String>,
    claims: ClaimPaths,
}

/// A token that is good here and now.
#[derive(Debug)]
pub struct Verified {
    /// It.
    pub token: Rc<VerifiedToken>,
    /// Its signature was verified before.
    pub from_cache: bool,
}

/// What the header of a token says, none of it to be trusted.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: String,
}

// === impl TokenVerifier ===

impl TokenVerifier {
    /// Prepares the issuers. `cache_entries` bounds the tokens that are remembered.
    ///
    /// # Errors
    /// An issuer whose tokens could never, or not safely, be verified.
    pub fn new(
        issuers: Vec<IssuerConfig>,
        clock_skew_seconds: u64,
        max_lifetime_seconds: u64,
        cache_entries: usize,
    ) -> Result<Self, VerifierError> {
        let mut known: Vec<Issuer> = Vec::with_capacity(issuers.len());
        for (index, config) in issuers.into_iter().enumerate() {
            if config.issuer.is_empty() || config.issuer.contains('#') {
                return Err(VerifierError::Issuer { index });
            }
            if known.iter().any(|other| other.issuer == config.issuer) {
                return Err(VerifierError::Duplicate { index, issuer: config.issuer });
            }
            if config.token_types.is_empty() {
                return Err(VerifierError::NoTokenTypes { index });
            }
            known.push(Issuer {
                keys: KeySet::parse(&config.jwks, &config.algorithms)
                    .map_err(|error| VerifierError::Keys { index, error })?,
                issuer: config.issuer,
                algorithms: config.algorithms,
                token_types: config.token_types.iter().map(|typ| media_type(typ)).collect(),
                claims: config.claims,
            });
        }
        let cache = RefCell::new(Cache::new(cache_entries));
        Ok(Self { issuers: known, clock_skew_seconds, max_lifetime_seconds, cache })
    }

    /// Verifies a token for `audience` at `now` (Unix seconds).
    ///
    /// # Errors
    /// The token is not good here and now. Expiry and audience are checked for remembered tokens too.
    pub fn verify(&self, token: &BearerToken<'_>, audience: &str, now: u64) -> Result<Verified, TokenError> {
        let fingerprint: [u8; 32] = Sha256::digest(token.as_str()).into();
        let known = self.cache.borrow_mut().get(&fingerprint);
        let verified = match known {
            Some(token) => Verified { token, from_cache: true },
            None => Verified { token: Rc::new(self.check(token, fingerprint)?), from_cache: false },
        };
        let good = verified.token.check(audience, now, self.clock_skew_seconds, self.max_lifetime_seconds);
        match good {
            Err(error @ TokenError::Expired { .. }) => {
                self.cache.borrow_mut().remove(&fingerprint);
                return Err(error);
            }
            Err(error) => return Err(error),
            Ok(()) if !verified.from_cache => self.cache.borrow_mut().insert(Rc::clone(&verified.token)),
            Ok(()) => {}
        }
        Ok(verified)
    }

    /// The signature, and everything that must hold before it counts; what is cheap comes first.
    fn check(&self, token: &BearerToken<'_>, fingerprint: [u8; 32]) -> Result<VerifiedToken, TokenError> {
        let [header, payload, _] = token.parts;
        let header = Header::read(&object(header).ok_or(TokenError::Header)?)?;
        let claims = Claims::read(object(payload).ok_or(TokenError::Claims)?)?;
        let issuer =
            self.issuers.iter().find(|issuer| issuer.issuer == claims.issuer).ok_or(TokenError::UnknownIssuer)?;
        if !issuer.algorithms.contains(&header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        if !issuer.token_types.contains(&header.typ) {
            return Err(TokenError::Type);
        }
        let signed =
            issuer.keys.check(header.kid.as_deref(), header.algorithm, token.as_str()).map_err(
                |error| match error {
                    Unsigned::UnknownKey => TokenError::UnknownKey,
                    Unsigned::WrongSignature => TokenError::Signature,
                },
            )?;
        let groups = self.ids(issuer, claims.at(issuer.claims.groups.as_deref()));
        let roles = self.ids(issuer, claims.at(issuer.claims.roles.as_deref()));
        Ok(VerifiedToken::new(signed, claims, groups, roles, fingerprint))
    }

    /// Two issuers may both have a group `admin`; it must not become one.
    fn ids(&self, issuer: &Issuer, names: BTreeSet<String>) -> BTreeSet<String> {
        if self.issuers.len() < 2 {
            return names;
        }
        names.into_iter().map(|name| format!("{}#{name}", issuer.issuer)).collect()
    }
}

// === impl Header ===

impl Header {
    /// Members that name keys (`jku`, `jwk`, `x5u`, `x5c`) are never followed. What would change how the token is to be
    /// read is refused (RFC 7515 section 4.1.11, RFC 7797, RFC 7516).
    fn read(members: &Map<String, Value>) -> Result<Self, TokenError> {
        for forbidden in ["b64", "crit", "enc", "zip"] {
            if members.contains_key(forbidden) {
                return Err(TokenError::HeaderMember(forbidden));
            }
        }
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenError::HeaderMember(name)),
        };
        let algorithm = text("alg")?.ok_or(TokenError::HeaderMember("alg"))?;
        Ok(Self {
            algorithm: algorithm.parse().map_err(|_| TokenError::Algorithm)?,
            kid: text("kid")?.map(str::to_owned),
            typ: media_type(text("typ")?.unwrap_or("JWT")),
        })
    }
}

/// `at+jwt` and `application/at+jwt` are the same, in any case (RFC 7515 section 4.1.9).
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let Object(members) = serde_json::from_slice(&decode(part)?).ok()?;
    Some(members)
}

#[cfg(test)]
mod tests;
