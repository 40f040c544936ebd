//! Lists show each caller what that caller could call, and no more; everything else passes as it is.

#![cfg(test)]

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answer, Answers, Canned, MARIA, McpCall, Protocol, Revision, Script, Server, User, World};

const REVISIONS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// The response's message, from JSON or from the last event of a stream.
fn message(answer: &Answer) -> Result<Value> {
    if !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return Ok(answer.json());
    }
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().context("no event")?;
    Ok(serde_json::from_str(data)?)
}

fn listed(message: &Value, list: &str, key: &str) -> BTreeSet<String> {
    let items = message["result"][list].as_array().into_iter().flatten();
    items.filter_map(|item| item[key].as_str().map(str::to_owned)).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn list(world: &World, user: &User, server: Server, kind: &str, revision: Revision) -> Result<Value> {
    let token = world.sign(&world.identities().token(user).claim("amr", json!(["pwd"])))?;
    let call = McpCall::list(server.host(), kind).token(&token).revision(revision);
    let answer = world.assistant()?.send(call).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    if let Some(length) = answer.header("content-length") {
        assert_eq!(length, answer.text().len().to_string(), "the length is that of the rewritten body");
    }
    drop(world.recorder(server)?.take_one());
    message(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_the_caller_could_call() -> Result<()> {
    in_both_forms(async |form| {
        for answers in [Answers::Json, Answers::Sse] {
            let world = World::builder().form(form).answers(answers).start().await?;
            for revision in REVISIONS {
                let of = async |user, server, kind| list(&world, user, server, kind, revision).await;
                let tools = of(&ALICE, Server::Hr, "tools").await?;
                assert_eq!(listed(&tools, "tools", "name"), names(&["get_time_off"]), "an employee");
                let tools = of(&MARIA, Server::Hr, "tools").await?;
                assert_eq!(
                    listed(&tools, "tools", "name"),
                    names(&["get_time_off", "query_compensation"]),
                    "a manager"
                );
                let tools = of(&ALICE, Server::Tickets, "tools").await?;
                assert_eq!(listed(&tools, "tools", "name"), names(&["create_ticket"]), "no second factor");
                let resources = of(&MARIA, Server::Docs, "resources").await?;
                assert_eq!(listed(&resources, "resources", "uri"), names(&["doc://hr/policies/work-from-home"]));
                let prompts = of(&ALICE, Server::Docs, "prompts").await?;
                assert_eq!(listed(&prompts, "prompts", "name"), names(&[]), "no policy speaks of prompts");
                if revision == Revision::V2026_07_28 {
                    assert_eq!(prompts["result"]["cacheScope"], "private", "{prompts}");
                }
            }
            assert!(world.envoy().stat("wasmcustom.meshwarden_list_items_hidden").await? >= 8);
            world.guard_never_failed();
        }
        Ok(())
    })
    .await
}

fn answer_with(tools: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "page-2"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_not_be_filtered_is_never_shown() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = World::builder().form(form).canned(Server::Hr, &script).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let secret = "query_compensation";
        let full = answer_with(&json!([{"name": "get_time_off"}, {"name": secret}]));
        let call = || {
            McpCall::list(Server::Hr.host(), "tools").id(Some(json!(1))).token(&token).revision(Revision::V2025_11_25)
        };
        let text = full.to_string();
        let raw = |status: u16, kind: &str, body: &str| Canned::new(status, kind, vec![body.to_owned().into()]);
        let twice = text.replace(r#""tools":"#, r#""tools":[],"tools":"#);
        let refused = [
            ("plain text", raw(200, "text/plain", &text)),
            ("HTML", raw(201, "text/html", &text)),
            ("a compressed body", Canned::json(&full).header("content-encoding", "gzip")),
            ("two content types", Canned::json(&full).header("content-type", "text/plain")),
            ("not JSON", raw(200, "application/json", text.trim_start_matches('{'))),
            ("a byte order mark", raw(200, "application/json", &format!("\u{feff}{text}"))),
            ("the list twice", raw(200, "application/json", &twice)),
            ("another id", raw(200, "application/json", &text.replace(r#""id":1"#, r#""id":2"#))),
            ("a batch", raw(200, "application/json", &format!("[{text}]"))),
            ("items without names", Canned::json(&answer_with(&json!([{"title": secret}])))),
            ("no list", Canned::json(&json!({"jsonrpc": "2.0", "id": 1, "result": {"items": [{"name": secret}]}}))),
            ("a list of another kind of thing", Canned::json(&answer_with(&json!({"name": secret})))),
        ];
        for (what, canned) in refused {
            script.play([canned]);
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let answer = agent.send(call().over(protocol)).await?;
                assert_eq!(answer.status, 502, "{what}: {}", answer.text());
                assert!(!answer.text().contains(secret), "{what}: {}", answer.text());
                drop(world.received());
            }
        }

        // A stream has begun when the bad event comes: what was good before has passed, nothing after it does.
        let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";
        for bad in [
            format!("data: {}\n\n", text.trim_start_matches('{')),
            format!("data: {twice}\n\n"),
            "data: hello\n\n".to_owned(),
        ] {
            script.play([Canned::sse(&[progress, &bad, &format!("data: {text}\n\n")])]);
            let seen = match agent.send(call()).await {
                Ok(answer) => answer.text(),
                Err(error) => error.to_string(),
            };
            assert!(!seen.contains(secret), "{bad}: {seen}");
            drop(world.received());
        }

        // Pages keep their cursors, streams their events, and answers that list nothing are not touched.
        script.play([Canned::json(&full)]);
        let page = message(&agent.send(call()).await?)?;
        assert_eq!(page, answer_with(&json!([{"name": "get_time_off"}])));
        let pieces: Vec<String> = format!("id: 1\r\n{}data: {text}\r\n\r\n", progress.replace('\n', "\r\n"))
            .chars()
            .map(String::from)
            .collect();
        script.play([Canned { apart: false, ..Canned::sse(&pieces.iter().map(String::as_str).collect::<Vec<_>>()) }]);
        let answer = agent.send(call()).await?;
        assert!(answer.text().contains("notifications/progress"), "{}", answer.text());
        assert_eq!(message(&answer)?["result"]["tools"], json!([{"name": "get_time_off"}]));
        let failure = raw(503, "text/plain", "upstream is down");
        script.play([failure]);
        let answer = agent.send(call()).await?;
        assert_eq!((answer.status, answer.text().as_str()), (503, "upstream is down"));
        world.guard_never_failed();
        Ok(())
    })
    .await
}
