//! Tokens that Envoy's own `jwt_authn` verifies: what it lets through and should not, `cedar_authz` refuses.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{ALICE, EnvoyConfig, Form, McpCall, Server, Token, World};

fn own_time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token)
}

/// `jwt_authn` as people often have it: no audiences, no expiry required. A token in the query, which it accepts unless told
/// where tokens are, is taken out before any later filter can see it: there the shipped configuration has to be right.
fn careless(config: &mut EnvoyConfig) -> Result<()> {
    let mut filters = config.http_filters()?.iter_mut();
    let native = filters.find(|filter| filter["name"] == "jwt_authn").context("no jwt_authn")?;
    let provider = native.pointer_mut("/typed_config/providers/idp").and_then(Value::as_object_mut).context("idp")?;
    for member in ["audiences", "require_expiration"] {
        provider.remove(member).context(member)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_lets_through_is_still_judged() -> Result<()> {
    for careless_envoy in [false, true] {
        let world = World::builder().form(Form::Native);
        let world = if careless_envoy { world.envoy(careless) } else { world };
        let world = world.start().await?;
        let (agent, ids) = (world.assistant()?, world.identities());
        let good = || ids.token(&ALICE);
        let sign = |token: Token| ids.idp.sign(&token);
        let batch = json!({"sub": "spiffe://acme.example/agent/batch"});
        let bad = [
            ("an expired token", sign(good().expired(120))?),
            ("a token for another audience", sign(good().claim("aud", "https://other.example/mcp"))?),
            ("a token for the neighbour only", sign(good().claim("aud", Server::Docs.audience()))?),
            ("a token without audience", sign(good().without("aud"))?),
            ("a token without expiry", sign(good().without("exp"))?),
            ("a token for a year", sign(good().claim("exp", testbed::now() + 31_536_000))?),
            ("a token without subject", sign(good().without("sub"))?),
            ("a token signed by another key", ids.impostor.sign(&good())?),
            ("alg none", good().unsigned()),
            ("a token for another certificate", sign(good().claim("cnf", json!({"x5t#S256": "A".repeat(43)})))?),
            ("a token that needs DPoP", sign(good().claim("cnf", json!({"jkt": testbed::token_hash("a key")})))?),
            ("a token for another actor", sign(good().claim("act", batch))?),
            ("groups that are a number", sign(good().claim("groups", 7))?),
            ("no JWT", "opaque".to_owned()),
        ];
        for (what, token) in &bad {
            let answer = agent.send(own_time_off(token)).await.with_context(|| (*what).to_owned())?;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("resource_metadata="), "{what}: {challenge}");
            world.no_server_saw_anything();
        }
        let token = sign(good())?;
        let query = own_time_off("").into_http().without("authorization").path(&format!("/mcp?access_token={token}"));
        let answer = agent.send(query).await?;
        assert_eq!(answer.status, 400, "{}", answer.text());
        world.no_server_saw_anything();

        let answer = agent.send(own_time_off(&token)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let received = world.recorder(Server::Hr)?.take_one();
        assert_ne!(received.bearer(), Some(token.as_str()), "the caller's token never goes on");
        assert_eq!(received.claims().context("no token")?["tctx"]["tool"], "get_time_off");
        world.guard_never_failed();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_in_a_header_are_no_claims() -> Result<()> {
    let world = World::builder()
        .form(Form::Native)
        .envoy(|config| {
            config.http_filters()?.retain(|filter| filter["name"] != "jwt_authn");
            Ok(())
        })
        .start()
        .await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let call = own_time_off(&token).header("x-jwt-payload", "eyJzdWIiOiJhbGljZSJ9").header("payload", "{}");
    let answer = world.assistant()?.send(call).await?;
    assert_eq!(answer.status, 401, "{}", answer.text());
    world.no_server_saw_anything();
    Ok(())
}
