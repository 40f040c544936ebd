//! Envoy processes: found, started on free ports, watched, stopped.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::get_plain;
use crate::envoy_config::{EnvoyConfig, workspace_root};

/// A running Envoy. It is killed when dropped, and also when this process dies in any other way.
pub struct Envoy {
    process: Process,
    files: Files,
    admin: SocketAddr,
    listener: SocketAddr,
    ready_after: Duration,
}

/// How an Envoy is started.
#[derive(Debug, Clone)]
pub struct EnvoyOptions {
    /// Worker threads.
    pub concurrency: u32,
    /// `trace` to `critical`.
    pub log_level: String,
    /// The same for some of its parts, as in `wasm:trace`.
    pub component_log_level: Option<String>,
    /// Variables for it beside those of this process.
    pub environment: Vec<(String, String)>,
    /// How long to wait for it to be ready. Compiling a large module takes seconds, on a busy machine many.
    pub patience: Duration,
}

/// Why Envoy does not serve.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Envoy did not start ({outcome}); its log ends:\n{}", last_lines(log))]
pub struct NotServing {
    /// How it ended.
    pub outcome: String,
    /// Everything it wrote.
    pub log: String,
}

/// What came of starting Envoy with a configuration that should be refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Whether a request could be served: it must be false.
    pub serves: bool,
    /// Everything that Envoy wrote.
    pub log: String,
}

struct Process {
    envoy: Child,
    /// Ends Envoy when this process is gone: its standard input closes then.
    watchdog: Child,
}

struct Files {
    folder: TempDir,
}

// === impl EnvoyOptions ===

impl Default for EnvoyOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            log_level: "info".to_owned(),
            component_log_level: None,
            environment: Vec::new(),
            patience: Duration::from_secs(90),
        }
    }
}

// === impl Envoy ===

impl Envoy {
    /// Starts Envoy and waits until it is ready. Ports of the configuration should be 0.
    ///
    /// # Errors
    /// There is no Envoy; or [`NotServing`], when it ended or was not ready in time.
    pub async fn start(config: &EnvoyConfig, options: &EnvoyOptions) -> Result<Self> {
        let files = Files { folder: tempfile::Builder::new().prefix("testbed-envoy-").tempdir()? };
        let started = Instant::now();
        let mut process = Process::start(config, options, &files)?;
        let admin = loop {
            if let Some(status) = process.envoy.try_wait()? {
                bail!(NotServing { outcome: ended(status), log: files.log() });
            }
            if started.elapsed() > options.patience {
                bail!(NotServing { outcome: "not ready in time".to_owned(), log: files.log() });
            }
            if let Some(admin) = files.admin()
                && is_ready(admin).await
            {
                break admin;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let ready_after = started.elapsed();
        let listener = listener_address(admin).await?;
        Ok(Self { process, files, admin, listener, ready_after })
    }

    /// Where it listens for agents.
    #[must_use]
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Its admin interface, in plain HTTP.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// How long it took to be ready, compiling included.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The id of its process, or of the func-e that runs it.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.envoy.id()
    }

    /// How much of the machine's memory it has: everything, the VMs of its filters too.
    ///
    /// # Errors
    /// The system does not say.
    pub fn resident_bytes(&self) -> Result<u64> {
        // func-e runs Envoy as its child, started by any of its threads.
        let own = PathBuf::from(format!("/proc/{}", self.process_id()));
        let threads = fs::read_dir(own.join("task"))?.filter_map(Result::ok);
        let children: String =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect();
        let envoy = children.split_whitespace().next().map_or(own, |child| PathBuf::from(format!("/proc/{child}")));
        let status = fs::read_to_string(envoy.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB").context("no number")?.trim().parse()?;
        Ok(kibibytes * 1_024)
    }

    /// Its own log so far; the guard's lines are in it.
    #[must_use]
    pub fn log(&self) -> String {
        self.files.log()
    }

    /// Its access log so far.
    #[must_use]
    pub fn access_log(&self) -> String {
        self.files.read("access.log")
    }

    /// The folder with its configuration and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.files.folder.path()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.envoy.try_wait(), Ok(None))
    }

    /// Its statistics, as text: one `name: value` a line.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub async fn stats(&self) -> Result<String> {
        Ok(get_plain(self.admin, "/stats").await?)
    }

    /// One counter or gauge; 0 when it is not there.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.stats().await?;
        let value = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok());
        Ok(value.unwrap_or(0))
    }

    /// Anything else of the admin interface.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ask_admin(&self, path: &str) -> Result<String> {
        Ok(get_plain(self.admin, path).await?)
    }
}

/// Starts Envoy with a configuration that it should refuse, and tells whether it did.
///
/// # Errors
/// There is no Envoy at all.
pub async fn expect_refused(config: &EnvoyConfig, options: &EnvoyOptions) -> Result<Refusal> {
    match Envoy::start(config, options).await {
        Ok(envoy) => Ok(Refusal { serves: true, log: envoy.log() }),
        Err(error) => {
            let NotServing { log, .. } = error.downcast::<NotServing>()?;
            Ok(Refusal { serves: false, log })
        }
    }
}

