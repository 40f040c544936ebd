//! Keys and tokens for this crate's tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP384KeyPairLike, ES256KeyPair, ES384KeyPair, Ed25519KeyPair, EdDSAKeyPairLike,
    PS256KeyPair, RS256KeyPair, RSAKeyPairLike,
};
use jwt_simple::claims::JWTClaims;
use jwt_simple::common::HeaderOptions;
use serde_json::{Map, Value, json};

use crate::{Algorithm, BearerToken, ClaimPaths, IssuerConfig, TokenError, TokenVerifier, Verified};

pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const ISSUER: &str = "https://idp.acme.example";
pub(crate) const AUDIENCE: &str = "https://hr.mcp.acme.example/mcp";
pub(crate) const P256: &str = include_str!("keys/p256.pem");
pub(crate) const ALL: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

pub(crate) fn rs256() -> RS256KeyPair {
    RS256KeyPair::from_pem(include_str!("keys/rsa.pem")).unwrap()
}

fn ps256() -> PS256KeyPair {
    PS256KeyPair::from_pem(include_str!("keys/rsa-other.pem")).unwrap()
}

fn es256() -> ES256KeyPair {
    ES256KeyPair::from_pem(P256).unwrap()
}

fn es384() -> ES384KeyPair {
    ES384KeyPair::from_pem(include_str!("keys/p384.pem")).unwrap()
}

fn eddsa() -> Ed25519KeyPair {
    Ed25519KeyPair::from_pem(include_str!("keys/ed25519.pem")).unwrap()
}

/// One public key, with its `kid` (the algorithm's name) and `alg`.
pub(crate) fn jwk(algorithm: Algorithm) -> Value {
    let (jwk, name) = match algorithm {
        Algorithm::RS256 => (rs256().public_key().to_jwk(), "RS256"),
        Algorithm::PS256 => (ps256().public_key().to_jwk(), "PS256"),
        Algorithm::ES256 => (es256().public_key().to_jwk(), "ES256"),
        Algorithm::ES384 => (es384().public_key().to_jwk(), "ES384"),
        Algorithm::EdDSA => (eddsa().public_key().to_jwk(), "EdDSA"),
    };
    let mut jwk: Value = serde_json::from_str(&jwk).unwrap();
    jwk["kid"] = name.into();
    jwk["alg"] = name.into();
    jwk
}

pub(crate) fn issuer() -> IssuerConfig {
    IssuerConfig {
        issuer: ISSUER.to_owned(),
        jwks: json!({ "keys": ALL.map(jwk) }).to_string(),
        algorithms: ALL.to_vec(),
        token_types: vec!["at+jwt".to_owned(), "JWT".to_owned()],
        claims: ClaimPaths { groups: Some("groups".to_owned()), roles: Some("realm_access.roles".to_owned()) },
    }
}

pub(crate) fn verifier() -> TokenVerifier {
    TokenVerifier::new(vec![issuer()], 30, 86_400, 4).unwrap()
}

/// Claims of a good token.
pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": [AUDIENCE, "other"], "exp": NOW + 300, "iat": NOW - 10,
        "scope": "hr.read docs.read", "client_id": "assistant"})
}

pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn custom(claims: Value) -> JWTClaims<Map<String, Value>> {
    JWTClaims {
        issued_at: None,
        expires_at: None,
        invalid_before: None,
        issuer: None,
        subject: None,
        audiences: None,
        jwt_id: None,
        nonce: None,
        custom: claims.as_object().unwrap().clone(),
    }
}

pub(crate) fn signed(algorithm: Algorithm, typ: &str, claims: Value) -> String {
    let options = HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
    let claims = custom(claims);
    match algorithm {
        Algorithm::RS256 => rs256().with_key_id("RS256").sign_with_options(claims, &options),
        Algorithm::PS256 => ps256().with_key_id("PS256").sign_with_options(claims, &options),
        Algorithm::ES256 => es256().with_key_id("ES256").sign_with_options(claims, &options),
        Algorithm::ES384 => es384().with_key_id("ES384").sign_with_options(claims, &options),
        Algorithm::EdDSA => eddsa().with_key_id("EdDSA").sign_with_options(claims, &options),
    }
    .unwrap()
}

/// A token with a signature by nobody.
pub(crate) fn unsigned(header: &str, payload: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(header), encode(payload), encode("not a signature"))
}

pub(crate) fn verify(verifier: &TokenVerifier, token: &str, now: u64) -> Result<Verified, TokenError> {
    let header = format!("Bearer {token}");
    let token = BearerToken::from_authorization(&[header.as_bytes()], 16_384)?.unwrap();
    verifier.verify(&token, AUDIENCE, now)
}
