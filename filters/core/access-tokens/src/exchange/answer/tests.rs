//! Every answer that a token endpoint can give, and what is made of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{AnswerError, Expected, Issued, MAX_ANSWER_BYTES, read};
use crate::exchange::error::{ExchangeError, ServerError};
use crate::exchange::types::TokenType;
use crate::fixtures::{NOW, encoded, signed};

const API: &str = "https://api.weather.example";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn expected() -> Expected {
    Expected {
        issued: Issued::AccessToken { requested: None },
        scopes: ["forecast.read", "forecast.list"].map(str::to_owned).into(),
        targets: BTreeSet::from([API.to_owned()]),
        resources: None,
        subject: Some("alice".to_owned()),
        sent: [Sha256::digest("sent").into(), Sha256::digest("callers").into()],
        ttl_seconds: None,
    }
}

/// A good answer with a token that nobody but its audience can read, changed: `null` takes a member away.
fn opaque(changes: Value) -> Value {
    let mut answer = json!({
        "access_token": "SlAV32hkKG", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60,
    });
    merge(&mut answer, changes);
    answer
}

/// A good answer with a JWT that has these changes.
fn jwt(changes: Value) -> Value {
    let mut claims = json!({ "iss": "https://sts", "sub": "alice", "aud": API, "exp": NOW + 50, "scope": "forecast.read", "jti": "j" });
    merge(&mut claims, changes);
    opaque(json!({ "access_token": signed(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims.to_string()) }))
}

fn merge(into: &mut Value, changes: Value) {
    let members = into.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
}

/// Scope and seconds of what an answer brought.
type Brought = (String, Option<u64>);

fn read_with(expected: &Expected, answer: &Value) -> Result<Brought, ExchangeError> {
    let body = answer.to_string();
    let token = read(Some((200, body.as_bytes())), expected, NOW)?;
    assert_eq!(token.as_str(), answer["access_token"]);
    Ok((token.scope().to_owned(), token.ttl_seconds(NOW)))
}

fn brings(answer: &Value) -> Result<Brought, ExchangeError> {
    read_with(&expected(), answer)
}

#[track_caller]
fn refused(answer: &Value, error: AnswerError) {
    assert_eq!(brings(answer), Err(ExchangeError::Answer(error)), "{answer}");
}

#[test]
fn the_example_of_the_standard_is_read() {
    // RFC 8693 appendix A.1.2.
    let body = r#"{"access_token":"eyJhbGciOiJFUzI1NiIsImtpZCI6IjllciJ9.eyJhdWQiOiJodHRwczovL2JhY2tlbmQuZXhhbXBsZS5jb20iLCJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUuY29tIiwiZXhwIjoxNDQxOTE3NTkzLCJpYXQiOjE0NDE5MTc1MzMsInN1YiI6ImJkY0BleGFtcGxlLmNvbSIsInNjb3BlIjoiYXBpIn0.40y3ZgQedw6rxf59WlwHDD9jryFOr0_Wh3CGozQBihNBhnXEQgU85AI9x3KmsPottVMLPIWvmDCMy5-kdXjwhw","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":60}"#;
    let expected = Expected {
        scopes: BTreeSet::from(["api".to_owned()]),
        targets: BTreeSet::from(["https://backend.example.com".to_owned()]),
        subject: Some("bdc@example.com".to_owned()),
        ..expected()
    };
    let token = read(Some((200, body.as_bytes())), &expected, 1_441_917_533).unwrap();
    assert_eq!((token.scope(), token.ttl_seconds(1_441_917_533)), ("api", Some(60)));
    let later = read(Some((200, body.as_bytes())), &expected, 1_441_917_593).unwrap_err();
    assert_eq!(later, ExchangeError::Answer(AnswerError::Expired));
}

