//! What real issuers write, and what of it is an access token.

use serde_json::{Map, Value, json};

use super::{OTHER_TYPES, check_claims, is_other_type};
use crate::error::TokenError;
use crate::fixtures::{HEADER, HR, ISSUER, NOW, alice_with, config, signed, verifier, verify_at};
use crate::issuer::{IssuerConfig, VerifierError};
use crate::profile::Profile;
use crate::verify::TokenVerifier;

/// An issuer whose tokens are called `JWT`, as of all that are older than RFC 9068.
fn older() -> TokenVerifier {
    verifier(vec![IssuerConfig { token_types: vec!["at+jwt".to_owned(), "JWT".to_owned()], ..config() }])
}

fn strict() -> TokenVerifier {
    verifier(vec![IssuerConfig { profile: Profile::Rfc9068, ..config() }])
}

fn typed(typ: &str) -> String {
    HEADER.replace("at+jwt", typ)
}

/// Claims in the shape of another issuer's, as if ours had written them for us.
fn ours(shape: Value) -> String {
    let mut claims: Map<String, Value> = shape.as_object().unwrap().clone();
    for (name, value) in [("iss", json!(ISSUER)), ("aud", json!(HR)), ("exp", json!(NOW + 200))] {
        claims.insert(name.to_owned(), value);
    }
    for name in ["iat", "nbf", "auth_time"] {
        claims.entry(name).and_modify(|at| *at = json!(NOW - 100));
    }
    Value::Object(claims).to_string()
}

fn subject(verifier: &TokenVerifier, header: &str, claims: &str) -> Result<String, TokenError> {
    verify_at(verifier, &signed(header, claims), NOW).map(|verified| verified.token.subject().to_owned())
}

fn keycloak(typ: &str) -> Value {
    json!({
        "exp": 1, "iat": 1, "jti": "d58f5dc8", "iss": "", "aud": "account", "sub": "36fa0f91", "typ": typ,
        "azp": "something", "session_state": "2a88c258", "acr": "1", "allowed-origins": ["http://localhost:6080"],
        "realm_access": { "roles": ["offline_access", "uma_authorization"] },
        "resource_access": { "account": { "roles": ["manage-account", "view-profile"] } },
        "scope": "email profile", "sid": "2a88c258", "email_verified": true, "preferred_username": "username",
    })
}

fn entra(claims: Value) -> Value {
    let mut entra = json!({
        "aud": "", "iss": "", "iat": 1, "nbf": 1, "exp": 1, "aio": "AXQAi/8IAAAA", "name": "Abe Lincoln", "oid": "690222be",
        "preferred_username": "abe@acme.example", "rh": "I", "sub": "HKZpfaHyWadeOouYlitjrI", "tid": "72f988bf",
        "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
    });
    entra.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    entra
}

#[test]
fn access_tokens_of_real_issuers_are_good() {
    for (whose, claims) in [
        ("Keycloak", keycloak("Bearer")),
        ("Keycloak with DPoP", keycloak("DPoP")),
        ("Entra ID", entra(json!({ "azp": "6e74172b", "azpacr": "0", "scp": "access_as_user" }))),
        ("Entra ID for an application", entra(json!({ "azp": "6e74172b", "azpacr": "1", "roles": ["Hr.Read"] }))),
        (
            "Azure AD B2C",
            json!({ "iat": 1, "nbf": 1, "sub": "4c77a906", "oid": "4c77a906", "emails": ["t@test.example"],
                "tfp": "B2C_1_SignUpIn", "nonce": "defaultNonce", "scp": "App.Read App.Write", "azp": "8d92", "ver": "1.0" }),
        ),
        (
            "Okta",
            json!({ "ver": 1, "jti": "AT.MNAoEQ", "sub": "x@acme.example", "iat": 1, "cid": "client_id", "uid": "00u",
                "scp": ["openid", "profile", "groups"], "auth_time": 1 }),
        ),
        (
            "Auth0",
            json!({ "sub": "auth0|123456", "azp": "my_client_id", "iat": 1, "scope": "openid profile read:patients",
                "permissions": ["read:patients"], "gty": "password" }),
        ),
        (
            "Cognito",
            json!({ "sub": "aaaaaaaa", "token_use": "access", "scope": "hr/read", "client_id": "c", "iat": 1 }),
        ),
    ] {
        let expected = claims["sub"].as_str().unwrap().to_owned();
        assert_eq!(subject(&older(), &typed("JWT"), &ours(claims)), Ok(expected), "{whose}");
    }
}

