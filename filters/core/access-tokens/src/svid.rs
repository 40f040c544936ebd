//! JWT-SVIDs: what a workload shows where its certificate does not arrive (SPIFFE JWT-SVID).
//!
//! Whoever has one can show it: it is good for the audiences it names, and for a short time.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::bearer::Jws;
use crate::claims::{audiences, date, malformed, text};
use crate::error::{Part, TokenError, shortened};
use crate::header::Header;
use crate::host_crypto::TrustedCrypto;
use crate::json;
use crate::jwks::{KeySetError, Usage};
use crate::keys::{Jwks, Keys};

/// Whose JWT-SVIDs are accepted, and for whom they have to be.
#[derive(Debug, Clone)]
pub struct SvidConfig {
    /// One of these has to be among the audiences of a JWT-SVID (section 3.2).
    pub audiences: BTreeSet<String>,
    /// What the trust domains sign with; there is no default. EdDSA is none of a JWT-SVID's (section 2.1).
    pub algorithms: Vec<Algorithm>,
    /// The keys of each trust domain.
    pub bundles: Vec<Bundle>,
    /// How much clocks may differ.
    pub clock_skew_seconds: u64,
    /// For how long a JWT-SVID may be good at most, counted from now, in seconds.
    pub max_lifetime_seconds: u64,
}

/// The bundle of a trust domain (SPIFFE Trust Domain and Bundle section 4).
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The trust domain, which has to be a valid name.
    pub trust_domain: String,
    /// Its keys, of which those count whose `use` is `jwt-svid`, or that have none.
    pub jwks: Jwks,
}

/// Why JWT-SVIDs could not be verified. Bundles are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    /// Nothing would be accepted.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// JWT-SVID section 2.1 has RS, PS and ES only.
    #[error("`algorithms` has `{algorithm}`, which a JWT-SVID can't be signed with")]
    Algorithm {
        /// The one that is not.
        algorithm: Algorithm,
    },
    /// Two bundles of one trust domain.
    #[error("bundle {index}: `{trust_domain}` has two")]
    Duplicate {
        /// The later one.
        index: usize,
        /// Whose it is, shortened.
        trust_domain: String,
    },
    /// Its keys can't be used.
    #[error("bundle {index}: `jwks`: {error}")]
    Keys {
        /// Which.
        index: usize,
        /// Why.
        error: KeySetError,
    },
}

/// Why a JWT-SVID is not good here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SvidError {
    /// As with any token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A header member besides `alg`, `kid` and `typ` (section 2).
    #[error("its header has `{0}`")]
    OtherHeader(String),
    /// `typ` is there, and neither `JWT` nor `JOSE` (section 2.3); a WIT-SVID has another.
    #[error("its type `{found}` is not `JWT`")]
    Type {
        /// As written, shortened.
        found: String,
    },
    /// The subject does not begin as a SPIFFE ID does (section 3.1).
    #[error("its subject is no SPIFFE ID")]
    Subject,
    /// There is no bundle of the subject's trust domain.
    #[error("there is no bundle of trust domain `{trust_domain}`")]
    UnknownTrustDomain {
        /// Which, shortened.
        trust_domain: String,
    },
    /// None of its audiences is ours.
    #[error("it is for another audience")]
    Audience,
}

/// Verifies JWT-SVIDs. Keys of one trust domain say nothing about the workloads of another.
#[derive(Debug)]
pub struct SvidVerifier {
    audiences: BTreeSet<String>,
    algorithms: Vec<Algorithm>,
    bundles: Vec<(String, Keys)>,
    clock_skew_seconds: u64,
    max_lifetime_seconds: u64,
    host: TrustedCrypto,
}

/// Proof that the trust domain in the subject signed this, for us, and that it is good now.
#[derive(Debug, PartialEq, Eq)]
pub struct JwtSvid {
    subject: String,
}

/// What it says, signed or not.
struct Claims {
    subject: String,
    audiences: BTreeSet<String>,
    expires_at: u64,
    not_before: Option<u64>,
    issued_at: Option<u64>,
}

/// The only header members that there may be (section 2).
const HEADER: [&str; 3] = ["alg", "kid", "typ"];
/// More than any JWT-SVID has.
const MAX_BYTES: usize = 8_192;

// === impl SvidVerifier ===

impl SvidVerifier {
    /// Prepares the bundles.
    ///
    /// # Errors
    /// Anything that could not, or not safely, be used.
    pub fn new(config: SvidConfig, host: TrustedCrypto) -> Result<Self, BundleError> {
        let SvidConfig { audiences, algorithms, bundles, clock_skew_seconds, max_lifetime_seconds } = config;
        let empty =
            [("audiences", audiences.is_empty() || audiences.contains("")), ("algorithms", algorithms.is_empty())];
        let empty = empty.into_iter().chain([("bundles", bundles.is_empty())]).find(|(_, is_empty)| *is_empty);
        if let Some((name, _)) = empty {
            return Err(BundleError::Empty(name));
        }
        if algorithms.contains(&Algorithm::EdDSA) {
            return Err(BundleError::Algorithm { algorithm: Algorithm::EdDSA });
        }
        let mut known: Vec<(String, Keys)> = Vec::with_capacity(bundles.len());
        for (index, Bundle { trust_domain, jwks }) in bundles.into_iter().enumerate() {
            if known.iter().any(|(other, _)| *other == trust_domain) {
                return Err(BundleError::Duplicate { index, trust_domain: shortened(&trust_domain) });
            }
            let keys = Keys::used_as(Usage::JwtSvid, &jwks, &algorithms);
            known.push((trust_domain, keys.map_err(|error| BundleError::Keys { index, error })?));
        }
        Ok(Self { audiences, algorithms, bundles: known, clock_skew_seconds, max_lifetime_seconds, host })
    }

