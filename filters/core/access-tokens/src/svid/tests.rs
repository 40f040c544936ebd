//! JWT-SVIDs that are good, and every way not to be one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Bundle, BundleError, SvidConfig, SvidError, SvidVerifier};
use crate::algorithm::{Algorithm, AlgorithmError};
use crate::error::{Part, TokenError};
use crate::fixtures::{HR, NOW, PUBLIC_KEY, encoded, signed};
use crate::host_crypto::TrustedCrypto;
use crate::jwks::KeySetError;
use crate::keys::Jwks;

const AGENT: &str = "spiffe://acme.example/agent/assistant";
const HEADER: &str = r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#;

/// A bundle with the key of the fixtures, changed; `null` takes a member away.
fn bundle(trust_domain: &str, changes: &Value) -> Bundle {
    let mut jwk: Value = serde_json::from_str(PUBLIC_KEY).unwrap();
    let jwk = jwk.as_object_mut().unwrap();
    jwk.remove("alg");
    jwk.insert("use".to_owned(), json!("jwt-svid"));
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => jwk.remove(name),
            value => jwk.insert(name.clone(), value.clone()),
        };
    }
    // As SPIRE publishes them, beside the keys that certificates are signed with.
    let ca = json!({ "kty": "EC", "use": "x509-svid", "crv": "P-256", "x": "AA", "y": "AA", "x5c": ["MII"] });
    let set = json!({ "keys": [ca, jwk], "spiffe_sequence": 1, "spiffe_refresh_hint": 300 });
    Bundle { trust_domain: trust_domain.to_owned(), jwks: Jwks::Inline(set.to_string()) }
}

/// A bundle with another key.
fn partner() -> Bundle {
    let set = include_str!("../../tests/keys/jwks.json");
    let keys: Value = serde_json::from_str(set).unwrap();
    let mut key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "es256").unwrap().clone();
    key["kid"] = json!("k1");
    key["use"] = json!("jwt-svid");
    Bundle { trust_domain: "partner.example".to_owned(), jwks: Jwks::Inline(json!({ "keys": [key] }).to_string()) }
}

fn config() -> SvidConfig {
    SvidConfig {
        audiences: BTreeSet::from([HR.to_owned(), "hr".to_owned()]),
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        bundles: vec![bundle("acme.example", &json!({})), partner()],
        clock_skew_seconds: 30,
        max_lifetime_seconds: 3_600,
    }
}

fn compile(config: SvidConfig) -> Result<SvidVerifier, BundleError> {
    SvidVerifier::new(config, TrustedCrypto::none())
}

fn claims(changes: Value) -> String {
    let mut claims = json!({ "sub": AGENT, "aud": [HR], "exp": NOW + 300, "iat": NOW });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims.to_string()
}

fn verify_with(config: SvidConfig, value: &str) -> Result<String, SvidError> {
    compile(config).unwrap().verify(value.as_bytes(), NOW).map(|svid| svid.subject().to_owned())
}

fn verify(header: &str, changes: Value) -> Result<String, SvidError> {
    verify_with(config(), &signed(header, &claims(changes)))
}

