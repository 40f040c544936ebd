//! What the tests of this crate share: one issuer, one key, and tokens with any header and claims.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{self, Signature};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};

use crate::algorithm::Algorithm;
use crate::bearer::BearerToken;
use crate::claims::{ClaimPaths, Claims};
use crate::downscope::{CallBinding, Target};
use crate::error::{Part, TokenError};
use crate::host_crypto::TrustedCrypto;
use crate::issuer::IssuerConfig;
use crate::json;
use crate::keys::Jwks;
use crate::profile::Profile;
use crate::signature::PublicKey;
use crate::signing_key::SigningKey;
use crate::token::VerifiedToken;
use crate::verify::{TokenVerifier, Verified};

pub(crate) const NOW: u64 = 1_790_000_100;
pub(crate) const ISSUER: &str = "https://idp.acme.example";
pub(crate) const HR: &str = "https://hr.mcp.acme.example/mcp";
pub(crate) const DOCS: &str = "https://docs.mcp.acme.example/mcp";
pub(crate) const MESH: &str = "https://mesh.acme.example";
pub(crate) const ASSISTANT: &str = "spiffe://acme.example/agent/assistant";

/// The assistant calls a tool of hr.
pub(crate) fn call() -> CallBinding<'static> {
    CallBinding {
        audience: HR,
        protocol: "mcp",
        server: "hr",
        method: Some("tools/call"),
        target: Some(Target::Tool("get_time_off")),
        arguments_sha256: Some([0xab; 32]),
        actor: Some(ASSISTANT),
        scopes: None,
        ttl_seconds: None,
        transaction: None,
    }
}

/// The public part of [`secret_key`].
pub(crate) const PUBLIC_KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","use":"sig",
    "x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}"#;

/// The key of RFC 6979 appendix A.2.5, which everybody knows.
pub(crate) fn secret_key() -> p256::SecretKey {
    let scalar = [
        0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e, 0x50,
        0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
    ];
    p256::SecretKey::from_slice(&scalar).unwrap()
}

/// The same, as ours.
pub(crate) fn es256_key(key_id: &str) -> SigningKey {
    let pem = secret_key().to_pkcs8_pem(LineEnding::LF).unwrap();
    SigningKey::from_pem(Algorithm::ES256, key_id.to_owned(), &pem).unwrap()
}

/// The key of RFC 8037 appendix A.1.
pub(crate) const ED25519_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

pub(crate) fn ed25519_key(key_id: &str) -> SigningKey {
    SigningKey::from_pem(Algorithm::EdDSA, key_id.to_owned(), ED25519_PEM).unwrap()
}

pub(crate) fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with a good signature over exactly this header and payload.
pub(crate) fn signed(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", encoded(header), encoded(payload));
    let signature: Signature = ecdsa::SigningKey::from(secret_key()).sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

pub(crate) const HEADER: &str = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;

/// The claims of a good token.
pub(crate) fn alice() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": [HR, DOCS], "iat": NOW - 100, "exp": NOW + 200,
        "scope": "hr.read docs.read tickets.write", "client_id": "acme-assistant",
        "groups": ["employees"], "employee_id": "E1001",
    })
}

/// The claims of a good token, changed: `null` takes a claim away.
pub(crate) fn alice_with(changes: Value) -> Value {
    let mut claims = alice();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(crate) fn config() -> IssuerConfig {
    IssuerConfig {
        issuer: ISSUER.to_owned(),
        jwks: Jwks::Inline(format!(r#"{{"keys":[{PUBLIC_KEY}]}}"#)),
        algorithms: vec![Algorithm::ES256],
        token_types: vec!["at+jwt".to_owned()],
        profile: Profile::Jwt,
        claims: ClaimPaths { groups: Some("groups".to_owned()), roles: Some("realm_access.roles".to_owned()) },
    }
}

pub(crate) fn verifier(issuers: Vec<IssuerConfig>) -> TokenVerifier {
    TokenVerifier::new(issuers, 30, 86_400, 8).unwrap()
}

/// Verifies a token for the HR server.
pub(crate) fn verify_at(verifier: &TokenVerifier, token: &str, now: u64) -> Result<Verified, TokenError> {
    let header = format!("Bearer {token}");
    let token = BearerToken::from_authorization(&[header.as_bytes()], usize::MAX)?.unwrap();
    verifier.verify(&token, HR, now)
}

/// The token of somebody with these claims.
pub(crate) fn verified(claims: &Value) -> std::rc::Rc<VerifiedToken> {
    verify_at(&verifier(vec![config()]), &signed(HEADER, &claims.to_string()), NOW).unwrap().token
}

pub(crate) fn token_with_fingerprint(fingerprint: [u8; 32]) -> VerifiedToken {
    let raw = json::object(alice().to_string().as_bytes()).unwrap();
    let key = PublicKey::from_jwk(Algorithm::ES256, &PUBLIC_KEY.replace(r#""kid":"k1","#, "")).unwrap();
    let header = format!("Bearer {}", signed(HEADER, "{}"));
    let token = BearerToken::from_authorization(&[header.as_bytes()], usize::MAX).unwrap().unwrap();
    let proof = key.check(&TrustedCrypto::none(), &token.jws).unwrap();
    VerifiedToken::new(proof, Claims::read(&raw).unwrap(), BTreeSet::new(), BTreeSet::new(), fingerprint)
}

/// The claims of a token, unverified.
pub(crate) fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    Value::Object(json::object_of(Part::Payload, payload).unwrap())
}
