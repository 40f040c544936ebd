//! `meshwarden`: what a policy author needs between two roll-outs.
//!
//! Every command works on files alone: no proxy, no network. What the filters would do is asked of the filters' own
//! code.

mod check;
mod cli;
mod configuration;
mod explain;
mod expression;
mod failure;
mod finding;
mod junit;
mod lints;
mod matrix;
mod outlook;
mod page;
mod prove;
mod reach;
mod rehearsal;
mod replay;
mod request;
mod sandboxes;
mod schema;
mod skeleton;
mod table;
mod verdict;
mod words;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        // Who closes the pipe early, as `head` does, has seen enough.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "meshwarden: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<Outcome, Failure> {
    let out = &mut std::io::stdout().lock();
    match cli.command {
        Command::Schema(arguments) => schema::run(&arguments, out),
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Test(arguments) => sandboxes::run(&arguments, out),
        Command::Matrix(arguments) => matrix::run(&arguments, out),
        Command::Explain(arguments) => explain::run(&arguments, out),
        Command::Replay(arguments) => replay::run(&arguments, out),
        Command::Prove(arguments) => prove::run(&arguments, out),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "meshwarden", out);
            Ok(Outcome::Fine)
        }
    }
}
