//! `jwt_auth` alone before a plain HTTP API, as its page shows it: any request with a good token goes on with a smaller
//! one, no other request goes on. And the examples of all pages together are a guard.

#![cfg(test)]

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::{alone, arrived, fill, passes_as_it_should};
use serde_json::{Value, json};
use testbed::{
    ALICE, BOB, Body, Form, HttpCall, Identities, Protocol, Server, Token, World, filters_of_page, tampered,
    verify_es256,
};

fn api(method: &str, path: &str, token: &str) -> HttpCall {
    HttpCall::new(method, Server::Hr.host(), path).header("authorization", format!("Bearer {token}"))
}

/// Of the server's own audience only, with more scopes than the API needs.
fn good(ids: &Identities) -> Token {
    ids.token(&ALICE).claim("aud", Server::Hr.audience())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_gets_any_request_of_a_known_user_with_a_token_of_its_own() -> Result<()> {
    let world = alone("jwt-auth", 2, Vec::new()).start().await?;
    let ids = world.identities();
    let anybody = world.caller(None)?;
    let token = world.sign(&good(ids))?;
    // More than the buffer of the listener: the body is not held.
    let large = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (method, path, body) in [
            ("GET", "/v1/payslips?year=2026", Bytes::new()),
            ("DELETE", "/v1/payslips/7", Bytes::new()),
            ("POST", "/v1/payslips", large.clone()),
            ("PUT", "/v1/payslips/7", Bytes::from_static(b"{\"a\":1,\"a\":2")),
            ("PATCH", "/v1/payslips/7", Bytes::from_static(b"\xff\x00")),
        ] {
            let what = format!("{method} {protocol:?}");
            let mut call = api(method, path, &token).over(protocol).header("dpop", token.as_str());
            if !body.is_empty() {
                call = call.body(Body::Whole(body.clone()));
            }
            assert_eq!(anybody.send(call).await.with_context(|| what.clone())?.status, 200, "{what}");
            let (_, received) = arrived(&world)?;
            assert_eq!((received.method.as_str(), received.path.as_str()), (method, path));
            assert!(received.body == Some(body), "{what}: another body");
            assert!(!format!("{:?}", received.headers).contains(&token), "{what}: the caller's token");
            let (_, claims) = verify_es256(received.bearer().context("no token")?, &ids.mesh)?;
            let claim = |name: &str| claims.get(name).cloned().unwrap_or_default();
            assert_eq!(claim("aud"), "https://payroll.example", "the configured audience");
            assert_eq!(claim("scope"), "hr.read", "the configured scopes, of those that the user has");
            assert_eq!(claim("tctx"), json!({ "protocol": "http", "server": "payroll" }));
            assert_eq!((claim("iss"), claim("sub")), (json!("https://mesh.acme.example"), json!("alice")));
            let lifetime = claim("exp").as_u64().zip(claim("iat").as_u64()).map(|(end, begin)| end - begin);
            assert!(lifetime.is_some_and(|seconds| seconds <= 60), "{claims}");
        }
    }
    // A user without the scope gets none of it here, and a token that is good for nothing is not made.
    let narrow = world.sign(&good(ids).claim("scope", "docs.read"))?;
    let answer = anybody.send(api("GET", "/", &narrow)).await?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(challenge.contains("insufficient_scope") && challenge.contains("hr.read"), "{challenge}");
    world.no_server_saw_anything();
    // The keys are there for the API; the caller needs no token to read them.
    let keys = anybody.send(HttpCall::new("GET", Server::Hr.host(), "/.well-known/meshwarden/jwks.json")).await?;
    assert_eq!((keys.status, keys.json()["keys"][0]["kid"].as_str()), (200, Some("mesh-1")));
    world.no_server_saw_anything();
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_sees_nothing_of_a_request_without_a_good_token() -> Result<()> {
    let world = alone("jwt-auth", 2, Vec::new()).start().await?;
    let ids = world.identities();
    let anybody = world.caller(None)?;
    let sign = |token: Token| ids.idp.sign(&token);
    let bad = [
        ("another audience", sign(good(ids).claim("aud", Server::Docs.audience()))?),
        ("the audience of the new token", sign(good(ids).claim("aud", "https://payroll.example"))?),
        ("expired", sign(good(ids).expired(120))?),
        ("another key", ids.impostor.sign(&good(ids))?),
        ("tampered", tampered(&sign(good(ids))?)),
        ("unsigned", good(ids).unsigned()),
        ("bound to a workload, of which nothing is known here", {
            sign(good(ids).claim("act", json!({ "sub": "spiffe://acme.example/agent/assistant" })))?
        }),
        ("bound to a certificate", sign(good(ids).claim("cnf", json!({ "x5t#S256": "A".repeat(43) })))?),
        ("a token of the mesh itself", format!("{}.", sign(good(ids))?)),
    ];
    for (what, token) in &bad {
        for method in ["GET", "POST"] {
            let call = api(method, "/v1/payslips", token);
            let call = if method == "GET" { call } else { call.body(Body::Whole(Bytes::from(vec![b'x'; 100_000]))) };
            let answer = anybody.send(call).await.with_context(|| (*what).to_owned())?;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{what}");
            world.no_server_saw_anything();
        }
    }
    let token = sign(good(ids))?;
    let twice = api("GET", "/", &token).header("authorization", format!("Bearer {token}"));
    let others = [
        ("no token", HttpCall::new("GET", Server::Hr.host(), "/"), 401),
        ("two tokens", twice, 401),
        ("a token in the query", api("GET", &format!("/?access_token={token}"), &token), 400),
        ("a path that could be read in two ways", api("GET", "/v1/%2e%2e/x;y", &token), 400),
    ];
    for (what, call, status) in others {
        assert_eq!(anybody.send(call).await.with_context(|| what)?.status, status, "{what}");
        world.no_server_saw_anything();
    }
    world.guard_never_failed();
    Ok(())
}

/// The examples of the pages put together: the guard of one server, in both forms.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_all_pages_together_are_a_guard() -> Result<()> {
    for form in Form::ALL {
        let world = World::builder().form(form).envoy(move |config| fill(config, examples(form)?)).start().await?;
        passes_as_it_should(&world).await?;
        let bob = world.sign(&world.identities().token(&BOB))?;
        let call = testbed::McpCall::list(Server::Hr.host(), "tools").token(&bob);
        assert_eq!(world.assistant()?.send(call).await?.status, 403, "no policy of the pages is about lists");
        world.no_server_saw_anything();
        world.guard_never_failed();
    }
    Ok(())
}

fn examples(form: Form) -> Result<Vec<Value>> {
    let jwks = Identities::new()?.idp.jwks().to_string();
    let example = |(plugin, at): (&str, usize)| {
        filters_of_page(plugin, &jwks)?.into_iter().nth(at).with_context(|| plugin.to_owned())
    };
    let chain = [("spiffe-identity", 0), ("jwt-auth", 0), ("mcp-parser", 0), ("cedar-authz", 0), ("jwt-auth", 1)];
    let pages = if form == Form::Guard { vec![("agent-guard", 0)] } else { chain.to_vec() };
    pages.into_iter().map(example).collect()
}
