//! A long stream costs what a short one does: no memory grows with the number of its events.

#![cfg(test)]

use anyhow::{Context, Result};
use bytes::Bytes;
use testbed::{ALICE, Canned, Form, HttpCall, Script, Server, World};

const WARM_UP: u32 = 20_000;
const EVENTS: u32 = 220_000;
/// Of growth between the two.
const BOUND_BYTES: u64 = 8 << 20;
/// Of one event in how many the list is rewritten.
const LISTS_EVERY: u32 = 100;

/// A hundred events in pieces that end anywhere, as the network has it.
fn pieces() -> Vec<Bytes> {
    let mut text = String::new();
    for n in 1..LISTS_EVERY {
        text.push_str(&format!(
            "id: {n}\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progress\":{n}}}}}\n\n"
        ));
    }
    let tools = r#"[{"name":"get_time_off"},{"name":"query_compensation"}]"#;
    text.push_str(&format!("data: {{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"tools\":{tools}}}}}\n\n"));
    let text = Bytes::from(text);
    (0..text.len()).step_by(997).map(|at| text.slice(at..text.len().min(at + 997))).collect()
}

async fn grows(form: Form) -> Result<()> {
    let pieces = pieces();
    let rounds = usize::try_from(EVENTS / LISTS_EVERY)?;
    let all = std::iter::repeat_n(pieces, rounds).flatten().collect();
    let script = Script::always(Canned::new(200, "text/event-stream", all));
    let world = World::builder().form(form).canned(Server::Hr, &script).start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let call = HttpCall::new("GET", Server::Hr.host(), "/mcp").header("authorization", format!("Bearer {token}"));
    let mut stream = world.assistant()?.listen(call).await?;
    let (mut events, mut before) = (0, None);
    while let Some(event) = stream.event().await? {
        assert!(!event.contains("query_compensation"), "{event}");
        events += 1;
        if events == WARM_UP {
            before = Some(world.envoy().resident_bytes()?);
        }
    }
    let after = world.envoy().resident_bytes()?;
    let before = before.context("too short")?;
    println!("{}: {events} events, {before} bytes after {WARM_UP}, {after} at the end", form.file());
    assert_eq!(events, EVENTS);
    assert!(after.saturating_sub(before) < BOUND_BYTES, "{before} bytes became {after}");
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_needs_no_more_memory_than_a_short_one() -> Result<()> {
    envoy_tests::in_both_forms(grows).await
}
