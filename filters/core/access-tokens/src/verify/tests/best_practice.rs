//! RFC 8725 (and what its revision, draft-ietf-oauth-rfc8725bis, adds), rule by rule: each with tokens that break it, and
//! what they are refused for. Rules about keys alone are tried here on key sets too.

use serde_json::{Value, json};

use crate::algorithm::{Algorithm, AlgorithmError};
use crate::bearer::BearerToken;
use crate::error::{Part, TokenError};
use crate::fixtures::{HEADER, HR, NOW, PUBLIC_KEY, alice, alice_with, config, encoded, signed, verifier, verify_at};
use crate::issuer::{IssuerConfig, VerifierError};
use crate::jwks::{KeySetError, Usage};
use crate::keys::Jwks;
use crate::verify::TokenVerifier;

#[track_caller]
fn refused(token: &str, error: TokenError) {
    assert_eq!(verify_at(&verifier(vec![config()]), token, NOW).err(), Some(error));
}

/// A token whose header has these members beside, or in place of, its own.
fn with_header(changes: Value) -> String {
    let mut header: Value = serde_json::from_str(HEADER).unwrap();
    header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    signed(&header.to_string(), &alice().to_string())
}

fn with_claims(changes: Value) -> String {
    signed(HEADER, &alice_with(changes).to_string())
}

fn malformed(name: &str) -> TokenError {
    TokenError::MalformedClaim(name.to_owned())
}

fn key_set(keys: Value) -> Result<(), KeySetError> {
    let text = json!({ "keys": keys }).to_string();
    crate::jwks::KeySet::used_as(Usage::Signature, &text, &Algorithm::ALL).map(drop)
}

fn key(changes: Value) -> Value {
    let mut key: Value = serde_json::from_str(PUBLIC_KEY).unwrap();
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    key
}

#[test]
fn section_3_1_the_issuers_algorithms_and_the_keys_own() {
    refused(&with_header(json!({ "alg": "ES384" })), TokenError::AlgorithmNotAllowed { algorithm: Algorithm::ES384 });
    // Names have one case, and no other is guessed at.
    for name in ["es256", "Es256", "ES256 ", "ES-256"] {
        refused(&with_header(json!({ "alg": name })), AlgorithmError::Unknown { name: name.to_owned() }.into());
    }
    // Allowed for the issuer, and still not this key's.
    let several = IssuerConfig { algorithms: vec![Algorithm::ES256, Algorithm::RS256], ..config() };
    let token = with_header(json!({ "alg": "RS256" }));
    let mismatch = TokenError::AlgorithmMismatch {
        key_id: "k1".to_owned(),
        expected: Algorithm::ES256,
        algorithm: Algorithm::RS256,
    };
    assert_eq!(verify_at(&verifier(vec![several]), &token, NOW).err(), Some(mismatch));
    // A key that would do for several has to say for which it is, and one key is for one, under whatever names.
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/keys/jwks.json")).unwrap();
    let mut rsa = vectors["keys"][0].clone();
    rsa["kid"] = json!("again");
    rsa["alg"] = json!("PS256");
    let shared = KeySetError::SharedKey { first: "rs".to_owned(), second: "again".to_owned() };
    assert_eq!(key_set(json!([vectors["keys"][0], rsa])), Err(shared));
    rsa.as_object_mut().unwrap().remove("alg");
    assert_eq!(key_set(json!([rsa])), Err(KeySetError::AmbiguousAlgorithm { key: "again".to_owned() }));
}

#[test]
fn section_3_2_algorithms_that_are_none() {
    for none in ["none", "None", "nOnE", "NONE"] {
        refused(&with_header(json!({ "alg": none })), AlgorithmError::Unsecured.into());
    }
    // Those that encrypt are no signatures (the revision's section 3.2; PBES2 with any count of iterations).
    for name in ["RSA1_5", "RSA-OAEP", "dir", "A128KW", "ECDH-ES", "PBES2-HS256+A128KW"] {
        let token = with_header(json!({ "alg": name, "p2c": 2_000_000_000 }));
        refused(&token, AlgorithmError::Unknown { name: name.to_owned() }.into());
    }
}

#[test]
fn section_3_3_every_operation_has_to_succeed() {
    // A token in a token would be two.
    refused(&with_header(json!({ "cty": "JWT" })), TokenError::ForbiddenHeader("cty"));
    let inner = signed(HEADER, &alice().to_string());
    refused(&signed(HEADER, &inner), TokenError::NotJson(Part::Payload));
    refused(&signed(HEADER, &json!(inner).to_string()), TokenError::NotJson(Part::Payload));
}

