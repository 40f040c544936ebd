//! With `hide_denied`, what is denied looks like what a real server does not have.

#![cfg(test)]

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answer, EnvoyConfig, McpCall, Revision, Server, World};

/// Everything is allowed, so that what is missing comes to its server; but for one of each.
const POLICIES: &str = r#"
    @id("all") permit (principal, action, resource);
    @id("no-tool") forbid (principal, action, resource == Tool::"hr/query_compensation");
    @id("no-prompt") forbid (principal, action, resource == Prompt::"docs/summarize");
    @id("no-document") forbid (principal, action, resource == Resource::"doc://exec/reorganization-2027");
"#;

/// What a caller could tell two answers by; when they were made and how long they are is not.
fn seen(answer: &Answer, name: &str) -> (u16, BTreeMap<String, String>, String) {
    let varies = ["date", "content-length", "x-request-id"];
    let headers = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    (answer.status, headers.collect(), answer.text().replace(name, "NAME"))
}

/// As the guard's page asks for: Envoy says in a header how long an upstream took, which only a real answer has.
fn without_timing(config: &mut EnvoyConfig) -> Result<()> {
    let router = config.http_filters()?.last_mut().context("no router")?;
    router["typed_config"]["suppress_envoy_headers"] = true.into();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_thing_is_not_told_from_a_missing_one() -> Result<()> {
    in_both_forms(async |form| {
        let hide = |guard: &mut Value| {
            guard["hide_denied"] = true.into();
            guard["policy"] = json!({ "cedar": POLICIES });
        };
        let world = World::builder().form(form).guard(hide).envoy(without_timing).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let tool = |name: &str| McpCall::tool(Server::Hr.host(), name, json!({}));
        let prompt = |name: &str| McpCall::new(Server::Docs.host(), "prompts/get", json!({ "name": name }));
        let document = |uri: &str| McpCall::read(Server::Docs.host(), uri);
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            for (server, denied, missing, make) in [
                (Server::Hr, "query_compensation", "no_such_tool", &tool as &dyn Fn(&str) -> McpCall),
                (Server::Docs, "summarize", "no_such_prompt", &prompt),
                (Server::Docs, "doc://exec/reorganization-2027", "doc://exec/no-such-document", &document),
            ] {
                let there = agent.send(make(missing).token(&token).revision(revision)).await?;
                drop(world.recorder(server)?.take_one());
                let hidden = agent.send(make(denied).token(&token).revision(revision)).await?;
                world.no_server_saw_anything();
                assert_eq!(seen(&hidden, denied), seen(&there, missing), "{revision:?} {denied}");
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}
