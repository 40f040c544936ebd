//! Where Envoy can't hold a request's headers, as with Istio's own APIs: they go on before the body is judged, and
//! nothing else does. `istio/README.md` has the table that these tests prove line by line.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{
    ALICE, Answer, Answers, HttpCall, McpCall, Protocol, RawConnection, Received, Recorder, Revision, STORY, Server,
    World,
};

const REVISIONS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];
const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];
const MESH: &str = "https://mesh.acme.example";

fn time_off(employee: &str, token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": employee})).token(token)
}

fn codes(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_default())
}

/// Of a request that was not allowed, a server has its headers at most, and never the caller's token.
#[track_caller]
fn headers_at_most(received: &[Received], token: &str, what: &str) {
    for got in received {
        assert_eq!((got.body.as_deref(), got.body_bytes), (None, 0), "{what}: {got:?}");
        not_the_callers(got, token, what);
    }
}

#[track_caller]
fn not_the_callers(got: &Received, token: &str, what: &str) {
    assert!(!format!("{got:?}").contains(token), "{what}: the caller's token went on");
    assert_eq!(got.claims().unwrap_or_default()["iss"], MESH, "{what}");
}

/// Waits for a request's headers.
async fn arrival(recorder: &Recorder) -> Result<()> {
    let arrived = async {
        while recorder.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived).await.context("the headers never arrived")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told() -> Result<()> {
    for answers in [Answers::Json, Answers::Sse] {
        let world = World::builder().answers(answers).unheld().start().await?;
        for scene in STORY {
            for row in scene.rows {
                for revision in REVISIONS {
                    let played = world.play(row, revision).await?;
                    let what = || format!("{answers:?} {revision:?} {}: {} {played:#?}", scene.title, row.request);
                    played.check_unheld(row, revision).with_context(what)?;
                }
            }
        }
        let log = world.envoy().log();
        assert!(log.contains("`hold_headers: false`: headers go on before"), "the operator is told: {log}");
        world.guard_never_failed();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_go_on_with_a_smaller_token_and_a_denied_body_never_does() -> Result<()> {
    let world = World::builder().unheld().start().await?;
    let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
    let token = world.sign(&world.identities().token(&ALICE))?;
    for revision in REVISIONS {
        for (employee, status) in [("E1001", 200), ("E1002", 403)] {
            let call = time_off(employee, &token).revision(revision);
            let body = call.body().to_string();
            let mut connection = agent.begin(call, body.len()).await?;
            arrival(hr).await?;
            let (first, rest) = body.as_bytes().split_at(body.len() / 2);
            connection.write(first).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let waiting = hr.take();
            headers_at_most(&waiting, &token, "before the body is judged");
            let claims = waiting.first().and_then(Received::claims).context("no token")?;
            let tctx = if revision == Revision::V2026_07_28 {
                json!({"protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "get_time_off"})
            } else {
                json!({"protocol": "mcp", "server": "hr"})
            };
            assert_eq!((&claims["tctx"], &claims["sub"]), (&tctx, &json!("alice")), "{revision:?}");
            let lifetime = claims["exp"].as_u64().context("exp")? - claims["iat"].as_u64().context("iat")?;
            let (scope, seconds) = match revision {
                Revision::V2026_07_28 => ("hr.read", 30),
                Revision::V2025_11_25 => ("docs.read hr.read tickets.write", 60),
            };
            assert_eq!((&claims["scope"], lifetime), (&json!(scope), seconds), "{revision:?}");

            connection.write(rest).await?;
            let answer = connection.read().await?;
            assert_eq!(RawConnection::status(&answer), Some(status), "{answer}");
            let id = RawConnection::header(&answer, "x-request-id").context("no id")?;
            let line = world.audit_of(id).await?;
            assert_eq!(line["minted"]["jti"], claims["jti"], "the line names the token: {line}");
            assert_eq!(line["decision"], if status == 200 { "allow" } else { "deny" });
        }
    }
    headers_at_most(&hr.take(), &token, "afterwards");
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_judged_however_it_comes() -> Result<()> {
    let world = World::builder().unheld().start().await?;
    let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
    let token = world.sign(&world.identities().token(&ALICE))?;
    let trailers = [("authorization", "Bearer evil"), ("mcp-method", "tools/list")];
    let with_note = |employee: &str, size: usize| {
        let arguments = json!({"employee_id": employee, "note": "n".repeat(size)});
        McpCall::tool(Server::Hr.host(), "get_time_off", arguments).token(&token)
    };
    for protocol in PROTOCOLS {
        for (note, piece) in [(0, 1), (0, 7), (0, 100_000), (1_000_000, 16_000)] {
            for trailers in [&trailers[..], &[]] {
                for revision in REVISIONS {
                    let what = format!("{protocol:?} {revision:?} {note} {piece} {}", trailers.len());
                    let of = |employee| with_note(employee, note).revision(revision).over(protocol);
                    let sent = of("E1001").body();
                    let answer = agent.send(of("E1001").into_http().in_pieces(piece, trailers)).await?;
                    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                    let (whole, broken): (Vec<_>, Vec<_>) = hr.take().into_iter().partition(|got| got.body.is_some());
                    headers_at_most(&broken, &token, &what);
                    assert_eq!(whole.iter().map(Received::json).collect::<Vec<_>>(), [sent], "{what}");
                    for got in &whole {
                        not_the_callers(got, &token, &what);
                        assert!(!format!("{got:?}").contains("evil"), "trailers do not go on: {what}");
                    }
                    let answer = agent.send(of("E1002").into_http().in_pieces(piece, trailers)).await?;
                    assert_eq!(codes(&answer), (403, -31_403), "{what}: {}", answer.text());
                    headers_at_most(&hr.take(), &token, &what);
                }
            }
        }
        // Announced, or found out on the way.
        let large = || with_note("E1001", 1_100_000).over(protocol);
        assert_eq!(codes(&agent.send(large()).await?), (413, -31_413));
        let answer = agent.send(large().into_http().in_pieces(16_000, &[])).await?;
        assert_eq!(codes(&answer), (413, -31_413), "{}", answer.text());
        headers_at_most(&hr.take(), &token, "too large");
    }
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_anything_else_than_its_headers_never_goes_on() -> Result<()> {
    let world = World::builder().unheld().start().await?;
    let (agent, tickets) = (world.assistant()?, world.recorder(Server::Tickets)?);
    let token = world.sign(&world.identities().token(&ALICE))?;
    let host = Server::Tickets.host();
    let ticket = json!({"title": "t", "description": "d", "ticket_id": "T-1"});
    let delete = || McpCall::tool(host, "delete_ticket", ticket.clone()).token(&token);
    let create = || McpCall::tool(host, "create_ticket", ticket.clone()).token(&token);
    // Headers of what is allowed over the body of what is not.
    let under = |headers: McpCall, body: McpCall| {
        headers.into_http().body(testbed::Body::Whole(body.body().to_string().into()))
    };
    let legacy = |call: McpCall| call.revision(Revision::V2025_11_25);
    let mismatches: [(&str, HttpCall, (u16, i64)); 5] = [
        ("another tool", under(create(), delete()), (400, -32_020)),
        ("a call under a list", under(McpCall::list(host, "tools").token(&token), delete()), (400, -32_020)),
        ("an older body", under(create(), legacy(delete())), (400, -32_602)),
        ("older headers", under(legacy(create()), delete()), (400, -32_020)),
        ("another tool, older", legacy(delete()).into_http().with("mcp-name", "create_ticket"), (400, -32_020)),
    ];
    for (what, call, expected) in mismatches {
        for protocol in PROTOCOLS {
            for size in [3, 100_000] {
                let answer = agent.send(call.clone().over(protocol).in_pieces(size, &[])).await?;
                assert_eq!(codes(&answer), expected, "{what} {protocol:?} {size}: {}", answer.text());
                headers_at_most(&tickets.take(), &token, what);
            }
        }
    }
    let answer = agent.send(create()).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.guard_never_failed();
    Ok(())
}