/// The Envoy to use: `ENVOY_PATH`, or else what `scripts/setup` found.
///
/// # Errors
/// There is neither.
pub fn envoy_path() -> Result<PathBuf> {
    let path = env::var_os("ENVOY_PATH").map(PathBuf::from);
    let path = path.or_else(|| found_by_setup("ENVOY_PATH").map(PathBuf::from));
    let path = path.context("no Envoy: run scripts/setup, or set ENVOY_PATH")?;
    if !path.is_file() {
        bail!("no Envoy: {} is no file", path.display());
    }
    Ok(path)
}

/// func-e, with which Envoy is run where it is there: `FUNC_E`, or else what `scripts/setup` found.
#[must_use]
pub fn func_e_path() -> Option<PathBuf> {
    let path = match env::var_os("FUNC_E") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(found_by_setup("FUNC_E")?),
    };
    path.is_file().then_some(path)
}

/// Envoy, run by func-e or by itself; says once which way it takes.
fn command(envoy: &Path, folder: &Path) -> Command {
    static SAID: Once = Once::new();
    let func_e = func_e_path();
    SAID.call_once(|| {
        let how = func_e.as_ref().map_or("by itself".to_owned(), |func_e| format!("through {}", func_e.display()));
        // Not captured by the test runner. Who doesn't see it misses nothing.
        let _ = writeln!(std::io::stderr(), "running {} {how}", envoy.display());
    });
    let Some(func_e) = func_e else { return Command::new(envoy) };
    let mut command = Command::new(func_e);
    command.arg("run").env("ENVOY_PATH", envoy);
    // Its logs go with the rest. When it is killed, so is its Envoy.
    for home in ["FUNC_E_CONFIG_HOME", "FUNC_E_DATA_HOME", "FUNC_E_STATE_HOME", "FUNC_E_RUNTIME_DIR"] {
        command.env(home, folder.join("func-e"));
    }
    command
}

/// What `scripts/setup` wrote down.
fn found_by_setup(name: &str) -> Option<String> {
    let found = fs::read_to_string(workspace_root().join(".tools/env")).ok()?;
    let value = found.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")))?;
    (!value.is_empty() && value != "''").then(|| value.to_owned())
}

/// Major and minor version of the Envoy to use.
///
/// # Errors
/// There is none, or it does not say.
pub fn envoy_version() -> Result<(u32, u32)> {
    let output = Command::new(envoy_path()?).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // As in `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
    let version = text.split('/').find_map(|part| {
        let mut numbers = part.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    version.with_context(|| format!("no version in {text}"))
}

/// The folder of the built filters: `MESHWARDEN_FILTERS`, or else `target/filters`.
#[must_use]
pub fn filters_folder() -> PathBuf {
    env::var_os("MESHWARDEN_FILTERS").map_or_else(|| workspace_root().join("target/filters"), PathBuf::from)
}

// === impl Process ===

impl Process {
    fn start(config: &EnvoyConfig, options: &EnvoyOptions, files: &Files) -> Result<Self> {
        let path = envoy_path()?;
        let folder = files.folder.path();
        let configuration = folder.join("envoy.json");
        fs::write(&configuration, config.json())?;
        let mut envoy = command(&path, folder)
            .arg("--config-path")
            .arg(&configuration)
            .arg("--admin-address-path")
            .arg(folder.join("admin"))
            .arg("--log-level")
            .arg(&options.log_level)
            .args(options.component_log_level.iter().flat_map(|levels| ["--component-log-level", levels]))
            .arg("--concurrency")
            .arg(options.concurrency.to_string())
            .args(["--disable-hot-restart", "--file-flush-interval-msec", "50"])
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("access.log"))?)
            .stderr(File::create(folder.join("envoy.log"))?)
            .spawn()
            .with_context(|| path.display().to_string())?;
        let watchdog = Command::new("sh")
            .args(["-c", "trap '' INT; read -r _; kill -9 \"$0\"", &envoy.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { envoy, watchdog }),
            Err(error) => {
                let _ = envoy.kill();
                let _ = envoy.wait();
                Err(error).context("sh")
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: it must not meet another process under Envoy's number.
        for child in [&mut self.watchdog, &mut self.envoy] {
            // Already ended: nothing left to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

// === impl Files ===

impl Files {
    fn log(&self) -> String {
        self.read("envoy.log")
    }

    fn admin(&self) -> Option<SocketAddr> {
        self.read("admin").trim().parse().ok()
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.folder.path().join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", if self.serves { "Envoy serves" } else { "Envoy refuses" }, last_lines(&self.log))
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    get_plain(admin, "/ready").await.is_ok_and(|answer| answer.trim() == "LIVE")
}

async fn listener_address(admin: SocketAddr) -> Result<SocketAddr> {
    let listeners: Value = serde_json::from_str(&get_plain(admin, "/listeners?format=json").await?)?;
    let address = listeners.pointer("/listener_statuses/0/local_address/socket_address").context("no listener")?;
    let host = address.get("address").and_then(Value::as_str).context("no address")?;
    let port = address.get("port_value").and_then(Value::as_u64).context("no port")?;
    Ok(format!("{host}:{port}").parse()?)
}

fn ended(status: ExitStatus) -> String {
    format!("it ended: {status}")
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}
