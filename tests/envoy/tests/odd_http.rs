//! HTTP as few clients speak it: streams side by side, slow, cut, at the edges of the limits. What is allowed arrives
//! whole, of all else nothing arrives.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Body, Canned, Form, HttpCall, McpCall, Protocol, RawConnection, Revision, Script, Server, World};

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];
/// What the shipped configurations hold of a body, and of an event.
const LIMIT: usize = 1_048_576;
/// Much more than that.
const HUGE: usize = 100 * 1_048_576;

/// A world, and a token of Alice's.
async fn world(form: Form) -> Result<(World, String)> {
    let world = World::builder().form(form).start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    Ok((world, token))
}

fn time_off(token: &str, employee: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": employee })).token(token)
}

/// Alice may ask about herself.
fn allowed(token: &str) -> McpCall {
    time_off(token, "E1001")
}

fn denied(token: &str) -> McpCall {
    time_off(token, "E1002")
}

/// A ticket whose body has exactly this many bytes.
fn ticket(token: &str, bytes: usize) -> McpCall {
    let of = |description: &str| {
        let arguments = json!({ "title": "address", "description": description });
        McpCall::tool(Server::Tickets.host(), "create_ticket", arguments).token(token)
    };
    let rest = bytes - of("").body().to_string().len();
    of(&"x".repeat(rest))
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_side_by_side_get_each_its_own_answer() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let hr = world.recorder(Server::Hr)?;
        let call = |stream: usize| {
            let call = if stream.is_multiple_of(2) { allowed(&token) } else { denied(&token) };
            let call = call.over(Protocol::Http2).id(Some(json!(stream)));
            let call = call.header("x-stream", stream.to_string()).into_http();
            // Some of them whole, some in pieces, some with trailers.
            match stream % 3 {
                0 => call,
                1 => call.in_pieces(1, &[]),
                _ => call.in_pieces(30, &[("x-trailer", "x")]),
            }
        };
        let connection = world.assistant()?.connect(Server::Hr.host(), Protocol::Http2).await?;
        for _ in 0..3 {
            let answers = connection.send_together((0..64).map(call).collect()).await?;
            for (stream, answer) in answers.iter().enumerate() {
                let status = if stream.is_multiple_of(2) { 200 } else { 403 };
                assert_eq!((answer.status, &answer.json()["id"]), (status, &json!(stream)), "{}", answer.text());
            }
            let mut arrived: Vec<usize> = Vec::new();
            for got in hr.take() {
                assert_eq!(got.json()["params"]["arguments"], json!({ "employee_id": "E1001" }));
                let stream = got.header("x-stream").context("no stream")?.parse()?;
                assert_eq!(got.json()["id"], json!(stream), "one stream's body under another's headers");
                arrived.push(stream);
            }
            arrived.sort_unstable();
            assert_eq!(arrived, (0..64).step_by(2).collect::<Vec<_>>());
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_on_before_the_last_byte_has_come() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        for (call, status) in [(allowed(&token), 200), (denied(&token), 403)] {
            let body = call.body().to_string().into_bytes();
            let (last, rest) = body.split_last().context("no body")?;
            let mut slow = agent.begin(call.header("connection", "close"), body.len()).await?;
            for piece in rest.chunks(20) {
                slow.write(piece).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                hr.saw_nothing();
            }
            slow.write(&[*last]).await?;
            let answer = slow.read().await?;
            assert_eq!(RawConnection::status(&answer), Some(status), "{answer}");
            match status {
                200 => assert_eq!(hr.take_one().body.as_deref(), Some(body.as_slice())),
                _ => hr.saw_nothing(),
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_has_asked_nothing() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        let whole = allowed(&token).body().to_string();
        let stalled = || {
            let call = allowed(&token).over(Protocol::Http2).into_http();
            // All of the message, but not the end of the stream.
            call.body(Body::Stalled(Bytes::from(whole.clone())))
        };
        // A stream that is reset, while its connection lives on.
        let mut connection = agent.connect(Server::Hr.host(), Protocol::Http2).await?;
        for _ in 0..10 {
            let answer = tokio::time::timeout(Duration::from_millis(50), connection.send(stalled())).await;
            assert!(answer.is_err(), "an answer to half a call: {answer:?}");
        }
        hr.saw_nothing();
        assert_eq!(connection.send(allowed(&token)).await?.status, 200);
        drop(hr.take_one());
        // A connection that goes away.
        let mut connection = agent.connect(Server::Hr.host(), Protocol::Http2).await?;
        let answer = tokio::time::timeout(Duration::from_millis(50), connection.send(stalled())).await;
        assert!(answer.is_err());
        drop(connection);
        let mut cut = agent.begin(allowed(&token), whole.len()).await?;
        cut.write(&whole.as_bytes()[..whole.len() - 1]).await?;
        drop(cut);
        // What was cut would have arrived before this does.
        assert_eq!(agent.send(allowed(&token)).await?.status, 200);
        drop(hr.take_one());
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_not_the_bodys_is_refused() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        let length = allowed(&token).body().to_string().len();
        for lie in [0, 1, length - 1, length + 1, length + 100] {
            let call = allowed(&token).over(Protocol::Http2).into_http().in_pieces(10, &[]);
            match agent.send(call.header("content-length", lie.to_string())).await {
                Ok(answer) => assert!(answer.status >= 400, "{lie} of {length}: {}", answer.status),
                // The stream was reset.
                Err(error) => assert!(!error.is_tls_refusal(), "{error}"),
            }
            hr.saw_nothing();
        }
        let call = allowed(&token).over(Protocol::Http2).into_http().in_pieces(10, &[]);
        assert_eq!(agent.send(call.header("content-length", length.to_string())).await?.status, 200);
        drop(hr.take_one());
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_100_continue_gets_it_and_is_judged_all_the_same() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, hr) = (world.assistant()?, world.recorder(Server::Hr)?);
        for (call, status) in [(allowed(&token), "200"), (denied(&token), "403")] {
            let body = call.body().to_string();
            let call = call.header("expect", "100-continue").header("connection", "close");
            let mut connection = agent.begin(call, body.len()).await?;
            let interim = connection.read().await?;
            assert_eq!(RawConnection::status(&interim), Some(100), "{interim}");
            hr.saw_nothing();
            connection.write(body.as_bytes()).await?;
            let answer = connection.read().await?;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
            match status {
                "200" => assert_eq!(hr.take_one().json().to_string(), body),
                _ => hr.saw_nothing(),
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_the_limit_passes_and_one_byte_more_does_not() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, tickets) = (world.assistant()?, world.recorder(Server::Tickets)?);
        for protocol in PROTOCOLS {
            for announced in [true, false] {
                let of = |bytes: usize| {
                    let call = ticket(&token, bytes).over(protocol).into_http();
                    if announced { call } else { call.in_pieces(60_000, &[]) }
                };
                let answer = agent.send(of(LIMIT)).await?;
                assert_eq!(answer.status, 200, "{protocol:?}, announced: {announced}: {}", answer.text());
                assert_eq!(tickets.take_one().body_bytes, LIMIT);
                let answer = agent.send(of(LIMIT + 1)).await?;
                assert_eq!(answer.status, 413, "{protocol:?}, announced: {announced}: {}", answer.text());
                tickets.saw_nothing();
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// A list whose text has exactly this many bytes, and one item that Alice may not see.
fn list_of(bytes: usize) -> String {
    let of = |cursor: &str| {
        let tools = json!([{"name": "get_time_off"}, {"name": "query_compensation"}]);
        json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": cursor}}).to_string()
    };
    of(&"x".repeat(bytes - of("").len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_limit_is_shown_and_one_byte_more_is_not() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = World::builder().form(form).canned(Server::Hr, &script).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let ask = |protocol| {
            let call = McpCall::list(Server::Hr.host(), "tools").id(Some(json!(1))).token(&token);
            call.revision(Revision::V2025_11_25).over(protocol)
        };
        let shown = |message: &Value| message["result"]["tools"] == json!([{"name": "get_time_off"}]);
        let pieces = |text: &str, size: usize| -> Vec<Bytes> {
            text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect()
        };
        for protocol in PROTOCOLS {
            // In one piece, with its length; in many, without.
            for size in [usize::MAX, 100_000] {
                let json = |bytes| Canned::new(200, "application/json", pieces(&list_of(bytes), size));
                script.play([json(LIMIT)]);
                let answer = agent.send(ask(protocol)).await?;
                assert!(answer.status == 200 && shown(&answer.json()), "{protocol:?}, {size}: {}", answer.status);
                script.play([json(LIMIT + 1)]);
                let answer = agent.send(ask(protocol)).await?;
                assert_eq!(answer.status, 502, "{protocol:?}, {size}");
                assert!(!answer.text().contains("query_compensation"));
            }
            // The limit is of a whole event: `data: `, the list, and the ends of two lines.
            let event = |bytes: usize| format!("data: {}\n\n", list_of(bytes - 8));
            let sse = |bytes| Canned::new(200, "text/event-stream", pieces(&event(bytes), 100_000));
            script.play([sse(LIMIT)]);
            let answer = agent.send(ask(protocol)).await?;
            assert!(answer.status == 200 && shown(&answer.json()), "{protocol:?}: {}", answer.status);
            script.play([sse(LIMIT + 1)]);
            let seen = match agent.send(ask(protocol)).await {
                Ok(answer) => answer.text(),
                Err(error) => error.to_string(),
            };
            assert!(!seen.contains("get_time_off") && !seen.contains("query_compensation"), "{protocol:?}");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// Bytes that Envoy has allocated.
async fn allocated(world: &World) -> Result<u64> {
    let memory: Value = serde_json::from_str(&world.envoy().ask_admin("/memory").await?)?;
    Ok(memory["allocated"].as_str().context("no number")?.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_refused_and_not_held() -> Result<()> {
    in_both_forms(async |form| {
        let (world, token) = world(form).await?;
        let (agent, tickets) = (world.assistant()?, world.recorder(Server::Tickets)?);
        // So that what is made once is made.
        assert_eq!(agent.send(ticket(&token, LIMIT)).await?.status, 200);
        drop(tickets.take_one());
        let before = allocated(&world).await?;
        for protocol in PROTOCOLS {
            let piece = Bytes::from(vec![b' '; 1_048_576]);
            let body = Body::Pieces { pieces: vec![piece; HUGE / 1_048_576], trailers: Vec::new() };
            let call: HttpCall = ticket(&token, 1_000).over(protocol).into_http().body(body);
            match agent.send(call).await {
                Ok(answer) => assert_eq!(answer.status, 413, "{protocol:?}: {}", answer.text()),
                // The answer was there first, and the connection was closed while we were still writing.
                Err(error) => assert!(protocol == Protocol::Http1 && !error.is_tls_refusal(), "{protocol:?}: {error}"),
            }
            tickets.saw_nothing();
        }
        let after = allocated(&world).await?;
        println!("{form:?}: {before} bytes allocated before, {after} after");
        assert!(after < before + 8 * 1_048_576, "{before} bytes before, {after} after");
        assert_eq!(agent.send(allowed(&token)).await?.status, 200);
        world.guard_never_failed();
        Ok(())
    })
    .await
}
