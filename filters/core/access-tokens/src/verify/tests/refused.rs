//! Every way for a token to be refused, each for its own reason.

use serde_json::{Value, json};

use crate::algorithm::{Algorithm, AlgorithmError};
use crate::error::{Part, TokenError};
use crate::fixtures::{HEADER, HR, ISSUER, NOW, alice, alice_with, config, encoded, signed, verifier, verify_at};
use crate::issuer::IssuerConfig;
use crate::keys::Jwks;

/// The issuer of `tests/keys/vectors.json`.
pub(super) fn vectors_issuer() -> IssuerConfig {
    IssuerConfig {
        jwks: Jwks::Inline(include_str!("../../../tests/keys/jwks.json").to_owned()),
        algorithms: Algorithm::ALL.to_vec(),
        ..config()
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/keys/vectors.json")).unwrap()
}

#[track_caller]
fn refused(token: &str, error: &TokenError) {
    assert_eq!(verify_at(&verifier(vec![config()]), token, NOW).err().as_ref(), Some(error));
}

fn missing(name: &'static str) -> TokenError {
    TokenError::MissingClaim(name)
}

fn malformed(name: &str) -> TokenError {
    TokenError::MalformedClaim(name.to_owned())
}

fn unknown_issuer(issuer: &str) -> TokenError {
    TokenError::UnknownIssuer { issuer: issuer.to_owned() }
}

fn other_type(found: &str) -> TokenError {
    TokenError::OtherType { found: found.to_owned() }
}

fn wrong_type(found: &str) -> TokenError {
    TokenError::Type { found: found.to_owned() }
}

#[test]
fn headers() {
    let unknown = |name: &str| AlgorithmError::Unknown { name: name.to_owned() }.into();
    let symmetric = |name: &str| AlgorithmError::Symmetric { name: name.to_owned() }.into();
    let cases: Vec<(&str, TokenError)> = vec![
        (r#"{"alg":"none"}"#, AlgorithmError::Unsecured.into()),
        (r#"{"alg":"NonE","kid":"k1","typ":"at+jwt"}"#, AlgorithmError::Unsecured.into()),
        (r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#, symmetric("HS256")),
        (r#"{"alg":"HS512","kid":"k1","typ":"at+jwt"}"#, symmetric("HS512")),
        (r#"{"alg":"es256","kid":"k1","typ":"at+jwt"}"#, unknown("es256")),
        (r#"{"alg":"ES512","kid":"k1","typ":"at+jwt"}"#, unknown("ES512")),
        (r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#, TokenError::ForbiddenHeader("enc")),
        (
            r#"{"alg":"RS256","kid":"k1","typ":"at+jwt"}"#,
            TokenError::AlgorithmNotAllowed { algorithm: Algorithm::RS256 },
        ),
        (
            r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#,
            TokenError::AlgorithmNotAllowed { algorithm: Algorithm::EdDSA },
        ),
        (r#"{"alg":"ES256","kid":"k2","typ":"at+jwt"}"#, TokenError::UnknownKey { key_id: "k2".to_owned() }),
        (r#"{"alg":"ES256","kid":"K1","typ":"at+jwt"}"#, TokenError::UnknownKey { key_id: "K1".to_owned() }),
        (
            r#"{"alg":"ES256","kid":"../../k1","typ":"at+jwt"}"#,
            TokenError::UnknownKey { key_id: "../../k1".to_owned() },
        ),
        (
            r#"{"alg":"ES256","kid":"k1' OR 1=1","typ":"at+jwt"}"#,
            TokenError::UnknownKey { key_id: "k1' OR 1=1".to_owned() },
        ),
        (r#"{"alg":"ES256","kid":7,"typ":"at+jwt"}"#, TokenError::Header("kid")),
        (r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, wrong_type("JWT")),
        (r#"{"alg":"ES256","kid":"k1"}"#, wrong_type("JWT")),
        (r#"{"alg":"ES256","kid":"k1","typ":"dpop+jwt"}"#, other_type("dpop+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":"txntoken+jwt"}"#, other_type("txntoken+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":"wit+jwt"}"#, other_type("wit+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":"xat+jwt"}"#, wrong_type("xat+jwt")),
        (r#"{"alg":"ES256","kid":"k1","typ":null}"#, TokenError::Header("typ")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","crit":["exp"]}"#, TokenError::ForbiddenHeader("crit")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","b64":false,"crit":["b64"]}"#, TokenError::ForbiddenHeader("b64")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","zip":"DEF"}"#, TokenError::ForbiddenHeader("zip")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","jwk":{}}"#, TokenError::ForbiddenHeader("jwk")),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt","cty":"JWT"}"#, TokenError::ForbiddenHeader("cty")),
        (r#"{"kid":"k1","typ":"at+jwt"}"#, TokenError::Header("alg")),
        (
            r#"{"alg":"none","alg":"ES256","kid":"k1","typ":"at+jwt"}"#,
            TokenError::DuplicateName { part: Part::Header, name: "alg".to_owned() },
        ),
        ("[]", TokenError::NotJson(Part::Header)),
        (r#"{"alg":"ES256"} {}"#, TokenError::NotJson(Part::Header)),
    ];
    for (header, error) in &cases {
        refused(&signed(header, &alice().to_string()), error);
    }
}

#[test]
fn claims() {
    let elsewhere = "https://tickets.mcp.acme.example/mcp";
    let audience = TokenError::Audience { expected: HR.to_owned() };
    let cases: Vec<(Value, TokenError)> = vec![
        (json!({ "iss": null }), missing("iss")),
        (json!({ "iss": "https://evil.example" }), unknown_issuer("https://evil.example")),
        (json!({ "iss": "https://idp.acme.example/" }), unknown_issuer("https://idp.acme.example/")),
        (json!({ "iss": "HTTPS://idp.acme.example" }), unknown_issuer("HTTPS://idp.acme.example")),
        (json!({ "iss": [ISSUER] }), malformed("iss")),
        (json!({ "sub": null }), missing("sub")),
        (json!({ "sub": "" }), malformed("sub")),
        (json!({ "sub": 1 }), malformed("sub")),
        (json!({ "aud": null }), missing("aud")),
        (json!({ "aud": [] }), malformed("aud")),
        (json!({ "aud": [HR, 1] }), malformed("aud")),
        (json!({ "aud": elsewhere }), audience.clone()),
        (json!({ "aud": [elsewhere] }), audience.clone()),
        (json!({ "aud": format!("{HR}/") }), audience.clone()),
        (json!({ "aud": HR.to_uppercase() }), audience.clone()),
        (json!({ "aud": "https://hr.mcp.acme.example" }), audience),
        (json!({ "exp": null }), missing("exp")),
        (json!({ "exp": "1790000300" }), malformed("exp")),
        (json!({ "exp": 1_790_000_300.5 }), malformed("exp")),
        (json!({ "exp": -1 }), malformed("exp")),
        (json!({ "exp": NOW - 30 }), TokenError::Expired { expired_at: NOW - 30, now: NOW }),
        (json!({ "exp": 0 }), TokenError::Expired { expired_at: 0, now: NOW }),
        (json!({ "exp": NOW + 86_400 }), TokenError::LivesTooLong { seconds: 86_500, limit: 86_400 }),
        (json!({ "nbf": NOW + 31 }), TokenError::NotYetValid { not_before: NOW + 31, now: NOW }),
        (json!({ "nbf": u64::MAX }), TokenError::NotYetValid { not_before: u64::MAX, now: NOW }),
        (json!({ "iat": NOW + 31 }), TokenError::IssuedInFuture { issued_at: NOW + 31, now: NOW }),
        (json!({ "scope": ["a admin"] }), malformed("scope")),
        (json!({ "scp": ["admin"] }), malformed("scp")),
        (json!({ "groups": { "admins": true } }), malformed("groups")),
        (json!({ "groups": null, "_claim_names": { "groups": "s" } }), TokenError::ClaimElsewhere("groups".to_owned())),
        (json!({ "realm_access": { "roles": 1 } }), malformed("realm_access.roles")),
        (json!({ "cnf": "x" }), malformed("cnf")),
        (json!({ "act": { "iss": "x" } }), malformed("act")),
        (
            json!({ "act": { "sub": "5", "act": { "sub": "4", "act": { "sub": "3", "act": { "sub": "2", "act": { "sub": "1" } } } } } }),
            malformed("act"),
        ),
    ];
    for (changes, error) in &cases {
        refused(&signed(HEADER, &alice_with(changes.clone()).to_string()), error);
    }
}

#[test]
fn payloads_that_readers_could_take_in_two_ways() {
    let twice = |name: &str| TokenError::DuplicateName { part: Part::Payload, name: name.to_owned() };
    let alice = alice().to_string();
    let (_, rest) = alice.split_once('{').unwrap();
    for (payload, error) in [
        (format!(r#"{{"sub":"root",{rest}"#), twice("sub")),
        (format!(r#"{{"e\u0078p":1,{rest}"#), twice("exp")),
        (format!(r#"{{"x":{{"a":1,"a":2}},{rest}"#), twice("a")),
        (format!("\u{feff}{alice}"), TokenError::NotJson(Part::Payload)),
        (format!("{alice}{alice}"), TokenError::NotJson(Part::Payload)),
        ("\"alice\"".to_owned(), TokenError::NotJson(Part::Payload)),
        ("Example of Ed25519 signing".to_owned(), TokenError::NotJson(Part::Payload)),
    ] {
        refused(&signed(HEADER, &payload), &error);
    }
}

#[test]
fn damaged_encodings() {
    let good = signed(HEADER, &alice().to_string());
    let [header, payload, signature] = <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    // The last character of 86 holds four bits that must be zero.
    let mut stray = signature.to_owned();
    stray.pop();
    stray.push('B');
    for (token, error) in [
        (format!("{header}.{payload}.{stray}"), TokenError::NotBase64(Part::Signature)),
        (format!("{}.{payload}.{signature}", encoded("{}") + "BBB"), TokenError::NotBase64(Part::Header)),
        (format!("{header}.{payload}"), TokenError::NotCompact),
        (format!("{header}.{payload}.{signature}."), TokenError::NotCompact),
        (format!("{header}.{payload}.{signature}.a.b"), TokenError::NotCompact),
        (format!("{header}=.{payload}.{signature}"), TokenError::NotCompact),
        (format!("{header}..{signature}"), TokenError::NotCompact),
    ] {
        refused(&token, &error);
    }
}

#[test]
fn signatures_that_the_key_did_not_make() {
    let good = signed(HEADER, &alice().to_string());
    let other = signed(HEADER, &alice_with(json!({ "sub": "root" })).to_string());
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let (other_unsigned, _) = other.rsplit_once('.').unwrap();
    for token in [
        format!("{unsigned}."),
        format!("{unsigned}.AAAA"),
        format!("{unsigned}.{}", "A".repeat(86)),
        format!("{unsigned}.{signature}AAAA"),
        format!("{other_unsigned}.{signature}"),
        format!("{}.{}.{signature}", encoded(HEADER), encoded(&format!("{} ", alice()))),
    ] {
        refused(&token, &TokenError::Signature);
    }
}

#[test]
fn one_changed_character_spoils_a_token_of_any_algorithm() {
    let verifier = verifier(vec![vectors_issuer()]);
    for (name, token) in vectors()["good"].as_object().unwrap() {
        let token = token.as_str().unwrap();
        let (unsigned, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = unsigned.split_once('.').unwrap();
        let short: String = signature.chars().take(signature.len() / 4 * 4 - 4).collect();
        for (what, tampered) in [
            ("signature", format!("{unsigned}.{}", flipped_first(signature))),
            ("no signature", format!("{unsigned}.")),
            ("short signature", format!("{unsigned}.{short}")),
            ("payload", format!("{header}.{}.{signature}", encoded(&vector_claims("bob")))),
        ] {
            assert_eq!(verify_at(&verifier, &tampered, NOW).err(), Some(TokenError::Signature), "{name}: {what}");
        }
        assert!(verify_at(&verifier, token, NOW).is_ok(), "{name}");
    }
}

fn flipped_first(signature: &str) -> String {
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    std::iter::once(first).chain(signature.chars().skip(1)).collect()
}

fn vector_claims(sub: &str) -> String {
    json!({ "iss": ISSUER, "sub": sub, "aud": HR, "iat": 1_790_000_000, "exp": 1_790_000_300, "scope": "hr.read" })
        .to_string()
}

#[test]
fn keys_and_algorithms_that_do_not_belong_together() {
    use Algorithm::{ES256, ES384, PS256, RS256};
    let mismatch =
        |key: &str, expected, algorithm| TokenError::AlgorithmMismatch { key_id: key.to_owned(), expected, algorithm };
    let hs256 = TokenError::Algorithm(AlgorithmError::Symmetric { name: "HS256".to_owned() });
    let cases = [
        ("hs256_with_the_rsa_public_key_as_secret", hs256),
        ("ps256_with_the_rs256_key", mismatch("rs", RS256, PS256)),
        ("rs256_with_the_ps256_key", mismatch("ps", PS256, RS256)),
        ("es256_with_the_p384_key", mismatch("es384", ES384, ES256)),
        ("pss_signature_under_an_rs256_header", TokenError::Signature),
        ("pkcs1_signature_under_a_ps256_header", TokenError::Signature),
        ("rs256_by_a_stranger", TokenError::Signature),
        ("rs256_with_sha384", TokenError::Signature),
        ("es256_in_der", TokenError::Signature),
        ("es384_with_sha256", TokenError::Signature),
        ("rs384_with_sha256", TokenError::Signature),
        ("pss_signature_under_an_rs512_header", TokenError::Signature),
        ("ps384_with_sha256", TokenError::Signature),
        ("pkcs1_signature_under_a_ps512_header", TokenError::Signature),
    ];
    let vectors = vectors();
    let bad = vectors["bad"].as_object().unwrap();
    assert_eq!(bad.len(), cases.len());
    let verifier = verifier(vec![vectors_issuer()]);
    for (name, error) in cases {
        assert_eq!(verify_at(&verifier, bad[name].as_str().unwrap(), NOW).err(), Some(error), "{name}");
    }
}

#[test]
fn a_token_without_a_key_id_where_several_keys_are() {
    let token = signed(r#"{"alg":"ES256","typ":"at+jwt"}"#, &alice().to_string());
    assert_eq!(verify_at(&verifier(vec![vectors_issuer()]), &token, NOW).err(), Some(TokenError::NoKeyId));
    assert!(verify_at(&verifier(vec![config()]), &token, NOW).is_ok());
}
