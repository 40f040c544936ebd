//! Runs the program as a person would, from the folder of the crate.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Exit code, output and errors.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn meshwarden(arguments: &[&str]) -> Ran {
    meshwarden_with(&[], arguments)
}

/// With more in its environment.
pub(crate) fn meshwarden_with(environment: &[(&str, &OsStr)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshwarden"));
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("MESHWARDEN_UNSET_KEY");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Compares an output with a file of `tests/golden`; `MESHWARDEN_GOLDEN=write` writes the file anew.
#[track_caller]
pub(crate) fn is_golden(name: &str, out: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var("MESHWARDEN_GOLDEN").as_deref() == Ok("write") {
        fs::write(&path, out).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(out, expected, "{name}");
}
