//! Who makes smaller tokens: a name, the key that signs them, and the keys that verify them.

use std::fmt;

use serde_json::{Value, json};
use thiserror::Error;

use crate::host_crypto::TrustedCrypto;
use crate::signing_key::{PublicSigningKey, SigningKey};

/// What the operator configures.
#[derive(Debug)]
pub struct MintConfig {
    /// `iss` of the tokens.
    pub issuer: String,
    /// Signs them.
    pub key: SigningKey,
    /// Keys that sign no more, or not yet: whoever verifies tokens keeps a key set for a while, and must know a key
    /// before it is used and as long as there are tokens of it.
    pub published_keys: Vec<PublicSigningKey>,
    /// How long a token lives when no policy says less, in seconds.
    pub ttl_seconds: u64,
}

/// Why there can be no mint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintConfigError {
    /// A name that is empty.
    #[error("it cannot be empty")]
    Issuer,
    /// Zero, or longer than a token for one call should live.
    #[error("write from 1 to {limit}, not {seconds}")]
    Ttl {
        /// What is configured.
        seconds: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// Two keys have one name.
    #[error("another key is called `{key_id}` too")]
    DuplicateKeyId {
        /// Which of `published_keys`, counted from 0.
        index: usize,
        /// The name.
        key_id: String,
    },
    /// One key has two names.
    #[error("it is the same key as `{other}`")]
    SameKey {
        /// Which of `published_keys`, counted from 0.
        index: usize,
        /// The other's name.
        other: String,
    },
}

/// Makes tokens.
pub struct Mint {
    pub(crate) issuer: String,
    pub(crate) ttl_seconds: u64,
    key: SigningKey,
    public_jwks: String,
}

/// A token is for one call that is made now.
pub(crate) const MAX_TTL_SECONDS: u64 = 900;

// === impl Mint ===

impl Mint {
    /// Prepares it.
    ///
    /// # Errors
    /// The keys can't be told apart; the lifetime or the name can't be used.
    pub fn new(config: MintConfig) -> Result<Self, MintConfigError> {
        if config.issuer.is_empty() {
            return Err(MintConfigError::Issuer);
        }
        check_ttl(config.ttl_seconds)?;
        let mut keys = vec![config.key.public()];
        for (index, key) in config.published_keys.into_iter().enumerate() {
            if keys.iter().any(|other| other.key_id() == key.key_id()) {
                return Err(MintConfigError::DuplicateKeyId { index, key_id: key.key_id().to_owned() });
            }
            if let Some(other) = keys.iter().find(|other| other.is_same_key(&key)) {
                return Err(MintConfigError::SameKey { index, other: other.key_id().to_owned() });
            }
            keys.push(key);
        }
        let jwks: Vec<Value> = keys.iter().map(PublicSigningKey::jwk).collect();
        Ok(Self {
            issuer: config.issuer,
            ttl_seconds: config.ttl_seconds,
            key: config.key,
            public_jwks: json!({ "keys": jwks }).to_string(),
        })
    }

    /// The same, with a host that signs, if it does it rightly.
    #[must_use]
    pub fn with_host(self, host: &TrustedCrypto) -> Self {
        Self { key: self.key.with_host(host), ..self }
    }

    /// The public keys as a key set (RFC 7517), for those who verify the tokens; the one that signs comes first.
    #[must_use]
    pub fn public_jwks(&self) -> &str {
        &self.public_jwks
    }

    /// A JWS in compact form; `None` when the key does not sign.
    pub(crate) fn sign(&self, typ: &str, payload: &str) -> Option<String> {
        self.key.sign(typ, payload)
    }
}

impl fmt::Debug for Mint {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

pub(crate) fn check_ttl(seconds: u64) -> Result<(), MintConfigError> {
    if (1..=MAX_TTL_SECONDS).contains(&seconds) {
        Ok(())
    } else {
        Err(MintConfigError::Ttl { seconds, limit: MAX_TTL_SECONDS })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Mint, MintConfig, MintConfigError};
    use crate::fixtures::{ed25519_key, es256_key};
    use crate::signing_key::PublicSigningKey;

    fn config() -> MintConfig {
        MintConfig {
            issuer: "https://mesh.acme.example".to_owned(),
            key: es256_key("2026-11"),
            published_keys: vec![ed25519_key("2026-12").public()],
            ttl_seconds: 60,
        }
    }

    fn refused(config: MintConfig) -> Option<MintConfigError> {
        Mint::new(config).err()
    }

    #[test]
    fn every_key_is_published_and_the_one_that_signs_comes_first() {
        let mint = Mint::new(config()).unwrap();
        let published: Value = serde_json::from_str(mint.public_jwks()).unwrap();
        // RFC 6979 appendix A.2.5 and RFC 8037 appendix A.1 give the keys.
        let expected = json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "2026-11", "alg": "ES256", "use": "sig",
              "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
              "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "2026-12", "alg": "EdDSA", "use": "sig",
              "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        ] });
        assert_eq!(published, expected);
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_refused() {
        let with = |published_keys: Vec<PublicSigningKey>| refused(MintConfig { published_keys, ..config() });
        let name = |key_id: &str| key_id.to_owned();
        assert_eq!(
            with(vec![ed25519_key("2026-12").public(), ed25519_key("2026-11").public()]),
            Some(MintConfigError::DuplicateKeyId { index: 1, key_id: name("2026-11") })
        );
        assert_eq!(
            with(vec![es256_key("2026-12").public()]),
            Some(MintConfigError::SameKey { index: 0, other: name("2026-11") })
        );
        assert_eq!(
            with(vec![ed25519_key("a").public(), ed25519_key("b").public()]),
            Some(MintConfigError::SameKey { index: 1, other: name("a") })
        );
        assert_eq!(with(Vec::new()), None);
    }

    #[test]
    fn what_makes_no_tokens_is_refused() {
        assert_eq!(refused(MintConfig { issuer: String::new(), ..config() }), Some(MintConfigError::Issuer));
        for seconds in [0, 901, u64::MAX] {
            let found = refused(MintConfig { ttl_seconds: seconds, ..config() });
            assert_eq!(found, Some(MintConfigError::Ttl { seconds, limit: 900 }));
        }
    }

    #[test]
    fn the_debug_form_does_not_show_the_key() {
        assert_eq!(
            format!("{:?} {:?}", config().key, Mint::new(config()).unwrap()),
            "SigningKey { key_id: \"2026-11\", algorithm: ES256, .. } \
             Mint { issuer: \"https://mesh.acme.example\", .. }"
        );
    }
}
