//! Users' tokens, and every way to make one wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::jose::{SigningKey, base64url};

/// An identity provider: a name and its key.
pub struct IdentityProvider {
    issuer: String,
    key_id: String,
    key: SigningKey,
}

/// A token about to be signed (RFC 9068). What it starts as is right in every respect.
#[derive(Debug, Clone)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

// === impl IdentityProvider ===

impl IdentityProvider {
    /// A provider that signs with `key`.
    #[must_use]
    pub fn new(issuer: &str, key_id: &str, key: SigningKey) -> Self {
        Self { issuer: issuer.to_owned(), key_id: key_id.to_owned(), key }
    }

    /// Its name: `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public keys (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public_jwk(&self.key_id)] })
    }

    /// A token for `subject`, good for an hour, with no audience, scope or client yet.
    #[must_use]
    pub fn token(&self, subject: &str) -> Token {
        let now = now();
        let token = Token { header: Map::new(), claims: Map::new() };
        let token =
            token.header("alg", self.key.algorithm()).header("kid", self.key_id.as_str()).header("typ", "at+jwt");
        token
            .claim("iss", self.issuer.as_str())
            .claim("sub", subject)
            .claim("iat", now)
            .claim("exp", now + 3_600)
            .claim("jti", base64url(&random()))
    }

    /// Signs a token with this provider's key, whatever its header says.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn sign(&self, token: &Token) -> Result<String> {
        let text = token.signed_text();
        let signature = self.key.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", base64url(&signature)))
    }

    /// "Signs" with HS256, the secret being the public key as everybody can fetch it: what a verifier accepts when it
    /// believes the token's `alg` (RFC 8725 §2.1).
    #[must_use]
    pub fn sign_with_public_key_as_secret(&self, token: &Token) -> String {
        let text = token.clone().header("alg", "HS256").signed_text();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.jwks().to_string().as_bytes());
        format!("{text}.{}", base64url(hmac::sign(&secret, text.as_bytes()).as_ref()))
    }
}

// === impl Token ===

impl Token {
    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter: `alg`, `kid`, `typ`, `crit`, ….
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a header parameter out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Issued and expired so many seconds ago (negative: in the future).
    #[must_use]
    pub fn expired(self, seconds: i64) -> Self {
        let expiry = i64::try_from(now()).unwrap_or(i64::MAX) - seconds;
        self.claim("iat", expiry - 3_600).claim("exp", expiry)
    }

    /// The claims as they are now.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The token with `alg: none` and an empty signature (RFC 7515 A.5).
    #[must_use]
    pub fn unsigned(&self) -> String {
        format!("{}.", self.clone().header("alg", "none").signed_text())
    }

    /// What is signed: header and claims, each in base64url.
    fn signed_text(&self) -> String {
        let part = |part: &Map<String, Value>| base64url(Value::Object(part.clone()).to_string().as_bytes());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }
}

/// Changes one character in the middle of a token's signature.
#[must_use]
pub fn tampered(token: &str) -> String {
    let position = token.len() - 20;
    token.char_indices().map(|(i, c)| if i == position { if c == 'A' { 'B' } else { 'A' } } else { c }).collect()
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn random() -> [u8; 16] {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 16];
    // Without randomness the token has a known `jti`, which harms no test.
    let _ = ring::rand::SystemRandom::new().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{decode, verify_es256};

    fn provider() -> IdentityProvider {
        IdentityProvider::new("https://idp.example", "k", SigningKey::es256().unwrap())
    }

    #[test]
    fn a_token_says_what_it_was_told_to() {
        let provider = provider();
        let token = provider.token("alice").claim("aud", json!(["a", "b"])).without("jti").header("typ", "JWT");
        let (header, claims) = verify_es256(&provider.sign(&token).unwrap(), provider.key()).unwrap();
        assert_eq!(header, json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }));
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["aud"]),
            (&json!("https://idp.example"), &json!("alice"), &json!(["a", "b"]))
        );
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|issued| issued + 3_600));
        assert_eq!(claims.get("jti"), None);
    }

    #[test]
    fn wrong_tokens_are_wrong_in_one_respect() {
        let provider = provider();
        let token = provider.token("alice");
        let signed = provider.sign(&token).unwrap();
        assert!(verify_es256(&tampered(&signed), provider.key()).is_err());
        assert_eq!(decode(&tampered(&signed)).unwrap(), decode(&signed).unwrap());
        assert_eq!(decode(&token.unsigned()).unwrap().0["alg"], "none");
        assert!(token.unsigned().ends_with('.'));
        assert_eq!(decode(&provider.sign_with_public_key_as_secret(&token)).unwrap().0["alg"], "HS256");
        assert!(token.expired(10).claims()["exp"].as_i64().unwrap() < i64::try_from(now()).unwrap());
    }
}
