//! Tokens that are good, what is remembered of them, and what a verifier is made of.

mod best_practice;
mod refused;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::TokenVerifier;
use crate::algorithm::Algorithm;
use crate::bearer::BearerToken;
use crate::claims::ClaimPaths;
use crate::error::TokenError;
use crate::fixtures::{
    DOCS, HEADER, HR, ISSUER, NOW, alice, alice_with, config, signed, verified, verifier, verify_at,
};
use crate::issuer::{IssuerConfig, VerifierError};
use crate::jwks::KeySetError;
use crate::keys::Jwks;

fn strings(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn good() -> String {
    signed(HEADER, &alice().to_string())
}

#[track_caller]
fn verify_for(verifier: &TokenVerifier, token: &str, audience: &str) -> Result<bool, TokenError> {
    let header = format!("Bearer {token}");
    let token = BearerToken::from_authorization(&[header.as_bytes()], 16_384).unwrap().unwrap();
    verifier.verify(&token, audience, NOW).map(|verified| verified.from_cache)
}

#[test]
fn a_good_token_tells_everything_it_says() {
    let token = verified(&alice_with(json!({
        "nbf": NOW, "acr": "gold", "amr": ["otp"], "txn": "t1", "act": { "sub": "b", "act": { "sub": "a" } },
        "cnf": { "x5t#S256": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" }, "realm_access": { "roles": ["admin"] },
    })));
    assert_eq!((token.issuer(), token.subject()), (ISSUER, "alice"));
    assert_eq!(token.audiences(), &strings(&[HR, DOCS]));
    assert_eq!(token.scopes(), &strings(&["docs.read", "hr.read", "tickets.write"]));
    assert_eq!((token.client_id(), token.acr()), (Some("acme-assistant"), Some("gold")));
    assert_eq!(token.amr(), &strings(&["otp"]));
    assert_eq!((token.groups(), token.roles()), (&strings(&["employees"]), &strings(&["admin"])));
    assert_eq!((token.expires_at(), token.issued_at(), token.not_before()), (NOW + 200, Some(NOW - 100), Some(NOW)));
    assert_eq!((token.actor(), token.actors()), (Some("b"), &["b".to_owned(), "a".to_owned()][..]));
    assert_eq!(token.transaction(), Some("t1"));
    let thumbprint: Vec<u8> = (0..32).collect();
    assert_eq!(token.certificate_thumbprint().map(|bytes| bytes.to_vec()), Some(thumbprint));
    assert!(!token.unsupported_confirmation());
    assert_eq!(token.tags().get("employee_id"), Some(&strings(&["E1001"])));
}

#[test]
fn a_confirmation_that_nobody_can_check_is_told() {
    let token = verified(&alice_with(json!({ "cnf": { "jwk": {} } })));
    assert_eq!((token.certificate_thumbprint(), token.key_thumbprint()), (None, None));
    assert!(token.unsupported_confirmation());
    let token = verified(&alice());
    assert_eq!((token.certificate_thumbprint(), token.key_thumbprint()), (None, None));
    assert!(!token.unsupported_confirmation());
    assert_eq!((token.actor(), token.actors()), (None, &[][..]));
}

#[test]
fn tokens_of_another_implementation_verify_with_every_algorithm() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/keys/vectors.json")).unwrap();
    let verifier = verifier(vec![refused::vectors_issuer()]);
    for (name, token) in vectors["good"].as_object().unwrap() {
        let verified = verify_at(&verifier, token.as_str().unwrap(), NOW);
        assert_eq!(verified.map(|verified| verified.token.subject().to_owned()), Ok("alice".to_owned()), "{name}");
    }
}

#[test]
fn types_are_compared_as_media_types() {
    let with_types = |types: &[&str]| {
        let token_types = types.iter().map(|&typ| typ.to_owned()).collect();
        verifier(vec![IssuerConfig { token_types, ..config() }])
    };
    let token = |typ: &str| signed(&HEADER.replace("at+jwt", typ), &alice().to_string());
    let strict = with_types(&["at+jwt"]);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(verify_at(&strict, &token(typ), NOW).is_ok(), "{typ}");
    }
    let lax = with_types(&["application/JWT", "Custom"]);
    let untyped = signed(r#"{"alg":"ES256","kid":"k1"}"#, &alice().to_string());
    for token in [token("jwt"), token("application/jwt"), token("custom"), untyped] {
        assert!(verify_at(&lax, &token, NOW).is_ok());
    }
}

#[test]
fn the_skew_is_granted_at_both_ends_and_not_a_second_more() {
    let verifier = verifier(vec![config()]);
    let at = |claims: &Value, now: u64| verify_at(&verifier, &signed(HEADER, &claims.to_string()), now).map(drop);
    let exp = NOW + 200;
    assert_eq!(at(&alice(), exp + 29), Ok(()));
    assert_eq!(at(&alice(), exp + 30), Err(TokenError::Expired { expired_at: exp, now: exp + 30 }));
    let late = alice_with(json!({ "nbf": NOW + 30, "iat": NOW + 30 }));
    assert_eq!(at(&late, NOW), Ok(()));
    assert_eq!(at(&late, NOW - 1), Err(TokenError::NotYetValid { not_before: NOW + 30, now: NOW - 1 }));
    let future = alice_with(json!({ "iat": NOW + 31 }));
    assert_eq!(at(&future, NOW), Err(TokenError::IssuedInFuture { issued_at: NOW + 31, now: NOW }));
}

#[test]
fn a_token_lives_no_longer_than_the_operator_allows() {
    let at = |claims: Value| verify_at(&verifier(vec![config()]), &signed(HEADER, &claims.to_string()), NOW).map(drop);
    assert_eq!(at(alice_with(json!({ "iat": NOW, "exp": NOW + 86_400 }))), Ok(()));
    let too_long = |seconds| Err(TokenError::LivesTooLong { seconds, limit: 86_400 });
    assert_eq!(at(alice_with(json!({ "iat": NOW, "exp": NOW + 86_401 }))), too_long(86_401));
    assert_eq!(at(alice_with(json!({ "iat": null, "exp": NOW + 86_401 }))), too_long(86_401));
    assert_eq!(at(alice_with(json!({ "iat": 0, "exp": u64::MAX }))), too_long(u64::MAX));
}

#[test]
fn a_token_is_remembered_for_every_audience_and_checked_for_each() {
    let verifier = verifier(vec![config()]);
    let elsewhere = Err(TokenError::Audience { expected: "https://elsewhere.example".to_owned() });
    assert_eq!(verify_for(&verifier, &good(), HR), Ok(false));
    assert_eq!(verify_for(&verifier, &good(), HR), Ok(true));
    assert_eq!(verify_for(&verifier, &good(), DOCS), Ok(true));
    assert_eq!(verify_for(&verifier, &good(), "https://elsewhere.example"), elsewhere);
}

#[test]
fn memory_never_outlives_expiry() {
    let verifier = verifier(vec![config()]);
    let exp = NOW + 200;
    for now in [NOW, exp, exp + 29] {
        assert!(verify_at(&verifier, &good(), now).is_ok());
    }
    assert_eq!(verifier.cache.borrow().len(), 1);
    let expired = TokenError::Expired { expired_at: exp, now: exp + 30 };
    assert_eq!(verify_at(&verifier, &good(), exp + 30).map(drop), Err(expired));
    assert_eq!(verifier.cache.borrow().len(), 0);
}

#[test]
fn memory_does_not_bring_a_token_forward() {
    let verifier = verifier(vec![config()]);
    let token = signed(HEADER, &alice_with(json!({ "nbf": NOW })).to_string());
    assert!(verify_at(&verifier, &token, NOW).is_ok());
    let early = TokenError::NotYetValid { not_before: NOW, now: NOW - 31 };
    assert_eq!(verify_at(&verifier, &token, NOW - 31).map(drop), Err(early));
}

#[test]
fn memory_is_of_this_very_text() {
    let verifier = verifier(vec![config()]);
    assert!(verify_at(&verifier, &good(), NOW).is_ok());
    let (unsigned, _) = good().rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(verify_at(&verifier, &format!("{unsigned}."), NOW).map(drop), Err(TokenError::Signature));
    assert_eq!(verifier.cache.borrow().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let verifier = TokenVerifier::new(vec![config()], 30, 86_400, 3).unwrap();
    for n in 0..10 {
        let token = signed(HEADER, &alice_with(json!({ "jti": n.to_string() })).to_string());
        assert!(verify_at(&verifier, &token, NOW).is_ok());
    }
    assert_eq!(verifier.cache.borrow().len(), 3);
    let forgetful = TokenVerifier::new(vec![config()], 30, 86_400, 0).unwrap();
    assert_eq!(verify_for(&forgetful, &good(), HR), Ok(false));
    assert_eq!(verify_for(&forgetful, &good(), HR), Ok(false));
}

#[test]
fn the_fingerprint_is_the_hash_of_the_text() {
    use sha2::{Digest, Sha256};
    assert_eq!(verified(&alice()).fingerprint(), &<[u8; 32]>::from(Sha256::digest(good())));
}

#[test]
fn an_issuers_keys_count_for_that_issuer_only() {
    let other = IssuerConfig {
        issuer: "https://partner.example".to_owned(),
        jwks: Jwks::Inline(include_str!("../../tests/keys/jwks.json").replace("\"es256\"", "\"k1\"")),
        ..config()
    };
    let verifier = verifier(vec![config(), other]);
    assert!(verify_at(&verifier, &good(), NOW).is_ok());
    let forged = signed(HEADER, &alice_with(json!({ "iss": "https://partner.example" })).to_string());
    assert_eq!(verify_at(&verifier, &forged, NOW).map(drop), Err(TokenError::Signature));
}

#[test]
fn groups_of_two_issuers_never_meet() {
    let partner = IssuerConfig { issuer: "https://partner.example".to_owned(), ..config() };
    let verifier = verifier(vec![config(), partner]);
    let token = |iss: &str| {
        let claims = alice_with(json!({ "iss": iss, "groups": ["admins"], "realm_access": { "roles": ["r"] } }));
        verify_at(&verifier, &signed(HEADER, &claims.to_string()), NOW).unwrap().token
    };
    assert_eq!(token(ISSUER).groups(), &strings(&["https://idp.acme.example#admins"]));
    assert_eq!(token("https://partner.example").groups(), &strings(&["https://partner.example#admins"]));
    assert_eq!(token("https://partner.example").roles(), &strings(&["https://partner.example#r"]));
}

#[test]
fn a_verifier_without_issuers_accepts_nothing() {
    let unknown = TokenError::UnknownIssuer { issuer: ISSUER.to_owned() };
    assert_eq!(verify_at(&verifier(vec![]), &good(), NOW).map(drop), Err(unknown));
}

#[test]
fn configurations_that_could_not_verify_are_refused() {
    let refused = |configs: Vec<IssuerConfig>| TokenVerifier::new(configs, 30, 86_400, 8).err();
    for issuer in ["", "https://idp.acme.example#x"] {
        let broken = IssuerConfig { issuer: issuer.to_owned(), ..config() };
        assert_eq!(refused(vec![broken]), Some(VerifierError::Issuer { index: 0 }));
    }
    let duplicate = VerifierError::Duplicate { index: 1, issuer: ISSUER.to_owned() };
    assert_eq!(refused(vec![config(), config()]), Some(duplicate));
    let silent = IssuerConfig { algorithms: vec![], ..config() };
    assert_eq!(refused(vec![silent]), Some(VerifierError::NoAlgorithms { index: 0 }));
    for token_types in [vec![], vec![String::new()], vec!["application/".to_owned()]] {
        let untyped = IssuerConfig { token_types, ..config() };
        assert_eq!(refused(vec![untyped]), Some(VerifierError::TokenTypes { index: 0 }));
    }
    for path in ["", ".", "a..b", "a."] {
        let claims = ClaimPaths { groups: None, roles: Some(path.to_owned()) };
        assert_eq!(refused(vec![IssuerConfig { claims, ..config() }]), Some(VerifierError::ClaimPath { index: 0 }));
    }
    let keyless = IssuerConfig { algorithms: vec![Algorithm::RS256], ..config() };
    let error = VerifierError::Keys { index: 0, error: KeySetError::NoUsableKey };
    assert_eq!(refused(vec![keyless]), Some(error));
}

#[test]
fn limits_that_would_undo_themselves_are_refused() {
    assert_eq!(
        TokenVerifier::new(vec![], 301, 86_400, 8).err(),
        Some(VerifierError::ClockSkew { seconds: 301, limit: 300 })
    );
    assert_eq!(TokenVerifier::new(vec![], 30, 0, 8).err(), Some(VerifierError::NoLifetime));
    assert!(TokenVerifier::new(vec![], 0, 1, 0).is_ok());
}

#[test]
fn no_message_shows_the_token_or_runs_long() {
    let long = "x".repeat(5_000);
    let issuer = alice_with(json!({ "iss": long })).to_string();
    let verifier = verifier(vec![config()]);
    for (header, payload) in [
        (HEADER.to_owned(), issuer),
        (HEADER.replace("k1", &long), alice().to_string()),
        (HEADER.replace("ES256", &long), alice().to_string()),
        (HEADER.replace("at+jwt", &long), alice().to_string()),
        (HEADER.to_owned(), format!(r#"{{"{long}":1,"{long}":2}}"#)),
    ] {
        let token = signed(&header, &payload);
        let message = verify_at(&verifier, &token, NOW).unwrap_err().to_string();
        assert!(message.len() < 200, "{message}");
        assert!(token.split('.').all(|part| !message.contains(part)), "{message}");
    }
}

#[test]
fn memory_follows_a_clock_that_jumps_to_and_fro() {
    let verifier = verifier(vec![config()]);
    let at = |now| verify_at(&verifier, &good(), now).map(|verified| verified.from_cache);
    let (issued_at, expired_at) = (NOW - 100, NOW + 200);
    assert_eq!((at(NOW), at(NOW)), (Ok(false), Ok(true)));
    let (earlier, later) = (NOW - 86_400, NOW + 86_400);
    assert_eq!(at(earlier), Err(TokenError::IssuedInFuture { issued_at, now: earlier }));
    assert_eq!(at(NOW), Ok(true));
    assert_eq!(at(later), Err(TokenError::Expired { expired_at, now: later }));
    assert_eq!((at(NOW), at(NOW)), (Ok(false), Ok(true)), "good again, and its signature verified again");
}
