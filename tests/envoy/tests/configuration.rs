//! Broken configurations: Envoy does not serve with any of them, and its log names the field.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::World;

/// Where to put which value, and the field that the log must name.
fn broken() -> Vec<(&'static str, Value, &'static str)> {
    let unknown_attribute = r#"@id("a") permit (principal, action, resource) when { context.nothing };"#;
    let wrong_type = r#"@id("a") permit (principal, action, resource) when { context.token.scopes == "x" };"#;
    let unknown_annotation = r#"@id("a") @surprise("x") permit (principal, action, resource);"#;
    vec![
        ("/surprise", json!(1), "`surprise`"),
        ("/servers", json!([]), "`servers`"),
        ("/servers/0/name", json!("H R"), "`servers[0].name`"),
        ("/servers/1/name", json!("hr"), "`servers[1].name`"),
        ("/servers/0/protocol", json!("grpc"), "`servers[0].protocol`"),
        ("/servers/0/audience", json!("hr"), "`servers[0].audience`"),
        ("/servers/0/match/path_prefix", json!("mcp"), "`servers[0].match.path_prefix`"),
        ("/servers/0/tools", json!({"t": {"hints": {"readOnly": true}}}), "`servers[0].tools.t.hints.readOnly`"),
        ("/identity/sources", json!(["header"]), "`identity.sources[0]`"),
        ("/identity/trust_domains", json!(["ACME"]), "`identity.trust_domains[0]`"),
        ("/tokens/issuers/0/algorithms", json!(["none"]), "`tokens.issuers[0].algorithms[0]`"),
        ("/tokens/issuers/0/algorithms", json!([]), "`tokens.issuers[0].algorithms`"),
        ("/tokens/issuers/0/jwks", json!({"inline": "{\"keys\":[]}"}), "`tokens.issuers`"),
        ("/tokens/issuers/0/jwks", json!({"cluster": "idp"}), "`tokens.issuers[0].jwks`"),
        ("/tokens/issuers/0/jwks", json!({"cluster": "idp", "uri": "https://x"}), "`tokens.issuers[0].jwks.uri`"),
        ("/sessions", json!({"keys": [{"inline": "c2hvcnQ="}]}), "`sessions.keys[0].inline`"),
        ("/servers/0/bindings", json!(["GRPC"]), "`servers[0].bindings`"),
        ("/servers/0/allowed_origins", json!(["app.acme.example"]), "`servers[0].allowed_origins[0]`"),
        ("/tokens/clock_skew_seconds", json!(-1), "`tokens.clock_skew_seconds`"),
        ("/policy/cedar", json!(""), "`policy.cedar`"),
        ("/policy/cedar", json!("permit (principal, action, resource)"), "`policy.cedar`"),
        ("/policy/cedar", json!("permit (principal, action, resource);"), "`policy.cedar`"),
        ("/policy/cedar", json!(unknown_attribute), "`policy.cedar`"),
        ("/policy/cedar", json!(wrong_type), "`policy.cedar`"),
        ("/policy/cedar", json!(unknown_annotation), "`policy.cedar`"),
        ("/policy/entities/0/uid/type", json!("Admin"), "`policy.entities[0]`"),
        ("/downscope/strategy", json!("exchange"), "`downscope.exchange`"),
        ("/downscope/mint/signing_key_env", json!("NOT_SET"), "`downscope.mint.signing_key_env`"),
        ("/limits", json!({"max_json_depth": 1000}), "`limits.max_json_depth`"),
        ("/hold_headers", json!("no"), "`hold_headers`"),
    ]
}

async fn check(pointer: &'static str, value: Value, field: &'static str) -> Result<()> {
    let (parent, name) = pointer.rsplit_once('/').context("pointer")?;
    let shown = value.to_string();
    let refusal = World::builder()
        .guard(move |guard| {
            if let Some(parent) = guard.pointer_mut(parent) {
                parent[name] = value;
            }
        })
        .expect_refused()
        .await?;
    assert!(!refusal.serves, "Envoy serves with {shown} at {pointer}");
    let line = refusal.log.lines().find(|line| line.contains("configuration refused"));
    let line = line.with_context(|| format!("{pointer} {shown}: no refusal in\n{}", refusal.log))?;
    assert!(line.contains(field), "{pointer} {shown}: {line}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_never_serves_with_a_broken_configuration() -> Result<()> {
    let mut broken = broken().into_iter();
    println!("{} broken configurations", broken.len());
    loop {
        // Two at a time: each start compiles the module.
        let pair: Vec<_> =
            broken.by_ref().take(2).map(|(at, value, field)| tokio::spawn(check(at, value, field))).collect();
        if pair.is_empty() {
            return Ok(());
        }
        for one in pair {
            one.await??;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_nothing_nor_nonsense_configures_the_guard() -> Result<()> {
    for (text, said) in [
        ("", "no configuration was given"),
        ("servers: []", "neither JSON text nor"),
        ("{\"a\":1,\"a\":2}", "two members are called `a`"),
    ] {
        let refusal = World::builder().envoy(move |config| config.set_guard_text(text)).expect_refused().await?;
        assert!(!refusal.serves, "Envoy serves with `{text}`");
        assert!(refusal.log.contains(said), "{text}: {}", refusal.log);
    }
    Ok(())
}
