//! Key sets (RFC 7517): each key is good for exactly one algorithm.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike, PS256PublicKey, RS256PublicKey, RSAPublicKeyLike,
};
use jwt_simple::claims::NoCustomClaims;
use jwt_simple::common::VerificationOptions;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::object::Object;

/// The signature algorithms that can be configured (RFC 7518 section 3.1, RFC 8037, RFC 9864).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519; also called `Ed25519`.
    EdDSA,
}

/// A name that is no algorithm which can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not one of RS256, PS256, ES256, ES384, EdDSA")]
pub struct UnknownAlgorithm(pub String);

/// Why a key set is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// Not a JSON object with an array `keys`.
    #[error("the key set is not `{{\"keys\": […]}}`")]
    NotAKeySet,
    /// Two keys that can be used have the same `kid`.
    #[error("two keys have the kid `{0}`")]
    DuplicateKid(String),
    /// A key without `alg` fits several of the issuer's algorithms.
    #[error("key `{0}` has no `alg` and fits several of `algorithms`; give it one")]
    AmbiguousAlgorithm(String),
    /// A private key where only public ones belong.
    #[error("key `{0}` is a private key; publish its public part only, and replace it")]
    PrivateKey(String),
    /// A key that can't be used though it says it can.
    #[error("key `{0}` cannot be read: {1}")]
    BadKey(String, String),
    /// No key for any of the issuer's algorithms.
    #[error("the key set has no key for any of `algorithms`")]
    NoUsableKey,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    RS256(RS256PublicKey),
    PS256(PS256PublicKey),
    ES256(ES256PublicKey),
    ES384(ES384PublicKey),
    EdDSA(Ed25519PublicKey),
}

/// Proof that the signature of a token is the key's.
pub(crate) struct Signed(());

// === impl KeySet ===

impl KeySet {
    /// Keys for other uses and algorithms are skipped: sets are shared with encryption and with other parties.
    pub(crate) fn parse(text: &str, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        let Object(mut set) = serde_json::from_str(text).map_err(|_| KeySetError::NotAKeySet)?;
        let Some(Value::Array(members)) = set.remove("keys") else {
            return Err(KeySetError::NotAKeySet);
        };
        let mut keys: Vec<Key> = Vec::new();
        for member in &members {
            let jwk = member.as_object().ok_or(KeySetError::NotAKeySet)?;
            let Some(key) = Key::parse(jwk, algorithms)? else { continue };
            if keys.iter().any(|other| other.kid == key.kid) {
                return Err(KeySetError::DuplicateKid(key.kid.unwrap_or_default()));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// Checks the signature with the one key that the token may mean: the one it names, or the only one.
    pub(crate) fn check(&self, kid: Option<&str>, algorithm: Algorithm, token: &str) -> Result<Signed, Unsigned> {
        let key = match (kid, self.0.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        match key {
            Some(key) if key.public.algorithm() == algorithm => key.public.check(token),
            _ => Err(Unsigned::UnknownKey),
        }
    }
}

/// Why there is no proof.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    UnknownKey,
    WrongSignature,
}

// === impl Key ===

impl Key {
    fn parse(jwk: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Option<Self>, KeySetError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let kid = text("kid").map(str::to_owned);
        let name = || kid.clone().unwrap_or_else(|| "without kid".to_owned());
        let signs = jwk.get("use").is_none_or(|usage| usage == "sig")
            && jwk.get("key_ops").is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.contains(&json!("verify"))));
        let (fitting, members): (&[Algorithm], &[&str]) = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => (&[Algorithm::RS256, Algorithm::PS256], &["kty", "n", "e"]),
            (Some("EC"), Some("P-256")) => (&[Algorithm::ES256], &["kty", "crv", "x", "y"]),
            (Some("EC"), Some("P-384")) => (&[Algorithm::ES384], &["kty", "crv", "x", "y"]),
            (Some("OKP"), Some("Ed25519")) => (&[Algorithm::EdDSA], &["kty", "crv", "x"]),
            _ => return Ok(None),
        };
        let named = match jwk.get("alg") {
            None => None,
            Some(alg) => Some(alg.as_str().and_then(|alg| alg.parse::<Algorithm>().ok())),
        };
        let usable = |algorithm: &&Algorithm| {
            algorithms.contains(algorithm) && named.is_none_or(|named| named == Some(**algorithm))
        };
        let mut candidates = fitting.iter().filter(usable);
        let algorithm = match (candidates.next(), candidates.next()) {
            (Some(only), None) if signs => *only,
            (Some(_), Some(_)) if signs => return Err(KeySetError::AmbiguousAlgorithm(name())),
            _ => return Ok(None),
        };
        if jwk.contains_key("d") {
            return Err(KeySetError::PrivateKey(name()));
        }
        // Only what makes the key: certificate chains and other members must not spoil it.
        let minimal: Map<String, Value> =
            members.iter().filter_map(|&name| Some((name.to_owned(), jwk.get(name)?.clone()))).collect();
        let public = PublicKey::import(algorithm, &Value::Object(minimal).to_string());
        Ok(Some(Self { public: public.map_err(|error| KeySetError::BadKey(name(), error))?, kid }))
    }
}

