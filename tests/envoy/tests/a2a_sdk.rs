//! The official A2A SDK on both sides of the guard: its client gets through, its server gets the smaller token, and what
//! is denied is an error that the client understands.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{ALICE, AgentsWorld, Colleague, Foreign, HttpCall, decode, send_plain};

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_and_servers_understand_the_guard() -> Result<()> {
    let Some(python) = Foreign::A2aPython.find().await else { return Ok(()) };
    let agent = python.start("agent.py", &[]).await?;
    let port: Value = serde_json::from_str(&agent.first_line)?;
    let address = format!("127.0.0.1:{}", port["port"]).parse()?;
    let world = AgentsWorld::start_before(Some(address)).await?;
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;

    let gateway = world.envoy().listener().port().to_string();
    let folder = world.certificates().display().to_string();
    let told: Value = serde_json::from_str(&python.run("ask.py", &[&gateway, &folder], &token).await?)?;
    assert_eq!(told["cards"], json!(["travel", "payroll"]), "{told:#}");
    assert_eq!(told["answer"], "TP 571, Friday, 11:25");
    assert_eq!(told["events"], json!(["task", "status_update", "artifact_update", "status_update"]));
    assert_eq!(told["same_task"], true);
    assert_eq!(told["payroll_task"], told["missing"], "a denied task is a task that is not there");
    assert_eq!(told["missing"][0], "TaskNotFoundError");
    for denied in ["notify_abroad", "payroll"] {
        assert!(told[denied][1].as_str().is_some_and(|text| text.contains("403")), "{denied}: {told:#}");
    }
    assert_eq!(told["still_usable"], "allowed");

    // The server got the card's request, two messages, a stream and two tasks, each with a token of its own.
    let received = send_plain(address, HttpCall::new("GET", &address.to_string(), "/received")).await?.json();
    let received = received.as_array().context("no list")?;
    assert_eq!(received.len(), 6, "{received:#?}");
    let mut methods = Vec::new();
    for request in received {
        let bearer = request.pointer("/headers/authorization").and_then(Value::as_str).context("no token")?;
        let bearer = bearer.strip_prefix("Bearer ").context("another scheme")?;
        assert_ne!(bearer, token, "the caller's token stays here");
        let (_, claims) = decode(bearer)?;
        assert_eq!(claims["act"], json!({ "sub": "spiffe://acme.example/agent/planner" }));
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!(Colleague::Travel.audience()), &json!("alice")));
        methods.push(claims["tctx"]["method"].clone());
    }
    let expected = ["GET", "SendMessage", "SendStreamingMessage", "GetTask", "GetTask", "SendMessage"].map(Value::from);
    assert_eq!(methods, expected);
    assert_eq!(world.recorder(Colleague::Payroll)?.take().len(), 1, "its card, and nothing else");
    world.envoy().guard_never_failed();
    Ok(())
}
