//! Tokens that are good, and every way not to be.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{IssuerConfig, TokenVerifier, VerifierError};
use crate::error::TokenError;
use crate::jwks::{Algorithm, KeySetError};
use crate::testing::{
    ALL, AUDIENCE, ISSUER, NOW, claims, issuer, jwk, rs256, signed, unsigned, verifier, verify, with,
};

#[track_caller]
fn refused(token: &str, error: TokenError) {
    assert_eq!(verify(&verifier(), token, NOW).err(), Some(error));
}

#[track_caller]
fn refused_claims(claims: Value, error: TokenError) {
    refused(&signed(Algorithm::EdDSA, "at+jwt", claims), error);
}

#[track_caller]
fn refused_header(header: &str, error: TokenError) {
    refused(&unsigned(header, &claims().to_string()), error);
}

fn strings(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn every_algorithm_verifies_its_own_tokens() {
    let verifier = verifier();
    for algorithm in ALL {
        let token = verify(&verifier, &signed(algorithm, "at+jwt", claims()), NOW).unwrap().token;
        assert_eq!((token.issuer(), token.subject()), (ISSUER, "alice"));
        assert_eq!(token.scopes(), &strings(&["hr.read", "docs.read"]));
        assert_eq!(token.audiences(), &strings(&[AUDIENCE, "other"]));
        assert_eq!(token.client_id(), Some("assistant"));
    }
}

#[test]
fn a_changed_token_is_refused_whatever_the_algorithm() {
    for algorithm in ALL {
        let token = signed(algorithm, "at+jwt", claims());
        let other = signed(algorithm, "at+jwt", with(claims(), "sub", "bob".into()));
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (other_head, _) = other.rsplit_once('.').unwrap();
        refused(&format!("{other_head}.{signature}"), TokenError::Signature);
        refused(&format!("{head}."), TokenError::Signature);
        refused(&format!("{head}.AAAA"), TokenError::Signature);
    }
}

#[test]
fn a_key_is_good_for_its_own_algorithm_only() {
    // Signed well, by a key that the set has under another algorithm.
    let claims = claims();
    let token = signed(Algorithm::RS256, "at+jwt", claims.clone());
    let (_, payload) = token.split_once('.').unwrap();
    for (alg, error) in [
        ("PS256", TokenError::UnknownKey),
        ("ES256", TokenError::UnknownKey),
        ("HS256", TokenError::Algorithm),
        ("none", TokenError::Algorithm),
        ("None", TokenError::Algorithm),
        ("rs256", TokenError::Algorithm),
        ("RS512", TokenError::Algorithm),
        ("", TokenError::Algorithm),
    ] {
        let header = json!({"alg": alg, "kid": "RS256", "typ": "at+jwt"}).to_string();
        let head = unsigned(&header, "{}");
        refused(&format!("{}.{payload}", head.split_once('.').unwrap().0), error);
    }
    let bare = unsigned(r#"{"alg":"none"}"#, &claims.to_string());
    refused(&format!("{}.", bare.rsplit_once('.').unwrap().0), TokenError::Algorithm);
}

#[test]
fn a_token_of_another_key_is_refused() {
    let other = IssuerConfig {
        jwks: json!({"keys": [with(jwk(Algorithm::PS256), "alg", "RS256".into())]}).to_string(),
        algorithms: vec![Algorithm::RS256],
        ..issuer()
    };
    let verifier = TokenVerifier::new(vec![other], 30, 86_400, 4).unwrap();
    let token = signed(Algorithm::RS256, "at+jwt", claims());
    assert_eq!(verify(&verifier, &token, NOW).err(), Some(TokenError::UnknownKey));
    let same_kid = IssuerConfig {
        jwks: json!({"keys": [with(with(jwk(Algorithm::PS256), "alg", "RS256".into()), "kid", "RS256".into())]})
            .to_string(),
        algorithms: vec![Algorithm::RS256],
        ..issuer()
    };
    let verifier = TokenVerifier::new(vec![same_kid], 30, 86_400, 4).unwrap();
    assert_eq!(verify(&verifier, &token, NOW).err(), Some(TokenError::Signature));
}

#[test]
fn an_algorithm_that_the_issuer_does_not_use_is_refused() {
    let config = IssuerConfig { algorithms: vec![Algorithm::ES256], ..issuer() };
    let verifier = TokenVerifier::new(vec![config], 30, 86_400, 4).unwrap();
    let token = signed(Algorithm::EdDSA, "at+jwt", claims());
    assert_eq!(verify(&verifier, &token, NOW).err(), Some(TokenError::AlgorithmNotAllowed));
}

#[test]
fn headers_are_plain() {
    refused_header(r#"{"alg":"EdDSA","alg":"EdDSA"}"#, TokenError::Header);
    refused_header("[]", TokenError::Header);
    refused_header("", TokenError::NotCompact);
    refused_header(r#"{"kid":"EdDSA"}"#, TokenError::HeaderMember("alg"));
    refused_header(r#"{"alg":1}"#, TokenError::HeaderMember("alg"));
    refused_header(r#"{"alg":"EdDSA","kid":1}"#, TokenError::HeaderMember("kid"));
    refused_header(r#"{"alg":"EdDSA","typ":null}"#, TokenError::HeaderMember("typ"));
    refused_header(r#"{"alg":"EdDSA","crit":[]}"#, TokenError::HeaderMember("crit"));
    refused_header(r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, TokenError::HeaderMember("crit"));
    refused_header(r#"{"alg":"EdDSA","b64":false}"#, TokenError::HeaderMember("b64"));
    refused_header(r#"{"alg":"EdDSA","zip":"DEF"}"#, TokenError::HeaderMember("zip"));
    refused_header(r#"{"alg":"EdDSA","enc":"A256GCM"}"#, TokenError::HeaderMember("enc"));
    refused_header(r#"{"alg":"EdDSA","kid":"unknown"}"#, TokenError::UnknownKey);
    refused_header(r#"{"alg":"EdDSA"}"#, TokenError::UnknownKey);
    refused_header(
        r#"{"alg":"EdDSA","kid":"EdDSA","jwk":{"kty":"OKP"},"jku":"https://evil.example"}"#,
        TokenError::Signature,
    );
}

#[test]
fn only_the_configured_types_are_access_tokens() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        assert!(verify(&verifier(), &signed(Algorithm::EdDSA, typ, claims()), NOW).is_ok(), "{typ}");
    }
    for typ in ["oauth-id-jag+jwt", "txntoken+jwt", "dpop+jwt", "wit+jwt", "secevent+jwt", "at"] {
        refused(&signed(Algorithm::EdDSA, typ, claims()), TokenError::Type);
    }
    let strict = IssuerConfig { token_types: vec!["at+jwt".to_owned()], ..issuer() };
    let strict = TokenVerifier::new(vec![strict], 30, 86_400, 4).unwrap();
    let untyped = unsigned(r#"{"alg":"EdDSA","kid":"EdDSA"}"#, &claims().to_string());
    assert_eq!(verify(&strict, &untyped, NOW).err(), Some(TokenError::Type));
}

#[test]
fn claims_have_the_types_that_they_must_have() {
    for name in ["iss", "sub", "aud", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        refused_claims(without, TokenError::Claim(name));
    }
    for (name, value) in [
        ("sub", json!("")),
        ("sub", json!(1)),
        ("aud", json!([])),
        ("aud", json!([1])),
        ("aud", json!({})),
        ("exp", json!("1")),
        ("exp", json!(1.5)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("nbf", json!("x")),
        ("iat", json!(0.5)),
        ("scope", json!(1)),
        ("scp", json!([1])),
        ("acr", json!([])),
        ("amr", json!(1)),
        ("client_id", json!({})),
        ("txn", json!(1)),
        ("cnf", json!("x")),
        ("act", json!("x")),
        ("act", json!({"iss": "x"})),
        ("act", json!({"sub": "a", "act": {}})),
    ] {
        let mut claims = claims();
        if name == "scp" {
            claims.as_object_mut().unwrap().remove("scope");
        }
        refused_claims(with(claims, name, value), TokenError::Claim(name));
    }
    refused(&unsigned(r#"{"alg":"EdDSA"}"#, r#"{"sub":"alice","sub":"root"}"#), TokenError::Claims);
    refused(&unsigned(r#"{"alg":"EdDSA"}"#, "not json"), TokenError::Claims);
}

#[test]
fn actors_are_bounded() {
    let chain = |depth: usize| {
        (0..depth).fold(Value::Null, |act, at| match act {
            Value::Null => json!({ "sub": at.to_string() }),
            act => json!({"sub": at.to_string(), "act": act}),
        })
    };
    let verifier = verifier();
    let token = signed(Algorithm::EdDSA, "at+jwt", with(claims(), "act", chain(4)));
    assert_eq!(verify(&verifier, &token, NOW).unwrap().token.actors(), ["3", "2", "1", "0"]);
    refused_claims(with(claims(), "act", chain(5)), TokenError::Claim("act"));
}

#[test]
fn time_and_audience_are_ours() {
    refused_claims(with(claims(), "iss", "https://evil.example".into()), TokenError::UnknownIssuer);
    refused_claims(with(claims(), "iss", format!("{ISSUER}/").into()), TokenError::UnknownIssuer);
    refused_claims(
        with(claims(), "aud", "https://other".into()),
        TokenError::Audience { expected: AUDIENCE.to_owned() },
    );
    let expired_at = NOW - 30;
    refused_claims(with(claims(), "exp", expired_at.into()), TokenError::Expired { expired_at, now: NOW });
    let from = NOW + 31;
    refused_claims(with(claims(), "nbf", from.into()), TokenError::NotYetValid { from, now: NOW });
    refused_claims(with(claims(), "iat", from.into()), TokenError::NotYetValid { from, now: NOW });
    let late = with(claims(), "exp", (NOW - 10 + 86_401).into());
    refused_claims(late, TokenError::LivesTooLong { lifetime: 86_401, limit: 86_400 });
    refused_claims(
        with(claims(), "exp", u64::MAX.into()),
        TokenError::LivesTooLong { lifetime: u64::MAX - (NOW - 10), limit: 86_400 },
    );
    for within in [with(claims(), "exp", (NOW - 29).into()), with(claims(), "nbf", (NOW + 30).into())] {
        assert!(verify(&verifier(), &signed(Algorithm::EdDSA, "at+jwt", within), NOW).is_ok());
    }
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    let verifier = verifier();
    let token = signed(Algorithm::EdDSA, "at+jwt", claims());
    assert!(!verify(&verifier, &token, NOW).unwrap().from_cache);
    assert!(verify(&verifier, &token, NOW).unwrap().from_cache);
    let late = NOW + 330;
    assert_eq!(verify(&verifier, &token, late).err(), Some(TokenError::Expired { expired_at: NOW + 300, now: late }));
    assert_eq!(verifier.cache.borrow().len(), 0);
    assert!(!verify(&verifier, &token, NOW).unwrap().from_cache);
}

#[test]
fn the_memory_of_tokens_is_bounded_and_takes_good_ones_only() {
    let verifier = verifier();
    for at in 0..20 {
        let token = signed(Algorithm::EdDSA, "at+jwt", with(claims(), "jti", at.to_string().into()));
        verify(&verifier, &token, NOW).unwrap();
        assert!(verifier.cache.borrow().len() <= 4);
    }
    let before = verifier.cache.borrow().len();
    refused(&unsigned(r#"{"alg":"EdDSA","kid":"EdDSA"}"#, &claims().to_string()), TokenError::Signature);
    assert_eq!(verifier.cache.borrow().len(), before);
}

#[test]
fn the_rest_of_a_token_becomes_tags_groups_and_roles() {
    let mut claims = claims();
    claims.as_object_mut().unwrap().extend(
        json!({"groups": ["employees"], "realm_access": {"roles": ["manager"]}, "employee_id": "E1001", "level": 3,
            "staff": true, "offices": ["b", "a"], "salary": 1.5, "mixed": ["a", null], "nothing": null,
            "scope": "a  b"})
        .as_object()
        .unwrap()
        .clone(),
    );
    let token = verify(&verifier(), &signed(Algorithm::EdDSA, "at+jwt", claims), NOW).unwrap().token;
    assert_eq!(token.groups(), &strings(&["employees"]));
    assert_eq!(token.roles(), &strings(&["manager"]));
    assert_eq!(token.scopes(), &strings(&["a", "b"]));
    let tag = |name: &str| token.tags().get(name).cloned();
    assert_eq!(tag("employee_id"), Some(strings(&["E1001"])));
    assert_eq!(tag("level"), Some(strings(&["3"])));
    assert_eq!(tag("staff"), Some(strings(&["true"])));
    assert_eq!(tag("offices"), Some(strings(&["a", "b"])));
    for dropped in ["salary", "mixed", "nothing", "realm_access", "sub", "scope"] {
        assert_eq!(tag(dropped), None, "{dropped}");
    }
}

#[test]
fn two_issuers_never_share_a_group() {
    let other = IssuerConfig { issuer: "https://other.example".to_owned(), ..issuer() };
    let verifier = TokenVerifier::new(vec![issuer(), other], 30, 86_400, 4).unwrap();
    let token = signed(Algorithm::EdDSA, "at+jwt", with(claims(), "groups", json!(["admin"])));
    let token = verify(&verifier, &token, NOW).unwrap().token;
    assert_eq!(token.groups(), &strings(&["https://idp.acme.example#admin"]));
}

#[test]
fn confirmations_are_known_or_known_to_be_unknown() {
    let token = |cnf: Value| {
        verify(&verifier(), &signed(Algorithm::EdDSA, "at+jwt", with(claims(), "cnf", cnf)), NOW).unwrap().token
    };
    let bound = token(json!({"x5t#S256": "A".repeat(43)}));
    assert_eq!((bound.certificate_thumbprint(), bound.unsupported_confirmation()), (Some(&[0; 32]), false));
    for cnf in
        [json!({"jkt": "x"}), json!({}), json!({"x5t#S256": "A"}), json!({"x5t#S256": "A".repeat(43), "jkt": "x"})]
    {
        let unknown = token(cnf);
        assert_eq!((unknown.certificate_thumbprint(), unknown.unsupported_confirmation()), (None, true));
    }
}

#[test]
fn key_sets_that_are_unsafe_are_refused() {
    let keys = |keys: Value, algorithms: &[Algorithm]| {
        let config =
            IssuerConfig { jwks: json!({ "keys": keys }).to_string(), algorithms: algorithms.to_vec(), ..issuer() };
        match TokenVerifier::new(vec![config], 30, 86_400, 4) {
            Ok(_) => None,
            Err(VerifierError::Keys { index: 0, error }) => Some(error),
            Err(other) => panic!("{other}"),
        }
    };
    let both = [Algorithm::RS256, Algorithm::PS256];
    let mut bare = jwk(Algorithm::RS256);
    bare.as_object_mut().unwrap().remove("alg");
    assert_eq!(keys(json!([bare]), &both), Some(KeySetError::AmbiguousAlgorithm("RS256".to_owned())));
    assert_eq!(keys(json!([bare]), &[Algorithm::PS256]), None);
    assert_eq!(keys(json!([bare, bare]), &[Algorithm::PS256]), Some(KeySetError::DuplicateKid("RS256".to_owned())));
    let private: Value = serde_json::from_str(&rs256().to_jwk()).unwrap();
    let private = with(private, "kid", "p".into());
    assert_eq!(keys(json!([private]), &[Algorithm::RS256]), Some(KeySetError::PrivateKey("p".to_owned())));
    let unused = [
        with(jwk(Algorithm::RS256), "use", "enc".into()),
        with(jwk(Algorithm::RS256), "alg", "RSA-OAEP".into()),
        with(jwk(Algorithm::RS256), "key_ops", json!(["encrypt"])),
        json!({"kty": "oct", "k": "AAAA"}),
        jwk(Algorithm::ES384),
    ];
    assert_eq!(keys(json!(unused), &both), Some(KeySetError::NoUsableKey));
    assert!(matches!(
        keys(json!([with(bare, "n", "AQAB".into())]), &[Algorithm::RS256]),
        Some(KeySetError::BadKey(..))
    ));
    // A long certificate chain is nobody's business.
    let long = with(jwk(Algorithm::RS256), "x5c", json!(vec!["M".repeat(9_000)]));
    assert_eq!(keys(json!([long]), &[Algorithm::RS256]), None);
}

#[test]
fn issuers_that_are_unsafe_are_refused() {
    let refused = |configs: Vec<IssuerConfig>| TokenVerifier::new(configs, 30, 86_400, 4).err();
    let index = 0;
    assert_eq!(
        refused(vec![IssuerConfig { issuer: String::new(), ..issuer() }]),
        Some(VerifierError::Issuer { index })
    );
    assert_eq!(
        refused(vec![IssuerConfig { issuer: "a#b".to_owned(), ..issuer() }]),
        Some(VerifierError::Issuer { index })
    );
    assert_eq!(
        refused(vec![IssuerConfig { token_types: vec![], ..issuer() }]),
        Some(VerifierError::NoTokenTypes { index })
    );
    let duplicate = VerifierError::Duplicate { index: 1, issuer: ISSUER.to_owned() };
    assert_eq!(refused(vec![issuer(), issuer()]), Some(duplicate));
    let keys = VerifierError::Keys { index, error: KeySetError::NotAKeySet };
    assert_eq!(refused(vec![IssuerConfig { jwks: "[]".to_owned(), ..issuer() }]), Some(keys));
}
