//! Which keys are taken, skipped and refused.

use serde_json::{Value, json};

use super::{KeySet, KeySetError};
use crate::algorithm::Algorithm::{self, ES256, ES384, EdDSA, PS256, RS256};
use crate::error::TokenError;

const ALL: [Algorithm; 5] = [RS256, PS256, ES256, ES384, EdDSA];

/// The key with this `kid` from the set that the vectors are signed with: `rs`, `ps`, `es256`, `es384` or `ed`.
fn jwk(kid: &str) -> Value {
    let set: Value = serde_json::from_str(include_str!("../../tests/keys/jwks.json")).unwrap();
    set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone()
}

/// The key with some members changed; `null` takes one away.
fn with(kid: &str, changes: Value) -> Value {
    let mut key = jwk(kid);
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => key.as_object_mut().unwrap().remove(name),
            value => key.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    key
}

fn parse(keys: &[Value], algorithms: &[Algorithm]) -> Result<KeySet, KeySetError> {
    KeySet::parse(&json!({ "keys": keys }).to_string(), algorithms)
}

#[track_caller]
fn refused(keys: &[Value], algorithms: &[Algorithm], error: KeySetError) {
    assert_eq!(parse(keys, algorithms).map(drop), Err(error));
}

fn name(kid: &str) -> String {
    kid.to_owned()
}

#[test]
fn every_kind_of_key_is_taken() {
    let set = KeySet::parse(include_str!("../../tests/keys/jwks.json"), &ALL).unwrap();
    for (kid, algorithm) in [("rs", RS256), ("ps", PS256), ("es256", ES256), ("es384", ES384), ("ed", EdDSA)] {
        assert_eq!(set.find(Some(kid), algorithm).unwrap().algorithm(), algorithm);
    }
    assert!(parse(&[with("ed", json!({ "alg": "Ed25519" }))], &ALL).is_ok());
}

#[test]
fn a_certificate_chain_of_any_length_does_not_spoil_a_key() {
    let chain = json!({ "x5c": ["A".repeat(20_000)], "x5t": "AA", "vendor": { "a": [1] }, "key_ops": ["verify"] });
    assert!(parse(&[with("rs", chain)], &ALL).is_ok());
}

#[test]
fn a_key_without_an_algorithm_gets_the_only_one_that_fits() {
    let bare = |kid: &str| with(kid, json!({ "alg": null }));
    let set = parse(&[bare("rs"), bare("es256"), bare("es384"), bare("ed")], &[PS256, ES256, ES384, EdDSA]).unwrap();
    for (kid, algorithm) in [("rs", PS256), ("es256", ES256), ("es384", ES384), ("ed", EdDSA)] {
        assert_eq!(set.find(Some(kid), algorithm).unwrap().algorithm(), algorithm);
    }
    assert!(parse(&[bare("rs")], &[RS256, RS256]).is_ok());
    refused(&[bare("rs")], &[RS256, PS256], KeySetError::AmbiguousAlgorithm { key: name("rs") });
    refused(&[bare("rs")], &[ES256], KeySetError::NoUsableKey);
}

#[test]
fn keys_for_something_else_are_skipped_but_one_must_remain() {
    let others = [
        with("rs", json!({ "use": "enc" })),
        with("rs", json!({ "use": "jwt-svid" })),
        with("rs", json!({ "key_ops": ["encrypt"] })),
        with("rs", json!({ "key_ops": [] })),
        with("rs", json!({ "alg": "RSA-OAEP" })),
        with("rs", json!({ "alg": "RS512" })),
        with("rs", json!({ "alg": "HS256" })),
        with("rs", json!({ "alg": "none" })),
        with("es256", json!({ "alg": "ES512", "crv": "P-521" })),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AA" }),
        json!({ "kty": "AKP", "pub": "AA" }),
        jwk("es384"),
    ];
    for other in &others {
        refused(std::slice::from_ref(other), &[RS256, ES256, EdDSA], KeySetError::NoUsableKey);
    }
    let mut keys = others.to_vec();
    keys.push(jwk("ed"));
    let set = parse(&keys, &[RS256, ES256, EdDSA]).unwrap();
    assert!(set.find(Some("ed"), EdDSA).is_ok());
    assert_eq!(set.find(Some("rs"), RS256).map(drop), Err(TokenError::UnknownKey { key_id: name("rs") }));
    refused(&[], &ALL, KeySetError::NoUsableKey);
}

#[test]
fn secret_material_is_refused_even_in_a_key_that_is_not_used() {
    let secret = |member: &str| with("rs", json!({ "use": "enc", member: "AA" }));
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        refused(&[jwk("ed"), secret(member)], &ALL, KeySetError::Secret { key: name("rs") });
    }
    refused(&[json!({ "kty": "oct", "k": "AAAA" })], &ALL, KeySetError::Secret { key: name("keys[0]") });
}

