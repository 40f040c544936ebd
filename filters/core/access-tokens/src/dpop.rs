//! Proof that whoever presents a token has the key that it is bound to (DPoP, RFC 9449).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::algorithm::Algorithm;
use crate::bearer::{BearerToken, Jws, Scheme};
use crate::error::{Part, TokenError};
use crate::header::media_type;
use crate::host_crypto::TrustedCrypto;
use crate::json;
use crate::jwks::{Key, KeySetError, Usage};
use crate::token::VerifiedToken;

mod error;
mod nonce;
mod replay;
mod url;

pub use self::error::{DpopError, DpopFault};
pub use self::nonce::DpopNonces;
pub use self::replay::{NoReplays, ReplayError, ReplayStore};

/// What proofs are held to.
#[derive(Debug, Clone)]
pub struct DpopConfig {
    /// What a proof may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Only tokens that are bound to a key may come in.
    pub required: bool,
    /// How old a proof may be.
    pub max_age_seconds: u64,
    /// How far the clocks of callers may be off, in either direction.
    pub clock_skew_seconds: u64,
    /// The longest proof that is read.
    pub max_bytes: usize,
    /// Where a proof must have a nonce of ours.
    pub nonces: Option<DpopNonces>,
}

/// Verifies proofs.
#[derive(Debug)]
pub struct DpopVerifier {
    config: DpopConfig,
    host: TrustedCrypto,
}

/// The request that a proof has to be for.
#[derive(Debug, Clone, Copy)]
pub struct ProvenRequest<'a> {
    /// All values of the header `dpop`.
    pub proofs: &'a [&'a [u8]],
    /// The HTTP method.
    pub method: &'a [u8],
    /// The URL as the caller knows it; query and fragment don't count.
    pub url: &'a str,
}

/// A proof that is right in itself, and for this request and token. It counts once it is [used](Self::spend).
#[derive(Debug, PartialEq, Eq)]
pub struct DpopProof {
    id: [u8; 32],
    /// The last second (Unix) at which it would be taken.
    good_until: u64,
}

/// Members of the header that change how the proof is to be read; see those of tokens.
const FORBIDDEN: [&str; 5] = ["b64", "crit", "cty", "enc", "zip"];
/// A longer `jti` names nothing better (RFC 9449 section 11.1).
const MAX_ID_BYTES: usize = 256;

// === impl DpopVerifier ===

impl DpopVerifier {
    /// A verifier; `host` verifies what it can.
    #[must_use]
    pub fn new(config: DpopConfig, host: TrustedCrypto) -> Self {
        Self { config, host }
    }

