//! `testbed demo`: the story, played before your eyes.

mod demo;
mod keep;
mod table;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "usage: testbed demo [--keep]\n\
    demo     plays the story through a real Envoy and prints what came of it\n\
    --keep   leaves everything running, with commands to try";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let keep = match arguments.as_slice() {
        ["demo"] => false,
        ["demo", "--keep"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match demo::run(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
