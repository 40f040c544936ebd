//! What becomes of every claim, and every way not to be one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Claims, Confirmation, at_path};
use crate::error::TokenError;
use crate::fixtures::{DOCS, HR, ISSUER, NOW, alice, alice_with};

fn members(claims: Value) -> Map<String, Value> {
    claims.as_object().unwrap().clone()
}

fn read(changes: Value) -> Result<Claims, TokenError> {
    Claims::read(&members(alice_with(changes)))
}

fn strings(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[track_caller]
fn malformed(name: &str, values: &[Value]) {
    for value in values {
        // `null` takes a claim away in `alice_with`.
        let mut claims = members(alice());
        claims.insert(name.to_owned(), value.clone());
        let expected = Err(TokenError::MalformedClaim(name.to_owned()));
        assert_eq!(Claims::read(&claims).map(drop), expected, "{name}: {value}");
    }
}

#[test]
fn the_standard_claims_are_read() {
    let claims = read(json!({ "nbf": NOW - 1, "acr": "2", "amr": ["pwd", "otp"], "txn": "t1" })).unwrap();
    assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (ISSUER, "alice"));
    assert_eq!(claims.audiences, strings(&[HR, DOCS]));
    assert_eq!((claims.expires_at, claims.issued_at, claims.not_before), (NOW + 200, Some(NOW - 100), Some(NOW - 1)));
    assert_eq!(claims.scopes, strings(&["hr.read", "docs.read", "tickets.write"]));
    assert_eq!((claims.client_id.as_deref(), claims.acr.as_deref()), (Some("acme-assistant"), Some("2")));
    assert_eq!(claims.amr, strings(&["pwd", "otp"]));
    assert_eq!(claims.transaction.as_deref(), Some("t1"));
}

#[test]
fn what_every_token_needs_is_required() {
    for name in ["iss", "sub", "aud", "exp"] {
        assert_eq!(read(json!({ name: null })), Err(TokenError::MissingClaim(name)));
    }
    for name in ["iat", "nbf", "scope", "client_id"] {
        assert!(read(json!({ name: null })).is_ok());
    }
}

#[test]
fn a_claim_of_another_type_is_refused() {
    for name in ["iss", "sub", "client_id", "acr", "txn", "jti", "nonce"] {
        malformed(name, &[json!(""), json!(1), json!(null), json!(["x"]), json!({}), json!(true)]);
    }
    for name in ["exp", "iat", "nbf"] {
        malformed(
            name,
            &[json!(1.5), json!(1e300), json!(-1), json!("1790000200"), json!(null), json!([1]), json!(true)],
        );
    }
    malformed("aud", &[json!(""), json!([]), json!([""]), json!([HR, 1]), json!([[HR]]), json!(null), json!({})]);
    malformed("amr", &[json!(1), json!([1]), json!(null), json!({})]);
    malformed("cnf", &[json!("x"), json!(null), json!([]), json!({ "x5t#S256": "AAAA" }), json!({ "x5t#S256": 1 })]);
    malformed("cnf", &[json!({ "jkt": "x" }), json!({ "jkt": null }), json!({ "jkt": "AAAA", "jwk": {} })]);
    malformed("act", &[json!("x"), json!(null), json!({}), json!({ "sub": "a", "act": {} })]);
}

#[test]
fn scopes_are_words_that_a_request_could_ask_for() {
    let scopes = |changes: Value| read(changes).map(|claims| claims.scopes);
    assert_eq!(scopes(json!({ "scope": null })), Ok(strings(&[])));
    assert_eq!(scopes(json!({ "scope": "" })), Ok(strings(&[])));
    assert_eq!(scopes(json!({ "scope": " a  b a " })), Ok(strings(&["a", "b"])));
    assert_eq!(scopes(json!({ "scope": ["a", "b"] })), Ok(strings(&["a", "b"])));
    assert_eq!(scopes(json!({ "scope": null, "scp": "a b" })), Ok(strings(&["a", "b"])));
    assert_eq!(scopes(json!({ "scope": null, "scp": ["a", "b"] })), Ok(strings(&["a", "b"])));
    assert_eq!(scopes(json!({ "scope": "a b", "scp": ["b", "a"] })), Ok(strings(&["a", "b"])));
    malformed("scp", &[json!("a"), json!([])]);
    // A word with a space would become two, and a quote could end the quote of a challenge.
    malformed("scope", &[json!(["a admin"]), json!([""]), json!([1]), json!("a\tb"), json!("a\"b"), json!("a\\b")]);
    malformed("scope", &[json!("é"), json!(1), json!({}), json!(null), json!("a\n")]);
}