    /// Whether only tokens that are bound to a key may come in.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.config.required
    }

    /// Checks how a verified token is presented at `now` (Unix seconds). There is a proof where the token is bound to a
    /// key, and the caller has it. What comes in the header `dpop` beside a token that is not bound has no meaning: the
    /// scheme says whether there is a proof (RFC 9449 section 7.1).
    ///
    /// # Errors
    /// The caller may not use the token, or not so.
    pub fn verify(
        &self,
        request: &ProvenRequest<'_>,
        presented: &BearerToken<'_>,
        token: &VerifiedToken,
        now: u64,
    ) -> Result<Option<DpopProof>, DpopError> {
        match (presented.scheme(), token.key_thumbprint()) {
            (Scheme::Bearer, None) if self.config.required => Err(DpopError::Required),
            (Scheme::Bearer, None) => Ok(None),
            (Scheme::Bearer, Some(_)) => Err(DpopError::BoundAsBearer),
            (Scheme::Dpop, None) => Err(DpopError::NotBound),
            (Scheme::Dpop, Some(bound_to)) => self.prove(request, presented.as_str(), bound_to, now).map(Some),
        }
    }

    /// The checks of RFC 9449 section 4.3, in its order; a key with private parts (7) is no key to check a signature
    /// (6) with.
    fn prove(
        &self,
        request: &ProvenRequest<'_>,
        token: &str,
        bound_to: &[u8; 32],
        now: u64,
    ) -> Result<DpopProof, DpopError> {
        let proof = match request.proofs {
            [] => return Err(DpopError::Missing),
            [proof] => Jws::parse(proof, self.config.max_bytes).map_err(|error| match error {
                TokenError::Repeated => DpopError::Repeated,
                error => DpopError::Jwt(error),
            })?,
            _ => return Err(DpopError::Repeated),
        };
        let [header, payload, signature] = proof.parts;
        let header = json::object_of(Part::Header, header).map_err(DpopError::Jwt)?;
        let payload = json::object_of(Part::Payload, payload).map_err(DpopError::Jwt)?;
        json::decode(Part::Signature, signature).map_err(DpopError::Jwt)?;
        let claims = Claims::read(&payload)?;
        let key = self.key(&header)?;
        key.public().check(&self.host, &proof).map_err(|_| DpopError::Signature)?;
        if claims.method.as_bytes() != request.method {
            return Err(DpopError::Method);
        }
        let expected = url::normal_form(request.url);
        if expected.is_none() || url::normal_form(claims.url) != expected {
            return Err(DpopError::Url { expected: expected.unwrap_or_default() });
        }
        if let Some(nonces) = &self.config.nonces
            && !claims.nonce.is_some_and(|nonce| nonces.is_good(nonce, now))
        {
            return Err(DpopError::Nonce { fresh: nonces.fresh(now) });
        }
        let good_until = self.lifetime(&claims, now)?;
        let hash = claims.token_hash.ok_or(DpopError::MissingClaim("ath"))?;
        let hash = json::decode(Part::Payload, hash).map_err(|_| DpopError::MalformedClaim("ath"))?;
        if !bool::from(hash.ct_eq(&Sha256::digest(token))) {
            return Err(DpopError::OtherToken);
        }
        if !bool::from(key.thumbprint().ct_eq(bound_to)) {
            return Err(DpopError::OtherKey);
        }
        // Of a key's holder, who alone can spoil it: two clients may choose the same identifier.
        let id = Sha256::new().chain_update(bound_to).chain_update(claims.id).finalize().into();
        Ok(DpopProof { id, good_until })
    }

    /// The key that the proof brings along (checks 4, 5 and 7).
    fn key(&self, header: &Map<String, Value>) -> Result<Key, DpopError> {
        if let Some(name) = FORBIDDEN.into_iter().find(|name| header.contains_key(*name)) {
            return Err(DpopError::ForbiddenHeader(name));
        }
        let typ = header.get("typ").and_then(Value::as_str).ok_or(DpopError::Type)?;
        if media_type(typ) != "dpop+jwt" {
            return Err(DpopError::Type);
        }
        let name = header.get("alg").and_then(Value::as_str).ok_or(DpopError::Header("alg"))?;
        let algorithm = name.parse().map_err(DpopError::Algorithm)?;
        if !self.config.algorithms.contains(&algorithm) {
            return Err(DpopError::AlgorithmNotAllowed { algorithm });
        }
        let jwk = header.get("jwk").and_then(Value::as_object).ok_or(DpopError::Header("jwk"))?;
        let key = Key::parse(Usage::Signature, 0, jwk, &[algorithm]).map_err(DpopError::Key)?;
        key.ok_or(DpopError::Key(KeySetError::NoUsableKey))
    }

    /// Until when the proof is good (check 11), where it is good now. Proofs need not have `exp` and `nbf`; what one says
    /// of itself holds (RFC 7519 sections 4.1.4 and 4.1.5).
    fn lifetime(&self, claims: &Claims<'_>, now: u64) -> Result<u64, DpopError> {
        let issued_at = claims.issued_at;
        let skew = self.config.clock_skew_seconds;
        let latest = now.saturating_add(skew);
        if issued_at > latest || claims.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(DpopError::Early { issued_at, now });
        }
        let by_age = issued_at.saturating_add(self.config.max_age_seconds);
        // `exp` is the first second at which it is good no more.
        let by_itself = claims.expires_at.map_or(u64::MAX, |expires_at| expires_at.saturating_sub(1));
        let good_until = by_age.min(by_itself).saturating_add(skew);
        if now > good_until {
            return Err(DpopError::Stale { issued_at, now });
        }
        Ok(good_until)
    }
}

// === impl DpopProof ===

impl DpopProof {
    /// What is remembered of it: a hash, of its key and its `jti`.
    #[must_use]
    pub fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Uses it: nobody else can any more, at `now` (Unix seconds) or later.
    ///
    /// # Errors
    /// It was used before, or that can't be told.
    pub fn spend(&self, store: &dyn ReplayStore, now: u64) -> Result<(), DpopError> {
        match store.seen(&self.id, self.good_until, now) {
            Ok(false) => Ok(()),
            Ok(true) => Err(DpopError::Replayed),
            Err(error) => Err(DpopError::Replays(error)),
        }
    }
}

/// What a proof says (RFC 9449 section 4.2); none of it is to be trusted yet.
struct Claims<'a> {
    id: &'a str,
    method: &'a str,
    url: &'a str,
    issued_at: u64,
    token_hash: Option<&'a str>,
    nonce: Option<&'a str>,
    expires_at: Option<u64>,
    not_before: Option<u64>,
}

// === impl Claims ===

impl<'a> Claims<'a> {
    fn read(raw: &'a Map<String, Value>) -> Result<Self, DpopError> {
        let required = |name: &'static str| text(raw, name)?.ok_or(DpopError::MissingClaim(name));
        let id = required("jti")?;
        if id.len() > MAX_ID_BYTES {
            return Err(DpopError::MalformedClaim("jti"));
        }
        Ok(Self {
            id,
            method: required("htm")?,
            url: required("htu")?,
            issued_at: date(raw, "iat")?.ok_or(DpopError::MissingClaim("iat"))?,
            token_hash: text(raw, "ath")?,
            nonce: text(raw, "nonce")?,
            expires_at: date(raw, "exp")?,
            not_before: date(raw, "nbf")?,
        })
    }
}

fn text<'a>(raw: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, DpopError> {
    match raw.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(DpopError::MalformedClaim(name)),
    }
}

fn date(raw: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, DpopError> {
    raw.get(name).map(|value| value.as_u64().ok_or(DpopError::MalformedClaim(name))).transpose()
}

#[cfg(test)]
mod tests;
