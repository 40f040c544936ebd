//! When keys are asked for, and what a token gets meanwhile.

use serde_json::{Value, json};

use super::Jwks;
use crate::error::TokenError;
use crate::fixtures::{HEADER, NOW, PUBLIC_KEY, alice, config, signed, verify_at};
use crate::issuer::IssuerConfig;
use crate::jwks::KeySetError;
use crate::verify::TokenVerifier;

fn verifier() -> TokenVerifier {
    let remote = IssuerConfig { jwks: Jwks::Remote { refresh_seconds: 300 }, ..config() };
    TokenVerifier::new(vec![remote], 30, 86_400, 8).unwrap()
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn key(kid: &str) -> Value {
    let mut key: Value = serde_json::from_str(PUBLIC_KEY).unwrap();
    key["kid"] = json!(kid);
    key
}

fn token(kid: &str) -> String {
    signed(&HEADER.replace("k1", kid), &alice().to_string())
}

/// What a token with this key gets.
fn shown(verifier: &TokenVerifier, kid: &str, now: u64) -> Result<(), TokenError> {
    verify_at(verifier, &token(kid), now).map(drop)
}

fn unknown(kid: &str) -> Result<(), TokenError> {
    Err(TokenError::UnknownKey { key_id: kid.to_owned() })
}

#[test]
fn tokens_wait_for_the_first_set() {
    let verifier = verifier();
    assert_eq!(shown(&verifier, "k1", NOW), Err(TokenError::KeysAwaited));
    assert_eq!(verifier.due(NOW), [0]);
    // Once for all who wait.
    assert_eq!((verifier.due(NOW), shown(&verifier, "k1", NOW)), (vec![], Err(TokenError::KeysAwaited)));
    assert_eq!(verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW), Ok(()));
    assert_eq!(shown(&verifier, "k1", NOW), Ok(()));
    assert_eq!((verifier.due(NOW + 299), verifier.due(NOW + 300)), (vec![], vec![0]));
}

#[test]
fn an_issuer_that_does_not_answer_is_asked_ever_more_rarely() {
    let verifier = verifier();
    let mut now = NOW;
    for pause in [1, 2, 4, 8, 16, 32, 64, 64] {
        assert_eq!(verifier.due(now), [0]);
        assert_eq!(verifier.fetched(0, None, now), Err(KeySetError::Unreachable));
        assert_eq!(shown(&verifier, "k1", now + pause - 1), Err(TokenError::KeysUnavailable), "{pause}");
        assert_eq!(verifier.due(now + pause - 1), [0_usize; 0]);
        now += pause;
    }
    assert_eq!(shown(&verifier, "k1", now), Err(TokenError::KeysAwaited));
    assert_eq!(verifier.due(now), [0]);
    assert_eq!(verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), now), Ok(()));
    assert_eq!(verifier.fetched(1, None, now), Ok(()));
    assert_eq!(verifier.due(now + 299), [0_usize; 0]);
}

#[test]
fn an_unknown_key_is_asked_for_and_not_for_every_token() {
    let verifier = verifier();
    verifier.due(NOW);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW).unwrap();
    for _ in 0..2 {
        assert_eq!(shown(&verifier, "k2", NOW), Err(TokenError::KeysAwaited));
    }
    // Whoever has a known key does not wait.
    assert_eq!(shown(&verifier, "k1", NOW), Ok(()));
    assert_eq!(verifier.due(NOW), [0]);
    verifier.fetched(0, Some(set(&[key("k2")]).as_bytes()), NOW + 1).unwrap();
    assert_eq!(shown(&verifier, "k2", NOW + 1), Ok(()));
    // What is gone is gone, for remembered tokens too; and nobody can have the issuer asked again and again.
    assert_eq!(shown(&verifier, "k1", NOW + 1), unknown("k1"));
    assert_eq!((shown(&verifier, "k1", NOW + 9), verifier.due(NOW + 9)), (unknown("k1"), vec![]));
    assert_eq!((shown(&verifier, "k1", NOW + 10), verifier.due(NOW + 10)), (Err(TokenError::KeysAwaited), vec![0]));
}

