//! Plays stories and tells them.

use std::io::{IsTerminal, Write, stderr};

use anyhow::Result;
use testbed::{
    A2aVersion, AGENTS_STORY, AgentsWorld, Envoy, Expected, Form, OUTBOUND_STORY, OutboundWorld, Played, Revision,
    STORY, Scene, World,
};

use crate::keep;
use crate::table::Telling;
use crate::told::{Tell, Told};

pub(crate) async fn agent_to_mcp(form: Form, keep: bool) -> Result<bool> {
    progress("Starting three MCP servers and Envoy with the guard …");
    let world = World::builder().form(form).start().await?;
    let filters = match form {
        Form::Guard => "agent_guard",
        Form::Separate => "spiffe_identity, jwt_auth, mcp_parser and cedar_authz",
        Form::Native => "spiffe_identity, Envoy's own jwt_authn, mcp_parser, cedar_authz and jwt_auth",
    };
    ready(world.envoy(), filters, "three MCP servers").await;
    println!("Agents show certificates (spiffe://acme.example/agent/…), users' tokens come from idp.acme.example.");
    println!(
        "What may be done stands in tests/policies/acme/policies.cedar. Servers get smaller tokens, each for one call."
    );
    println!();
    let right = tell(STORY, async |row| world.play(row, Revision::default()).await).await?;
    if keep {
        keep::agent_to_mcp(&world)?;
        keep::wait(&[world.envoy()]).await?;
    }
    Ok(right)
}

pub(crate) async fn agent_to_agent(keep: bool) -> Result<bool> {
    progress("Starting two agents and Envoy with the guard …");
    let world = AgentsWorld::start().await?;
    ready(world.envoy(), "agent_guard", "two agents that speak A2A").await;
    println!("Agents show certificates; who comes for a user has her token too, and who comes for nobody has none.");
    println!(
        "What may be done stands in envoy-configs/agent-to-agent.yaml. Agents get smaller tokens, each for one call."
    );
    println!();
    let right = tell(AGENTS_STORY, async |row| world.play(row, A2aVersion::default()).await).await?;
    if keep {
        keep::agent_to_agent(&world)?;
        keep::wait(&[world.envoy()]).await?;
    }
    Ok(right)
}

pub(crate) async fn mcp_to_external_api(
    story: &str,
    start: impl Future<Output = Result<OutboundWorld>>,
    keep: bool,
) -> Result<bool> {
    progress("Starting MCP servers, an API outside, and two Envoys …");
    let world = start.await?;
    ready(world.egress(), "spiffe_identity and jwt_auth", "api.weather.example").await;
    println!(
        "On the way in, another with agent_guard: HR has no key to the API, only the token of the call that it got."
    );
    println!("What becomes of that token stands in envoy-configs/{story}.yaml.");
    println!();
    let right = tell(OUTBOUND_STORY, async |row| world.play(row).await).await?;
    if keep {
        keep::wait(&[world.inside().envoy(), world.egress()]).await?;
    }
    Ok(right)
}

/// Plays every row, and says whether all went as they must.
async fn tell<R>(scenes: &[Scene<R>], play: impl AsyncFn(&R) -> Result<Played>) -> Result<bool>
where
    R: Tell,
    for<'a> &'a R: Into<Expected>,
{
    let (mut allowed, mut stopped, mut leaked, mut wrong) = (0, 0, 0, Vec::new());
    for scene in scenes {
        let mut telling = Telling::new();
        for row in scene.rows {
            let told: Told = row.told();
            progress(told.request);
            let played = play(row).await?;
            match row.into() {
                Expected::Allowed { .. } | Expected::AllowedForNobody { .. } | Expected::Shows { .. } => allowed += 1,
                _ => {
                    stopped += 1;
                    leaked += played.received.len();
                }
            }
            let verdict = played.check(row);
            wrong.extend(verdict.as_ref().err().map(|error| format!("{}: {error:#}", told.request)));
            telling.add(told, &played, verdict.is_ok());
        }
        progress("");
        println!("{}\n{telling}", scene.title);
    }
    println!("{allowed} requests allowed, {stopped} stopped; of those that were stopped, {leaked} reached a server.");
    for line in &wrong {
        println!("NOT AS IT MUST BE: {line}");
    }
    Ok(wrong.is_empty())
}

/// What stands before a story.
async fn ready(envoy: &Envoy, filters: &str, behind: &str) {
    progress("");
    let ready = envoy.ready_after().as_secs_f32();
    println!("Envoy {} with {filters} was ready after {ready:.1} s; behind it, {behind}.", version(envoy).await);
}

/// One line that the next overwrites, for people who watch.
fn progress(text: &str) {
    if stderr().is_terminal() {
        // Who doesn't see it misses nothing.
        let _ = write!(stderr(), "\r\x1b[2K{text}");
        let _ = stderr().flush();
    }
}

async fn version(envoy: &Envoy) -> String {
    let info = envoy.ask_admin("/server_info").await.ok();
    let info: serde_json::Value = info.and_then(|info| serde_json::from_str(&info).ok()).unwrap_or_default();
    let version = info.get("version").and_then(serde_json::Value::as_str).unwrap_or_default();
    version.split('/').nth(1).unwrap_or_default().to_owned()
}
