//! What goes on to an upstream: the request as it was judged, and a smaller token in place of the caller's.

#![cfg(test)]

use std::io::Write;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Form, McpCall, Protocol, Revision, Server, World, send_plain, verify_es256};

const ASSISTANT: &str = "spiffe://acme.example/agent/assistant";

fn own_time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_gets_a_smaller_token_and_nothing_that_is_ours() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        writeln!(std::io::stderr(), "Envoy with the guard was ready after {:?}", world.envoy().ready_after())?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        let token = world.sign(&world.identities().token(&ALICE).claim("txn", "t-1"))?;

        for protocol in [Protocol::Http1, Protocol::Http2] {
            for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
                let call = own_time_off(&token)
                    .revision(revision)
                    .over(protocol)
                    .header("x-meshwarden-principal", "root")
                    .header("x-peer-spiffe-id", "spiffe://acme.example/root")
                    .header("x-http-method-override", "DELETE")
                    .header("accept-encoding", "gzip")
                    .header("x-custom", "kept");
                let sent = call.body();
                let answer = agent.send(call).await?;
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.text().contains("12 vacation days"), "{}", answer.text());

                let got = hr.take_one();
                assert_eq!(got.json(), sent, "the body arrives as it was judged");
                for ours in ["x-meshwarden-principal", "x-http-method-override", "accept-encoding"] {
                    assert_eq!(got.header(ours), None, "{ours}");
                }
                // The stage alone names the peer that it has verified; what the client said never goes on.
                let named = (form == Form::Separate).then_some(ASSISTANT);
                assert_eq!(got.header("x-peer-spiffe-id"), named);
                assert_eq!(got.header("x-custom"), Some("kept"));
                let bearer = got.bearer().context("no token")?;
                assert_ne!(bearer, token, "the caller's token never goes on");
                let (header, claims) = verify_es256(bearer, &world.identities().mesh)?;
                assert_eq!(header, json!({"alg": "ES256", "kid": "mesh-1", "typ": "at+jwt"}));
                check_claims(&claims)?;
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

