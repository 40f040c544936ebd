//! The command: a manifest to standard output, or files made again.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use istio_render::{Options, RenderError, Sources, USAGE, refresh, render};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("istio-render: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<String> {
    match words.split_first() {
        None => Ok(format!("{USAGE}\n")),
        Some((first, _)) if first == "--help" => Ok(format!("{USAGE}\n")),
        Some((first, files)) if first == "--refresh" => {
            for file in files {
                let manifest = fs::read_to_string(file).with_context(|| file.clone())?;
                let manifest = refresh(&manifest, read).with_context(|| file.clone())?;
                fs::write(file, manifest).with_context(|| file.clone())?;
            }
            Ok(String::new())
        }
        Some(_) => {
            let options = Options::parse(words.iter().map(String::as_str))?;
            let cedar = options.cedar.as_deref().map(read).transpose()?;
            Ok(render(&options, &Sources { config: read(&options.config)?, cedar })?)
        }
    }
}

fn read(file: &str) -> Result<String, RenderError> {
    fs::read_to_string(file).map_err(|error| RenderError { field: file.to_owned(), problem: error.to_string() })
}
