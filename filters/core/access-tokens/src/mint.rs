//! The key that smaller tokens are signed with.

use std::fmt;

use jwt_simple::algorithms::{ECDSAP256KeyPairLike, ES256KeyPair};
use jwt_simple::claims::JWTClaims;
use jwt_simple::common::HeaderOptions;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What the operator configures.
pub struct MintConfig {
    /// `iss` of the tokens.
    pub issuer: String,
    /// `kid` of the key.
    pub key_id: String,
    /// A P-256 private key, PKCS#8 in PEM.
    pub private_key_pem: String,
    /// How long a token lives when no policy says less.
    pub ttl_seconds: u64,
}

/// Why there can be no mint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintKeyError {
    /// Empty.
    #[error("`issuer` and `key_id` cannot be empty")]
    Empty,
    /// Zero, or longer than a token for one call should live.
    #[error("`ttl_seconds` is from 1 to {MAX_TTL_SECONDS}")]
    Ttl,
    /// Not a key of this kind.
    #[error(
        "the signing key is no P-256 private key in PEM, PKCS#8 (`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`)"
    )]
    Key,
}

/// Makes tokens.
pub struct Mint {
    pub(crate) issuer: String,
    pub(crate) ttl_seconds: u64,
    key: ES256KeyPair,
    public_jwks: String,
}

const MAX_TTL_SECONDS: u64 = 3_600;

// === impl Mint ===

impl Mint {
    /// Prepares the key.
    ///
    /// # Errors
    /// The key, the lifetime or a name can't be used.
    pub fn new(config: MintConfig) -> Result<Self, MintKeyError> {
        if config.issuer.is_empty() || config.key_id.is_empty() {
            return Err(MintKeyError::Empty);
        }
        if !(1..=MAX_TTL_SECONDS).contains(&config.ttl_seconds) {
            return Err(MintKeyError::Ttl);
        }
        let key = ES256KeyPair::from_pem(&config.private_key_pem).map_err(|_| MintKeyError::Key)?;
        let key = key.with_key_id(&config.key_id);
        let mut public: Value = serde_json::from_str(&key.public_key().to_jwk()).map_err(|_| MintKeyError::Key)?;
        let members = public.as_object_mut().ok_or(MintKeyError::Key)?;
        members.extend([("alg", "ES256"), ("use", "sig")].map(|(name, value)| (name.to_owned(), value.into())));
        members.insert("kid".to_owned(), config.key_id.into());
        let public_jwks = json!({ "keys": [public] }).to_string();
        Ok(Self { issuer: config.issuer, ttl_seconds: config.ttl_seconds, key, public_jwks })
    }

    /// The public key as a key set (RFC 7517), for those who verify the tokens.
    #[must_use]
    pub fn public_jwks(&self) -> &str {
        &self.public_jwks
    }

    /// An access token (RFC 9068) with exactly these claims.
    pub(crate) fn sign(&self, claims: Map<String, Value>) -> Option<String> {
        let claims = JWTClaims {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: None,
            subject: None,
            audiences: None,
            jwt_id: None,
            nonce: None,
            custom: claims,
        };
        let options = HeaderOptions { signature_type: Some("at+jwt".to_owned()), ..HeaderOptions::default() };
        self.key.sign_with_options(claims, &options).ok()
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
