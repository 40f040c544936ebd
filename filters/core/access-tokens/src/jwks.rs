//! Key sets (RFC 7517): each key is good for exactly one algorithm.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::error::{TokenError, shortened};
use crate::json;
use crate::signature::PublicKey;

/// Why a key set is refused. Keys are named by their `kid`, or by their place, as in `keys[0]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// Not a JSON object with an array `keys` of objects, or a name repeats.
    #[error("it is not `{{\"keys\": [{{…}}]}}`")]
    NotAKeySet,
    /// A member has the wrong type.
    #[error("key `{key}`: `{member}` is missing or malformed")]
    Member {
        /// The key.
        key: String,
        /// Its member.
        member: &'static str,
    },
    /// A private or secret key where only public ones belong.
    #[error("key `{key}` holds secret material: replace the key, and publish its public part only")]
    Secret {
        /// The key.
        key: String,
    },
    /// A key without `alg` fits several of the issuer's algorithms (RFC 8725 section 3.1: one key, one algorithm).
    #[error("key `{key}` has no `alg` and fits several of `algorithms`: give it one")]
    AmbiguousAlgorithm {
        /// The key.
        key: String,
    },
    /// The key cannot be used with its own `alg`.
    #[error("key `{key}` is not a key for `{algorithm}`")]
    WrongAlgorithm {
        /// The key.
        key: String,
        /// Its `alg`.
        algorithm: Algorithm,
    },
    /// Too weak, too large, malformed, or not on its curve.
    #[error("key `{key}` is no usable `{algorithm}` key (RSA: 2048 to 4096 bits, exponent 65537)")]
    Unusable {
        /// The key.
        key: String,
        /// What it would have been used for.
        algorithm: Algorithm,
    },
    /// One of several keys has no `kid`, so that no token can name it.
    #[error("key `{key}` has no `kid`, which only a single key can do without")]
    NoKeyId {
        /// The key.
        key: String,
    },
    /// Two keys have the same `kid`.
    #[error("two keys have the `kid` `{key}`")]
    DuplicateKeyId {
        /// The `kid`.
        key: String,
    },
    /// One key under two names for two algorithms.
    #[error("keys `{first}` and `{second}` are one key for two algorithms")]
    SharedKey {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
    /// No key signs with any of the issuer's algorithms.
    #[error("it has no signing key for any of `algorithms`")]
    NoUsableKey,
    /// The issuer did not answer with a key set.
    #[error("the issuer did not answer, or not with status 200")]
    Unreachable,
}

/// What a key is for, as its `use` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// `sig` (RFC 7517 section 4.2).
    Signature,
    /// `jwt-svid` (SPIFFE Trust Domain and Bundle section 4.2.2).
    JwtSvid,
}

/// The keys of one issuer. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeySet(Vec<Key>);

/// One public key.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    /// As errors call it.
    name: String,
    /// The JWK reduced to what makes the key, in the form of RFC 7638 section 3.
    material: String,
    public: PublicKey,
}

/// Members that only private and symmetric keys have (RFC 7518 sections 6.2.2, 6.3.2, 6.4).
const SECRET: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

// === impl KeySet ===

impl KeySet {
    #[cfg(test)]
    pub(crate) fn parse(text: &str, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        Self::used_as(Usage::Signature, text, algorithms)
    }

    /// Keys for other uses and other algorithms are skipped: issuers publish them in the same set.
    pub(crate) fn used_as(usage: Usage, text: &str, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        let set = json::object(text.as_bytes()).map_err(|_| KeySetError::NotAKeySet)?;
        let members = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotAKeySet)?;
        let mut keys: Vec<Key> = Vec::new();
        for (at, jwk) in members.iter().enumerate() {
            let jwk = jwk.as_object().ok_or(KeySetError::NotAKeySet)?;
            let Some(key) = Key::parse(usage, at, jwk, algorithms)? else { continue };
            if let Some(other) = keys.iter().find(|other| other.id == key.id) {
                return Err(match other.id {
                    Some(_) => KeySetError::DuplicateKeyId { key: key.name },
                    None => KeySetError::NoKeyId { key: key.name },
                });
            }
            if let Some(other) = keys.iter().find(|other| other.is_misused_by(&key)) {
                return Err(KeySetError::SharedKey { first: other.name.clone(), second: key.name });
            }
            keys.push(key);
        }
        match keys.as_slice() {
            [] => Err(KeySetError::NoUsableKey),
            [_] => Ok(Self(keys)),
            several => match several.iter().find(|key| key.id.is_none()) {
                Some(key) => Err(KeySetError::NoKeyId { key: key.name.clone() }),
                None => Ok(Self(keys)),
            },
        }
    }

    /// The set that an issuer publishes, of which only the keys that are right in themselves count: the rest may be for
    /// somebody else, and the issuer, not the operator, would have to mend it. Of keys that are alike where they must
    /// not be, none counts.
    pub(crate) fn published(usage: Usage, text: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        let set = json::object(text).map_err(|_| KeySetError::NotAKeySet)?;
        let members = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotAKeySet)?;
        let jwks = members.iter().enumerate().filter_map(|(at, jwk)| Some((at, jwk.as_object()?)));
        let keys: Vec<Key> =
            jwks.filter_map(|(at, jwk)| Key::parse(usage, at, jwk, algorithms).ok().flatten()).collect();
        let several = keys.len() > 1;
        let others = |key: &Key| keys.iter().filter(|other| !std::ptr::eq(*other, key)).any(|other| other.clashes(key));
        let clashing: Vec<bool> = keys.iter().map(|key| others(key) || (several && key.id.is_none())).collect();
        let mut clashing = clashing.into_iter();
        let keys: Vec<Key> = keys.into_iter().filter(|_| clashing.next() == Some(false)).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The one key that a token means: the one it names, or the only one there is. The algorithm is the key's, and
    /// what the header says must agree (RFC 8725 section 3.1).
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&PublicKey, TokenError> {
        let key = match (id, self.0.as_slice()) {
            (None, [only]) => only,
            (None, _) => return Err(TokenError::NoKeyId),
            (Some(id), keys) => keys
                .iter()
                .find(|key| key.id.as_deref() == Some(id))
                .ok_or_else(|| TokenError::UnknownKey { key_id: shortened(id) })?,
        };
        let expected = key.public.algorithm();
        if expected != algorithm {
            return Err(TokenError::AlgorithmMismatch { key_id: key.name.clone(), expected, algorithm });
        }
        Ok(&key.public)
    }
}

