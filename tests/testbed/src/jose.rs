//! Signing and verifying of JSON Web Signatures (RFC 7515), apart from the product's own code so that neither can
//! hide a mistake of the other.

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde_json::{Value, json};

/// A private key for one algorithm.
pub enum SigningKey {
    /// RSA with PKCS#1 padding, or PSS.
    Rsa {
        /// The key.
        key: Box<RsaKeyPair>,
        /// PS256 instead of RS256.
        pss: bool,
    },
    /// ECDSA on P-256.
    Es256 {
        /// The key.
        key: EcdsaKeyPair,
        /// The same key, PKCS#8 in PEM.
        pem: String,
    },
    /// Ed25519.
    EdDsa {
        /// The key.
        key: Ed25519KeyPair,
        /// The same key, PKCS#8 in PEM, with its public half beside it.
        pem: String,
    },
}

// === impl SigningKey ===

impl SigningKey {
    /// RS256 with a PKCS#8 PEM key.
    ///
    /// # Errors
    /// It is no such key.
    pub fn rs256(pem: &str) -> Result<Self> {
        Ok(Self::Rsa { key: Box::new(rsa(pem)?), pss: false })
    }

    /// PS256 with a PKCS#8 PEM key.
    ///
    /// # Errors
    /// It is no such key.
    pub fn ps256(pem: &str) -> Result<Self> {
        Ok(Self::Rsa { key: Box::new(rsa(pem)?), pss: true })
    }

    /// A new key for ES256.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn es256() -> Result<Self> {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random)?;
        Ok(Self::Es256 { key, pem: to_pem(der.as_ref()) })
    }

    /// A new key for EdDSA.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn eddsa() -> Result<Self> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        Ok(Self::EdDsa { key: Ed25519KeyPair::from_pkcs8(der.as_ref())?, pem: to_pem(der.as_ref()) })
    }

    /// The algorithm's JOSE name.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { pss: false, .. } => "RS256",
            Self::Rsa { pss: true, .. } => "PS256",
            Self::Es256 { .. } => "ES256",
            Self::EdDsa { .. } => "EdDSA",
        }
    }

    /// The public key as a JWK (RFC 7517).
    #[must_use]
    pub fn public_jwk(&self, key_id: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa { key, .. } => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "n": base64url(&public.n), "e": base64url(&public.e) })
            }
            Self::Es256 { key, .. } => {
                // An uncompressed point: 4, x, y.
                let (x, y) =
                    key.public_key().as_ref().get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            Self::EdDsa { key, .. } => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().as_ref()) })
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.extend(
                [("use", "sig"), ("alg", self.algorithm()), ("kid", key_id)].map(|(k, v)| (k.to_owned(), v.into())),
            );
        }
        jwk
    }

    /// The signature over `text`.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Rsa { key, pss } => {
                let mut signature = vec![0; key.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding =
                    if *pss { &ring::signature::RSA_PSS_SHA256 } else { &ring::signature::RSA_PKCS1_SHA256 };
                key.sign(padding, &random, text, &mut signature)?;
                signature
            }
            Self::Es256 { key, .. } => key.sign(&random, text)?.as_ref().to_vec(),
            Self::EdDsa { key, .. } => key.sign(text).as_ref().to_vec(),
        })
    }

    /// A JWS in compact form with this header and these claims, whatever they say.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn jws(&self, header: &Value, claims: &Value) -> Result<String> {
        let part = |part: &Value| base64url(part.to_string().as_bytes());
        let text = format!("{}.{}", part(header), part(claims));
        Ok(format!("{text}.{}", base64url(&self.sign(text.as_bytes())?)))
    }

    /// The private key as PEM, of the kinds that are generated; `None` for others.
    #[must_use]
    pub fn private_pem(&self) -> Option<&str> {
        match self {
            Self::Es256 { pem, .. } | Self::EdDsa { pem, .. } => Some(pem),
            _ => None,
        }
    }
}

/// A JWS in compact form with an ES256 signature, checked: header and claims.
///
/// # Errors
/// It is no such token, or another key signed it.
pub fn verify_es256(token: &str, key: &SigningKey) -> Result<(Value, Value)> {
    let SigningKey::Es256 { key, .. } = key else { bail!("not an ES256 key") };
    let (signed, signature) = token.rsplit_once('.').context("no signature")?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key())
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| anyhow!("the signature is another key's"))?;
    decode(token)
}

