//! What a transaction token says, what is refused as one, and that one in its place is never wider.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{TransactionError, TransactionTerms, TransactionToken, TransactionVerifier, VerifiedTransaction};
use crate::algorithm::Algorithm;
use crate::downscope::{CallBinding, DownscopedToken, MintError, Target};
use crate::error::{Part, TokenError};
use crate::fixtures::{
    ASSISTANT, HR, ISSUER, MESH, NOW, alice, alice_with, call, claims_of, ed25519_key, es256_key, signed, verified,
};
use crate::jwks::KeySetError;
use crate::mint::{Mint, MintConfig, MintConfigError};
use crate::token::VerifiedToken;

const DOMAIN: &str = "acme.example";
const SERVER: &str = "spiffe://acme.example/mcp/hr";
const HEADER: &str = r#"{"alg":"ES256","kid":"2026-11","typ":"txntoken+jwt"}"#;
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn mint() -> Mint {
    let published_keys = vec![ed25519_key("2026-10").public()];
    Mint::new(MintConfig { issuer: MESH.to_owned(), key: es256_key("2026-11"), published_keys, ttl_seconds: 60 })
        .unwrap()
}

fn terms() -> TransactionTerms {
    TransactionTerms::new(DOMAIN.to_owned(), 30).unwrap()
}

fn minted(
    subject: &VerifiedToken,
    earlier: Option<&VerifiedTransaction>,
    call: &CallBinding<'_>,
    now: u64,
) -> Result<Value, MintError> {
    let call = CallBinding { transaction: earlier, ..*call };
    let token = TransactionToken::mint(&mint(), &terms(), subject, &call, Some(ADDRESS), now, &[7; 16])?;
    Ok(claims_of(token.as_str()))
}

fn verifier() -> TransactionVerifier {
    let algorithms = [Algorithm::ES256, Algorithm::EdDSA];
    let verifier = TransactionVerifier::new(DOMAIN.to_owned(), mint().public_jwks(), &algorithms);
    verifier.unwrap().with_lifetime(5, 900).unwrap()
}

/// A token that began a transaction a while ago.
fn begun() -> Value {
    json!({
        "iat": NOW - 10, "exp": NOW + 20, "aud": DOMAIN, "txn": "t-1", "sub": "alice", "scope": "hr.read docs.read",
        "req_wl": ASSISTANT, "act": { "sub": ASSISTANT }, "tctx": { "tool": "first" }, "rctx": { "req_ip": "198.51.100.1" },
    })
}

