//! Signatures of the standards' own examples, and odd ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{NotSigned, PublicKey, Signed};
use crate::algorithm::{Algorithm, AlgorithmError};
use crate::bearer::Jws;
use crate::error::TokenError;
use crate::fixtures::{NOW, config, verifier, verify_at};
use crate::host_crypto::TrustedCrypto;
use crate::issuer::IssuerConfig;
use crate::keys::Jwks;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn check(key: &PublicKey, token: &str) -> Result<Signed, NotSigned> {
    key.check(&TrustedCrypto::none(), &Jws::parse(token.as_bytes(), usize::MAX).unwrap())
}

/// The example of a standard with this name: its public key, and the token.
fn example(name: &str) -> (String, String) {
    let all = read(include_str!("../../tests/keys/rfc.json"));
    let one = all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    (one["jwk"].to_string(), one["token"].as_str().unwrap().to_owned())
}

/// With another first character at `part`.
fn changed(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let first = if parts[part].starts_with('Q') { "R" } else { "Q" };
    parts[part].replace_range(..1, first);
    parts.join(".")
}

#[test]
fn the_examples_of_the_standards_verify() {
    for (name, algorithm) in [
        ("RFC 7515 appendix A.2", Algorithm::RS256),
        ("RFC 7515 appendix A.3", Algorithm::ES256),
        ("RFC 7520 section 4.1", Algorithm::RS256),
        ("RFC 7520 section 4.2", Algorithm::PS384),
        ("RFC 8037 appendix A.4", Algorithm::EdDSA),
    ] {
        let (jwk, token) = example(name);
        let key = PublicKey::from_jwk(algorithm, &jwk).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert!(check(&key, &token).is_ok(), "{name}");
        for part in [1, 2] {
            assert_eq!(check(&key, &changed(&token, part)).err(), Some(NotSigned), "{name}, part {part}");
        }
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert_eq!(check(&key, &format!("{unsigned}.")).err(), Some(NotSigned), "{name}");
    }
}

#[test]
fn the_examples_that_are_never_accepted_are_refused_for_what_they_are() {
    let symmetric = || TokenError::from(AlgorithmError::Symmetric { name: "HS256".to_owned() });
    let es512 = || TokenError::from(AlgorithmError::Unknown { name: "ES512".to_owned() });
    for (name, error) in [
        ("RFC 7515 appendix A.1", symmetric()),
        ("RFC 7515 appendix A.4", es512()),
        ("RFC 7515 appendix A.5", AlgorithmError::Unsecured.into()),
        // JSON serialisations, in which commas are read as repetition first; and content that is elsewhere.
        ("RFC 7515 appendix A.6", TokenError::Repeated),
        ("RFC 7520 section 4.3", es512()),
        ("RFC 7520 section 4.4", symmetric()),
        ("RFC 7520 section 4.5", TokenError::NotCompact),
        ("RFC 7520 section 4.6", TokenError::Repeated),
        ("RFC 7520 section 4.7", TokenError::Repeated),
        ("RFC 7520 section 4.8", TokenError::Repeated),
    ] {
        let (_, token) = example(name);
        assert_eq!(verify_at(&verifier(vec![config()]), &token, NOW).err(), Some(error), "{name}");
    }
}

/// What others made of our keys: see `tests/keys/README.md`.
#[test]
fn odd_signatures_are_refused_and_those_beside_them_are_good() {
    let odd = read(include_str!("../../tests/keys/odd.json"));
    let set = Jwks::Inline(json!({ "keys": odd["keys"] }).to_string());
    let verifier = verifier(vec![IssuerConfig { jwks: set, algorithms: Algorithm::ALL.to_vec(), ..config() }]);
    let tokens = |kind: &str| -> BTreeMap<String, String> { serde_json::from_value(odd[kind].clone()).unwrap() };
    for (name, token) in tokens("good") {
        assert!(verify_at(&verifier, &token, NOW).is_ok(), "{name}");
    }
    let bad = tokens("bad");
    assert!(bad.len() > 100);
    for (name, token) in bad {
        assert_eq!(verify_at(&verifier, &token, NOW).err(), Some(TokenError::Signature), "{name}");
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // The neutral point, for which a signature of zeros would fit any message (RFC 8032 section 5.1.7), and the others.
    for (x, r) in [
        ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1_u8),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1),
        ("7P_______________________________________38", 1),
    ] {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string();
        let Some(key) = PublicKey::from_jwk(Algorithm::EdDSA, &jwk) else { continue };
        let (_, token) = example("RFC 7515 appendix A.3");
        let (_, payload) = token.split_once('.').unwrap();
        let (payload, _) = payload.split_once('.').unwrap();
        let header = crate::fixtures::encoded(r#"{"alg":"EdDSA"}"#);
        let mut signature = [0; 64];
        signature[0] = r;
        let signature = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature);
        assert_eq!(check(&key, &format!("{header}.{payload}.{signature}")).err(), Some(NotSigned), "{x}");
    }
}

#[test]
fn a_key_is_imported_only_when_it_is_one() {
    let none = |algorithm, jwk: &str| assert!(PublicKey::from_jwk(algorithm, jwk).is_none(), "{jwk}");
    let (ed, _) = example("RFC 8037 appendix A.4");
    assert!(PublicKey::from_jwk(Algorithm::EdDSA, &ed).is_some());
    none(Algorithm::ES256, &ed);
    none(Algorithm::EdDSA, r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#);
    // Not a point of the curve, the point at infinity, and coordinates beyond the field.
    let (x, zero, most) =
        ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "A".repeat(43), format!("{}8", "_".repeat(42)));
    for (x, y) in [(x, x), (&zero, &zero), (&most, &most), (x, &most)] {
        none(Algorithm::ES256, &format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#));
    }
    // 1024 bits.
    none(Algorithm::RS256, &format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, "_".repeat(171)));
}
