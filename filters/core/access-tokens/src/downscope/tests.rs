//! What a smaller token says, and that it is smaller.

mod never_wider;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{CallBinding, DownscopedToken, MintError, Target};
use crate::algorithm::Algorithm;
use crate::bearer::BearerToken;
use crate::claims::ClaimPaths;
use crate::fixtures::{ASSISTANT, HR, ISSUER, MESH, NOW, alice, alice_with, call, claims_of, es256_key, verified};
use crate::issuer::IssuerConfig;
use crate::keys::Jwks;
use crate::mint::{Mint, MintConfig};
use crate::profile::Profile;
use crate::verify::TokenVerifier;

fn mint() -> Mint {
    Mint::new(MintConfig {
        issuer: MESH.to_owned(),
        key: es256_key("2026-11"),
        published_keys: Vec::new(),
        ttl_seconds: 60,
    })
    .unwrap()
}

fn minted(subject: &Value, call: &CallBinding<'_>) -> Result<DownscopedToken, MintError> {
    DownscopedToken::mint(&mint(), &verified(subject), call, NOW, [7; 16])
}

#[track_caller]
fn claims(subject: &Value, call: &CallBinding<'_>) -> Value {
    claims_of(minted(subject, call).unwrap().as_str())
}

fn words(scope: &str) -> BTreeSet<String> {
    scope.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_token_says_who_what_and_for_how_long() {
    let token = minted(&alice(), &call()).unwrap();
    let claims = claims_of(token.as_str());
    let expected = json!({
        "iss": MESH,
        "sub": "alice",
        "sub_id": { "format": "iss_sub", "iss": ISSUER, "sub": "alice" },
        "aud": HR,
        "scope": "docs.read hr.read tickets.write",
        "iat": NOW,
        "exp": NOW + 60,
        "jti": token.jti(),
        "client_id": "acme-assistant",
        "act": { "sub": ASSISTANT },
        "txn": claims["txn"],
        "tctx": {
            "protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "get_time_off",
            "arguments_sha256": "ab".repeat(32),
        },
    });
    assert_eq!(claims, expected);
    assert_eq!((token.scope(), token.ttl_seconds()), ("docs.read hr.read tickets.write", 60));
    let header = crate::json::object_of(crate::Part::Header, token.as_str().split('.').next().unwrap());
    assert_eq!(header.map(Value::Object), Ok(json!({ "alg": "ES256", "kid": "2026-11", "typ": "at+jwt" })));
}

#[test]
fn an_upstream_can_verify_it_with_the_published_keys() {
    let config = IssuerConfig {
        issuer: MESH.to_owned(),
        jwks: Jwks::Inline(mint().public_jwks().to_owned()),
        algorithms: vec![Algorithm::ES256],
        token_types: vec!["at+jwt".to_owned()],
        profile: Profile::Rfc9068,
        claims: ClaimPaths::default(),
    };
    let upstream = TokenVerifier::new(vec![config], 0, 60, 0).unwrap();
    let token = minted(&alice(), &call()).unwrap();
    let header = format!("Bearer {}", token.as_str());
    let bearer = BearerToken::from_authorization(&[header.as_bytes()], 16_384).unwrap().unwrap();
    let verified = upstream.verify(&bearer, HR, NOW).unwrap().token;
    assert_eq!((verified.subject(), verified.actor()), ("alice", Some(ASSISTANT)));
    assert_eq!(verified.scopes(), &words("docs.read hr.read tickets.write"));
    assert!(upstream.verify(&bearer, HR, NOW + 60).is_err());
    assert!(upstream.verify(&bearer, "https://docs.mcp.acme.example/mcp", NOW).is_err());
}

#[test]
fn what_is_not_known_is_not_said() {
    let bare =
        CallBinding { target: None, arguments_sha256: None, actor: None, method: Some("resources/read"), ..call() };
    let known = claims(&alice_with(json!({ "client_id": null, "scope": null })), &bare);
    for absent in ["client_id", "act", "scope"] {
        assert_eq!(known.get(absent), None, "{absent}");
    }
    assert_eq!(known["tctx"], json!({ "protocol": "mcp", "server": "hr", "method": "resources/read" }));
    for (target, name, said) in [
        (Target::Prompt("summarize"), "prompt", "summarize"),
        (Target::Resource("doc://hr/policies"), "resource", "doc://hr/policies"),
    ] {
        let context = claims(&alice(), &CallBinding { target: Some(target), ..bare })["tctx"].clone();
        assert_eq!(context, json!({ "protocol": "mcp", "server": "hr", "method": "resources/read", name: said }));
        assert_eq!(target.to_owned().as_deref(), target);
    }
    let agent = CallBinding { protocol: "a2a", server: "travel", method: Some("SendMessage"), ..bare };
    let said = json!({ "protocol": "a2a", "server": "travel", "method": "SendMessage" });
    assert_eq!(claims(&alice(), &agent)["tctx"], said);
}

#[test]
fn earlier_actors_are_kept_behind_the_peer() {
    let earlier = json!({ "act": { "sub": "b", "act": { "sub": "a" } } });
    let act = claims(&alice_with(earlier.clone()), &call())["act"].clone();
    assert_eq!(act, json!({ "sub": ASSISTANT, "act": { "sub": "b", "act": { "sub": "a" } } }));
    let unnamed = CallBinding { actor: None, ..call() };
    assert_eq!(claims(&alice_with(earlier.clone()), &unnamed)["act"], earlier["act"]);
    let same = json!({ "act": { "sub": ASSISTANT, "act": { "sub": "a" } } });
    assert_eq!(claims(&alice_with(same.clone()), &call())["act"], same["act"]);
}

#[test]
fn a_fifth_actor_is_refused() {
    let four = json!({ "act": { "sub": "4", "act": { "sub": "3", "act": { "sub": "2", "act": { "sub": "1" } } } } });
    assert_eq!(minted(&alice_with(four), &call()).err(), Some(MintError::TooManyActors));
}

#[test]
fn a_transaction_is_kept_or_begun() {
    assert_eq!(claims(&alice_with(json!({ "txn": "t1" })), &call())["txn"], "t1");
    let with_entropy = |entropy: [u8; 16]| {
        let token = DownscopedToken::mint(&mint(), &verified(&alice()), &call(), NOW, entropy).unwrap();
        let claims = claims_of(token.as_str());
        [claims["jti"].as_str().unwrap().to_owned(), claims["txn"].as_str().unwrap().to_owned()]
    };
    let ids = [with_entropy([1; 16]), with_entropy([2; 16])].concat();
    assert!(ids.iter().all(|id| id.len() == 22));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(with_entropy([1; 16])[..], ids[..2]);
}

#[test]
fn a_subject_that_is_over_gets_nothing() {
    let claims = alice_with(json!({ "exp": NOW }));
    let expired = MintError::SubjectExpired { expired_at: NOW, now: NOW };
    assert_eq!(minted(&claims, &call()).err(), Some(expired));
    let subject = verified(&alice());
    let later = DownscopedToken::mint(&mint(), &subject, &call(), u64::MAX, [0; 16]);
    assert_eq!(later.err(), Some(MintError::SubjectExpired { expired_at: NOW + 200, now: u64::MAX }));
}

#[test]
fn no_lifetime_is_no_token() {
    assert_eq!(minted(&alice(), &CallBinding { ttl_seconds: Some(0), ..call() }).err(), Some(MintError::NoLifetime));
}

#[test]
fn a_name_without_end_does_not_become_a_header() {
    let name = "x".repeat(20_000);
    let error = minted(&alice(), &CallBinding { target: Some(Target::Tool(&name)), ..call() }).unwrap_err();
    assert!(matches!(error, MintError::TooLong { bytes: 20_000.., limit: 16_384 }), "{error:?}");
}

#[test]
fn the_debug_form_does_not_show_the_token() {
    let token = minted(&alice(), &call()).unwrap();
    let shown = format!("{token:?}");
    assert!(token.as_str().split('.').all(|part| !shown.contains(part)), "{shown}");
}
