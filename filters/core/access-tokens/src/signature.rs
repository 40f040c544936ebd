//! The one place that checks signatures: the host does it where it can, the libraries below jwt-simple elsewhere.
//!
//! jwt-simple imports keys, and checks no token for us: its own rules about time are too loose (15 minutes of tolerance,
//! a token without `exp` accepted), its errors have no data, and it reads no header with a `jwk`, as proofs of possession
//! have (RFC 9449 section 4.2).

use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike, PS256PublicKey, PS384PublicKey, PS512PublicKey, RS256PublicKey, RS384PublicKey, RS512PublicKey,
    RSAPublicKeyLike,
};
use p256::ecdsa::signature::Verifier as _;
use superboring::pkey::PKey;
use superboring::sign::Verifier;

use crate::algorithm::Algorithm;
use crate::bearer::Jws;
use crate::error::Part;
use crate::host_crypto::TrustedCrypto;
use crate::json;

/// A public key that is good for exactly one algorithm (RFC 8725 section 3.1).
#[derive(Debug)]
pub(crate) struct PublicKey {
    key: Key,
    /// `SubjectPublicKeyInfo` in DER, for algorithms that hosts know.
    info: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Key {
    RS256(RS256PublicKey),
    RS384(RS384PublicKey),
    RS512(RS512PublicKey),
    PS256(PS256PublicKey),
    PS384(PS384PublicKey),
    PS512(PS512PublicKey),
    ES256(ES256PublicKey),
    ES384(ES384PublicKey),
    EdDSA(Ed25519PublicKey),
}

/// Proof that a key of the issuer made the signature of a token.
#[derive(Debug)]
pub(crate) struct Signed(());

/// The key did not make the signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotSigned;

// === impl Signed ===

impl Signed {
    /// The proxy's own filter has checked it before anything of the token came here.
    pub(crate) fn by_the_proxy() -> Self {
        Self(())
    }
}

// === impl PublicKey ===

impl PublicKey {
    /// Imports a JWK that holds nothing but the key.
    ///
    /// RSA keys have 2048 to 4096 bits and the exponent 65537; points are on their curve.
    pub(crate) fn from_jwk(algorithm: Algorithm, jwk: &str) -> Option<Self> {
        let key = match algorithm {
            Algorithm::RS256 => RS256PublicKey::from_jwk(jwk).map(Key::RS256).ok(),
            Algorithm::RS384 => RS384PublicKey::from_jwk(jwk).map(Key::RS384).ok(),
            Algorithm::RS512 => RS512PublicKey::from_jwk(jwk).map(Key::RS512).ok(),
            Algorithm::PS256 => PS256PublicKey::from_jwk(jwk).map(Key::PS256).ok(),
            Algorithm::PS384 => PS384PublicKey::from_jwk(jwk).map(Key::PS384).ok(),
            Algorithm::PS512 => PS512PublicKey::from_jwk(jwk).map(Key::PS512).ok(),
            Algorithm::ES256 => ES256PublicKey::from_jwk(jwk).map(Key::ES256).ok(),
            Algorithm::ES384 => ES384PublicKey::from_jwk(jwk).map(Key::ES384).ok(),
            Algorithm::EdDSA => Ed25519PublicKey::from_jwk(jwk).map(Key::EdDSA).ok(),
        }?;
        let info = match &key {
            Key::RS256(key) => key.to_der().ok(),
            Key::RS384(key) => key.to_der().ok(),
            Key::RS512(key) => key.to_der().ok(),
            Key::ES256(key) => key.to_der().ok(),
            Key::ES384(key) => key.to_der().ok(),
            Key::PS256(_) | Key::PS384(_) | Key::PS512(_) | Key::EdDSA(_) => None,
        };
        Some(Self { key, info })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::RS256(_) => Algorithm::RS256,
            Key::RS384(_) => Algorithm::RS384,
            Key::RS512(_) => Algorithm::RS512,
            Key::PS256(_) => Algorithm::PS256,
            Key::PS384(_) => Algorithm::PS384,
            Key::PS512(_) => Algorithm::PS512,
            Key::ES256(_) => Algorithm::ES256,
            Key::ES384(_) => Algorithm::ES384,
            Key::EdDSA(_) => Algorithm::EdDSA,
        }
    }

    /// Checks the signature of what was signed.
    pub(crate) fn check(&self, host: &TrustedCrypto, signed: &Jws<'_>) -> Result<Signed, NotSigned> {
        let [_, _, signature] = signed.parts;
        let signature = json::decode(Part::Signature, signature).map_err(|_| NotSigned)?;
        let message = signed.signing_input();
        let is_good = self.check_by(host, message, &signature).unwrap_or_else(|| self.check_here(message, &signature));
        if is_good { Ok(Signed(())) } else { Err(NotSigned) }
    }

    /// What the host says; nothing where it can't tell.
    fn check_by(&self, host: &TrustedCrypto, message: &[u8], signature: &[u8]) -> Option<bool> {
        let info = self.info.as_deref()?;
        // A JWS has both numbers in a row (RFC 7518 section 3.4), everybody else in ASN.1.
        let signature = match self.key {
            Key::ES256(_) => p256::ecdsa::Signature::from_slice(signature).ok()?.to_der().as_bytes().to_vec(),
            Key::ES384(_) => p384::ecdsa::Signature::from_slice(signature).ok()?.to_der().as_bytes().to_vec(),
            _ => signature.to_vec(),
        };
        host.verify(self.algorithm(), info, message, &signature)
    }

    fn check_here(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::RS256(key) => rsa(key, message, signature),
            Key::RS384(key) => rsa(key, message, signature),
            Key::RS512(key) => rsa(key, message, signature),
            Key::PS256(key) => rsa(key, message, signature),
            Key::PS384(key) => rsa(key, message, signature),
            Key::PS512(key) => rsa(key, message, signature),
            Key::ES256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
            Key::ES384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
            Key::EdDSA(key) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok()),
        }
    }
}

fn rsa<K: RSAPublicKeyLike>(key: &K, message: &[u8], signature: &[u8]) -> bool {
    let check = || {
        let public = PKey::from_rsa(key.public_key().as_ref().clone())?;
        let mut verifier = Verifier::new(K::hash(), &public)?;
        verifier.set_rsa_padding(key.padding_scheme())?;
        verifier.update(message)?;
        verifier.verify(signature)
    };
    check().unwrap_or(false)
}

#[cfg(test)]
mod tests;
