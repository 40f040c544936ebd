//! One issuer, as the operator configures it and ready for use.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::bearer::BearerToken;
use crate::claims::{ClaimPaths, at_path};
use crate::error::{TokenError, shortened};
use crate::header::{Header, media_type};
use crate::host_crypto::TrustedCrypto;
use crate::jwks::KeySetError;
use crate::keys::{Jwks, Keys};
use crate::kind;
use crate::profile::Profile;
use crate::signature::Signed;

/// One issuer as the operator configures it.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// `iss`, exactly.
    pub issuer: String,
    /// Its keys.
    pub jwks: Jwks,
    /// What the issuer signs with; there is no default.
    pub algorithms: Vec<Algorithm>,
    /// Acceptable `typ` values, as in `at+jwt` (RFC 9068 section 4). A token without `typ` counts as `JWT`.
    pub token_types: Vec<String>,
    /// What else its tokens are held to.
    pub profile: Profile,
    /// Where groups and roles are.
    pub claims: ClaimPaths,
}

/// Why a set of issuers, or what their tokens are held to, is refused. Issuers are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// An issuer without a name, or with `#`, which ends the issuer's part of a principal's id.
    #[error("issuer {index}: `issuer` must be the value of `iss`, without `#`")]
    Issuer {
        /// Which.
        index: usize,
    },
    /// The same issuer twice.
    #[error("issuer {index}: `{issuer}` is configured twice")]
    Duplicate {
        /// The later one.
        index: usize,
        /// Its name, shortened.
        issuer: String,
    },
    /// No algorithm: nothing would be accepted.
    #[error("issuer {index}: `algorithms` is empty; write for instance `RS256`")]
    NoAlgorithms {
        /// Which.
        index: usize,
    },
    /// No token type, or an empty one.
    #[error("issuer {index}: `token_types` must name types, for instance `at+jwt`")]
    TokenTypes {
        /// Which.
        index: usize,
    },
    /// A type of something else than access tokens.
    #[error("issuer {index}: `token_types` has `{found}`, which is never an access token")]
    OtherType {
        /// Which.
        index: usize,
        /// The type, shortened.
        found: String,
    },
    /// Tokens that RFC 9068 does not have.
    #[error("issuer {index}: `profile: rfc9068` is for `token_types: [at+jwt]` alone (RFC 9068 section 4)")]
    ProfileTypes {
        /// Which.
        index: usize,
    },
    /// A path of claims that names nothing.
    #[error("issuer {index}: `claims` has an empty name in a path")]
    ClaimPath {
        /// Which.
        index: usize,
    },
    /// Its key set can't be used.
    #[error("issuer {index}: `jwks`: {error}")]
    Keys {
        /// Which.
        index: usize,
        /// Why.
        error: KeySetError,
    },
    /// More than clocks differ by: expired tokens would be accepted.
    #[error("`clock_skew_seconds` is at most {limit}, not {seconds}")]
    ClockSkew {
        /// What is configured.
        seconds: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// Nothing would be accepted.
    #[error("`max_lifetime_seconds` cannot be 0")]
    NoLifetime,
}

/// An issuer whose tokens can be verified.
#[derive(Debug)]
pub(crate) struct Issuer {
    name: String,
    keys: Keys,
    algorithms: Vec<Algorithm>,
    /// In the form of [`media_type`].
    token_types: Vec<String>,
    profile: Profile,
    claims: ClaimPaths,
}

/// Two issuers may both have a group `admins`; the two must not become one.
pub(crate) fn qualified(issuers: usize, issuer: &str, names: BTreeSet<String>) -> BTreeSet<String> {
    if issuers < 2 {
        return names;
    }
    names.into_iter().map(|name| format!("{issuer}#{name}")).collect()
}

// === impl Issuer ===

impl Issuer {
    pub(crate) fn compile(index: usize, config: IssuerConfig) -> Result<Self, VerifierError> {
        if config.issuer.is_empty() || config.issuer.contains('#') {
            return Err(VerifierError::Issuer { index });
        }
        if config.algorithms.is_empty() {
            return Err(VerifierError::NoAlgorithms { index });
        }
        let token_types: Vec<String> = config.token_types.iter().map(|typ| media_type(typ)).collect();
        if token_types.is_empty() || token_types.iter().any(String::is_empty) {
            return Err(VerifierError::TokenTypes { index });
        }
        if let Some(other) = token_types.iter().find(|typ| kind::is_other_type(typ)) {
            return Err(VerifierError::OtherType { index, found: shortened(other) });
        }
        if config.profile == Profile::Rfc9068 && token_types.iter().any(|typ| typ != kind::ACCESS_TOKEN) {
            return Err(VerifierError::ProfileTypes { index });
        }
        let paths = [&config.claims.groups, &config.claims.roles];
        if paths.into_iter().flatten().any(|path| path.split('.').any(str::is_empty)) {
            return Err(VerifierError::ClaimPath { index });
        }
        let keys = Keys::new(&config.jwks, &config.algorithms);
        Ok(Self {
            keys: keys.map_err(|error| VerifierError::Keys { index, error })?,
            name: config.issuer,
            algorithms: config.algorithms,
            token_types,
            profile: config.profile,
            claims: config.claims,
        })
    }

    /// `iss`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a key of this issuer signed the token. What is cheap comes first.
    pub(crate) fn check(
        &self,
        host: &TrustedCrypto,
        header: &Header,
        token: &BearerToken<'_>,
        now: u64,
    ) -> Result<Signed, TokenError> {
        if !self.algorithms.contains(&header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed { algorithm: header.algorithm });
        }
        if !self.token_types.contains(&header.media_type()) {
            let found = shortened(header.typ.as_deref().unwrap_or("JWT"));
            return Err(TokenError::Type { found });
        }
        let keys = self.keys.with(header, now)?;
        let key = keys.find(header.key_id.as_deref(), header.algorithm)?;
        key.check(host, &token.jws).map_err(|_| TokenError::Signature)
    }

    /// What the issuer's profile asks of the claims of a token with this header.
    pub(crate) fn check_claims(&self, header: &Header, raw: &Map<String, Value>) -> Result<(), TokenError> {
        self.profile.check(&header.media_type(), raw)
    }

    /// Whether the host is to fetch the keys now; they then count as being fetched.
    pub(crate) fn due(&self, now: u64) -> bool {
        self.keys.due(now)
    }

    /// Takes what the host fetched; says whether the keys are others now.
    pub(crate) fn fetched(&self, text: Option<&[u8]>, now: u64) -> Result<bool, KeySetError> {
        self.keys.fetched(text, &self.algorithms, now)
    }

    pub(crate) fn groups(&self, claims: &Map<String, Value>) -> Result<BTreeSet<String>, TokenError> {
        at_path(claims, self.claims.groups.as_deref())
    }

    pub(crate) fn roles(&self, claims: &Map<String, Value>) -> Result<BTreeSet<String>, TokenError> {
        at_path(claims, self.claims.roles.as_deref())
    }
}
