//! Programs that are not written in Rust, with other people's packages: those of each folder are installed into
//! `.tools` when a test first asks for them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::envoy_config::workspace_root;

/// A folder of `tests/testbed` with programs, and with the list of the packages that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// The official SDK of A2A, from PyPI.
    A2aPython,
    /// The official SDK of MCP for Python, from PyPI.
    McpPython,
    /// The official SDKs of MCP for TypeScript, servers made with them, and the conformance suite, from npm.
    McpTypescript,
    /// An OAuth client, from npm.
    Oauth4webapi,
}

/// Such a folder, with its packages.
pub struct Installed {
    interpreter: PathBuf,
    /// What the interpreter takes before a program.
    options: &'static [&'static str],
    /// Where the programs are.
    programs: PathBuf,
    /// Where those of the packages are.
    binaries: PathBuf,
}

/// A program that runs until it is dropped.
pub struct ForeignProgram {
    /// The first line it wrote.
    pub first_line: String,
    _child: Child,
}

/// What came of a program that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether it says that all went well.
    pub success: bool,
    /// What it wrote.
    pub output: String,
}

/// How long installing may take: it is up to 250 MB.
const PATIENCE: Duration = Duration::from_secs(180);
/// Another installation must not meet a half-made one.
static INSTALLING: Mutex<()> = Mutex::const_new(());
/// What the official MCP SDKs need at least.
const OLDEST_NODE: u32 = 22;
/// Imports start from where a program seems to be, which is beside the packages.
const NODE_OPTIONS: [&str; 2] = ["--preserve-symlinks", "--preserve-symlinks-main"];

// === impl Foreign ===

impl Foreign {
    /// The programs with their packages, installed if they are not there; `None`, with the reason printed, where that
    /// can't be.
    pub async fn find(self) -> Option<Installed> {
        let _installing = INSTALLING.lock().await;
        match tokio::time::timeout(PATIENCE, self.install()).await {
            Ok(Ok(installed)) => Some(installed),
            Ok(Err(error)) => {
                println!("skipped: there is no {}: {error:#}", self.folder());
                None
            }
            Err(_) => {
                println!("skipped: installing {} took more than {PATIENCE:?}", self.folder());
                None
            }
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::A2aPython => "a2a-sdk",
            Self::McpPython => "mcp-python",
            Self::McpTypescript => "mcp-typescript",
            Self::Oauth4webapi => "oauth4webapi",
        }
    }

    async fn install(self) -> Result<Installed> {
        let programs = workspace_root().join("tests/testbed").join(self.folder());
        let folder = workspace_root().join(".tools").join(self.folder());
        match self {
            Self::A2aPython | Self::McpPython => python(programs, &folder).await,
            Self::McpTypescript | Self::Oauth4webapi => node(&programs, &folder).await,
        }
    }
}

async fn python(programs: PathBuf, folder: &Path) -> Result<Installed> {
    let binaries = folder.join("bin");
    let interpreter = binaries.join("python");
    let packages = programs.join("requirements.txt");
    if !is_complete(folder, &packages)? {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder)).await?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&interpreter).args(install).arg(&packages)).await?;
        complete(folder, &packages)?;
    }
    Ok(Installed { interpreter, options: &[], programs, binaries })
}

async fn node(programs: &Path, folder: &Path) -> Result<Installed> {
    let packages = programs.join("package-lock.json");
    let seen = folder.join("programs");
    if !is_complete(folder, &packages)? {
        fs::create_dir_all(folder)?;
        for list in ["package.json", "package-lock.json"] {
            fs::copy(programs.join(list), folder.join(list))?;
        }
        // No package may run anything while it is installed.
        let install = ["clean-install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
        run(Command::new("npm").args(install).current_dir(folder)).await?;
        // Relative, so that a copy of the whole checkout has its own.
        let from_here = Path::new("../../tests/testbed").join(programs.file_name().context("no folder")?);
        match std::os::unix::fs::symlink(from_here, &seen) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => complete(folder, &packages)?,
        }
    }
    let binaries = folder.join("node_modules/.bin");
    // A package brings it for some machines.
    let interpreter = Some(binaries.join("node")).filter(|node| node.is_file()).unwrap_or_else(|| "node".into());
    let version = run(Command::new(&interpreter).arg("--version")).await?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST_NODE) {
        bail!("Node {} is older than {OLDEST_NODE}", version.trim());
    }
    Ok(Installed { interpreter, options: &NODE_OPTIONS, programs: seen, binaries })
}

/// Whether exactly these packages are there.
fn is_complete(folder: &Path, packages: &Path) -> Result<bool> {
    let packages = fs::read_to_string(packages).with_context(|| packages.display().to_string())?;
    Ok(fs::read_to_string(folder.join("complete")).is_ok_and(|complete| complete == packages))
}

/// Written last: what was interrupted is made anew.
fn complete(folder: &Path, packages: &Path) -> Result<()> {
    fs::copy(packages, folder.join("complete"))?;
    Ok(())
}

// === impl Installed ===

impl Installed {
    /// Starts a program of the folder and waits for its first line.
    ///
    /// # Errors
    /// It ends before.
    pub async fn start(&self, program: &str, arguments: &[&str]) -> Result<ForeignProgram> {
        let mut command = self.command(&self.programs.join(program), arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut first_line = String::new();
        output.read_line(&mut first_line).await?;
        if first_line.is_empty() {
            bail!("{program} ended: {}", child.wait().await?);
        }
        // A pipe that nobody reads would stop it some day.
        tokio::spawn(async move { tokio::io::copy_buf(&mut output, &mut tokio::io::sink()).await });
        Ok(ForeignProgram { first_line, _child: child })
    }

    /// Runs a program of the folder to its end, and gives what it writes.
    ///
    /// # Errors
    /// It fails.
    pub async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let ended = to_its_end(self.command(&self.programs.join(program), arguments), input).await?;
        if !ended.success {
            bail!("{program} failed: {}", ended.output);
        }
        Ok(ended.output)
    }

    /// Runs a program that one of the packages brings to its end.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn run_package(&self, program: &str, arguments: &[&str]) -> Result<Ended> {
        // These are links into their packages, which they import from.
        let program = fs::canonicalize(self.binaries.join(program))?;
        to_its_end(self.command(&program, arguments), "").await
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.args(self.options).arg(program).args(arguments).kill_on_drop(true);
        command
    }
}

async fn to_its_end(mut command: Command, input: &str) -> Result<Ended> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    Ok(Ended { success: output.status.success(), output: String::from_utf8(output.stdout)? })
}

async fn run(command: &mut Command) -> Result<String> {
    let name = command.as_std().get_program().display().to_string();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.with_context(|| name.clone())?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}: {}", output.status, text.lines().next_back().unwrap_or_default());
    }
    Ok(String::from_utf8(output.stdout)?)
}