#[test]
fn what_was_asked_is_taken() {
    let all = "forecast.list forecast.read".to_owned();
    assert_eq!(brings(&opaque(json!({}))), Ok((all.clone(), Some(60))));
    assert_eq!(brings(&opaque(json!({ "token_type": "bearer", "vendor": [1] }))), Ok((all, Some(60))));
    let less = || "forecast.read".to_owned();
    assert_eq!(brings(&opaque(json!({ "scope": "forecast.read" }))), Ok((less(), Some(60))));
    assert_eq!(brings(&opaque(json!({ "scope": "", "expires_in": null }))), Ok((String::new(), None)));
    assert_eq!(brings(&jwt(json!({}))), Ok((less(), Some(50))));
    assert_eq!(brings(&jwt(json!({ "scope": null, "scp": ["forecast.read"] }))).unwrap().0, less());
    // A name of the same kind, where none was asked for.
    assert!(brings(&opaque(json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:jwt" }))).is_ok());
}

#[test]
fn more_than_was_asked_is_refused() {
    for scope in ["forecast.write", "forecast.read forecast.write", "*"] {
        refused(&opaque(json!({ "scope": scope })), AnswerError::Scope);
        refused(&jwt(json!({ "scope": scope })), AnswerError::Scope);
        refused(&jwt(json!({ "scope": null, "scp": scope })), AnswerError::Scope);
    }
    let nothing = Expected { scopes: BTreeSet::new(), ..expected() };
    let found = read_with(&nothing, &opaque(json!({ "scope": "forecast.read" })));
    assert_eq!(found, Err(AnswerError::Scope.into()));
    for aud in [json!("https://other.example"), json!([API, "https://other.example"]), json!([]), Value::Null] {
        refused(&jwt(json!({ "aud": aud })), AnswerError::Audience);
    }
    for sub in [json!("bob"), json!("Alice"), json!(1), Value::Null] {
        refused(&jwt(json!({ "sub": sub })), AnswerError::Subject);
    }
    let other_names = Expected { subject: None, ..expected() };
    assert!(read_with(&other_names, &jwt(json!({ "sub": "00u1" }))).is_ok());
}

#[test]
fn what_is_over_or_lives_too_long_is_refused() {
    refused(&jwt(json!({ "exp": NOW })), AnswerError::Expired);
    refused(&opaque(json!({ "expires_in": 0 })), AnswerError::Expired);
    let short = Expected { ttl_seconds: Some(30), ..expected() };
    let too_long = Err(ExchangeError::Answer(AnswerError::LivesTooLong { limit: 30 }));
    assert_eq!(read_with(&short, &opaque(json!({ "expires_in": 31 }))), too_long);
    assert_eq!(read_with(&short, &opaque(json!({ "expires_in": null }))), too_long);
    assert!(read_with(&short, &opaque(json!({ "expires_in": 30 }))).is_ok());
    // Both say how long; the shorter counts.
    assert!(read_with(&short, &jwt(json!({ "exp": NOW + 30 }))).is_ok());
}

#[test]
fn the_token_that_was_sent_is_no_answer() {
    for sent in ["sent", "callers"] {
        refused(&opaque(json!({ "access_token": sent })), AnswerError::SameToken);
    }
}

#[test]
fn other_kinds_of_token_are_refused() {
    for kind in ["refresh_token", "id_token", "saml2", "id-jag", "txn_token"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        refused(&opaque(json!({ "issued_token_type": kind })), AnswerError::IssuedTokenType);
    }
    refused(&opaque(json!({ "issued_token_type": null })), AnswerError::Missing("issued_token_type"));
    for kind in ["DPoP", "N_A", "mac", "", "Bearer "] {
        refused(&opaque(json!({ "token_type": kind })), AnswerError::TokenType);
    }
    refused(&opaque(json!({ "token_type": null })), AnswerError::Missing("token_type"));
    let jwt_only = Expected { issued: Issued::AccessToken { requested: Some(TokenType::Jwt) }, ..expected() };
    assert_eq!(read_with(&jwt_only, &opaque(json!({}))), Err(AnswerError::IssuedTokenType.into()));
    // An assertion grant has no word for it.
    let bearer = Expected { issued: Issued::Bearer, ..expected() };
    assert!(read_with(&bearer, &opaque(json!({ "issued_token_type": null }))).is_ok());
}

#[test]
fn members_are_read_strictly() {
    for (name, value) in [
        ("access_token", json!(1)),
        ("access_token", json!(["x"])),
        ("issued_token_type", json!({})),
        ("token_type", json!(true)),
        ("expires_in", json!("60")),
        ("expires_in", json!(-1)),
        ("expires_in", json!(1.5)),
        ("scope", json!(["forecast.read"])),
        ("scope", json!("forecast\"read")),
    ] {
        refused(&opaque(json!({ name: value })), AnswerError::Malformed(name));
    }
    refused(&opaque(json!({ "access_token": null })), AnswerError::Missing("access_token"));
    let long = "a".repeat(16_385);
    for text in ["", "a b", "a\r\nx: y", "a,b", "=", "a=b", "é", "a\u{0}", &long] {
        refused(&opaque(json!({ "access_token": text })), AnswerError::TokenText);
    }
    assert!(brings(&opaque(json!({ "access_token": "aZ09-._~+/==" }))).is_ok());
    for byte in 0..=127_u8 {
        let plain = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let text = format!("a{}", char::from(byte));
        assert_eq!(brings(&opaque(json!({ "access_token": text }))).is_ok(), plain, "{byte}");
    }
}

#[test]
fn a_token_that_looks_like_a_jwt_has_to_be_one() {
    let token = |header: &str, payload: &str| opaque(json!({ "access_token": format!("{header}.{payload}.AA") }));
    let header = encoded(r#"{"alg":"ES256"}"#);
    for payload in ["x", &encoded("[]"), &encoded(r#"{"aud":"a","aud":"b"}"#)] {
        refused(&token(&header, payload), AnswerError::Claims);
    }
    refused(&token("eyJ", "x"), AnswerError::Claims);
    refused(&jwt(json!({ "exp": "soon" })), AnswerError::Claims);
    refused(&jwt(json!({ "scope": 7 })), AnswerError::Claims);
    // Three parts that mean nothing to us, and an encrypted token: for the audience alone.
    assert!(brings(&token("a", "b")).is_ok());
    assert!(brings(&opaque(json!({ "access_token": format!("{header}.a.b.c.d") }))).is_ok());
}

#[test]
fn what_is_no_answer_is_refused() {
    let of = |status: u16, body: &str| read(Some((status, body.as_bytes())), &expected(), NOW).unwrap_err();
    let not_good = |error: AnswerError| ExchangeError::Answer(error);
    for body in ["", "null", "[]", "<html>", "{", "access_token=x"] {
        assert_eq!(of(200, body), not_good(AnswerError::NotJson), "{body}");
    }
    assert_eq!(of(200, r#"{"access_token":"a","access_token":"b"}"#), not_good(AnswerError::Duplicate));
    assert_eq!(of(200, &" ".repeat(MAX_ANSWER_BYTES + 1)), not_good(AnswerError::TooLong { limit: 65_536 }));
    assert_eq!(read(None, &expected(), NOW).unwrap_err(), ExchangeError::Unreachable);
    for status in [201, 204, 302, 400, 401, 404] {
        assert_eq!(of(status, "<html>"), not_good(AnswerError::Status(status)));
    }
    for status in [502, 503, 504] {
        assert_eq!(of(status, "{}"), ExchangeError::Unreachable);
    }
    for status in [408, 429, 500, 501] {
        assert_eq!(of(status, r#"{"error":"invalid_grant"}"#), ExchangeError::Unavailable { status });
    }
}

#[test]
fn refusals_are_read_by_their_code() {
    for (code, error) in [
        ("invalid_request", ServerError::InvalidRequest),
        ("invalid_client", ServerError::InvalidClient),
        ("invalid_grant", ServerError::InvalidGrant),
        ("unauthorized_client", ServerError::UnauthorizedClient),
        ("unsupported_grant_type", ServerError::UnsupportedGrantType),
        ("invalid_scope", ServerError::InvalidScope),
        ("invalid_target", ServerError::InvalidTarget),
        ("access_denied", ServerError::AccessDenied),
        ("interaction_required", ServerError::AuthenticationRequired),
        ("login_required", ServerError::AuthenticationRequired),
        ("insufficient_user_authentication", ServerError::AuthenticationRequired),
        ("use_dpop_nonce", ServerError::Other),
        ("", ServerError::Other),
    ] {
        let body = json!({ "error": code, "error_description": "eyJsecret" }).to_string();
        for status in [400, 401, 403] {
            let found = read(Some((status, body.as_bytes())), &expected(), NOW).unwrap_err();
            assert_eq!(found, ExchangeError::Refused(error), "{code}");
            assert!(!format!("{found} {found:?}").contains("eyJ"));
        }
    }
}

#[test]
fn an_assertion_is_held_to_its_own_form() {
    let id_jag = Expected {
        issued: Issued::IdJag,
        targets: BTreeSet::from(["https://as.weather.example".to_owned()]),
        resources: Some(BTreeSet::from([API.to_owned()])),
        ..expected()
    };
    let with = |typ: &str, changes: Value, members: Value| {
        let mut claims = json!({
            "iss": "https://idp", "sub": "alice", "aud": "https://as.weather.example", "client_id": "mesh", "jti": "j",
            "exp": NOW + 60, "resource": API, "scope": "forecast.read",
        });
        merge(&mut claims, changes);
        let token = signed(&json!({ "alg": "ES256", "typ": typ }).to_string(), &claims.to_string());
        let mut answer = opaque(json!({
            "access_token": token, "token_type": "N_A",
            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        }));
        merge(&mut answer, members);
        read_with(&id_jag, &answer)
    };
    const TYP: &str = "oauth-id-jag+jwt";
    assert_eq!(with(TYP, json!({}), json!({})).unwrap().0, "forecast.read");
    let refused = |found: Result<Brought, ExchangeError>, error: AnswerError| assert_eq!(found, Err(error.into()));
    refused(with("JWT", json!({}), json!({})), AnswerError::IssuedTokenType);
    refused(with(TYP, json!({}), json!({ "issued_token_type": ACCESS_TOKEN })), AnswerError::IssuedTokenType);
    refused(with(TYP, json!({}), json!({ "token_type": "Bearer" })), AnswerError::TokenType);
    refused(with(TYP, json!({}), json!({ "access_token": "opaque" })), AnswerError::Claims);
    refused(with(TYP, json!({ "aud": API }), json!({})), AnswerError::Audience);
    refused(with(TYP, json!({ "resource": [API, "https://x.example"] }), json!({})), AnswerError::Audience);
    refused(with(TYP, json!({ "resource": 7 }), json!({})), AnswerError::Claims);
    refused(with(TYP, json!({ "sub": "bob" }), json!({})), AnswerError::Subject);
    refused(with(TYP, json!({ "scope": "admin" }), json!({})), AnswerError::Scope);
}