/// A JWS in compact form whose signature is of the key that it names in this set, by the algorithm of that key: header
/// and claims.
///
/// # Errors
/// It is no such token, or the set has no such key.
pub fn verify_with_set(token: &str, jwks: &Value) -> Result<(Value, Value)> {
    let (header, claims) = decode(token)?;
    let (signed, signature) = token.rsplit_once('.').context("no signature")?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature)?;
    let named = |key: &&Value| key.get("kid") == header.get("kid") && key.get("alg") == header.get("alg");
    let keys = jwks.get("keys").and_then(Value::as_array).context("no keys")?;
    let key = keys.iter().find(named).context("no such key")?;
    let member = |name: &str| -> Result<Vec<u8>> {
        let text = key.get(name).and_then(Value::as_str).with_context(|| format!("no {name}"))?;
        Ok(BASE64_URL_SAFE_NO_PAD.decode(text)?)
    };
    let rsa = |parameters| {
        RsaPublicKeyComponents { n: member("n")?, e: member("e")? }
            .verify(parameters, signed.as_bytes(), &signature)
            .map_err(|_| anyhow!("the signature is another key's"))
    };
    let unparsed = |algorithm: &'static dyn VerificationAlgorithm, public: Vec<u8>| {
        UnparsedPublicKey::new(algorithm, public)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| anyhow!("the signature is another key's"))
    };
    match key.get("alg").and_then(Value::as_str) {
        Some("RS256") => rsa(&RSA_PKCS1_2048_8192_SHA256)?,
        Some("PS256") => rsa(&RSA_PSS_2048_8192_SHA256)?,
        Some("ES256") => unparsed(&ECDSA_P256_SHA256_FIXED, [vec![4], member("x")?, member("y")?].concat())?,
        Some("EdDSA") => unparsed(&ED25519, member("x")?)?,
        other => bail!("no algorithm {other:?}"),
    }
    Ok((header, claims))
}

/// Header and claims of a token, nothing checked.
///
/// # Errors
/// It is no JWT in compact form.
pub fn decode(token: &str) -> Result<(Value, Value)> {
    let mut parts = token.split('.');
    let mut next = || -> Result<Value> {
        let part = parts.next().context("a part is missing")?;
        Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part)?)?)
    };
    Ok((next()?, next()?))
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa(pem: &str) -> Result<RsaKeyPair> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(base64)?;
    RsaKeyPair::from_pkcs8(&der).map_err(|error| anyhow!("not an RSA key: {error}"))
}

fn to_pem(der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("keys/idp.pem");

    #[test]
    fn every_kind_of_key_signs_what_its_public_half_verifies() {
        for key in [
            SigningKey::rs256(PEM).unwrap(),
            SigningKey::ps256(PEM).unwrap(),
            SigningKey::es256().unwrap(),
            SigningKey::eddsa().unwrap(),
        ] {
            let header = json!({ "alg": key.algorithm(), "kid": "k" });
            let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(b"{}"));
            let signature = key.sign(signed.as_bytes()).unwrap();
            let token = format!("{signed}.{}", base64url(&signature));
            let set = json!({ "keys": [key.public_jwk("other"), key.public_jwk("k")] });
            assert_eq!(verify_with_set(&token, &set).unwrap(), (header, json!({})));
            let tampered = crate::tokens::tampered(&token);
            let errors = [
                (tampered.as_str(), set, "the signature is another key's"),
                (token.as_str(), json!({ "keys": [key.public_jwk("other")] }), "no such key"),
            ];
            for (token, set, error) in errors {
                assert_eq!(verify_with_set(token, &set).unwrap_err().to_string(), error, "{}", key.algorithm());
            }
        }
    }

    #[test]
    fn a_token_of_another_key_does_not_verify() {
        let (ours, theirs) = (SigningKey::es256().unwrap(), SigningKey::es256().unwrap());
        let signed = format!("{}.{}", base64url(b"{\"a\":1}"), base64url(b"{\"b\":2}"));
        let token = format!("{signed}.{}", base64url(&ours.sign(signed.as_bytes()).unwrap()));
        assert_eq!(verify_es256(&token, &ours).unwrap(), (json!({ "a": 1 }), json!({ "b": 2 })));
        assert!(verify_es256(&token, &theirs).is_err());
    }

    #[test]
    fn a_jwk_names_its_algorithm_and_key() {
        let jwk = SigningKey::es256().unwrap().public_jwk("k");
        assert_eq!(
            (jwk["alg"].as_str(), jwk["kid"].as_str(), jwk["crv"].as_str()),
            (Some("ES256"), Some("k"), Some("P-256"))
        );
        assert_eq!((jwk["x"].as_str().unwrap().len(), jwk["y"].as_str().unwrap().len()), (43, 43));
    }
}
