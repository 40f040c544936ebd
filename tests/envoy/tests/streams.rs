//! Streams of events pass message by message: what is no message, or has no place there, ends the stream, and nothing of
//! it is seen.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Canned, HttpCall, McpCall, Revision, Script, Server, World};

const PROGRESS: &str =
    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1}}\n\n";
const SECRET: &str = "query_compensation";

fn asks(method: &str) -> String {
    format!(
        "data: {{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"method\":\"{method}\",\"params\":{{\"about\":\"{SECRET}\"}}}}\n\n"
    )
}

fn listed(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [{"name": "get_time_off"}, {"name": SECRET}]}})
}

fn call(revision: Revision, token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).revision(revision).token(token)
}

fn get(token: &str) -> HttpCall {
    let call = HttpCall::new("GET", Server::Hr.host(), "/mcp").header("accept", "text/event-stream");
    call.header("authorization", format!("Bearer {token}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_what_has_no_place_in_it() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = World::builder()
            .form(form)
            .guard(|guard| guard["servers"][0]["server_requests"] = json!(["roots/list"]))
            .canned(Server::Hr, &script)
            .start()
            .await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let bad = |revision: Revision| {
            let mut bad = vec![
                ("no message", format!("data: {{\"about\":\"{SECRET}\"}}\n\n")),
                ("a text", format!("data: \"{SECRET}\"\n\n")),
                ("another name of a field", format!("Data: {}\n\n", listed(&json!(1)))),
                (
                    "a member beside those of JSON-RPC",
                    format!("data: {}\n\n", listed(&json!(1))).replace("}]}}", "}]},\"Result\":{}}"),
                ),
                ("a request that it may not make", asks("sampling/createMessage")),
                ("a place to send messages to", format!("event: endpoint\ndata: /mcp?about={SECRET}\n\n")),
                ("more bytes than an event may have", format!(": {}{SECRET}\n\n", "x".repeat(1 << 20))),
            ];
            if revision == Revision::V2026_07_28 {
                bad.push(("any request at all", asks("roots/list")));
                bad.push(("an answer to another request", format!("data: {}\n\n", listed(&json!(2)))));
                bad.push(("a batch", format!("data: [{}]\n\n", listed(&json!(1)))));
            }
            bad
        };
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            for (what, bad) in bad(revision) {
                script.play([Canned::sse(&[PROGRESS, &bad, PROGRESS])]);
                let mut stream = agent.listen(call(revision, &token)).await?;
                assert_eq!(stream.message().await?["params"]["progress"], 1, "{what}");
                let after = stream.event().await;
                assert!(after.is_err(), "{what}, {revision:?}: {after:?}");
            }
        }
        drop(world.received());

        // What older servers may do, they do.
        script.play([Canned::sse(&[&asks("roots/list"), PROGRESS])]);
        let mut stream = agent.listen(call(Revision::V2025_11_25, &token)).await?;
        assert_eq!(stream.message().await?["method"], "roots/list");
        assert_eq!(stream.message().await?["params"]["progress"], 1);

        // In plain JSON a client would take it for a request, too.
        let asked: Value = serde_json::from_str(asks("sampling/createMessage").trim_start_matches("data: "))?;
        script.play([Canned::json(&asked)]);
        let answer = agent.send(call(Revision::V2025_11_25, &token)).await?;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains(SECRET), "{}", answer.text());
        let good = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}});
        script.play([Canned::json(&good)]);
        assert_eq!(agent.send(call(Revision::V2025_11_25, &token)).await?.json(), good);
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_stream_is_filtered_by_shape() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = World::builder().form(form).canned(Server::Hr, &script).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let events =
            format!("id: e-7\r\ndata: \r\n\r\n: keep-alive\r\n\r\nid: e-8\r\ndata: {}\r\n\r\n", listed(&json!("r-7")));
        let bytes: Vec<String> = events.chars().map(String::from).collect();
        script.play([Canned { apart: false, ..Canned::sse(&bytes.iter().map(String::as_str).collect::<Vec<_>>()) }]);
        let mut stream = agent.listen(get(&token).header("last-event-id", "e-6")).await?;
        let seen = world.recorder(Server::Hr)?.take_one();
        assert_eq!(seen.header("last-event-id"), Some("e-6"));
        let message = stream.message().await.context("no message")?;
        assert_eq!(message["result"]["tools"], json!([{"name": "get_time_off"}]), "{message}");
        world.guard_never_failed();
        Ok(())
    })
    .await
}