    /// Verifies what a header has as its whole value, at `now` (Unix seconds).
    ///
    /// # Errors
    /// It is no JWT-SVID, or not one that is good here and now. That keys are awaited is an error of the token.
    pub fn verify(&self, value: &[u8], now: u64) -> Result<JwtSvid, SvidError> {
        let token = Jws::parse(value, MAX_BYTES)?;
        let [header, payload, signature] = token.parts;
        let members = json::object_of(Part::Header, header)?;
        let header = Header::of(&members)?;
        if let Some(other) = members.keys().find(|name| !HEADER.contains(&name.as_str())) {
            return Err(SvidError::OtherHeader(shortened(other)));
        }
        if let Some(found) = header.typ.as_deref().filter(|typ| !["JWT", "JOSE"].contains(typ)) {
            return Err(SvidError::Type { found: shortened(found) });
        }
        if !self.algorithms.contains(&header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed { algorithm: header.algorithm }.into());
        }
        let claims = Claims::read(&json::object_of(Part::Payload, payload)?)?;
        json::decode(Part::Signature, signature)?;
        let keys = self.bundle(&claims.subject)?.with(&header, now)?;
        let key = keys.find(header.key_id.as_deref(), header.algorithm)?;
        key.check(&self.host, &token).map_err(|_| TokenError::Signature)?;
        self.check(&claims, now)?;
        Ok(JwtSvid { subject: claims.subject })
    }

    /// The bundles whose keys the host is to fetch now; they then count as being fetched, and each must be answered by
    /// [`fetched`](Self::fetched).
    pub fn due(&self, now: u64) -> Vec<usize> {
        self.bundles.iter().enumerate().filter(|(_, (_, keys))| keys.due(now)).map(|(at, _)| at).collect()
    }

    /// Takes the key set that the host fetched of a bundle, or `None` when it got none.
    ///
    /// # Errors
    /// Why the set is no good, for the operator; the earlier set stays.
    pub fn fetched(&self, bundle: usize, text: Option<&[u8]>, now: u64) -> Result<(), KeySetError> {
        let Some((_, keys)) = self.bundles.get(bundle) else { return Ok(()) };
        keys.fetched(text, &self.algorithms, now).map(drop)
    }

    /// The keys of the trust domain in the subject. Whether the rest of it is a SPIFFE ID is for whoever uses it.
    fn bundle(&self, subject: &str) -> Result<&Keys, SvidError> {
        let rest = subject.strip_prefix("spiffe://").ok_or(SvidError::Subject)?;
        let (name, _) = rest.split_once('/').ok_or(SvidError::Subject)?;
        let bundle = self.bundles.iter().find(|(trust_domain, _)| trust_domain == name);
        bundle.map(|(_, keys)| keys).ok_or_else(|| SvidError::UnknownTrustDomain { trust_domain: shortened(name) })
    }

    /// Whether it is for us, now.
    fn check(&self, claims: &Claims, now: u64) -> Result<(), SvidError> {
        let expired_at = claims.expires_at;
        if now >= expired_at.saturating_add(self.clock_skew_seconds) {
            return Err(TokenError::Expired { expired_at, now }.into());
        }
        let latest = now.saturating_add(self.clock_skew_seconds);
        if let Some(not_before) = claims.not_before.filter(|&not_before| not_before > latest) {
            return Err(TokenError::NotYetValid { not_before, now }.into());
        }
        if let Some(issued_at) = claims.issued_at.filter(|&issued_at| issued_at > latest) {
            return Err(TokenError::IssuedInFuture { issued_at, now }.into());
        }
        let (seconds, limit) = (expired_at.saturating_sub(now), self.max_lifetime_seconds);
        if seconds > limit {
            return Err(TokenError::LivesTooLong { seconds, limit }.into());
        }
        if claims.audiences.is_disjoint(&self.audiences) { Err(SvidError::Audience) } else { Ok(()) }
    }
}

// === impl Claims ===

impl Claims {
    /// Audience and expiry are required (sections 3.2 and 3.3).
    fn read(raw: &Map<String, Value>) -> Result<Self, TokenError> {
        for name in ["iss", "jti", "nonce"] {
            // Not used, and still text in every token.
            text(raw, name)?;
        }
        // It would have to be proven, and nobody here could.
        if raw.contains_key("cnf") {
            return Err(malformed("cnf"));
        }
        Ok(Self {
            subject: text(raw, "sub")?.ok_or(TokenError::MissingClaim("sub"))?,
            audiences: audiences(raw)?,
            expires_at: date(raw, "exp")?.ok_or(TokenError::MissingClaim("exp"))?,
            not_before: date(raw, "nbf")?,
            issued_at: date(raw, "iat")?,
        })
    }
}

// === impl JwtSvid ===

impl JwtSvid {
    /// What it says to be the workload's SPIFFE ID; its trust domain is the one whose keys signed it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

#[cfg(test)]
mod tests;
