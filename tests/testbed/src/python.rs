//! Programs in Python, with packages that nothing else here needs: an environment of their own, made when first asked
//! for.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::envoy_config::workspace_root;

/// A Python with the official A2A SDK.
pub struct PythonA2a {
    interpreter: PathBuf,
}

/// A program that runs until it is dropped.
pub struct PythonProgram {
    /// The first line it wrote.
    pub first_line: String,
    _child: Child,
}

/// What is installed, from PyPI.
const PACKAGES: [&str; 2] = ["a2a-sdk[http-server,grpc]==1.3.0", "uvicorn==0.54.0"];
/// How long that may take: it is 50 MB.
const PATIENCE: Duration = Duration::from_secs(180);

// === impl PythonA2a ===

impl PythonA2a {
    /// The environment in `.tools/a2a-sdk`, made if it is not there; `None`, with the reason printed, where that can't
    /// be.
    pub async fn find() -> Option<Self> {
        match tokio::time::timeout(PATIENCE, Self::make()).await {
            Ok(Ok(python)) => Some(python),
            Ok(Err(error)) => {
                println!("skipped: there is no official A2A SDK: {error:#}");
                None
            }
            Err(_) => {
                println!("skipped: installing the official A2A SDK took more than {PATIENCE:?}");
                None
            }
        }
    }

    async fn make() -> Result<Self> {
        let folder = workspace_root().join(".tools/a2a-sdk");
        let interpreter = folder.join("bin/python");
        // Written last: what was interrupted is made anew.
        let complete = folder.join("complete");
        if std::fs::read_to_string(&complete).is_ok_and(|packages| packages == PACKAGES.join("\n")) {
            return Ok(Self { interpreter });
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).await?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&interpreter).args(install).args(PACKAGES)).await?;
        std::fs::write(complete, PACKAGES.join("\n"))?;
        Ok(Self { interpreter })
    }

    /// Starts a program of `tests/testbed/a2a-sdk` and waits for its first line.
    ///
    /// # Errors
    /// It ends before.
    pub async fn start(&self, program: &str) -> Result<PythonProgram> {
        let mut child = self.command(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut first_line = String::new();
        BufReader::new(output).read_line(&mut first_line).await?;
        if first_line.is_empty() {
            bail!("{program} ended: {}", child.wait().await?);
        }
        Ok(PythonProgram { first_line, _child: child })
    }

    /// Runs a program of `tests/testbed/a2a-sdk` to its end, and gives what it writes.
    ///
    /// # Errors
    /// It fails.
    pub async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.command(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("no input")?.write_all(input.as_bytes()).await?;
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("{program}: {}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(workspace_root().join("tests/testbed/a2a-sdk").join(program)).kill_on_drop(true);
        command
    }
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.as_std().get_program().display().to_string();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.with_context(|| name.clone())?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}: {}", output.status, text.lines().next_back().unwrap_or_default());
    }
    Ok(())
}
