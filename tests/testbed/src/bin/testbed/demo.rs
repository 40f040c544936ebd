//! Plays the story and tells it.

use std::io::{IsTerminal, Write, stderr};

use anyhow::Result;
use testbed::{Expected, Revision, STORY, World};

use crate::keep;
use crate::table::Telling;

/// Plays the story; `false` when something went otherwise than it must.
pub(crate) fn run(keep: bool) -> Result<bool> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(play(keep))
}

async fn play(keep: bool) -> Result<bool> {
    progress("Starting three MCP servers and Envoy with the guard …");
    let world = World::start().await?;
    progress("");
    let ready = world.envoy().ready_after().as_secs_f32();
    let version = version(&world).await;
    println!("Envoy {version} with agent_guard was ready after {ready:.1} s; behind it, three MCP servers.");
    println!("Agents show certificates (spiffe://acme.example/agent/…), users' tokens come from idp.acme.example.");
    println!(
        "What may be done stands in tests/policies/acme/policies.cedar. Servers get smaller tokens, each for one call."
    );
    println!();

    let (mut allowed, mut stopped, mut leaked, mut wrong) = (0, 0, 0, Vec::new());
    for scene in STORY {
        let mut telling = Telling::new();
        for row in scene.rows {
            progress(row.request);
            let played = world.play(row, Revision::default()).await?;
            match row.outcome {
                Expected::Allowed { .. } | Expected::Shows { .. } => allowed += 1,
                _ => {
                    stopped += 1;
                    leaked += played.received.len();
                }
            }
            let verdict = played.check(row);
            telling.add(row, &played, verdict.is_ok());
            wrong.extend(verdict.err().map(|error| format!("{}: {error:#}", row.request)));
        }
        progress("");
        println!("{}\n{telling}", scene.title);
    }
    println!("{allowed} requests allowed, {stopped} stopped; of those that were stopped, {leaked} reached a server.");
    for line in &wrong {
        println!("NOT AS IT MUST BE: {line}");
    }
    if keep {
        keep::show(&world)?;
        tokio::signal::ctrl_c().await?;
        println!();
    }
    Ok(wrong.is_empty())
}

/// One line that the next overwrites, for people who watch.
fn progress(text: &str) {
    if stderr().is_terminal() {
        // Who doesn't see it misses nothing.
        let _ = write!(stderr(), "\r\x1b[2K{text}");
        let _ = stderr().flush();
    }
}

async fn version(world: &World) -> String {
    let info: serde_json::Value = world
        .envoy()
        .ask_admin("/server_info")
        .await
        .ok()
        .and_then(|info| serde_json::from_str(&info).ok())
        .unwrap_or_default();
    let version = info.get("version").and_then(serde_json::Value::as_str).unwrap_or_default();
    version.split('/').nth(1).unwrap_or_default().to_owned()
}
