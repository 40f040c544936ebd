//! What a smaller token says, and that it is smaller.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::{CallBinding, DownscopedToken, MintError};
use crate::jwks::{Algorithm, KeySet, decode};
use crate::mint::{Mint, MintConfig, MintKeyError};
use crate::testing::{NOW, P256, claims, signed, verifier, verify, with};
use crate::token::VerifiedToken;

const PEER: &str = "spiffe://acme.example/agent/assistant";

fn config() -> MintConfig {
    MintConfig {
        issuer: "https://mesh.acme.example".to_owned(),
        key_id: "2026-11".to_owned(),
        private_key_pem: P256.to_owned(),
        ttl_seconds: 60,
    }
}

fn subject(claims: Value) -> Rc<VerifiedToken> {
    verify(&verifier(), &signed(Algorithm::EdDSA, "at+jwt", claims), NOW).unwrap().token
}

fn binding() -> CallBinding<'static> {
    CallBinding {
        audience: "https://hr.mcp.acme.example/mcp",
        server: "hr",
        method: "tools/call",
        tool: Some("get_time_off"),
        arguments_sha256: Some([0; 32]),
        actor: Some(PEER),
        scopes: None,
        ttl_seconds: None,
    }
}

fn mint(subject: &VerifiedToken, call: &CallBinding<'_>) -> Result<Value, MintError> {
    let mint = Mint::new(config()).unwrap();
    let token = DownscopedToken::mint(&mint, subject, call, NOW, [7; 16])?;
    let keys = KeySet::parse(mint.public_jwks(), &[Algorithm::ES256]).unwrap();
    assert!(keys.check(Some("2026-11"), Algorithm::ES256, token.as_str()).is_ok());
    let parts: Vec<&str> = token.as_str().split('.').collect();
    let header: Value = serde_json::from_slice(&decode(parts[0]).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "kid": "2026-11", "typ": "at+jwt"}));
    Ok(serde_json::from_slice(&decode(parts[1]).unwrap()).unwrap())
}

#[test]
fn a_token_says_who_for_what_and_by_whom() {
    let minted = mint(&subject(claims()), &binding()).unwrap();
    let txn = minted["txn"].clone();
    let expected = json!({
        "iss": "https://mesh.acme.example", "sub": "alice", "aud": "https://hr.mcp.acme.example/mcp",
        "scope": "docs.read hr.read", "iat": NOW, "exp": NOW + 60, "jti": "BwcHBwcHBwcHBwcHBwcHBw", "txn": txn,
        "client_id": "assistant", "act": {"sub": PEER},
        "tctx": {"protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "get_time_off",
            "arguments_sha256": "A".repeat(43)},
    });
    assert_eq!(minted, expected);
    assert!(txn.as_str().is_some_and(|txn| txn.len() == 43));
}

#[test]
fn earlier_actors_and_the_transaction_are_kept() {
    let subject = subject(with(with(claims(), "act", json!({"sub": "first"})), "txn", "t-1".into()));
    let minted = mint(&subject, &binding()).unwrap();
    assert_eq!(minted["act"], json!({"sub": PEER, "act": {"sub": "first"}}));
    assert_eq!(minted["txn"], "t-1");
    let again = self::subject(with(claims(), "act", json!({"sub": PEER})));
    assert_eq!(mint(&again, &binding()).unwrap()["act"], json!({"sub": PEER}));
    let alone = CallBinding { actor: None, ..binding() };
    assert_eq!(mint(&subject, &alone).unwrap()["act"], json!({"sub": "first"}));
}

#[test]
fn actors_do_not_grow_without_end() {
    let act = json!({"sub": "d", "act": {"sub": "c", "act": {"sub": "b", "act": {"sub": "a"}}}});
    assert_eq!(mint(&subject(with(claims(), "act", act)), &binding()), Err(MintError::TooManyActors));
}

#[test]
fn a_token_is_never_wider_than_the_one_it_stands_for() {
    let scopes = ["", "hr.read", "hr.read docs.read", "docs.read hr.write", "*", "hr.read admin"];
    let lifetimes = [None, Some(0), Some(1), Some(59), Some(60), Some(61), Some(u64::MAX)];
    for own in scopes {
        for granted in scopes {
            for ttl_seconds in lifetimes {
                for left in [1, 30, 60, 61, 300] {
                    let subject = subject(with(with(claims(), "scope", own.into()), "exp", (NOW + left).into()));
                    let most: BTreeSet<String> = granted.split(' ').map(str::to_owned).collect();
                    let call = CallBinding { scopes: Some(&most), ttl_seconds, ..binding() };
                    let Ok(minted) = mint(&subject, &call) else {
                        assert_eq!(ttl_seconds, Some(0));
                        continue;
                    };
                    let scope = minted["scope"].as_str().unwrap();
                    for word in scope.split(' ').filter(|word| !word.is_empty()) {
                        assert!(subject.scopes().contains(word) && most.contains(word), "{own} {granted} {scope}");
                    }
                    let exp = minted["exp"].as_u64().unwrap();
                    assert!(exp <= subject.expires_at() && exp <= NOW + 60 && exp > NOW);
                    assert_eq!(minted["sub"], "alice");
                }
            }
        }
    }
}

#[test]
fn a_subject_within_the_clock_skew_is_over() {
    assert_eq!(mint(&subject(with(claims(), "exp", NOW.into())), &binding()), Err(MintError::SubjectExpired));
}

#[test]
fn a_mint_needs_a_key_and_a_short_life() {
    let refused = |change: &dyn Fn(&mut MintConfig)| {
        let mut config = config();
        change(&mut config);
        Mint::new(config).err()
    };
    assert_eq!(refused(&|config| config.ttl_seconds = 0), Some(MintKeyError::Ttl));
    assert_eq!(refused(&|config| config.ttl_seconds = 3_601), Some(MintKeyError::Ttl));
    assert_eq!(refused(&|config| config.key_id.clear()), Some(MintKeyError::Empty));
    assert_eq!(refused(&|config| config.private_key_pem.clear()), Some(MintKeyError::Key));
    let other_curve = include_str!("../keys/p384.pem");
    assert_eq!(refused(&|config| config.private_key_pem = other_curve.to_owned()), Some(MintKeyError::Key));
}

#[test]
fn the_private_key_is_never_shown() {
    let mint = Mint::new(config()).unwrap();
    assert_eq!(format!("{mint:?}"), "Mint { issuer: \"https://mesh.acme.example\", .. }");
    assert!(!mint.public_jwks().contains("\"d\""));
}
