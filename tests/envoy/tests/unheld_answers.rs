//! Where Envoy can't hold headers: what comes back is filtered, or cut off, or never shown.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::rmcp::model::CallToolRequestParams;
use testbed::{
    ALICE, Answer, Answers, Canned, HttpCall, MARIA, McpCall, Protocol, RawConnection, Revision, Script, SdkRevision,
    SendError, Server, User, World,
};

const REVISIONS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];
const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];
/// What Alice must never learn of.
const SECRET: &str = "query_compensation";

fn list(token: &str) -> McpCall {
    McpCall::list(Server::Hr.host(), "tools").id(Some(json!(1))).token(token)
}

fn tools(message: &Value) -> Vec<&str> {
    let items = message["result"]["tools"].as_array().into_iter().flatten();
    items.filter_map(|item| item["name"].as_str()).collect()
}

fn full() -> Value {
    let tools = json!([{"name": "get_time_off"}, {"name": SECRET}]);
    json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "page-2"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_in_json_and_in_streams() -> Result<()> {
    for answers in [Answers::Json, Answers::Sse] {
        let world = World::builder().answers(answers).unheld().start().await?;
        let agent = world.assistant()?;
        let of = |user: &User| world.sign(&world.identities().token(user));
        for (user, seen) in [(&ALICE, &["get_time_off"][..]), (&MARIA, &["get_time_off", SECRET])] {
            for revision in REVISIONS {
                for protocol in PROTOCOLS {
                    let answer = agent.send(list(&of(user)?).revision(revision).over(protocol)).await?;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(tools(&answer.json()), seen, "{answers:?} {revision:?} {protocol:?}");
                    assert_eq!(answer.header("content-length"), None, "of a body that was rewritten under it");
                }
            }
        }
        assert!(world.envoy().stat("wasmcustom.meshwarden_list_items_hidden").await? >= 4);
        world.guard_never_failed();
    }
    Ok(())
}

/// The headers of an answer have gone on when its body turns out to be wrong: it is cut off, and nothing of it shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_not_be_filtered_is_cut_off() -> Result<()> {
    let script = Script::default();
    let world = World::builder().canned(Server::Hr, &script).unheld().start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let agent = world.assistant()?;
    let text = full().to_string();
    let raw = |kind: &str, body: &str| Canned::new(200, kind, vec![body.to_owned().into()]);
    let json_of = |body: &str| raw("application/json", body);
    let in_pieces = |body: &str| Canned {
        pieces: body.as_bytes().chunks(20).map(|piece| piece.to_vec().into()).collect(),
        apart: true,
        ..json_of("")
    };
    let twice = text.replace(r#""tools":"#, r#""tools":[],"tools":"#);
    let large = text.replace("page-2", &"p".repeat(1_100_000));
    let cut: [(&str, Canned); 7] = [
        ("not JSON", json_of(text.trim_start_matches('{'))),
        ("not JSON, in pieces", in_pieces(text.trim_start_matches('{'))),
        ("the list twice", json_of(&twice)),
        ("another id", json_of(&text.replace(r#""id":1"#, r#""id":2"#))),
        ("a batch", json_of(&format!("[{text}]"))),
        ("items without names", json_of(&text.replace(r#""name""#, r#""title""#))),
        ("too large", json_of(&large)),
    ];
    for (what, canned) in cut {
        for protocol in PROTOCOLS {
            script.play([canned.clone()]);
            let answer = agent.send(list(&token).revision(Revision::V2025_11_25).over(protocol)).await;
            let error = answer.err().with_context(|| format!("{what}: an answer came whole"))?;
            assert!(matches!(error, SendError::Connection(_)), "{what}: {error}");
            assert!(!error.to_string().contains(SECRET), "{what}: {error}");
        }
    }
    // What its headers give away is answered in its place.
    for (what, canned) in [
        ("plain text", raw("text/plain", &text)),
        ("compressed", json_of(&text).header("content-encoding", "gzip")),
        ("two content types", json_of(&text).header("content-type", "text/plain")),
    ] {
        for protocol in PROTOCOLS {
            script.play([canned.clone()]);
            let answer = agent.send(list(&token).revision(Revision::V2025_11_25).over(protocol)).await?;
            assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (502, Some(-31_502)), "{what}");
        }
    }
    // A stream shows what came before the bad event, and no more.
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";
    for bad in [format!("data: {twice}\n\n"), "data: hello\n\n".to_owned()] {
        script.play([Canned::sse(&[progress, &bad, &format!("data: {text}\n\n")])]);
        let seen = match agent.send(list(&token).revision(Revision::V2025_11_25)).await {
            Ok(answer) => answer.text(),
            Err(error) => error.to_string(),
        };
        assert!(!seen.contains(SECRET), "{bad}: {seen}");
    }
    script.play([in_pieces(&text)]);
    let answer = agent.send(list(&token).revision(Revision::V2025_11_25)).await?;
    assert_eq!(tools(&answer.json()), ["get_time_off"], "and whatever can be filtered still is");
    world.guard_never_failed();
    Ok(())
}

/// A server that answers as soon as it has the headers does not answer what was asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_body_is_not_shown() -> Result<()> {
    let script = Script::default();
    let world = World::builder().hasty(Server::Hr, &script).unheld().start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
    let early = [
        (Canned::json(&full()), 502),
        (Canned::sse(&[&format!("data: {}\n\n", full())]), 502),
        (Canned::new(202, "application/json", Vec::new()), 502),
        (Canned::new(401, "text/plain", vec!["who are you?".into()]), 401),
        (Canned::new(503, "text/plain", vec!["busy".into()]), 503),
    ];
    for revision in REVISIONS {
        for (canned, status) in &early {
            script.play([canned.clone()]);
            let call = list(&token).revision(revision);
            let whole = call.body().to_string();
            let mut connection = agent.begin(call, whole.len()).await?;
            let answer = connection.read().await?;
            assert_eq!(RawConnection::status(&answer), Some(*status), "{canned:?}: {answer}");
            assert!(!answer.contains(SECRET), "{answer}");
            // The body comes too late to be judged, and goes nowhere.
            let _ = connection.write(whole.as_bytes()).await;
            let _ = connection.read().await;
            let received = hr.take();
            assert!(received.iter().all(|got| got.body_bytes == 0 && got.body.is_none()), "{received:#?}");
            assert!(!format!("{received:?}").contains(&token));
        }
    }
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_body_is_decided_at_once_and_clients_work() -> Result<()> {
    let world = World::builder().answers(Answers::Sessions).unheld().start().await?;
    let (agent, batch) = (world.assistant()?, world.caller(Some(&world.identities().batch))?);
    let token = world.sign(&world.identities().token(&ALICE))?;
    let host = Server::Hr.host();
    let begun = agent.send(McpCall::initialize(host).token(&token)).await?;
    let session = begun.header("mcp-session-id").context("no session")?.to_owned();
    let without_body = |verb: &str| {
        let call = HttpCall::new(verb, host, "/mcp").header("authorization", format!("Bearer {token}"));
        let call = call.header("mcp-session-id", session.as_str()).header("mcp-protocol-version", "2025-11-25");
        call.header("accept", "text/event-stream")
    };
    drop(world.received());
    for verb in ["GET", "DELETE"] {
        // Of its own: another's session would not be found at all.
        let denied: Answer = batch.send(without_body(verb).without("mcp-session-id")).await?;
        assert_eq!((denied.status, denied.json()["error"]["code"].as_i64()), (403, Some(-31_403)), "{verb}");
        world.no_server_saw_anything();
    }
    let ended = agent.send(without_body("DELETE")).await?;
    assert!(ended.status < 300, "{}", ended.text());
    let got = world.recorder(Server::Hr)?.take_one();
    let claims = got.claims().context("no token")?;
    assert_eq!(claims["tctx"], json!({"protocol": "mcp", "server": "hr", "method": "DELETE"}), "for this one call");

    for revision in [SdkRevision::Legacy, SdkRevision::Modern] {
        let client = agent.sdk(host, Some(&token), revision).await?;
        let names: Vec<_> = client.list_all_tools().await?.into_iter().map(|tool| tool.name.to_string()).collect();
        assert_eq!(names, ["get_time_off"], "{revision:?}");
        let call = |employee: &str| {
            let arguments = json!({"employee_id": employee}).as_object().cloned().unwrap_or_default();
            CallToolRequestParams::new("get_time_off").with_arguments(arguments)
        };
        let answer = client.call_tool(call("E1001")).await?;
        assert!(format!("{answer:?}").contains("12 vacation days"), "{answer:?}");
        assert!(client.call_tool(call("E1002")).await.is_err(), "{revision:?}");
        client.cancel().await?;
    }
    world.guard_never_failed();
    Ok(())
}
