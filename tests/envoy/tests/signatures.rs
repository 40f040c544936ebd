//! Signatures that Envoy's own crypto verifies: it judges the tokens of other implementations as the core does.

#![cfg(test)]

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{McpCall, Server, World, workspace_root};

fn vectors(file: &str) -> Result<Value> {
    let path = workspace_root().join("filters/core/access-tokens/tests/keys").join(file);
    Ok(serde_json::from_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_and_the_core_agree_on_every_vector() -> Result<()> {
    agree(&vectors("jwks.json")?, &vectors("vectors.json")?).await
}

/// Numbers out of range, other lengths, garbage behind hashes, salts of other lengths.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_and_the_core_agree_on_every_odd_signature() -> Result<()> {
    let odd = vectors("odd.json")?;
    agree(&json!({"keys": odd["keys"]}), &odd).await
}

/// What the core says of these tokens, its own tests say: `good` ones verify, `bad` ones don't.
async fn agree(keys: &Value, tokens: &Value) -> Result<()> {
    let keys = keys.to_string();
    let world = World::builder().guard(move |guard| {
        guard["tokens"]["issuers"][0]["jwks"] = json!({"inline": keys});
        guard["tokens"]["issuers"][0]["algorithms"] =
            json!(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]);
    });
    let world = world.start().await?;
    let agent = world.assistant()?;
    for (kind, good) in [("good", true), ("bad", false)] {
        for (name, token) in tokens[kind].as_object().context("no vectors")? {
            let token = token.as_str().context("no token")?;
            let call = McpCall::tool(Server::Hr.host(), "get_time_off", json!({})).token(token);
            let answer = agent.send(call).await?;
            assert_eq!(answer.status, 401, "{name}");
            let line = world.audit_of(answer.request_id().context("no id")?).await?;
            // The vectors are old: time is looked at once the signature is known to be good.
            let expired = line["reason"].as_str().is_some_and(|reason| reason.contains("expired"));
            assert_eq!(expired, good, "{name}: {line}");
        }
    }
    let log = world.envoy().log();
    let said = "signatures that Envoy verifies: [RS256, RS384, RS512, ES256, ES384]";
    assert!(log.contains(said), "Envoy says nothing of its crypto: {log}");
    world.no_server_saw_anything();
    Ok(())
}