// === impl PublicKey ===

impl PublicKey {
    fn import(algorithm: Algorithm, jwk: &str) -> Result<Self, String> {
        match algorithm {
            Algorithm::RS256 => RS256PublicKey::from_jwk(jwk).map(Self::RS256),
            Algorithm::PS256 => PS256PublicKey::from_jwk(jwk).map(Self::PS256),
            Algorithm::ES256 => ES256PublicKey::from_jwk(jwk).map(Self::ES256),
            Algorithm::ES384 => ES384PublicKey::from_jwk(jwk).map(Self::ES384),
            Algorithm::EdDSA => Ed25519PublicKey::from_jwk(jwk).map(Self::EdDSA),
        }
        .map_err(|error| error.to_string())
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::RS256(_) => Algorithm::RS256,
            Self::PS256(_) => Algorithm::PS256,
            Self::ES256(_) => Algorithm::ES256,
            Self::ES384(_) => Algorithm::ES384,
            Self::EdDSA(_) => Algorithm::EdDSA,
        }
    }

    fn check(&self, token: &str) -> Result<Signed, Unsigned> {
        let options = Some(signature_only());
        let verified = match self {
            Self::RS256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Self::PS256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Self::ES256(key) => key.verify_token::<NoCustomClaims>(token, options),
            Self::ES384(key) => key.verify_token::<NoCustomClaims>(token, options),
            Self::EdDSA(key) => key.verify_token::<NoCustomClaims>(token, options),
        };
        verified.map(|_| Signed(())).map_err(|_| Unsigned::WrongSignature)
    }
}

/// The library checks the signature alone: its own rules about time are too loose for us (15 minutes of tolerance, a
/// token without `exp` accepted) and read the clock. With now and tolerance equal, it never rejects for time.
fn signature_only() -> VerificationOptions {
    const SECONDS: u64 = 2_000_000_000;
    VerificationOptions {
        accept_future: true,
        artificial_time: Some(jwt_simple::prelude::UnixTimeStamp::from_secs(SECONDS)),
        time_tolerance: Some(jwt_simple::prelude::Duration::from_secs(SECONDS)),
        ..VerificationOptions::default()
    }
}

// === impl Algorithm ===

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "RS256" => Ok(Self::RS256),
            "PS256" => Ok(Self::PS256),
            "ES256" => Ok(Self::ES256),
            "ES384" => Ok(Self::ES384),
            "EdDSA" | "Ed25519" => Ok(Self::EdDSA),
            _ => Err(UnknownAlgorithm(name.chars().take(32).collect())),
        }
    }
}

pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
