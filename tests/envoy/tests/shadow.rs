//! Policies that decide nothing: candidates beside those that are enforced, and a first roll-out.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, McpCall, Server, World};

/// Everybody's salary, as a model that was talked into it asks for it.
fn salaries() -> McpCall {
    McpCall::tool(Server::Hr.host(), "query_compensation", json!({ "department": "all" }))
}

fn own_time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": ALICE.employee_id }))
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_counted_and_logged_and_decide_nothing() -> Result<()> {
    const CANDIDATE: &str = r#"
        @id("wide") permit (principal, action, resource);
        @id("no-time-off") forbid (principal, action, resource == Tool::"hr/get_time_off");
    "#;
    in_both_forms(async |form| {
        let world = World::builder()
            .form(form)
            .guard(|guard: &mut Value| {
                guard["policy"]["shadow"] = CANDIDATE.into();
                guard["audit"]["log"] = "denied".into();
            })
            .start()
            .await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;

        let allowed = agent.send(own_time_off().token(&token)).await?;
        assert_eq!(allowed.status, 200, "{}", allowed.text());
        drop(world.recorder(Server::Hr)?.take_one());
        let line = world.audit_of(allowed.request_id().context("no request id")?).await?;
        assert_eq!((&line["decision"], &line["shadow"]["decision"]), (&json!("allow"), &json!("deny")), "{line}");
        assert_eq!(line["shadow"]["policies"], json!(["no-time-off"]), "{line}");

        let denied = agent.send(salaries().token(&token)).await?;
        assert_eq!(denied.status, 403, "{}", denied.text());
        world.no_server_saw_anything();
        let line = world.audit_of(denied.request_id().context("no request id")?).await?;
        assert_eq!((&line["decision"], &line["shadow"]["decision"]), (&json!("deny"), &json!("allow")), "{line}");

        assert_eq!(world.envoy().stat("wasmcustom.meshwarden_shadow_differences").await?, 2);
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_enforced_goes_on_and_the_log_says_what_would_be_denied() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder()
            .form(form)
            .guard(|guard: &mut Value| {
                guard["policy"]["enforcement"] = "shadow".into();
                guard["audit"]["log"] = "denied".into();
            })
            .start()
            .await?;
        assert!(world.envoy().log().contains("`policy.enforcement: shadow`"), "the log warns");
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;

        let passed = agent.send(salaries().token(&token)).await?;
        assert_eq!(passed.status, 200, "{}", passed.text());
        let received = world.recorder(Server::Hr)?.take_one();
        assert_ne!(received.bearer(), Some(token.as_str()), "never the caller's own token");
        let line = world.audit_of(passed.request_id().context("no request id")?).await?;
        assert_eq!((&line["decision"], &line["shadow"]["decision"]), (&json!("allow"), &json!("deny")), "{line}");
        assert_eq!(world.envoy().stat("wasmcustom.meshwarden_shadow_differences").await?, 1);

        // Only policy is not enforced.
        for (call, status) in [(salaries(), 401), (salaries().token(&testbed::tampered(&token)), 401)] {
            assert_eq!(agent.send(call).await?.status, status);
        }
        world.no_server_saw_anything();
        world.guard_never_failed();
        Ok(())
    })
    .await
}
