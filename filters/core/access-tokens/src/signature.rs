//! The one place that checks signatures: the host does it where it can, jwt-simple elsewhere.
//!
//! jwt-simple checks the signature and nothing else for us: its own rules about time are too loose (15 minutes of
//! tolerance, a token without `exp` accepted), read the clock unless told otherwise, and end in errors without data.

use jwt_simple::Error;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike, PS256PublicKey, PS384PublicKey, PS512PublicKey, RS256PublicKey, RS384PublicKey, RS512PublicKey,
    RSAPublicKeyLike,
};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::prelude::UnixTimeStamp;

use crate::algorithm::Algorithm;
use crate::bearer::BearerToken;
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

    /// Checks the signature of a token; `typ` is what its header says.
    pub(crate) fn check(
        &self,
        host: &TrustedCrypto,
        token: &BearerToken<'_>,
        typ: Option<&str>,
    ) -> Result<Signed, NotSigned> {
        match self.check_by(host, token) {
            Some(true) => Ok(Signed(())),
            Some(false) => Err(NotSigned),
            None => self.check_here(token.as_str(), typ),
        }
    }

    /// What the host says; nothing where it can't tell.
    fn check_by(&self, host: &TrustedCrypto, token: &BearerToken<'_>) -> Option<bool> {
        let info = self.info.as_deref()?;
        let [_, _, signature] = token.parts;
        let (signed, _) = token.as_str().rsplit_once('.')?;
        let signature = json::decode(Part::Signature, signature).ok()?;
        // A JWS has both numbers in a row (RFC 7518 section 3.4), everybody else in ASN.1.
        let signature = match self.key {
            Key::ES256(_) => p256::ecdsa::Signature::from_slice(&signature).ok()?.to_der().as_bytes().to_vec(),
            Key::ES384(_) => p384::ecdsa::Signature::from_slice(&signature).ok()?.to_der().as_bytes().to_vec(),
            _ => signature,
        };
        host.verify(self.algorithm(), info, signed.as_bytes(), &signature)
    }

    fn check_here(&self, token: &str, typ: Option<&str>) -> Result<Signed, NotSigned> {
        self.verified(token, typ).map(|_| Signed(())).map_err(|_| NotSigned)
    }

    fn verified(&self, token: &str, typ: Option<&str>) -> Result<JWTClaims<NoCustomClaims>, Error> {
        // At the beginning of time nothing has expired, and the future is accepted: time is not checked here.
        let options = Some(VerificationOptions {
            accept_future: true,
            artificial_time: Some(UnixTimeStamp::from_secs(0)),
            time_tolerance: None,
            // What the issuer's tokens are called is checked elsewhere; the library knows fewer names.
            required_signature_type: typ.map(str::to_owned),
            max_token_length: Some(token.len()),
            max_header_length: Some(token.len()),
            ..VerificationOptions::default()
        });
        match &self.key {
            Key::RS256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::RS384(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::RS512(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::PS256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::PS384(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::PS512(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::ES256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::ES384(key) => key.verify_token::<NoCustomClaims>(token, options),
            Key::EdDSA(key) => key.verify_token::<NoCustomClaims>(token, options),
        }
    }
}

#[cfg(test)]
mod tests;
