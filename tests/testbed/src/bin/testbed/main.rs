//! `testbed demo`: the story, played before your eyes.

mod demo;
mod external;
mod keep;
mod table;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "usage: testbed demo [--keep | external-agent-to-mcp]\n\
    demo     plays the story through a real Envoy and prints what came of it\n\
    --keep   leaves everything running, with commands to try\n\
    external-agent-to-mcp   plays the story of an agent that comes from outside, with nothing but a URL";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["demo"] => demo::run(false),
        ["demo", "--keep"] => demo::run(true),
        ["demo", "external-agent-to-mcp"] => external::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