#[test]
fn the_client_may_be_named_by_azp() {
    assert_eq!(read(json!({ "client_id": null, "azp": "web" })).unwrap().client_id.as_deref(), Some("web"));
    assert_eq!(read(json!({ "azp": "web" })).unwrap().client_id.as_deref(), Some("acme-assistant"));
}

#[test]
fn a_confirmation_is_a_certificate_a_key_both_or_unsupported() {
    let confirmation = |cnf: Value| read(json!({ "cnf": cnf })).unwrap().confirmation;
    let thumbprint = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let bytes: Vec<u8> = (0..32).collect();
    let bytes: Option<[u8; 32]> = bytes.try_into().ok();
    for (cnf, certificate, key) in [
        (json!({ "x5t#S256": thumbprint }), bytes, None),
        (json!({ "jkt": thumbprint }), None, bytes),
        (json!({ "x5t#S256": thumbprint, "jkt": thumbprint }), bytes, bytes),
    ] {
        assert_eq!(confirmation(cnf), Some(Confirmation::Of { certificate, key }));
    }
    for cnf in [
        json!({}),
        json!({ "jwk": {} }),
        json!({ "jku": "https://x" }),
        json!({ "x5t#S256": thumbprint, "jwk": {} }),
        json!({ "jkt": thumbprint, "kid": "1" }),
    ] {
        assert_eq!(confirmation(cnf), Some(Confirmation::Unsupported));
    }
    assert_eq!(read(json!({})).unwrap().confirmation, None);
}

#[test]
fn the_rest_becomes_sets_of_strings() {
    let claims = read(json!({
        "text": "a", "flag": true, "number": 7, "large": u64::MAX, "negative": -7, "list": ["a", 1, false, "a"],
        "empty": [], "fraction": 0.5, "object": { "a": "b" }, "mixed": ["a", { "b": "c" }], "nested": [["a"]],
    }));
    let tags = claims.unwrap().tags;
    let tag = |name: &str| tags.get(name).cloned();
    assert_eq!(tag("text"), Some(strings(&["a"])));
    assert_eq!(tag("flag"), Some(strings(&["true"])));
    assert_eq!(tag("number"), Some(strings(&["7"])));
    assert_eq!(tag("large"), Some(strings(&["18446744073709551615"])));
    assert_eq!(tag("negative"), Some(strings(&["-7"])));
    assert_eq!(tag("list"), Some(strings(&["a", "1", "false"])));
    assert_eq!(tag("empty"), Some(strings(&[])));
    assert_eq!(tag("employee_id"), Some(strings(&["E1001"])));
    for name in ["fraction", "object", "mixed", "nested", "iss", "sub", "aud", "exp", "scope", "client_id"] {
        assert_eq!(tag(name), None, "{name}");
    }
}

#[test]
fn groups_are_found_by_name_and_by_path() {
    let raw = members(json!({
        "groups": ["a"], "one": "b", "https://acme.example/roles": ["c"], "realm_access": { "roles": ["d"] },
        "a.b": ["literal"], "a": { "b": ["nested"] },
    }));
    let at = |path| at_path(&raw, path).unwrap();
    assert_eq!(at(None), strings(&[]));
    assert_eq!(at(Some("groups")), strings(&["a"]));
    assert_eq!(at(Some("one")), strings(&["b"]));
    assert_eq!(at(Some("https://acme.example/roles")), strings(&["c"]));
    assert_eq!(at(Some("realm_access.roles")), strings(&["d"]));
    assert_eq!(at(Some("a.b")), strings(&["literal"]));
    for absent in ["none", "realm_access.none", "realm_access.roles.none", "none.roles"] {
        assert_eq!(at(Some(absent)), strings(&[]), "{absent}");
    }
}

#[test]
fn groups_that_cannot_be_read_are_an_error_and_not_no_groups() {
    let raw = members(json!({ "text": 1, "object": { "a": 1 }, "list": ["a", 1], "nothing": null }));
    for path in ["text", "object", "list", "nothing", "object.a"] {
        assert_eq!(at_path(&raw, Some(path)), Err(TokenError::MalformedClaim(path.to_owned())));
    }
    let overage = members(json!({ "_claim_names": { "groups": "src1", "realm": "src1" }, "_claim_sources": {} }));
    for path in ["groups", "realm.roles"] {
        assert_eq!(at_path(&overage, Some(path)), Err(TokenError::ClaimElsewhere(path.to_owned())));
    }
    assert_eq!(at_path(&overage, Some("other")), Ok(strings(&[])));
}