#[test]
fn a_good_set_stays_until_there_is_a_better_one() {
    let verifier = verifier();
    verifier.due(NOW);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW).unwrap();
    for (at, (body, error)) in [
        (None, KeySetError::Unreachable),
        (Some("<html>"), KeySetError::NotAKeySet),
        (Some(r#"{"keys":{}}"#), KeySetError::NotAKeySet),
        (Some(r#"{"keys":[]}"#), KeySetError::NoUsableKey),
        (Some(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#), KeySetError::NoUsableKey),
    ]
    .into_iter()
    .enumerate()
    {
        let now = NOW + 300 + 100 * u64::try_from(at).unwrap();
        assert_eq!(verifier.due(now), [0], "{at}");
        assert_eq!(verifier.fetched(0, body.map(str::as_bytes), now), Err(error));
        let later = NOW.max(alice()["exp"].as_u64().unwrap() - 1);
        assert_eq!(shown(&verifier, "k1", later), Ok(()));
    }
}

#[test]
fn keys_that_are_wrong_do_not_spoil_the_others() {
    let mut secret = key("secret");
    secret["d"] = json!("AAAA");
    let twin = |kid: &str| json!({ "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "x": "AA", "y": "AA" });
    let chained = {
        let mut key = key("k1");
        key["x5c"] = json!(["A".repeat(20_000)]);
        key
    };
    let mut nameless = key("k1");
    nameless.as_object_mut().unwrap().remove("kid");
    let published = [secret, twin("k3"), json!({ "kty": "unheard-of" }), chained, nameless, json!({ "kty": 7 })];
    let verifier = verifier();
    verifier.due(NOW);
    assert_eq!(verifier.fetched(0, Some(set(&published).as_bytes()), NOW), Ok(()));
    assert_eq!(shown(&verifier, "k1", NOW), Ok(()));
    for kid in ["secret", "k3"] {
        // It is looked for, once for both, and not found.
        let first = shown(&verifier, kid, NOW);
        assert!(first == Err(TokenError::KeysAwaited) || first == unknown(kid), "{kid}: {first:?}");
        verifier.due(NOW);
        verifier.fetched(0, Some(set(&published).as_bytes()), NOW).unwrap();
        assert_eq!(shown(&verifier, kid, NOW), unknown(kid));
    }
}

#[test]
fn of_keys_with_one_name_none_counts() {
    let verifier = verifier();
    verifier.due(NOW);
    let published = set(&[key("k1"), key("k1"), key("k2")]);
    assert_eq!(verifier.fetched(0, Some(published.as_bytes()), NOW), Ok(()));
    assert_eq!((shown(&verifier, "k1", NOW), verifier.due(NOW)), (Err(TokenError::KeysAwaited), vec![0]));
    assert_eq!(verifier.fetched(0, Some(published.as_bytes()), NOW), Ok(()));
    assert_eq!((shown(&verifier, "k1", NOW), shown(&verifier, "k2", NOW)), (unknown("k1"), Ok(())));
}

const DAY: u64 = 86_400;

#[test]
fn a_clock_that_is_set_back_keeps_no_old_keys() {
    let verifier = verifier();
    verifier.due(NOW + DAY);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW + DAY).unwrap();
    assert_eq!(verifier.due(NOW), [0], "not in a day and five minutes");
    verifier.fetched(0, Some(set(&[key("k2")]).as_bytes()), NOW).unwrap();
    assert_eq!(shown(&verifier, "k2", NOW), Ok(()));
    assert_eq!((verifier.due(NOW + 299), verifier.due(NOW + 300)), (vec![], vec![0]), "and no more often than before");
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let verifier = verifier();
    verifier.due(NOW + DAY);
    assert_eq!(verifier.fetched(0, None, NOW + DAY), Err(KeySetError::Unreachable));
    assert_eq!(shown(&verifier, "k1", NOW), Err(TokenError::KeysAwaited));
    assert_eq!(verifier.due(NOW), [0]);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW).unwrap();
    assert_eq!(shown(&verifier, "k1", NOW), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_hides_no_new_key() {
    let verifier = verifier();
    verifier.due(NOW);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW).unwrap();
    // Somebody had it looked for in what is the future now.
    assert_eq!(shown(&verifier, "k2", NOW + 200), Err(TokenError::KeysAwaited));
    assert_eq!(verifier.due(NOW + 200), [0]);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW + 200).unwrap();
    assert_eq!(shown(&verifier, "k2", NOW + 201), unknown("k2"));
    assert_eq!(shown(&verifier, "k2", NOW + 100), Err(TokenError::KeysAwaited));
    assert_eq!(verifier.due(NOW + 100), [0]);
    verifier.fetched(0, Some(set(&[key("k2")]).as_bytes()), NOW + 100).unwrap();
    assert_eq!(shown(&verifier, "k2", NOW + 100), Ok(()));
}

#[test]
fn a_clock_that_jumps_ahead_waits_for_nobody() {
    let verifier = verifier();
    verifier.due(NOW);
    assert_eq!(verifier.fetched(0, None, NOW), Err(KeySetError::Unreachable));
    assert_eq!(verifier.due(NOW + DAY), [0]);
    verifier.fetched(0, Some(set(&[key("k1")]).as_bytes()), NOW + DAY).unwrap();
    assert_eq!(shown(&verifier, "k1", NOW), Ok(()));
    assert_eq!(verifier.due(NOW), [0]);
}