#[test]
fn id_tokens_of_real_issuers_and_other_tokens_of_theirs_are_refused() {
    let other = |claim| Err(TokenError::OtherKind { claim });
    let mut old_keycloak = keycloak("Refresh");
    old_keycloak["nonce"] = json!("n");
    for (whose, claims, claim) in [
        ("Keycloak's ID token", keycloak("ID"), "typ"),
        ("Keycloak's refresh token", old_keycloak, "typ"),
        ("Keycloak's offline token", keycloak("Offline"), "typ"),
        ("Entra ID", entra(json!({ "nonce": "12345" })), "nonce"),
        ("Entra ID, hybrid", entra(json!({ "c_hash": "x" })), "c_hash"),
        ("B2C", json!({ "sub": "x", "tfp": "B2C_1_SignUpIn", "nonce": "defaultNonce", "oid": "4c77a906" }), "nonce"),
        (
            "Okta",
            json!({ "sub": "00u", "ver": 1, "jti": "ID.rad", "amr": ["pwd"], "at_hash": "fPlsvVszI29L" }),
            "at_hash",
        ),
        ("Auth0", json!({ "sub": "auth0|1", "sid": "s", "nonce": "n", "iat": 1 }), "nonce"),
        ("Google", json!({ "sub": "1", "azp": "c", "at_hash": "x", "email_verified": true }), "at_hash"),
        ("Cognito", json!({ "sub": "a", "token_use": "id", "cognito:username": "a" }), "token_use"),
        ("FAPI", json!({ "sub": "a", "s_hash": "x", "scope": "hr.read" }), "s_hash"),
        (
            "a logout token",
            json!({ "sub": "a", "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            "events",
        ),
    ] {
        assert_eq!(subject(&older(), &typed("JWT"), &ours(claims.clone())), other(claim), "{whose}");
        let untyped = r#"{"alg":"ES256","kid":"k1"}"#;
        assert_eq!(subject(&older(), untyped, &ours(claims)), other(claim), "{whose}, without a type");
    }
}

#[test]
fn a_nonce_is_of_id_tokens_unless_the_token_says_what_it_is() {
    let check = |claims: Value| check_claims(claims.as_object().unwrap());
    let nonce = Err(TokenError::OtherKind { claim: "nonce" });
    assert_eq!(check(json!({ "nonce": "n" })), nonce);
    assert_eq!(check(json!({ "nonce": "n", "azp": "c" })), nonce);
    assert_eq!(check(json!({ "nonce": "n", "typ": "JWT" })), nonce);
    for told in
        [json!({ "typ": "Bearer" }), json!({ "scope": "" }), json!({ "scp": [] }), json!({ "token_use": "access" })]
    {
        let mut claims = told.as_object().unwrap().clone();
        claims.insert("nonce".to_owned(), json!("n"));
        assert_eq!(check_claims(&claims), Ok(()), "{told}");
    }
    for odd in [json!(1), json!(null), json!(["Bearer"]), json!(""), json!("ID"), json!("Serialized-ID")] {
        assert_eq!(check(json!({ "typ": odd })), Err(TokenError::OtherKind { claim: "typ" }));
    }
}

#[test]
fn a_token_that_is_typed_as_an_access_token_is_taken_at_its_word() {
    let claims = alice_with(json!({ "nonce": "n", "scope": null, "typ": "anything" })).to_string();
    assert_eq!(subject(&older(), HEADER, &claims), Ok("alice".to_owned()));
    assert_eq!(subject(&older(), &typed("JWT"), &claims), Err(TokenError::OtherKind { claim: "typ" }));
}

#[test]
fn a_type_of_something_else_can_neither_be_configured_nor_shown() {
    let more = ["vc+jwt", "vc+ld+jwt", "vc+sd-jwt", "vp+jwt"];
    for &typ in OTHER_TYPES.iter().chain(&more) {
        let found = typ.to_owned();
        for written in [typ.to_owned(), typ.to_uppercase(), format!("application/{typ}")] {
            let token_types = vec!["at+jwt".to_owned(), written.clone()];
            let config = IssuerConfig { token_types, ..config() };
            let refused = TokenVerifier::new(vec![config], 30, 86_400, 8).err();
            assert_eq!(refused, Some(VerifierError::OtherType { index: 0, found: found.clone() }));
            let shown = subject(&older(), &typed(&written), &alice_with(json!({})).to_string());
            assert_eq!(shown, Err(TokenError::OtherType { found: found.clone() }), "{written}");
        }
    }
    for typ in ["at+jwt", "jwt", "jose", "custom", "token+jwt"] {
        assert!(!is_other_type(typ), "{typ}");
    }
}

#[test]
fn rfc9068_asks_for_all_that_it_requires() {
    let all = json!({ "jti": "1", "groups": ["a"], "roles": [], "entitlements": ["b"] });
    let with = |change: Value| {
        let mut claims = alice_with(all.clone());
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        subject(&strict(), HEADER, &claims.to_string())
    };
    assert_eq!(with(json!({})), Ok("alice".to_owned()));
    assert_eq!(with(json!({ "scope": null })), Ok("alice".to_owned()));
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        assert_eq!(with(json!({ name: null })), Err(TokenError::MissingClaim(name)));
    }
    // Where Keycloak and Auth0 name the client.
    assert_eq!(with(json!({ "client_id": null, "azp": "web" })), Err(TokenError::MissingClaim("client_id")));
    let malformed = |name: &str| Err(TokenError::MalformedClaim(name.to_owned()));
    assert_eq!(with(json!({ "scope": ["hr.read"] })), malformed("scope"));
    assert_eq!(with(json!({ "scp": "hr.read", "scope": "hr.read" })), malformed("scp"));
    for name in ["groups", "roles", "entitlements"] {
        assert_eq!(with(json!({ name: "one" })), malformed(name));
        assert_eq!(with(json!({ name: { "a": 1 } })), malformed(name));
    }
    for typ in ["JWT", "at+jwt2"] {
        let found = typ.to_owned();
        assert_eq!(
            subject(&strict(), &typed(typ), &alice_with(all.clone()).to_string()),
            Err(TokenError::Type { found })
        );
    }
    let auth0 = json!({ "sub": "auth0|123456", "client_id": "my_client_id", "iat": 1, "jti": "73WakrfVbNJBaAmhQtEeDv",
        "scope": "openid profile read:patients read:admin", "my_custom_claim": "my_custom_value" });
    assert_eq!(subject(&strict(), HEADER, &ours(auth0)), Ok("auth0|123456".to_owned()));
}

#[test]
fn rfc9068_has_one_type() {
    let with = |types: &[&str]| {
        let token_types = types.iter().map(|&typ| typ.to_owned()).collect();
        TokenVerifier::new(vec![IssuerConfig { token_types, profile: Profile::Rfc9068, ..config() }], 30, 60, 8).err()
    };
    for good in [&["at+jwt"][..], &["application/AT+JWT"], &["at+jwt", "application/at+jwt"]] {
        assert_eq!(with(good), None);
    }
    for bad in [&["at+jwt", "JWT"][..], &["JWT"], &["custom"]] {
        assert_eq!(with(bad), Some(VerifierError::ProfileTypes { index: 0 }));
    }
}