#[test]
fn sections_3_4_and_3_5_points_of_the_curve_and_keys_that_are_strong() {
    let unusable = |algorithm| Err(KeySetError::Unusable { key: "k1".to_owned(), algorithm });
    let x = key(json!({}))["x"].clone();
    assert_eq!(key_set(json!([key(json!({ "y": x }))])), unusable(Algorithm::ES256));
    assert_eq!(key_set(json!([key(json!({ "x": "AA", "y": "AA" }))])), unusable(Algorithm::ES256));
    let rsa = |n: String, e: &str| json!([{ "kty": "RSA", "kid": "k1", "alg": "RS256", "n": n, "e": e }]);
    assert_eq!(key_set(rsa("_".repeat(171), "AQAB")), unusable(Algorithm::RS256));
    assert_eq!(key_set(rsa("_".repeat(342), "Aw")), unusable(Algorithm::RS256));
    assert_eq!(key_set(rsa("_".repeat(342), "AQ")), unusable(Algorithm::RS256));
    // Secrets are none of ours, however strong: who verifies with one can sign.
    refused(&with_header(json!({ "alg": "HS256" })), AlgorithmError::Symmetric { name: "HS256".to_owned() }.into());
    let secret = json!([{ "kty": "oct", "kid": "k1", "alg": "HS256", "k": "_".repeat(86) }]);
    assert_eq!(key_set(secret), Err(KeySetError::Secret { key: "k1".to_owned() }));
}

