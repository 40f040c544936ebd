//! A clock of its own for one Envoy.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::envoy_config::workspace_root;

/// How late it is for a process that was started with [`environment`](Self::environment).
pub struct Clock {
    offset: File,
    folder: TempDir,
}

// === impl Clock ===

impl Clock {
    /// A clock that is right. It is made with the C compiler that Rust links with.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("testbed-clock-").tempdir()?;
        let source = workspace_root().join("tests/testbed/clock/clock.c");
        let library = folder.path().join(LIBRARY);
        let compiler = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(source).output();
        let output = compiler.context("there is no `cc`")?;
        ensure!(output.status.success(), "`cc` failed: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(folder.path().join(OFFSET), 0_i64.to_ne_bytes())?;
        let offset = File::options().write(true).open(folder.path().join(OFFSET))?;
        Ok(Self { offset, folder })
    }

    /// What the process needs to have in its environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let variables = [("LD_PRELOAD", path(LIBRARY)), ("TESTBED_CLOCK", path(OFFSET))];
        variables.map(|(name, path)| (name.to_owned(), path.display().to_string())).to_vec()
    }

    /// Sets it so many seconds fast, or slow, from now on.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        Ok(self.offset.write_all_at(&seconds.to_ne_bytes(), 0)?)
    }
}

const LIBRARY: &str = "clock.so";
const OFFSET: &str = "offset";