#[test]
fn a_key_that_its_own_algorithm_cannot_use_is_refused() {
    let wrong = |algorithm| KeySetError::WrongAlgorithm { key: name("rs"), algorithm };
    refused(&[with("rs", json!({ "alg": "ES256" }))], &ALL, wrong(ES256));
    refused(&[with("rs", json!({ "alg": "EdDSA" }))], &ALL, wrong(EdDSA));
    let key = name("es384");
    refused(&[with("es384", json!({ "alg": "ES256" }))], &ALL, KeySetError::WrongAlgorithm { key, algorithm: ES256 });
}

#[test]
fn weak_and_broken_keys_are_refused() {
    let unusable = |kid: &str, changes: Value, algorithm| {
        refused(&[with(kid, changes)], &ALL, KeySetError::Unusable { key: name(kid), algorithm });
    };
    unusable("rs", json!({ "e": "Aw" }), RS256);
    unusable("rs", json!({ "e": "AAEAAQ" }), RS256);
    unusable("rs", json!({ "e": null }), RS256);
    unusable("rs", json!({ "n": "_".repeat(171) }), RS256);
    unusable("rs", json!({ "n": "_".repeat(1366) }), RS256);
    unusable("rs", json!({ "n": 5 }), RS256);
    unusable("ps", json!({ "n": "AQAB" }), PS256);
    unusable("es256", json!({ "x": jwk("es256")["y"] }), ES256);
    unusable("es256", json!({ "y": null }), ES256);
    unusable("es384", json!({ "x": "AA" }), ES384);
    unusable("ed", json!({ "x": "AA" }), EdDSA);
}

#[test]
fn members_of_the_wrong_type_are_refused() {
    let member = |changes: Value, key: &str, member| {
        refused(&[with("ed", changes)], &ALL, KeySetError::Member { key: name(key), member });
    };
    member(json!({ "kty": null }), "ed", "kty");
    member(json!({ "kty": 1 }), "ed", "kty");
    member(json!({ "kid": 1 }), "keys[0]", "kid");
    member(json!({ "kid": "" }), "", "kid");
    member(json!({ "use": ["sig"] }), "ed", "use");
    member(json!({ "alg": 1 }), "ed", "alg");
    member(json!({ "crv": {} }), "ed", "crv");
    member(json!({ "key_ops": "verify" }), "ed", "key_ops");
}

#[test]
fn every_key_of_several_has_a_name_of_its_own() {
    let bare = |kid: &str| with(kid, json!({ "kid": null }));
    let set = parse(&[bare("ed")], &ALL).unwrap();
    assert!(set.find(None, EdDSA).is_ok());
    assert_eq!(set.find(Some("ed"), EdDSA).map(drop), Err(TokenError::UnknownKey { key_id: name("ed") }));
    let first = KeySetError::NoKeyId { key: name("keys[0]") };
    refused(&[bare("ed"), jwk("rs")], &ALL, first);
    refused(&[jwk("rs"), bare("ed")], &ALL, KeySetError::NoKeyId { key: name("keys[1]") });
    refused(&[bare("rs"), bare("ed")], &ALL, KeySetError::NoKeyId { key: name("keys[1]") });
    let twice = KeySetError::DuplicateKeyId { key: name("rs") };
    refused(&[jwk("rs"), with("ed", json!({ "kid": "rs" }))], &ALL, twice);
    // A key that nobody verifies with is nobody's double.
    assert!(parse(&[jwk("rs"), with("ed", json!({ "kid": "rs", "use": "enc" }))], &ALL).is_ok());
}

#[test]
fn one_key_is_not_taken_for_two_algorithms() {
    let double = with("rs", json!({ "kid": "double", "alg": "PS256" }));
    let shared = KeySetError::SharedKey { first: name("rs"), second: name("double") };
    refused(&[jwk("rs"), double], &ALL, shared);
    assert!(parse(&[jwk("rs"), with("rs", json!({ "kid": "again" }))], &ALL).is_ok());
}

#[test]
fn a_token_finds_the_key_it_names_and_no_other() {
    let set = parse(&[jwk("rs"), jwk("ed")], &ALL).unwrap();
    assert_eq!(set.find(None, EdDSA).map(drop), Err(TokenError::NoKeyId));
    assert_eq!(set.find(Some("ED"), EdDSA).map(drop), Err(TokenError::UnknownKey { key_id: name("ED") }));
    let mismatch = TokenError::AlgorithmMismatch { key_id: name("rs"), expected: RS256, algorithm: PS256 };
    assert_eq!(set.find(Some("rs"), PS256).map(drop), Err(mismatch));
    let single = parse(&[jwk("ed")], &ALL).unwrap();
    assert!(single.find(None, EdDSA).is_ok());
    let mismatch = TokenError::AlgorithmMismatch { key_id: name("ed"), expected: EdDSA, algorithm: ES256 };
    assert_eq!(single.find(None, ES256).map(drop), Err(mismatch));
}

#[test]
fn what_is_not_a_key_set_is_refused() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[[]]}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kty":"OKP","kty":"OKP"}]}"#,
    ] {
        assert_eq!(KeySet::parse(text, &ALL).map(drop), Err(KeySetError::NotAKeySet), "{text}");
    }
}