#[test]
fn section_3_6_nothing_is_compressed_or_encrypted() {
    refused(&with_header(json!({ "zip": "DEF" })), TokenError::ForbiddenHeader("zip"));
    refused(&with_header(json!({ "enc": "A128GCM" })), TokenError::ForbiddenHeader("enc"));
    // A JWE has five parts.
    let header = encoded(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#);
    refused(&format!("{header}.AAAA.AAAA.AAAA.AAAA"), TokenError::NotCompact);
}

#[test]
fn section_3_7_utf_8_alone() {
    let utf16: Vec<u8> = alice().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let payloads = [utf16, b"{\"sub\":\"\xff\"}".to_vec(), b"{\"sub\":\"\xc0\xaf\"}".to_vec()];
    for payload in payloads {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
        refused(&format!("{}.{payload}.AAAA", encoded(HEADER)), TokenError::NotJson(Part::Payload));
    }
    refused(&signed(HEADER, &format!("\u{feff}{}", alice())), TokenError::NotJson(Part::Payload));
    refused(&signed(HEADER, r#"{"sub":"\ud800"}"#), TokenError::NotJson(Part::Payload));
}

#[test]
fn section_3_8_issuer_and_subject() {
    // The keys are those of the issuer that the token names: a neighbour's key of the same name does not do.
    let neighbour = IssuerConfig { issuer: "https://partner.example".to_owned(), ..config() };
    let mut vectors: Value = serde_json::from_str(include_str!("../../../tests/keys/jwks.json")).unwrap();
    vectors["keys"][2]["kid"] = json!("k1");
    let ours = IssuerConfig { jwks: Jwks::Inline(json!({ "keys": [vectors["keys"][2]] }).to_string()), ..config() };
    let verifier = verifier(vec![ours, neighbour]);
    let token = with_claims(json!({}));
    assert_eq!(verify_at(&verifier, &token, NOW).err(), Some(TokenError::Signature));
    assert!(verify_at(&verifier, &with_claims(json!({ "iss": "https://partner.example" })), NOW).is_ok());
    for (sub, error) in [
        (Value::Null, TokenError::MissingClaim("sub")),
        (json!(""), malformed("sub")),
        (json!(7), malformed("sub")),
        (json!(["alice"]), malformed("sub")),
    ] {
        refused(&with_claims(json!({ "sub": sub })), error);
    }
}

#[test]
fn section_3_9_audience() {
    let other = TokenError::Audience { expected: HR.to_owned() };
    refused(&with_claims(json!({ "aud": null })), TokenError::MissingClaim("aud"));
    refused(&with_claims(json!({ "aud": "https://docs.example" })), other.clone());
    refused(&with_claims(json!({ "aud": [format!("{HR}x"), HR.trim_end_matches("/mcp")] })), other);
    refused(&with_claims(json!({ "aud": [] })), malformed("aud"));
    refused(&with_claims(json!({ "aud": { HR: true } })), malformed("aud"));
}

#[test]
fn section_3_10_what_a_token_says_of_keys_leads_nowhere() {
    for kid in ["../../../dev/null", "k1' UNION SELECT 'x", "https://evil.example/key", "k1\u{0}", "|id"] {
        let key_id = kid.replace('\u{0}', "?");
        refused(&with_header(json!({ "kid": kid })), TokenError::UnknownKey { key_id });
    }
    refused(&with_header(json!({ "jwk": key(json!({})) })), TokenError::ForbiddenHeader("jwk"));
    // Nothing is fetched and no certificate is read: the key is the one that is configured.
    let token = with_header(json!({
        "jku": "http://169.254.169.254/", "x5u": "https://evil.example/", "x5c": ["AA"], "x5t": "AA", "x5t#S256": "AA",
    }));
    assert!(verify_at(&verifier(vec![config()]), &token, NOW).is_ok());
    let forged = format!(
        "{}.{}.{}",
        encoded(r#"{"alg":"ES256","kid":"k1","jku":"https://evil.example/","typ":"at+jwt"}"#),
        encoded(&alice().to_string()),
        "A".repeat(86)
    );
    refused(&forged, TokenError::Signature);
}

#[test]
fn sections_3_11_and_3_12_types_that_exclude_each_other() {
    for (typ, error) in [
        ("dpop+jwt", TokenError::OtherType { found: "dpop+jwt".to_owned() }),
        ("application/logout+jwt", TokenError::OtherType { found: "logout+jwt".to_owned() }),
        ("JWT", TokenError::Type { found: "JWT".to_owned() }),
        ("at+jwt;v=1", TokenError::Type { found: "at+jwt;v=1".to_owned() }),
        ("application/application/at+jwt", TokenError::Type { found: "application/application/at+jwt".to_owned() }),
    ] {
        refused(&with_header(json!({ "typ": typ })), error);
    }
    // A bare name and the whole media type are the same, in any case.
    for typ in ["application/at+jwt", "AT+JWT"] {
        assert!(verify_at(&verifier(vec![config()]), &with_header(json!({ "typ": typ })), NOW).is_ok(), "{typ}");
    }
    let token_types = vec!["dpop+jwt".to_owned()];
    let error = VerifierError::OtherType { index: 0, found: "dpop+jwt".to_owned() };
    assert_eq!(TokenVerifier::new(vec![IssuerConfig { token_types, ..config() }], 30, 60, 0).err(), Some(error));
}

#[test]
fn extensions_that_have_to_be_understood_are_not() {
    for (name, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false)), ("b64", json!(true))] {
        refused(&with_header(json!({ name: value })), TokenError::ForbiddenHeader(name));
    }
}

#[test]
fn no_name_comes_twice_at_any_depth() {
    let twice = |part, name: &str| TokenError::DuplicateName { part, name: name.to_owned() };
    let claims = alice().to_string();
    let (_, rest) = claims.split_once('{').unwrap();
    for (payload, name) in [
        (r#"{"sub":"root","#, "sub"),
        (r#"{"s\u0075b":"root","#, "sub"),
        (r#"{"cnf":{"x5t#S256":"AA","x5t#S256":"BB"},"#, "x5t#S256"),
        (r#"{"cnf":{"jkt":"AA","jk\u0074":"BB"},"#, "jkt"),
        (r#"{"act":{"sub":"a","act":{"sub":"b","sub":"c"}},"#, "sub"),
        (r#"{"realm_access":{"roles":[],"roles":["admin"]},"#, "roles"),
        (r#"{"x":[{"y":1,"y":2}],"#, "y"),
    ] {
        refused(&signed(HEADER, &format!("{payload}{rest}")), twice(Part::Payload, name));
    }
    refused(&signed(r#"{"alg":"ES256","kid":"k1","kid":"k2","typ":"at+jwt"}"#, &claims), twice(Part::Header, "kid"));
    refused(&signed(r#"{"alg":"ES256","vendor":{"a":1,"a":1},"kid":"k1"}"#, &claims), twice(Part::Header, "a"));
}

#[test]
fn compact_form_is_three_parts_of_base64url_without_padding() {
    let good = with_claims(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    for odd in ["=", "+", "/", " ", "\t", "%2e", "~", "\u{e9}", "\"", ":"] {
        for text in [
            format!("{header}{odd}.{payload}.{signature}"),
            format!("{header}.{odd}{payload}.{signature}"),
            format!("{header}.{payload}.{signature}{odd}"),
        ] {
            refused(&text, TokenError::NotCompact);
        }
    }
    for text in [
        format!("{header}.{payload}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
    ] {
        refused(&text, TokenError::NotCompact);
    }
    // One value has one spelling: no stray bits.
    refused(
        &format!("{header}.{payload}.{}", signature.chars().take(85).chain(['_']).collect::<String>()),
        TokenError::NotBase64(Part::Signature),
    );
}

#[test]
fn sizes_are_bounded() {
    let token = with_claims(json!({ "email": "x".repeat(20_000) }));
    let header = format!("Bearer {token}");
    let read = BearerToken::from_authorization(&[header.as_bytes()], 16_384).map(drop);
    assert_eq!(read, Err(TokenError::TooLong { limit: 16_384 }));
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    refused(&signed(HEADER, &deep), TokenError::NotJson(Part::Payload));
}

#[test]
fn dates_are_whole_numbers_of_seconds() {
    let text = |exp: &str| alice().to_string().replace(&(NOW + 200).to_string(), exp);
    for exp in
        ["1790000300.0", "1.7900003e9", "-1", "18446744073709551616", "\"1790000300\"", "true", "[1790000300]", "null"]
    {
        refused(&signed(HEADER, &text(exp)), malformed("exp"));
    }
    for exp in ["01790000300", "+1790000300", "0x6ab13b6c", "NaN", "Infinity"] {
        refused(&signed(HEADER, &text(exp)), TokenError::NotJson(Part::Payload));
    }
    let limit = TokenError::LivesTooLong { seconds: u64::MAX - (NOW - 100), limit: 86_400 };
    refused(&signed(HEADER, &text("18446744073709551615")), limit);
}