// === impl Usage ===

impl Usage {
    fn name(self) -> &'static str {
        match self {
            Self::Signature => "sig",
            Self::JwtSvid => "jwt-svid",
        }
    }
}

// === impl Key ===

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let algorithms = (self.public.algorithm(), other.public.algorithm());
        self.id == other.id && self.material == other.material && algorithms.0 == algorithms.1
    }
}

impl Eq for Key {}

impl Key {
    /// `None` is a key for something else.
    pub(crate) fn parse(
        usage: Usage,
        at: usize,
        jwk: &Map<String, Value>,
        algorithms: &[Algorithm],
    ) -> Result<Option<Self>, KeySetError> {
        let name = jwk.get("kid").and_then(Value::as_str).map_or_else(|| format!("keys[{at}]"), shortened);
        let text = |member: &'static str| match jwk.get(member) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
            Some(_) => Err(KeySetError::Member { key: name.clone(), member }),
        };
        if SECRET.iter().any(|member| jwk.contains_key(*member)) {
            return Err(KeySetError::Secret { key: name });
        }
        let id = text("kid")?.map(str::to_owned);
        let key_type = text("kty")?.ok_or_else(|| KeySetError::Member { key: name.clone(), member: "kty" })?;
        let curve = text("crv")?;
        if text("use")?.is_some_and(|named| named != usage.name()) || !can_verify(&name, jwk)? {
            return Ok(None);
        }
        let algorithm = match text("alg")? {
            Some(alg) => match alg.parse::<Algorithm>() {
                Ok(algorithm) if !algorithms.contains(&algorithm) => return Ok(None),
                Ok(algorithm) if algorithm.fits(key_type, curve) => algorithm,
                Ok(algorithm) => return Err(KeySetError::WrongAlgorithm { key: name, algorithm }),
                Err(_) => return Ok(None),
            },
            None => {
                let mut fitting = algorithms.iter().filter(|algorithm| algorithm.fits(key_type, curve));
                match fitting.next() {
                    None => return Ok(None),
                    Some(first) if fitting.any(|other| other != first) => {
                        return Err(KeySetError::AmbiguousAlgorithm { key: name });
                    }
                    Some(only) => *only,
                }
            }
        };
        let material = material(algorithm, jwk).to_string();
        match PublicKey::from_jwk(algorithm, &material) {
            Some(public) => Ok(Some(Self { id, name, material, public })),
            None => Err(KeySetError::Unusable { key: name, algorithm }),
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// SHA-256 of what makes the key (RFC 7638).
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        Sha256::digest(&self.material).into()
    }

    fn clashes(&self, other: &Self) -> bool {
        self.id == other.id || self.is_misused_by(other)
    }

    fn is_misused_by(&self, other: &Self) -> bool {
        self.material == other.material && self.public.algorithm() != other.public.algorithm()
    }
}

/// `key_ops`, where there is one (RFC 7517 section 4.3).
fn can_verify(key: &str, jwk: &Map<String, Value>) -> Result<bool, KeySetError> {
    match jwk.get("key_ops") {
        None => Ok(true),
        Some(Value::Array(operations)) => Ok(operations.iter().any(|operation| operation == "verify")),
        Some(_) => Err(KeySetError::Member { key: key.to_owned(), member: "key_ops" }),
    }
}

/// Only what makes the key: certificate chains and other members must neither spoil nor change it. In the order of RFC
/// 7638 section 3.2; the values of a key that can be used need no escapes.
fn material(algorithm: Algorithm, jwk: &Map<String, Value>) -> Value {
    let members: &[&str] = match algorithm {
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => &["e", "kty", "n"],
        Algorithm::ES256 | Algorithm::ES384 => &["crv", "kty", "x", "y"],
        Algorithm::EdDSA => &["crv", "kty", "x"],
    };
    let present = |name: &&str| Some(((*name).to_owned(), jwk.get(*name)?.clone()));
    Value::Object(members.iter().filter_map(present).collect())
}

#[cfg(test)]
mod tests;
