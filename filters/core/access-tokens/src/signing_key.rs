//! A private key of our own, and what others may know of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{self, Signature, VerifyingKey};
use p256::pkcs8::spki::SubjectPublicKeyInfoRef;
use p256::pkcs8::{
    DecodePublicKey as _, Document, EncodePrivateKey as _, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument,
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::host_crypto::{Hash, TrustedCrypto};

/// Signs with ES256 (RFC 7518 section 3.4) or EdDSA (RFC 8037 section 3.1).
///
/// Signatures that are made here are deterministic (RFC 6979, RFC 8032): no bad random source can give the key away.
pub struct SigningKey {
    key_id: String,
    key: Private,
    /// The JOSE header of all that is signed, as far as the type.
    header: String,
    /// A host that signs with it, and the key in its form.
    host: Option<(TrustedCrypto, SecretDocument)>,
}

enum Private {
    P256(ecdsa::SigningKey),
    Ed25519(Box<KeyPair>),
}

/// A public key that others verify our signatures with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicSigningKey {
    key_id: String,
    algorithm: Algorithm,
    /// The members that make the key.
    material: Value,
}

/// Why a key can't be used. Nothing of the key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// Verifiers find the key by its name.
    #[error("a key needs a name, which the tokens have as `kid`")]
    NoKeyId,
    /// Nothing is signed with it here.
    #[error("nothing is signed with `{0}`; write `ES256` or `EdDSA`")]
    Algorithm(Algorithm),
    /// Not a private key for the algorithm.
    #[error("it is no private key for `{0}` in PEM; make one with `{make}`", make = command(*.0))]
    Private(Algorithm),
    /// Not a public key for the algorithm.
    #[error("it is no public key for `{0}` in PEM; `openssl pkey -pubout` makes it of the private one")]
    Public(Algorithm),
}

/// RFC 8410 section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 8410 section 7: a private key is an OCTET STRING of 32 bytes in another.
const OCTETS_OF_SEED: [u8; 2] = [4, 32];

// === impl SigningKey ===

