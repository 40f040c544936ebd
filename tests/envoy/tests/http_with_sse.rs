//! The transport of MCP 2024-11-05: a stream says where to send messages, and brings the answers to them.

#![cfg(test)]

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answers, BOB, Body, Caller, Canned, HttpCall, Listening, Script, Server, World};

fn get(token: &str) -> HttpCall {
    let call = HttpCall::new("GET", Server::Hr.host(), "/mcp/sse").header("accept", "text/event-stream");
    call.header("authorization", format!("Bearer {token}"))
}

fn post(place: &str, token: &str, message: &Value) -> HttpCall {
    let call = HttpCall::new("POST", Server::Hr.host(), place).header("content-type", "application/json");
    call.header("authorization", format!("Bearer {token}")).body(Body::Whole(Bytes::from(message.to_string())))
}

fn call(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn initialize() -> Value {
    let client = json!({ "name": "testbed", "version": "1" });
    call(1, "initialize", &json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client }))
}

fn time_off(id: u64, of: &str) -> Value {
    call(id, "tools/call", &json!({ "name": "get_time_off", "arguments": { "employee_id": of } }))
}

/// Listens, and is told where to send messages.
async fn connect(agent: &Caller, token: &str) -> Result<(Listening, String)> {
    let mut stream = agent.listen(get(token)).await?;
    assert_eq!(stream.status, 200);
    let event = stream.event().await?.context("no event")?;
    let place = event.strip_prefix("event: endpoint\ndata: ").with_context(|| event.clone())?.to_owned();
    Ok((stream, place))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_2024_works_and_sees_what_it_may() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).answers(Answers::HttpWithSse).start().await?;
        let alice = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let (mut stream, place) = connect(&agent, &alice).await?;
        let pinned = place.strip_prefix("/mcp/messages?sessionId=").with_context(|| place.clone())?.to_owned();
        let (tag, id) = pinned.split_once('.').with_context(|| pinned.clone())?;
        assert_eq!(tag.len(), 43, "{pinned}");
        drop(world.received());

        let send = async |message: Value| agent.send(post(&place, &alice, &message)).await;
        assert_eq!(send(initialize()).await?.status, 202);
        let path = world.recorder(Server::Hr)?.take_one().path;
        assert_eq!(path, format!("/mcp/messages?sessionId={id}"), "the server knows its own session");
        assert_eq!(stream.message().await?["id"], 1);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(send(initialized).await?.status, 202);

        // The answer to the list comes elsewhere; what stands in its place says nothing.
        let answer = send(call(2, "tools/list", &json!({}))).await?;
        assert_eq!((answer.status, answer.text().as_str()), (202, ""));
        let listed = stream.message().await?;
        let names: Vec<_> =
            listed["result"]["tools"].as_array().into_iter().flatten().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["get_time_off"], "{listed}");
        assert_eq!(send(time_off(3, "E1001")).await?.status, 202);
        let answered = stream.message().await?.to_string();
        assert!(answered.contains("12 vacation days"), "{answered}");
        drop(world.received());
        assert_eq!(send(time_off(4, "E1002")).await?.status, 403);
        world.no_server_saw_anything();

        // Somebody else's session, or none that was given.
        let bob = world.sign(&world.identities().token(&BOB))?;
        let batch = world.caller(Some(&world.identities().batch))?;
        let mine = time_off(5, "E1001");
        for (what, agent, call) in [
            ("by Bob", &agent, post(&place, &bob, &time_off(5, "E1002"))),
            ("by another workload", &batch, post(&place, &alice, &mine)),
            ("as the server has it", &agent, post(&format!("/mcp/messages?sessionId={id}"), &alice, &mine)),
            ("twice", &agent, post(&format!("{place}&sessionId={id}"), &alice, &mine)),
            ("in another spelling", &agent, post(&format!("/mcp/messages?sessionid={pinned}"), &alice, &mine)),
            ("as a list", &agent, post(&format!("/mcp/messages?sessionId[]={id}"), &alice, &mine)),
            ("of another revision", &agent, {
                let call = post(
                    &format!("/mcp/messages?sessionId={id}"),
                    &alice,
                    &json!({
                        "jsonrpc": "2.0", "id": 5, "method": "tools/list",
                        "params": { "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientCapabilities": {} } },
                    }),
                );
                call.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list")
            }),
        ] {
            let answer = agent.send(call).await?;
            let code = answer.json()["error"]["code"].clone();
            assert_eq!((answer.status, code), (404, json!(-31_404)), "{what}: {}", answer.text());
            world.no_server_saw_anything();
        }
        assert_eq!(send(time_off(6, "E1001")).await?.status, 202, "and the session goes on");
        assert_eq!(stream.message().await?["id"], 6);
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_leads_elsewhere_ends() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = World::builder().form(form).canned(Server::Hr, &script).start().await?;
        let alice = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n";
        let endpoint = |place: &str| format!("event: endpoint\ndata: {place}\n\n");
        for place in ["https://evil.example/mcp/messages?sessionId=1", "/admin?sessionId=1", "/mcp/messages"] {
            script.play([Canned::sse(&[": hello\n\n", &endpoint(place), progress])]);
            let mut stream = agent.listen(get(&alice)).await?;
            assert_eq!(stream.event().await?.as_deref(), Some(": hello"));
            assert!(stream.event().await.is_err(), "{place}");
        }
        // Later than first it could take a client elsewhere in the middle of its work.
        let good = endpoint(&format!("https://{}/mcp/messages?sessionId=1", Server::Hr.host()));
        script.play([Canned::sse(&[&good, progress, &good, progress])]);
        let mut stream = agent.listen(get(&alice)).await?;
        let event = stream.event().await?.context("no event")?;
        assert!(event.starts_with("event: endpoint\ndata: /mcp/messages?sessionId="), "{event}");
        assert_eq!(stream.message().await?["method"], "notifications/progress");
        assert!(stream.event().await.is_err());
        world.guard_never_failed();
        Ok(())
    })
    .await
}
