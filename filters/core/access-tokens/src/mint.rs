//! The key that smaller tokens are signed with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePrivateKey as _, SecretDocument};
use serde_json::json;
use thiserror::Error;

use crate::host_crypto::{Hash, TrustedCrypto};

/// What the operator configures.
#[derive(Clone)]
pub struct MintConfig {
    /// `iss` of the tokens.
    pub issuer: String,
    /// `kid` of the key.
    pub key_id: String,
    /// A P-256 private key in PEM: PKCS#8 (`PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    pub private_key_pem: String,
    /// How long a token lives when no policy says less, in seconds.
    pub ttl_seconds: u64,
}

/// Why there can be no mint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MintKeyError {
    /// A name that is empty.
    #[error("`{0}` cannot be empty")]
    Empty(&'static str),
    /// Zero, or longer than a token for one call should live.
    #[error("`ttl_seconds` is from 1 to {limit}, not {seconds}")]
    Ttl {
        /// What is configured.
        seconds: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// Not a key of this kind.
    #[error("the signing key is no P-256 private key in PEM (`openssl ecparam -name prime256v1 -genkey -noout`)")]
    Key,
}

/// Signs tokens with ES256 (RFC 7518 section 3.4).
///
/// Signatures that are made here are deterministic (RFC 6979): no bad random source can give the key away.
pub struct Mint {
    pub(crate) issuer: String,
    pub(crate) ttl_seconds: u64,
    key: SigningKey,
    /// A host that signs with it, and the key in its form.
    host: Option<(TrustedCrypto, SecretDocument)>,
    /// The JOSE header, encoded.
    header: String,
    public_jwks: String,
}

/// A token is for one call that is made now.
const MAX_TTL_SECONDS: u64 = 900;

// === impl Mint ===

impl Mint {
    /// Prepares the key.
    ///
    /// # Errors
    /// The key, the lifetime or a name can't be used.
    pub fn new(config: MintConfig) -> Result<Self, MintKeyError> {
        if config.issuer.is_empty() {
            return Err(MintKeyError::Empty("issuer"));
        }
        if config.key_id.is_empty() {
            return Err(MintKeyError::Empty("key_id"));
        }
        if !(1..=MAX_TTL_SECONDS).contains(&config.ttl_seconds) {
            return Err(MintKeyError::Ttl { seconds: config.ttl_seconds, limit: MAX_TTL_SECONDS });
        }
        let secret = p256::SecretKey::from_pem(config.private_key_pem.trim()).map_err(|_| MintKeyError::Key)?;
        let key = SigningKey::from(secret);
        let header = json!({ "alg": "ES256", "kid": config.key_id, "typ": "at+jwt" });
        Ok(Self {
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            public_jwks: public_jwks(&key, &config.key_id)?,
            issuer: config.issuer,
            ttl_seconds: config.ttl_seconds,
            key,
            host: None,
        })
    }

    /// The same, with a host that signs, if its signature is one: in wasm, ES256 takes some five times as long.
    #[must_use]
    pub fn with_host(mut self, host: &TrustedCrypto) -> Self {
        let secret = p256::SecretKey::from(self.key.as_nonzero_scalar());
        let Ok(document) = secret.to_pkcs8_der() else { return self };
        let signature = signature_by(host, &document, b"Meshwarden");
        if signature.is_some_and(|signature| self.key.verifying_key().verify(b"Meshwarden", &signature).is_ok()) {
            self.host = Some((host.clone(), document));
        }
        self
    }

    /// Whether the host signs.
    #[must_use]
    pub fn signs_by_host(&self) -> bool {
        self.host.is_some()
    }

    /// The public key as a key set (RFC 7517), for those who verify the tokens.
    #[must_use]
    pub fn public_jwks(&self) -> &str {
        &self.public_jwks
    }

    /// A JWS in compact form; `None` when the key does not sign.
    pub(crate) fn sign(&self, payload: &str) -> Option<String> {
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(payload));
        let by_host = self.host.as_ref().and_then(|(host, key)| signature_by(host, key, token.as_bytes()));
        let signature: Signature = match by_host {
            Some(signature) => signature,
            None => self.key.try_sign(token.as_bytes()).ok()?,
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        Some(token)
    }
}

impl fmt::Debug for Mint {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for MintConfig {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("MintConfig");
        fields.field("issuer", &self.issuer).field("key_id", &self.key_id).field("ttl_seconds", &self.ttl_seconds);
        fields.finish_non_exhaustive()
    }
}

fn signature_by(host: &TrustedCrypto, key: &SecretDocument, message: &[u8]) -> Option<Signature> {
    Signature::from_der(&host.sign(Hash::Sha256, key.as_bytes(), message)?).ok()
}

fn public_jwks(key: &SigningKey, key_id: &str) -> Result<String, MintKeyError> {
    let point = key.verifying_key().to_sec1_point(false);
    let (Some(x), Some(y)) = (point.x(), point.y()) else { return Err(MintKeyError::Key) };
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let key = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": key_id, "alg": "ES256", "use": "sig" });
    Ok(json!({ "keys": [key] }).to_string())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use p256::ecdsa::signature::Signer as _;
    use p256::ecdsa::{Signature, SigningKey};
    use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};

    use super::{Mint, MintConfig, MintKeyError};
    use crate::fixtures::secret_key;
    use crate::host_crypto::{Hash, HostCrypto, TrustedCrypto};

    fn config(private_key_pem: String) -> MintConfig {
        let issuer = "https://mesh.acme.example".to_owned();
        MintConfig { issuer, key_id: "2026-11".to_owned(), private_key_pem, ttl_seconds: 60 }
    }

    fn pkcs8() -> String {
        secret_key().to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    #[test]
    fn both_forms_of_a_private_key_are_read() {
        let sec1 = secret_key().to_sec1_pem(LineEnding::LF).unwrap().to_string();
        assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
        let from_pkcs8 = Mint::new(config(pkcs8())).unwrap();
        let from_sec1 = Mint::new(config(format!("\n{sec1}\n"))).unwrap();
        assert_eq!(from_pkcs8.sign("{}"), from_sec1.sign("{}"));
    }

    /// A host that signs with the key it is given, in its own form, or does it wrong.
    struct Signing {
        right: bool,
    }

    impl HostCrypto for Signing {
        fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
            None
        }

        fn sign(&self, hash: Hash, private_key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
            assert_eq!(hash, Hash::Sha256);
            let key = SigningKey::from_pkcs8_der(private_key).ok()?;
            let message = if self.right { message } else { b"something else" };
            let signature: Signature = key.sign(message);
            Some(signature.to_der().as_bytes().to_vec())
        }
    }

    fn by_host(right: bool) -> Mint {
        Mint::new(config(pkcs8())).unwrap().with_host(&TrustedCrypto::probe(Rc::new(Signing { right })))
    }

    #[test]
    fn a_host_that_signs_rightly_signs() {
        let here = Mint::new(config(pkcs8())).unwrap();
        assert!(!here.signs_by_host() && by_host(true).signs_by_host() && !by_host(false).signs_by_host());
        assert!(!Mint::new(config(pkcs8())).unwrap().with_host(&TrustedCrypto::none()).signs_by_host());
        // Both are deterministic, so the same signature shows that its form was changed rightly.
        for mint in [by_host(true), by_host(false)] {
            assert_eq!(mint.sign("{}"), here.sign("{}"));
        }
    }

    #[test]
    fn the_public_key_set_is_the_published_one() {
        // RFC 6979 appendix A.2.5 gives the key.
        let expected = serde_json::json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": "2026-11", "alg": "ES256", "use": "sig",
            "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
            "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
        }] });
        let published: serde_json::Value =
            serde_json::from_str(Mint::new(config(pkcs8())).unwrap().public_jwks()).unwrap();
        assert_eq!(published, expected);
    }

    #[test]
    fn what_cannot_sign_is_refused() {
        let refused = |config: MintConfig| Mint::new(config).err();
        assert_eq!(
            refused(MintConfig { issuer: String::new(), ..config(pkcs8()) }),
            Some(MintKeyError::Empty("issuer"))
        );
        assert_eq!(
            refused(MintConfig { key_id: String::new(), ..config(pkcs8()) }),
            Some(MintKeyError::Empty("key_id"))
        );
        for seconds in [0, 901, u64::MAX] {
            let found = refused(MintConfig { ttl_seconds: seconds, ..config(pkcs8()) });
            assert_eq!(found, Some(MintKeyError::Ttl { seconds, limit: 900 }));
        }
        let p384 = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".to_owned();
        let public = pkcs8().replace("PRIVATE", "PUBLIC");
        let damaged = pkcs8().replacen('M', "N", 1);
        for key in [String::new(), "secret".to_owned(), p384, public, damaged] {
            assert_eq!(refused(config(key)), Some(MintKeyError::Key));
        }
    }

    #[test]
    fn the_debug_form_does_not_show_the_key() {
        let config = config(pkcs8());
        let shown = format!("{config:?} {:?}", Mint::new(config.clone()).unwrap());
        assert_eq!(
            shown,
            "MintConfig { issuer: \"https://mesh.acme.example\", key_id: \"2026-11\", ttl_seconds: 60, .. } \
             Mint { issuer: \"https://mesh.acme.example\", .. }"
        );
    }
}