impl SigningKey {
    /// Reads a private key in PEM: PKCS #8 (`PRIVATE KEY`), and for P-256 also SEC1 (`EC PRIVATE KEY`).
    ///
    /// # Errors
    /// The name is empty, or it is no such key.
    pub fn from_pem(algorithm: Algorithm, key_id: String, pem: &str) -> Result<Self, SigningKeyError> {
        if key_id.is_empty() {
            return Err(SigningKeyError::NoKeyId);
        }
        let key = match algorithm {
            Algorithm::ES256 => p256::SecretKey::from_pem(pem.trim()).ok().map(|key| Private::P256(key.into())),
            Algorithm::EdDSA => ed25519(pem.trim()).map(|pair| Private::Ed25519(Box::new(pair))),
            other => return Err(SigningKeyError::Algorithm(other)),
        };
        let header = format!(r#"{{"alg":{},"kid":{},"typ":"#, json!(algorithm.name()), json!(key_id));
        Ok(Self { key_id, key: key.ok_or(SigningKeyError::Private(algorithm))?, header, host: None })
    }

    /// The same, with a host that signs, if its signature is right: in wasm, ES256 takes some five times as long. No host
    /// has Ed25519.
    #[must_use]
    pub fn with_host(mut self, host: &TrustedCrypto) -> Self {
        let Private::P256(key) = &self.key else { return self };
        let Ok(document) = p256::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_der() else { return self };
        let signature = signature_by(host, &document, b"Meshwarden");
        if signature.is_some_and(|signature| key.verifying_key().verify(b"Meshwarden", &signature).is_ok()) {
            self.host = Some((host.clone(), document));
        }
        self
    }

    /// Whether the host signs.
    #[must_use]
    pub fn signs_by_host(&self) -> bool {
        self.host.is_some()
    }

    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Private::P256(_) => Algorithm::ES256,
            Private::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What everybody may know of it.
    #[must_use]
    pub fn public(&self) -> PublicSigningKey {
        let material = match &self.key {
            Private::P256(key) => of_p256(key.verifying_key()),
            Private::Ed25519(pair) => of_ed25519(&*pair.pk),
        };
        PublicSigningKey { key_id: self.key_id.clone(), algorithm: self.algorithm(), material }
    }

    /// A JWS in compact form (RFC 7515 section 7.1), whose header says `typ`; `None` when the key does not sign.
    #[must_use]
    pub fn sign(&self, typ: &str, payload: &str) -> Option<String> {
        let header = format!("{}{}}}", self.header, json!(typ));
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = match &self.key {
            Private::P256(key) => {
                let by_host = self.host.as_ref().and_then(|(host, key)| signature_by(host, key, token.as_bytes()));
                let signature: Signature = match by_host {
                    Some(signature) => signature,
                    None => key.try_sign(token.as_bytes()).ok()?,
                };
                signature.to_vec()
            }
            Private::Ed25519(pair) => pair.sk.sign(&token, None).to_vec(),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

impl fmt::Debug for SigningKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SigningKey");
        fields.field("key_id", &self.key_id).field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

// === impl PublicSigningKey ===

impl PublicSigningKey {
    /// Reads a `SubjectPublicKeyInfo` in PEM (`PUBLIC KEY`, RFC 7468 section 13).
    ///
    /// # Errors
    /// The name is empty, or it is no such key.
    pub fn from_pem(algorithm: Algorithm, key_id: String, pem: &str) -> Result<Self, SigningKeyError> {
        if key_id.is_empty() {
            return Err(SigningKeyError::NoKeyId);
        }
        let material = match algorithm {
            Algorithm::ES256 => VerifyingKey::from_public_key_pem(pem.trim()).ok().map(|key| of_p256(&key)),
            Algorithm::EdDSA => public_ed25519(pem.trim()),
            other => return Err(SigningKeyError::Algorithm(other)),
        };
        Ok(Self { key_id, algorithm, material: material.ok_or(SigningKeyError::Public(algorithm))? })
    }

    /// `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether it is the same key, under whatever name.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// As a JWK (RFC 7517 section 4).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.material.clone();
        if let Some(members) = jwk.as_object_mut() {
            let named = [("kid", self.key_id.as_str()), ("alg", self.algorithm.name()), ("use", "sig")];
            members.extend(named.map(|(name, value)| (name.to_owned(), value.into())));
        }
        jwk
    }
}

fn of_p256(key: &VerifyingKey) -> Value {
    let point = key.to_sec1_point(false);
    let coordinate = |bytes: Option<&_>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default();
    json!({ "kty": "EC", "crv": "P-256", "x": coordinate(point.x()), "y": coordinate(point.y()) })
}

fn of_ed25519(key: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key) })
}

/// RFC 8410 section 7. A public key that stands beside must be the private one's.
fn ed25519(pem: &str) -> Option<KeyPair> {
    let (_, document) = SecretDocument::from_pem(pem).ok().filter(|(label, _)| *label == "PRIVATE KEY")?;
    let info = PrivateKeyInfoRef::try_from(document.as_bytes()).ok()?;
    if info.algorithm.oid != ED25519 || info.algorithm.parameters.is_some() {
        return None;
    }
    let seed = info.private_key.as_bytes().strip_prefix(&OCTETS_OF_SEED)?;
    let pair = KeyPair::try_from_seed(Seed::from_slice(seed).ok()?).ok()?;
    let beside = info.public_key.map(|key| key.as_bytes() == Some(&pair.pk[..]));
    beside.unwrap_or(true).then_some(pair)
}

/// RFC 8410 section 4.
fn public_ed25519(pem: &str) -> Option<Value> {
    let (_, document) = Document::from_pem(pem).ok().filter(|(label, _)| *label == "PUBLIC KEY")?;
    let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).ok()?;
    if info.algorithm.oid != ED25519 || info.algorithm.parameters.is_some() {
        return None;
    }
    let key = ed25519_compact::PublicKey::from_slice(info.subject_public_key.as_bytes()?).ok()?;
    key.validate().ok()?;
    Some(of_ed25519(&key[..]))
}

fn signature_by(host: &TrustedCrypto, key: &SecretDocument, message: &[u8]) -> Option<Signature> {
    Signature::from_der(&host.sign(Hash::Sha256, key.as_bytes(), message)?).ok()
}

fn command(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::EdDSA => "openssl genpkey -algorithm ed25519",
        _ => "openssl ecparam -name prime256v1 -genkey -noout",
    }
}

#[cfg(test)]
mod tests;
