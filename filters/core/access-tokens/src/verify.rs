//! From the text of a token to a verified one.

use std::cell::RefCell;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::bearer::BearerToken;
use crate::cache::Cache;
use crate::claims::Claims;
use crate::error::{Part, TokenError, shortened};
use crate::header::Header;
use crate::host_crypto::TrustedCrypto;
use crate::issuer::{Issuer, IssuerConfig, VerifierError, qualified};
use crate::json;
use crate::jwks::KeySetError;
use crate::kind;
use crate::token::{Lifetime, VerifiedToken};

/// Verifies tokens of the configured issuers, and remembers those whose signature is good. What is remembered never
/// outlives a key.
#[derive(Debug)]
pub struct TokenVerifier {
    issuers: Vec<Issuer>,
    lifetime: Lifetime,
    host: TrustedCrypto,
    cache: RefCell<Cache>,
}

/// A token that is good here and now.
#[derive(Debug)]
pub struct Verified {
    /// It.
    pub token: Rc<VerifiedToken>,
    /// Its signature was verified before.
    pub from_cache: bool,
}

/// Clocks that differ by more should be set, not tolerated.
const MAX_CLOCK_SKEW_SECONDS: u64 = 300;

// === impl TokenVerifier ===

impl TokenVerifier {
    /// Prepares the issuers. Without any, no token is accepted. `cache_entries` bounds the tokens that are remembered.
    ///
    /// # Errors
    /// Anything that could not, or not safely, be used to verify a token.
    pub fn new(
        issuers: Vec<IssuerConfig>,
        clock_skew_seconds: u64,
        max_lifetime_seconds: u64,
        cache_entries: usize,
    ) -> Result<Self, VerifierError> {
        let lifetime = check_lifetime(clock_skew_seconds, max_lifetime_seconds)?;
        let mut known: Vec<Issuer> = Vec::with_capacity(issuers.len());
        for (index, config) in issuers.into_iter().enumerate() {
            if known.iter().any(|other| other.name() == config.issuer) {
                return Err(VerifierError::Duplicate { index, issuer: shortened(&config.issuer) });
            }
            known.push(Issuer::compile(index, config)?);
        }
        let cache = RefCell::new(Cache::new(cache_entries));
        Ok(Self { issuers: known, lifetime, host: TrustedCrypto::none(), cache })
    }

    /// The same, with a host that verifies what it can.
    #[must_use]
    pub fn with_host(self, host: TrustedCrypto) -> Self {
        Self { host, ..self }
    }

    /// Verifies a token for `audience` at `now` (Unix seconds).
    ///
    /// # Errors
    /// The token is not good here and now. Time and audience are checked for remembered tokens too.
    pub fn verify(&self, token: &BearerToken<'_>, audience: &str, now: u64) -> Result<Verified, TokenError> {
        let fingerprint: [u8; 32] = Sha256::digest(token.as_str()).into();
        let known = self.cache.borrow().get(&fingerprint);
        let from_cache = known.is_some();
        let verified = match known {
            Some(token) => token,
            None => Rc::new(self.check(token, fingerprint, now)?),
        };
        match verified.check(audience, now, self.lifetime) {
            Err(error @ TokenError::Expired { .. }) => {
                self.cache.borrow_mut().remove(&fingerprint);
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => {
                if !from_cache {
                    self.cache.borrow_mut().insert(Rc::clone(&verified));
                }
                Ok(Verified { token: verified, from_cache })
            }
        }
    }

    /// The issuers whose keys the host is to fetch now (Unix seconds); they then count as being fetched, and each must be
    /// answered by [`fetched`](Self::fetched).
    pub fn due(&self, now: u64) -> Vec<usize> {
        self.issuers.iter().enumerate().filter(|(_, issuer)| issuer.due(now)).map(|(at, _)| at).collect()
    }

    /// Takes the key set that the host fetched of an issuer, or `None` when it got none. The earlier set stays when this
    /// one is no good; what was remembered is forgotten when it is another one.
    ///
    /// # Errors
    /// Why the set is no good, for the operator.
    pub fn fetched(&self, issuer: usize, text: Option<&[u8]>, now: u64) -> Result<(), KeySetError> {
        let Some(issuer) = self.issuers.get(issuer) else { return Ok(()) };
        if issuer.fetched(text, now)? {
            self.cache.borrow_mut().clear();
        }
        Ok(())
    }

    /// The signature, and everything about the token that never changes. The issuer that the token names only chooses
    /// the keys that have to prove it.
    fn check(&self, token: &BearerToken<'_>, fingerprint: [u8; 32], now: u64) -> Result<VerifiedToken, TokenError> {
        let [header, payload, signature] = token.jws.parts;
        let header = Header::parse(header)?;
        kind::check_type(&header.media_type())?;
        let raw = json::object_of(Part::Payload, payload)?;
        json::decode(Part::Signature, signature)?;
        let claims = Claims::read(&raw)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.name() == claims.issuer)
            .ok_or_else(|| TokenError::UnknownIssuer { issuer: shortened(&claims.issuer) })?;
        let signed = issuer.check(&self.host, &header, token, now)?;
        issuer.check_claims(&header, &raw)?;
        let groups = qualified(self.issuers.len(), issuer.name(), issuer.groups(&raw)?);
        let roles = qualified(self.issuers.len(), issuer.name(), issuer.roles(&raw)?);
        Ok(VerifiedToken::new(signed, claims, groups, roles, fingerprint))
    }
}

/// What every token is held to.
pub(crate) fn check_lifetime(clock_skew_seconds: u64, max_seconds: u64) -> Result<Lifetime, VerifierError> {
    if clock_skew_seconds > MAX_CLOCK_SKEW_SECONDS {
        return Err(VerifierError::ClockSkew { seconds: clock_skew_seconds, limit: MAX_CLOCK_SKEW_SECONDS });
    }
    if max_seconds == 0 {
        return Err(VerifierError::NoLifetime);
    }
    Ok(Lifetime { clock_skew_seconds, max_seconds })
}

#[cfg(test)]
mod tests;
