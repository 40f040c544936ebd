//! Callers for tests: there is no way to a verified token but to sign and verify one.

use std::rc::Rc;

use access_tokens::{Algorithm, BearerToken, ClaimPaths, IssuerConfig, Jwks, Profile, TokenVerifier, VerifiedToken};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};
use peer_identity::{PeerEvidence, PeerIdentity, Source, SpiffeId, TlsPeer};
use serde_json::{Map, Value, json};

pub(crate) use crate::sandboxes::{AUDIENCE, NOW};

/// A token with these claims, issued a minute before `now` and good for five, unless they say otherwise. Groups are in
/// `groups`, roles in `roles`.
pub(crate) fn token(claims: &Value, now: u64) -> Rc<VerifiedToken> {
    let key = KeyPair::from_seed(Seed::new([7; 32]));
    let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut all: Map<String, Value> = Map::from_iter([
        ("aud".to_owned(), json!(AUDIENCE)),
        ("iat".to_owned(), json!(now - 60)),
        ("exp".to_owned(), json!(now + 300)),
    ]);
    all.extend(claims.as_object().unwrap().clone());
    let issuer = all.get("iss").and_then(Value::as_str).unwrap().to_owned();
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k"});
    let signed =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(json!(all).to_string().as_bytes()));
    let signature = key.sk.sign(signed.as_bytes(), None);
    let authorization = format!("Bearer {signed}.{}", base64url(signature.as_ref()));

    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "x": base64url(key.pk.as_ref())});
    let issuer = IssuerConfig {
        issuer,
        jwks: Jwks::Inline(json!({"keys": [jwk]}).to_string()),
        algorithms: vec![Algorithm::EdDSA],
        token_types: vec!["at+jwt".to_owned()],
        profile: Profile::Jwt,
        claims: ClaimPaths { groups: Some("groups".to_owned()), roles: Some("roles".to_owned()) },
    };
    let verifier = TokenVerifier::new(vec![issuer], 30, 86_400, 1).unwrap();
    let bearer = BearerToken::from_authorization(&[authorization.as_bytes()], 16_384).unwrap().unwrap();
    verifier.verify(&bearer, AUDIENCE, now).unwrap().token
}

/// The peer of that SPIFFE ID.
pub(crate) fn peer(id: &str) -> PeerIdentity {
    let domain = SpiffeId::parse(id).unwrap().trust_domain().clone();
    let tls = TlsPeer { mtls: true, uri_san: Some(id.as_bytes()) };
    PeerIdentity::resolve(&PeerEvidence { tls, ..PeerEvidence::default() }, &[Source::Tls], &[domain]).unwrap()
}