fn begun_with(changes: Value) -> Value {
    let mut claims = begun();
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

fn check_as(header: &str, claims: &Value, user: Option<&Value>) -> Result<VerifiedTransaction, TransactionError> {
    let user = user.map(verified);
    verifier().verify(signed(header, &claims.to_string()).as_bytes(), 16_384, user.as_deref(), NOW)
}

fn check(claims: &Value) -> Result<VerifiedTransaction, TransactionError> {
    check_as(HEADER, claims, Some(&alice()))
}

#[track_caller]
fn refused(changes: Value, error: TokenError) {
    assert_eq!(check(&begun_with(changes)).err(), Some(TransactionError::Token(error)));
}

#[test]
fn a_transaction_begins_with_who_what_and_whence() {
    let subject = verified(&alice());
    let claims = minted(&subject, None, &call(), NOW).unwrap();
    let smaller = DownscopedToken::mint(&mint(), &subject, &call(), NOW, [7; 16]).unwrap();
    let expected = json!({
        "iss": MESH, "iat": NOW, "aud": DOMAIN, "exp": NOW + 30, "txn": claims_of(smaller.as_str())["txn"], "sub": "alice",
        "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "alice" },
        "scope": "docs.read hr.read tickets.write",
        "req_wl": ASSISTANT,
        "tctx": {
            "protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "get_time_off",
            "arguments_sha256": "ab".repeat(32),
        },
        "rctx": { "req_ip": "192.0.2.7", "peer": ASSISTANT, "client_id": "acme-assistant" },
        "act": { "sub": ASSISTANT },
    });
    assert_eq!(claims, expected);
    let scopes = BTreeSet::new();
    let nothing = minted(&subject, None, &CallBinding { scopes: Some(&scopes), ..call() }, NOW).unwrap();
    assert_eq!(nothing["scope"], "", "the draft requires the claim");
}

#[test]
fn the_header_names_the_type_and_the_published_keys_verify_it() {
    let subject = verified(&alice());
    let token = TransactionToken::mint(&mint(), &terms(), &subject, &call(), None, NOW, &[7; 16]).unwrap();
    let header = crate::json::object_of(Part::Header, token.as_str().split('.').next().unwrap());
    assert_eq!(header.map(Value::Object), Ok(json!({ "alg": "ES256", "kid": "2026-11", "typ": "txntoken+jwt" })));
    assert!(verifier().verify(token.as_str().as_bytes(), 16_384, Some(&subject), NOW).is_ok());
    // A key that signs no more still verifies.
    let old = ed25519_key("2026-10").sign("txntoken+jwt", &begun().to_string()).unwrap();
    assert!(verifier().verify(old.as_bytes(), 16_384, Some(&subject), NOW).is_ok());
    assert_eq!(format!("{token:?}"), "TransactionToken { .. }");
}

#[test]
fn what_came_stays_and_only_scope_and_time_get_smaller() {
    let earlier = check(&begun()).unwrap();
    assert_eq!(earlier.id(), "t-1");
    let subject = verified(&alice_with(json!({ "scope": "hr.read tickets.write", "txn": "t-1" })));
    let hop = CallBinding { actor: Some(SERVER), ..call() };
    let both = CallBinding { transaction: Some(&earlier), ..call() };
    let smaller = DownscopedToken::mint(&mint(), &verified(&alice()), &both, NOW, [7; 16]).unwrap();
    assert_eq!(claims_of(smaller.as_str())["txn"], "t-1", "in both tokens");
    let expected = json!({
        "iss": MESH, "iat": NOW, "aud": DOMAIN, "exp": NOW + 20, "txn": "t-1", "sub": "alice",
        "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "alice" },
        "scope": "hr.read", "req_wl": SERVER, "tctx": { "tool": "first" }, "rctx": { "req_ip": "198.51.100.1" },
        "act": { "sub": SERVER, "act": { "sub": ASSISTANT } },
    });
    assert_eq!(minted(&subject, Some(&earlier), &hop, NOW), Ok(expected));
    // What the other service left out is said, and what it said of the subject is kept.
    let bare = begun_with(json!({ "tctx": null, "rctx": null, "act": null }));
    let claims = minted(&subject, Some(&check(&bare).unwrap()), &hop, NOW).unwrap();
    assert_eq!((&claims["tctx"]["tool"], &claims["rctx"]["peer"]), (&json!("get_time_off"), &json!(SERVER)));
    let named = json!({ "format": "iss_sub", "iss": "https://partner.example", "sub": "alice" });
    let of_partner = begun_with(json!({ "iss": ISSUER, "sub_id": named }));
    let claims = minted(&subject, Some(&check(&of_partner).unwrap()), &hop, NOW).unwrap();
    assert_eq!(claims["sub_id"], named);
}

#[test]
fn one_in_its_place_is_never_wider() {
    const SCOPES: [&str; 5] = ["hr.read", "docs.read", "tickets.write", "admin", "*"];
    let subset = |bits: u64| -> BTreeSet<String> {
        let of = SCOPES.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
        of.map(|(_, scope)| (*scope).to_owned()).collect()
    };
    let text = |scopes: &BTreeSet<String>| scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..200 {
        let (of_user, of_earlier, of_policy) = (subset(random(32)), subset(random(32)), subset(random(32)));
        let (left, left_of_earlier) = (1 + random(90), 1 + random(90));
        let user = verified(&alice_with(json!({ "scope": text(&of_user), "exp": NOW + left })));
        let earlier = begun_with(json!({ "scope": text(&of_earlier), "exp": NOW + left_of_earlier }));
        let earlier = check(&earlier).unwrap();
        let call = CallBinding { scopes: Some(&of_policy), ttl_seconds: Some(1 + random(90)), ..call() };
        let claims = minted(&user, Some(&earlier), &call, NOW).unwrap();
        let granted: BTreeSet<String> =
            claims["scope"].as_str().unwrap().split_whitespace().map(str::to_owned).collect();
        let all: BTreeSet<String> =
            of_user.iter().filter(|scope| of_earlier.contains(*scope) && of_policy.contains(*scope)).cloned().collect();
        assert_eq!(granted, all);
        let most = [left, left_of_earlier, call.ttl_seconds.unwrap(), 30].into_iter().min().unwrap();
        assert_eq!(claims["exp"], NOW + most);
        assert_eq!((&claims["txn"], &claims["sub"], &claims["aud"]), (&json!("t-1"), &json!("alice"), &json!(DOMAIN)));
    }
}

#[test]
fn where_none_can_be_made_none_is() {
    let subject = verified(&alice());
    let mint =
        |earlier: Option<&VerifiedTransaction>, call: &CallBinding<'_>, now| minted(&subject, earlier, call, now).err();
    assert_eq!(mint(None, &CallBinding { actor: None, ..call() }, NOW), Some(MintError::NoWorkload));
    assert_eq!(mint(None, &CallBinding { ttl_seconds: Some(0), ..call() }, NOW), Some(MintError::NoLifetime));
    let over = MintError::SubjectExpired { expired_at: NOW + 200, now: NOW + 200 };
    assert_eq!(mint(None, &call(), NOW + 200), Some(over));
    let earlier = check(&begun()).unwrap();
    let over = MintError::SubjectExpired { expired_at: NOW + 20, now: NOW + 20 };
    assert_eq!(mint(Some(&earlier), &call(), NOW + 20), Some(over), "not a second is added");
    let chain = json!({ "act": { "sub": "4", "act": { "sub": "3", "act": { "sub": "2", "act": { "sub": "1" } } } } });
    let long = check(&begun_with(chain)).unwrap();
    assert_eq!(mint(Some(&long), &call(), NOW), Some(MintError::TooManyActors));
    let large = check(&begun_with(json!({ "tctx": { "x": "x".repeat(10_000) }, "rctx": { "x": "y".repeat(10_000) } })));
    assert_eq!(large.err(), Some(TransactionError::Token(TokenError::TooLong { limit: 16_384 })));
    let name = "x".repeat(20_000);
    let error = mint(None, &CallBinding { target: Some(Target::Tool(&name)), ..call() }, NOW);
    assert!(matches!(error, Some(MintError::TooLong { bytes: 20_000.., limit: 16_384 })), "{error:?}");
    let hop = CallBinding { transaction: Some(&earlier), ..call() };
    let elsewhere = TransactionTerms::new("partner.example".to_owned(), 30).unwrap();
    let other = TransactionToken::mint(&self::mint(), &elsewhere, &subject, &hop, None, NOW, &[7; 16]);
    assert_eq!(other.err(), Some(MintError::OtherTrustDomain { audience: "partner.example".to_owned() }));
    for seconds in [0, 901] {
        let error = TransactionTerms::new(DOMAIN.to_owned(), seconds).err();
        assert_eq!(error, Some(MintConfigError::Ttl { seconds, limit: 900 }));
    }
}

#[test]
fn claims_that_are_missing_wrong_or_late_are_refused() {
    for name in ["iat", "aud", "exp", "txn", "sub", "scope", "req_wl"] {
        refused(json!({ name: null }), TokenError::MissingClaim(name));
    }
    for name in ["iat", "aud", "exp", "txn", "sub", "scope", "req_wl", "tctx", "rctx", "act", "iss", "sub_id"] {
        let mut claims = begun();
        claims[name] = json!(true);
        let error = Some(TransactionError::Token(TokenError::MalformedClaim(name.to_owned())));
        assert_eq!(check(&claims).err(), error, "{name}");
    }
    for id in [
        json!({}),
        json!({ "format": "iss_sub", "iss": ISSUER, "sub": "bob" }),
        json!({ "format": "email", "iss": ISSUER, "sub": "alice" }),
        json!({ "format": "iss_sub", "iss": "", "sub": "alice" }),
    ] {
        refused(json!({ "sub_id": id }), TokenError::MalformedClaim("sub_id".to_owned()));
    }
    let expected = TokenError::Audience { expected: DOMAIN.to_owned() };
    refused(json!({ "aud": "partner.example" }), expected.clone());
    refused(json!({ "aud": HR }), expected);
    // A list of audiences could name other trust domains.
    refused(json!({ "aud": [DOMAIN] }), TokenError::MalformedClaim("aud".to_owned()));
    refused(json!({ "exp": NOW - 5 }), TokenError::Expired { expired_at: NOW - 5, now: NOW });
    refused(json!({ "nbf": NOW + 6 }), TokenError::NotYetValid { not_before: NOW + 6, now: NOW });
    refused(json!({ "iat": NOW + 6 }), TokenError::IssuedInFuture { issued_at: NOW + 6, now: NOW });
    refused(json!({ "exp": NOW + 1_000 }), TokenError::LivesTooLong { seconds: 1_010, limit: 900 });
}

#[test]
fn other_types_keys_and_forms_are_refused() {
    for typ in ["at+jwt", "JWT", "dpop+jwt"] {
        let header = HEADER.replace("txntoken+jwt", typ);
        let error = check_as(&header, &begun(), Some(&alice())).err();
        assert_eq!(error, Some(TokenError::Type { found: typ.to_owned() }.into()));
    }
    let untyped = check_as(r#"{"alg":"ES256","kid":"2026-11"}"#, &begun(), Some(&alice())).err();
    assert_eq!(untyped, Some(TokenError::Type { found: "JWT".to_owned() }.into()));
    for typ in ["application/txntoken+jwt", "TXNTOKEN+JWT"] {
        assert!(check_as(&HEADER.replace("txntoken+jwt", typ), &begun(), Some(&alice())).is_ok(), "{typ}");
    }
    let unknown = check_as(&HEADER.replace("2026-11", "2026-09"), &begun(), Some(&alice())).err();
    assert_eq!(unknown, Some(TokenError::UnknownKey { key_id: "2026-09".to_owned() }.into()));
    let verify = |value: &str| {
        let user = verified(&alice());
        verifier().verify(value.as_bytes(), 16_384, Some(&user), NOW).err()
    };
    let good = signed(HEADER, &begun().to_string());
    let other = signed(HEADER, &begun_with(json!({ "sub": "bob" })).to_string());
    let spliced = format!("{}.{}", other.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1);
    assert_eq!(verify(&good), None);
    assert_eq!(verify(&spliced), Some(TokenError::Signature.into()));
    for value in ["", "x", "Bearer a.b.c", &format!(" {good}"), &format!("{good} ")] {
        assert_eq!(verify(value), Some(TokenError::NotCompact.into()), "{value}");
    }
    // Two headers that a proxy made one of.
    assert_eq!(verify(&format!("{good},{good}")), Some(TokenError::Repeated.into()));
    let unusable = TransactionVerifier::new(DOMAIN.to_owned(), r#"{"keys":[]}"#, &[Algorithm::ES256]);
    assert_eq!(unusable.err(), Some(KeySetError::NoUsableKey));
}

#[test]
fn it_is_about_the_user_who_calls_and_her_transaction() {
    let of = |claims: Value, user: Option<Value>| check_as(HEADER, &claims, user.as_ref()).map(|_| ()).err();
    assert_eq!(of(begun(), None), Some(TransactionError::OtherSubject));
    assert_eq!(of(begun(), Some(alice_with(json!({ "sub": "bob" })))), Some(TransactionError::OtherSubject));
    assert_eq!(of(begun(), Some(alice_with(json!({ "txn": "t-2" })))), Some(TransactionError::OtherTransaction));
    assert_eq!(of(begun(), Some(alice_with(json!({ "txn": "t-1" })))), None);
    let named = |issuer: &str, iss: &str| {
        begun_with(json!({ "iss": iss, "sub_id": { "format": "iss_sub", "iss": issuer, "sub": "alice" } }))
    };
    assert_eq!(of(named(ISSUER, MESH), Some(alice())), None);
    assert_eq!(of(named("https://partner.example", MESH), Some(alice())), Some(TransactionError::OtherSubject));
    // The caller's token is of who signs the transactions: made of the partner's, as this one was.
    assert_eq!(of(named("https://partner.example", ISSUER), Some(alice())), None);
}

#[test]
fn what_is_handed_over_is_whole() {
    let verified = check(&begun()).unwrap();
    let text = serde_json::to_value(&verified).unwrap();
    assert_eq!(serde_json::from_value::<VerifiedTransaction>(text.clone()).unwrap(), verified);
    for name in text.as_object().unwrap().keys() {
        let mut lacking = text.clone();
        lacking.as_object_mut().unwrap().remove(name);
        assert!(serde_json::from_value::<VerifiedTransaction>(lacking).is_err(), "{name}");
    }
}