#[test]
fn a_good_one_names_the_workload() {
    assert_eq!(verify(HEADER, json!({})), Ok(AGENT.to_owned()));
    for header in [r#"{"alg":"ES256","kid":"k1"}"#, r#"{"alg":"ES256","kid":"k1","typ":"JOSE"}"#, r#"{"alg":"ES256"}"#]
    {
        assert_eq!(verify(header, json!({})), Ok(AGENT.to_owned()), "{header}");
    }
    for good in [json!({ "aud": "hr" }), json!({ "aud": ["x", "hr"] }), json!({ "iat": null }), json!({ "jti": "1" })] {
        assert_eq!(verify(HEADER, good.clone()), Ok(AGENT.to_owned()), "{good}");
    }
    let unused = SvidConfig { bundles: vec![bundle("acme.example", &json!({ "use": null }))], ..config() };
    assert_eq!(verify_with(unused, &signed(HEADER, &claims(json!({})))), Ok(AGENT.to_owned()));
}

#[test]
fn headers() {
    let other = |name: &str| SvidError::OtherHeader(name.to_owned());
    let typ = |found: &str| SvidError::Type { found: found.to_owned() };
    let not_allowed = |algorithm| TokenError::AlgorithmNotAllowed { algorithm }.into();
    let cases: Vec<(&str, SvidError)> = vec![
        (r#"{"alg":"none"}"#, TokenError::from(AlgorithmError::Unsecured).into()),
        (
            r#"{"alg":"HS256","kid":"k1"}"#,
            TokenError::from(AlgorithmError::Symmetric { name: "HS256".to_owned() }).into(),
        ),
        (r#"{"alg":"EdDSA","kid":"k1"}"#, not_allowed(Algorithm::EdDSA)),
        (r#"{"alg":"ES384","kid":"k1"}"#, not_allowed(Algorithm::ES384)),
        (
            r#"{"alg":"RS256","kid":"k1"}"#,
            TokenError::AlgorithmMismatch {
                key_id: "k1".to_owned(),
                expected: Algorithm::ES256,
                algorithm: Algorithm::RS256,
            }
            .into(),
        ),
        (r#"{"alg":"ES256","kid":"k2"}"#, TokenError::UnknownKey { key_id: "k2".to_owned() }.into()),
        (r#"{"alg":"ES256","kid":"k1","typ":"wit+jwt"}"#, typ("wit+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#, typ("at+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":"jwt"}"#, typ("jwt")),
        (r#"{"alg":"ES256","kid":"k1","x5c":["MII"]}"#, other("x5c")),
        (r#"{"alg":"ES256","kid":"k1","jku":"https://evil.example/"}"#, other("jku")),
        (r#"{"alg":"ES256","kid":"k1","crit":["exp"]}"#, TokenError::ForbiddenHeader("crit").into()),
        (r#"{"alg":"ES256","kid":"k1","jwk":{}}"#, TokenError::ForbiddenHeader("jwk").into()),
        (
            r#"{"alg":"ES256","alg":"ES256"}"#,
            TokenError::DuplicateName { part: Part::Header, name: "alg".to_owned() }.into(),
        ),
    ];
    for (header, error) in cases {
        assert_eq!(verify(header, json!({})), Err(error), "{header}");
    }
}

#[test]
fn claims_that_are_not_those_of_a_good_one() {
    let token = |error: TokenError| SvidError::Token(error);
    let malformed = |name: &str| SvidError::Token(TokenError::MalformedClaim(name.to_owned()));
    let domain = |name: &str| SvidError::UnknownTrustDomain { trust_domain: name.to_owned() };
    let cases: Vec<(Value, SvidError)> = vec![
        (json!({ "sub": null }), token(TokenError::MissingClaim("sub"))),
        (json!({ "sub": 1 }), malformed("sub")),
        (json!({ "sub": "alice" }), SvidError::Subject),
        (json!({ "sub": "SPIFFE://acme.example/a" }), SvidError::Subject),
        (json!({ "sub": "spiffe://acme.example" }), SvidError::Subject),
        (json!({ "sub": "spiffe://evil.example/a" }), domain("evil.example")),
        (json!({ "sub": "spiffe://ACME.example/a" }), domain("ACME.example")),
        (json!({ "sub": "spiffe:///a" }), domain("")),
        (json!({ "sub": "spiffe://acme.example:443/a" }), domain("acme.example:443")),
        // Signed with the key of another trust domain, which has the same `kid`.
        (json!({ "sub": "spiffe://partner.example/a" }), token(TokenError::Signature)),
        (json!({ "aud": null }), token(TokenError::MissingClaim("aud"))),
        (json!({ "aud": [] }), malformed("aud")),
        (json!({ "aud": "https://docs.example" }), SvidError::Audience),
        (json!({ "aud": HR.to_uppercase() }), SvidError::Audience),
        (json!({ "exp": null }), token(TokenError::MissingClaim("exp"))),
        (json!({ "exp": "1790000400" }), malformed("exp")),
        (json!({ "exp": NOW - 30 }), token(TokenError::Expired { expired_at: NOW - 30, now: NOW })),
        (json!({ "exp": NOW + 3_601 }), token(TokenError::LivesTooLong { seconds: 3_601, limit: 3_600 })),
        (json!({ "nbf": NOW + 31 }), token(TokenError::NotYetValid { not_before: NOW + 31, now: NOW })),
        (json!({ "iat": NOW + 31 }), token(TokenError::IssuedInFuture { issued_at: NOW + 31, now: NOW })),
        (json!({ "iss": 1 }), malformed("iss")),
        (json!({ "jti": 1 }), malformed("jti")),
        (json!({ "cnf": { "jwk": {} } }), malformed("cnf")),
    ];
    for (changes, error) in cases {
        assert_eq!(verify(HEADER, changes.clone()), Err(error), "{changes}");
    }
    let good = signed(HEADER, &claims(json!({})));
    assert_eq!(compile(config()).unwrap().verify(good.as_bytes(), NOW + 329).map(drop), Ok(()));
}

#[test]
fn what_is_no_jws_in_compact_form() {
    let good = signed(HEADER, &claims(json!({})));
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    for (value, error) in [
        (String::new(), TokenError::NotCompact),
        ("a.b".to_owned(), TokenError::NotCompact),
        (format!("Bearer {good}"), TokenError::NotCompact),
        (format!("{good} "), TokenError::NotCompact),
        (format!("{good},{good}"), TokenError::Repeated),
        ("a".repeat(8_193), TokenError::TooLong { limit: 8_192 }),
        (format!("{unsigned}."), TokenError::Signature),
        (format!("{unsigned}.{}", "A".repeat(86)), TokenError::Signature),
        (
            format!(
                "{}.{}.{signature}",
                encoded(HEADER),
                encoded(&claims(json!({ "sub": "spiffe://acme.example/root" })))
            ),
            TokenError::Signature,
        ),
        (format!("{unsigned}.{signature}="), TokenError::NotCompact),
        (r#"{"payload":"e30","signatures":[]}"#.to_owned(), TokenError::Repeated),
    ] {
        assert_eq!(verify_with(config(), &value), Err(SvidError::Token(error)), "{value}");
    }
}

#[test]
fn keys_for_something_else_are_none() {
    for usage in ["sig", "x509-svid", "wit-svid", "enc", "JWT-SVID"] {
        let bundles = vec![bundle("acme.example", &json!({ "use": usage }))];
        let error = BundleError::Keys { index: 0, error: KeySetError::NoUsableKey };
        assert_eq!(compile(SvidConfig { bundles, ..config() }).err(), Some(error), "{usage}");
    }
}

#[test]
fn what_could_verify_nothing_is_refused() {
    let refused = |config: SvidConfig| compile(config).err();
    assert_eq!(refused(SvidConfig { audiences: BTreeSet::new(), ..config() }), Some(BundleError::Empty("audiences")));
    let nobody = BTreeSet::from([String::new()]);
    assert_eq!(refused(SvidConfig { audiences: nobody, ..config() }), Some(BundleError::Empty("audiences")));
    assert_eq!(refused(SvidConfig { algorithms: vec![], ..config() }), Some(BundleError::Empty("algorithms")));
    assert_eq!(refused(SvidConfig { bundles: vec![], ..config() }), Some(BundleError::Empty("bundles")));
    let algorithms = vec![Algorithm::ES256, Algorithm::EdDSA];
    let eddsa = BundleError::Algorithm { algorithm: Algorithm::EdDSA };
    assert_eq!(refused(SvidConfig { algorithms, ..config() }), Some(eddsa));
    let bundles = vec![bundle("acme.example", &json!({})), bundle("acme.example", &json!({}))];
    let duplicate = BundleError::Duplicate { index: 1, trust_domain: "acme.example".to_owned() };
    assert_eq!(refused(SvidConfig { bundles, ..config() }), Some(duplicate));
}

#[test]
fn keys_that_are_fetched_are_waited_for() {
    let Jwks::Inline(set) = bundle("acme.example", &json!({})).jwks else { panic!("inline") };
    let remote = Bundle { trust_domain: "acme.example".to_owned(), jwks: Jwks::Remote { refresh_seconds: 300 } };
    let verifier = compile(SvidConfig { bundles: vec![partner(), remote], ..config() }).unwrap();
    let svid = signed(HEADER, &claims(json!({})));
    let verify = |now| verifier.verify(svid.as_bytes(), now).map(drop);
    assert_eq!(verify(NOW), Err(SvidError::Token(TokenError::KeysAwaited)));
    assert_eq!((verifier.due(NOW), verifier.due(NOW)), (vec![1], vec![]));
    assert_eq!(verifier.fetched(1, None, NOW), Err(KeySetError::Unreachable));
    assert_eq!(verify(NOW), Err(SvidError::Token(TokenError::KeysUnavailable)));
    assert_eq!(verifier.due(NOW + 1), vec![1]);
    assert_eq!(verifier.fetched(1, Some(set.as_bytes()), NOW + 1), Ok(()));
    assert_eq!(verify(NOW + 1), Ok(()));
    assert_eq!(verifier.fetched(7, None, NOW), Ok(()));
}