fn check_claims(claims: &Value) -> Result<()> {
    let lifetime = claims["exp"].as_u64().context("exp")? - claims["iat"].as_u64().context("iat")?;
    assert_eq!(lifetime, 30, "the policy's time to live");
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 16));
    let hash = claims["tctx"]["arguments_sha256"].clone();
    assert!(hash.as_str().is_some_and(|hash| hash.len() == 64), "{hash}");
    let rest = json!({
        "iss": "https://mesh.acme.example", "sub": "alice",
        "sub_id": {"format": "iss_sub", "iss": "https://idp.acme.example", "sub": "alice"}, "aud": "https://hr.mcp.acme.example/mcp",
        "scope": "hr.read", "client_id": "acme-assistant", "act": {"sub": ASSISTANT}, "txn": "t-1",
        "iat": claims["iat"], "exp": claims["exp"], "jti": claims["jti"],
        "tctx": {"protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "get_time_off",
            "arguments_sha256": hash},
    });
    assert_eq!(*claims, rest);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_judged_however_it_comes() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        let token = world.sign(&world.identities().token(&ALICE))?;
        let trailers =
            [("authorization", "Bearer evil"), ("x-meshwarden-principal", "root"), ("mcp-method", "tools/list")];
        let bobs = || McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1002"})).token(&token);

        for protocol in [Protocol::Http1, Protocol::Http2] {
            for size in [1, 7, 100_000] {
                for trailers in [&trailers[..], &[]] {
                    let allowed = own_time_off(&token).over(protocol);
                    let sent = allowed.body();
                    let answer = agent.send(allowed.into_http().in_pieces(size, trailers)).await?;
                    assert_eq!(answer.status, 200, "{protocol:?} {size} {}", answer.text());
                    let got = hr.take_one();
                    assert_eq!(got.json(), sent);
                    assert!(!format!("{got:?}").contains("evil"), "trailers do not go on: {got:?}");

                    let denied = bobs().over(protocol).into_http().in_pieces(size, trailers);
                    let answer = agent.send(denied).await?;
                    assert_eq!(answer.status, 403, "{protocol:?} {size} {}", answer.text());
                    hr.saw_nothing();
                }
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_within_the_limit_passes_and_one_beyond_it_does_not() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let (agent, tickets) = (world.assistant()?, world.recorder(Server::Tickets)?);
        let token = world.sign(&world.identities().token(&ALICE))?;
        let ticket = |bytes: usize| {
            let arguments = json!({"title": "address", "description": "x".repeat(bytes)});
            McpCall::tool(Server::Tickets.host(), "create_ticket", arguments).token(&token)
        };
        let answer = agent.send(ticket(1_000_000)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(tickets.take_one().json()["params"]["arguments"]["title"], "address");
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let announced = agent.send(ticket(1_100_000).over(protocol)).await?;
            assert_eq!(announced.status, 413);
            let in_pieces = agent.send(ticket(1_100_000).over(protocol).into_http().in_pieces(50_000, &[])).await?;
            assert_eq!(in_pieces.status, 413);
        }
        tickets.saw_nothing();
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_strategies_remove_or_forward_the_token_and_text_configures_like_yaml() -> Result<()> {
    let removing = World::builder()
        .guard(|guard| guard["downscope"] = json!({"strategy": "remove"}))
        .guard_as_text()
        .start()
        .await?;
    let token = removing.sign(&removing.identities().token(&ALICE))?;
    assert_eq!(removing.assistant()?.send(own_time_off(&token)).await?.status, 200);
    assert_eq!(removing.recorder(Server::Hr)?.take_one().header("authorization"), None);
    drop(removing);

    let forwarding = World::builder()
        .guard(|guard| guard["downscope"] = json!({"strategy": "danger_forward_client_token"}))
        .start()
        .await?;
    let token = forwarding.sign(&forwarding.identities().token(&ALICE))?;
    assert_eq!(forwarding.assistant()?.send(own_time_off(&token)).await?.status, 200);
    assert_eq!(forwarding.recorder(Server::Hr)?.take_one().bearer(), Some(token.as_str()));
    assert!(forwarding.envoy().log().contains("danger_forward_client_token"), "it is said loudly");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_removes_the_token_too_and_never_forwards_it() -> Result<()> {
    let strategy = |strategy: &'static str| {
        World::builder().form(Form::Separate).guard(move |guard| guard["downscope"] = json!({ "strategy": strategy }))
    };
    let world = strategy("remove").start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let call = own_time_off(&token).header("txn-token", "x").header("dpop", "x");
    assert_eq!(world.assistant()?.send(call).await?.status, 200);
    let got = world.recorder(Server::Hr)?.take_one();
    for name in ["authorization", "txn-token", "dpop"] {
        assert_eq!(got.headers.get(name), None, "{name}");
    }
    assert!(!format!("{got:?}").contains(&token), "the caller's token has arrived");
    drop(world);
    let refusal = strategy("danger_forward_client_token").expect_refused().await?;
    assert!(refusal.log.contains("`downscope.strategy`: the token was taken off by the `jwt_auth`"), "{}", refusal.log);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn public_documents_need_no_token() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let nobody = world.caller(Some(&world.identities().batch))?;
        for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
            let answer = nobody.send(testbed::HttpCall::new("GET", Server::Hr.host(), path)).await?;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["resource"], Server::Hr.audience());
            assert_eq!(answer.json()["authorization_servers"], json!(["https://idp.acme.example"]));
        }
        let keys = testbed::HttpCall::new("GET", Server::Hr.host(), "/.well-known/meshwarden/jwks.json");
        let answer = nobody.send(keys).await?;
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.json()["keys"][0]["kid"], "mesh-1");
        assert_eq!(answer.json()["keys"][0]["d"], Value::Null);
        world.no_server_saw_anything();
        // Plain HTTP is no way in.
        assert!(send_plain(world.envoy().listener(), own_time_off("x")).await.is_err());
        world.no_server_saw_anything();
        Ok(())
    })
    .await
}
