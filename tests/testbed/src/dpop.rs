//! Callers' keys, and proofs that they have them (RFC 9449), right and wrong.

use std::collections::BTreeMap;

use anyhow::Result;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::jose::{SigningKey, base64url};
use crate::tokens::{IdentityProvider, Token};

/// A key that tokens are bound to.
pub struct ProofKey(IdentityProvider);

// === impl ProofKey ===

impl ProofKey {
    /// A caller that signs its proofs with `key`.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self(IdentityProvider::new("", "", key))
    }

    /// The public key, and nothing else.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.0.key().public_jwk("");
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| !["use", "alg", "kid"].contains(&name.as_str()));
        }
        jwk
    }

    /// `jkt` of a token that is bound to it (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let sorted: BTreeMap<&String, &Value> = jwk.as_object().into_iter().flatten().collect();
        base64url(digest(&SHA256, serde_json::json!(sorted).to_string().as_bytes()).as_ref())
    }

    /// A proof for a `POST` to `url` with `token`, right in every respect, not yet signed.
    #[must_use]
    pub fn proof(&self, token: &str, url: &str) -> Token {
        let proof = self.0.token("").without("iss").without("sub").without("exp").without_header("kid");
        let proof = proof.header("typ", "dpop+jwt").header("jwk", self.jwk());
        proof.claim("htm", "POST").claim("htu", url).claim("ath", token_hash(token))
    }

    /// Signs a proof, whatever it says.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn sign(&self, proof: &Token) -> Result<String> {
        self.0.sign(proof)
    }

    /// The same with a shared secret that everybody can fetch: the public key.
    #[must_use]
    pub fn sign_with_public_key_as_secret(&self, proof: &Token) -> String {
        self.0.sign_with_public_key_as_secret(proof)
    }
}

/// `ath` of a proof that goes with a token.
#[must_use]
pub fn token_hash(token: &str) -> String {
    base64url(digest(&SHA256, token.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::decode;

    #[test]
    fn the_hash_of_a_token_is_that_of_the_standard() {
        // RFC 9449 section 7.1.
        let hash = token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        assert_eq!(hash, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }

    #[test]
    fn a_proof_says_what_proofs_say() {
        let key = ProofKey::new(SigningKey::eddsa().unwrap());
        let (header, claims) = decode(&key.sign(&key.proof("t", "https://x/mcp")).unwrap()).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&header), "alg typ jwk");
        assert_eq!(names(&header["jwk"]), "kty crv x");
        assert_eq!(claims["htm"], "POST");
        for claim in ["jti", "iat", "htu", "ath"] {
            assert!(claims.get(claim).is_some(), "{claim}");
        }
        assert_eq!(claims.as_object().unwrap().len(), 5);
    }
}
