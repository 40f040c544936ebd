//! `check-imports MODULE…`: fails when a module imports what Envoy does not provide.

use std::process::ExitCode;
use std::{env, fs};

use rules::check_module;

fn main() -> ExitCode {
    let mut modules = env::args_os().skip(1).peekable();
    if modules.peek().is_none() {
        eprintln!("check-imports: name at least one module");
        return ExitCode::FAILURE;
    }
    let mut code = ExitCode::SUCCESS;
    for path in modules {
        let path = path.to_string_lossy();
        let errors = match fs::read(path.as_ref()) {
            Ok(module) => check_module(&module).err().unwrap_or_default().iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        for error in errors {
            eprintln!("{path}: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
