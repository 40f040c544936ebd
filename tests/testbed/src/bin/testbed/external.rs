//! Plays the story of an agent from outside, and tells it.

use anyhow::Result;
use testbed::{ExternalWorld, play_external};

use crate::keep;
use crate::table::Telling;

/// Plays it; an error when something goes otherwise than it must.
pub(crate) async fn play(keep: bool) -> Result<bool> {
    let world = ExternalWorld::start().await?;
    println!("Two MCP servers behind one public host, and an agent from outside: it has a URL, and nothing else.");
    println!("What may be done stands in envoy-configs/external-agent-to-mcp.yaml.\n");
    let mut telling = Telling::of_steps();
    play_external(&world).await?.iter().for_each(|step| telling.step(step));
    println!("{telling}");
    if keep {
        keep::wait(&[world.envoy()]).await?;
    }
    Ok(true)
}
