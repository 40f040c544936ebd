//! Plays the story of an agent from outside, and tells it.

use std::fmt::Write;

use anyhow::Result;
use testbed::{ExternalWorld, Step, play_external};

/// What fits beside the margin.
const WIDTH: usize = 118;

/// Plays it; an error when something goes otherwise than it must.
pub(crate) fn run() -> Result<bool> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(play())
}

async fn play() -> Result<bool> {
    let world = ExternalWorld::start().await?;
    println!("Two MCP servers behind one public host, and an agent from outside: it has a URL, and nothing else.");
    println!("What may be done stands in envoy-configs/external-agent-to-mcp.yaml.\n");
    for (number, step) in play_external(&world).await?.iter().enumerate() {
        println!("{}", tell(number + 1, step));
    }
    Ok(true)
}

fn tell(number: usize, step: &Step) -> String {
    let mut text = format!("{number:2}  {}\n", step.title);
    for (mark, lines) in [('→', &step.sent), ('←', &step.came_back)] {
        for (index, line) in lines.iter().enumerate() {
            let mark = if index == 0 { mark } else { ' ' };
            for (piece, mark) in folded(line).into_iter().zip([mark].into_iter().chain(std::iter::repeat(' '))) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "    {mark} {piece}");
            }
        }
    }
    text
}

/// A line in pieces that fit.
fn folded(line: &str) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    characters.chunks(WIDTH).map(|piece| piece.iter().collect()).collect()
}
