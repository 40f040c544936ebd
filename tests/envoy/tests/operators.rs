//! What operators see: one audit line a decision, counters, filter state in access logs, and never a secret.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{ALICE, McpCall, Server, World};

fn time_off(employee_id: &str, token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": employee_id })).token(token)
}

/// The access log, as soon as it has a line with this word: Envoy writes it in its own time.
async fn access_log_with(world: &World, word: &str) -> Result<String> {
    let search = async {
        loop {
            let log = world.envoy().access_log();
            if log.contains(word) {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search)
        .await
        .with_context(|| format!("no `{word}` in the access log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_has_one_line_and_is_counted() -> Result<()> {
    let world = World::start().await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;

    let allowed = agent.send(time_off("E1001", &token)).await?;
    let minted = world.recorder(Server::Hr)?.take_one();
    let claims = minted.claims().context("no token")?;
    let line = world.audit_of(allowed.request_id().context("no id")?).await?;
    let stays = ["time", "request_id", "arguments_sha256", "policy_digest", "microseconds", "reason"];
    let mut rest = line.clone();
    for name in stays {
        assert!(rest.as_object_mut().context("no object")?.remove(name).is_some(), "{name} in {line}");
    }
    assert_eq!(
        rest,
        json!({
            "audit": "meshwarden.v1", "decision": "allow", "server": "hr", "action": "tools/call",
            "principal": "User::\"https://idp.acme.example#alice\"", "actor": "spiffe://acme.example/agent/assistant",
            "resource": "Tool::\"hr/get_time_off\"", "policies": ["own-time-off"],
            "minted": {"jti": claims["jti"], "scope": "hr.read", "ttl_seconds": 30},
        })
    );
    assert_eq!(line["arguments_sha256"], claims["tctx"]["arguments_sha256"]);
    assert_eq!(line["reason"], "employees see their own time off");

    let denied = agent.send(time_off("E1002", &token)).await?;
    let line = world.audit_of(denied.request_id().context("no id")?).await?;
    assert_eq!((&line["decision"], &line["status"]), (&json!("deny"), &json!(403)), "{line}");
    let answer = denied.json();
    assert_eq!(answer["error"]["data"]["request_id"], line["request_id"], "the caller can name the line");
    let refused = agent.send(time_off("E1001", "a.b.c")).await?;
    let line = world.audit_of(refused.request_id().context("no id")?).await?;
    assert_eq!((&line["decision"], &line["status"]), (&json!("refuse"), &json!(401)), "{line}");
    agent.send(time_off("E1001", &token)).await?;
    assert_eq!(world.audit().len(), 4, "one line a decision");

    for (outcome, count) in [("allow", 2), ("deny", 1), ("refuse", 1), ("error", 0)] {
        let name = format!("wasmcustom.meshwarden_decisions_total.outcome.{outcome}");
        assert_eq!(world.envoy().stat(&name).await?, count, "{name}");
    }
    assert_eq!(world.envoy().stat("wasmcustom.meshwarden_token_cache_miss").await?, 1);
    assert_eq!(world.envoy().stat("wasmcustom.meshwarden_token_cache_hit").await?, 2);

    let access = access_log_with(&world, "meshwarden_denied").await?;
    assert!(access.contains(r#"guard={"decision":"deny""#), "the filter state is in the access log: {access}");
    let everything = world.envoy().log() + &access;
    let bearer = minted.bearer().context("no token")?;
    for secret in [token.as_str(), bearer] {
        let signature = secret.rsplit('.').next().context("no signature")?;
        assert!(!everything.contains(signature), "a token is in a log");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_choose_which_decisions_and_how_much_of_the_arguments_are_logged() -> Result<()> {
    let world =
        World::builder().guard(|guard| guard["audit"] = json!({"log": "denied", "arguments": "full"})).start().await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    agent.send(time_off("E1001", &token)).await?;
    let denied = agent.send(time_off("E1002", &token)).await?;
    let line = world.audit_of(denied.request_id().context("no id")?).await?;
    assert_eq!(line["arguments"], json!({"employee_id": "E1002"}));
    assert_eq!(world.audit().len(), 1, "the allowed one is not logged");
    drop(world);

    let silent = World::builder().guard(|guard| guard["audit"] = json!({"log": "none"})).start().await?;
    let token = silent.sign(&silent.identities().token(&ALICE))?;
    silent.assistant()?.send(time_off("E1002", &token)).await?;
    access_log_with(&silent, "meshwarden_denied").await?;
    assert_eq!(silent.audit().len(), 0);
    Ok(())
}
