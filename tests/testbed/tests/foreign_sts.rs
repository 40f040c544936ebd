//! A token service of other people, as it is: what it answers and what it refuses, without Envoy.

#![cfg(test)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use testbed::{Answer, Body, ForeignTokenService, HttpCall, IdentityProvider, SigningKey, decode, send_plain};
use url::form_urlencoded::{Serializer, byte_serialize};

const AUDIENCE: &str = "https://api.example";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Id and secret in the encoding of forms, then in Base64 (RFC 6749 section 2.3.1).
fn basic(secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(ForeignTokenService::CLIENT_ID), encoded(secret));
    format!("Basic {}", BASE64_STANDARD.encode(both))
}

async fn exchange(service: &ForeignTokenService, secret: &str, form: &[(&str, &str)]) -> Answer {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let call = HttpCall::new("POST", "sts.zitadel.example", "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", basic(secret))
        .body(Body::Whole(body.into()));
    send_plain(service.address(), call).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_exchanges_what_it_trusts_for_less() {
    let provider = |issuer: &str| IdentityProvider::new(issuer, "k", SigningKey::es256().unwrap());
    let (idp, mesh, stranger) =
        (provider("https://idp.example"), provider("https://mesh.example"), provider("https://idp.example"));
    let Some(service) = ForeignTokenService::start(AUDIENCE, &[&idp, &mesh]).await.unwrap() else { return };
    let alice = idp.token("alice").claim("scope", "read write").claim("aud", "https://mcp.example");
    let subject = idp.sign(&alice).unwrap();
    let actor = mesh.sign(&mesh.token("spiffe://acme.example/agent")).unwrap();
    let form = |subject: &str, audience: &str, scope: &str| {
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", &actor),
            ("actor_token_type", ACCESS_TOKEN),
            ("audience", audience),
            ("scope", scope),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let ask = async |secret: &str, form: &[(String, String)]| {
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        exchange(&service, secret, &form).await
    };
    let secret = ForeignTokenService::CLIENT_SECRET;

    let answer = ask(secret, &form(&subject, AUDIENCE, "read")).await;
    let body = answer.json();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        (&body["token_type"], &body["issued_token_type"], &body["scope"]),
        (&json!("Bearer"), &json!(ACCESS_TOKEN), &json!("read"))
    );
    let (_, claims) = decode(body["access_token"].as_str().unwrap()).unwrap();
    for (name, value) in [
        ("iss", json!(ForeignTokenService::ISSUER)),
        ("sub", json!("alice")),
        ("aud", json!([AUDIENCE])),
        ("scope", json!("read")),
        ("act", json!({ "sub": "spiffe://acme.example/agent" })),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }

    for (secret, form, status, error) in [
        ("wrong", form(&subject, AUDIENCE, "read"), 401, "invalid_client"),
        (secret, form(&subject, "https://x", "read"), 400, "invalid_target"),
        (secret, form(&subject, AUDIENCE, "admin"), 400, "invalid_scope"),
        (secret, form(&stranger.sign(&alice).unwrap(), AUDIENCE, "read"), 400, "invalid_request"),
        (secret, form(&idp.sign(&alice.clone().expired(9)).unwrap(), AUDIENCE, "read"), 400, "invalid_request"),
    ] {
        let answer = ask(secret, &form).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{}", answer.text());
    }
    assert_eq!(service.recorder().take().len(), 6);
}
