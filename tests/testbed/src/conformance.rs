//! The conformance suite of MCP's own people, as a client of any server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::client::Revision;
use crate::foreign::{Foreign, Installed};

/// The suite.
pub struct ConformanceSuite(Installed);

/// Which of its scenarios are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenarios {
    /// All that a revision requires, and those that it does not score.
    Of(Revision),
    /// This one, in the newest revision.
    Only(&'static str),
}

/// How every check ended: `SUCCESS`, `FAILURE`, `WARNING`, `SKIPPED` or `INFO`, by `<scenario>/<check>`. A check may be
/// made several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checks(BTreeMap<String, Vec<String>>);

/// What the suite appends to the name of a scenario, as in `-2026-11-25T16-48-04-925Z`.
const TIMESTAMP: usize = 25;

// === impl ConformanceSuite ===

impl ConformanceSuite {
    /// The suite; `None`, with the reason printed, where it can't be had.
    pub async fn find() -> Option<Self> {
        Foreign::McpTypescript.find().await.map(Self)
    }

    /// Tries the server at `address`, whose path is `/mcp`.
    ///
    /// # Errors
    /// The suite made no check.
    pub async fn run(&self, address: SocketAddr, scenarios: Scenarios) -> Result<Checks> {
        let folder = tempfile::Builder::new().prefix("testbed-conformance-").tempdir()?;
        let url = format!("http://{address}/mcp");
        let results = folder.path().display().to_string();
        let which = match scenarios {
            Scenarios::Of(revision) => vec!["--requirements", revision.as_str()],
            Scenarios::Only(scenario) => {
                vec!["--scenario", scenario, "--spec-version", Revision::V2026_07_28.as_str()]
            }
        };
        let arguments = [vec!["server", "--url", &url, "--output-dir", &results], which].concat();
        // Whether it is content says nothing that the checks do not.
        let ended = self.0.run_package("conformance", &arguments).await?;
        let mut checks = Checks::default();
        for scenario in fs::read_dir(folder.path())? {
            let folder = scenario?;
            let name = folder.file_name().into_string().ok().context("no text")?;
            let name = name.strip_prefix("server-").unwrap_or(&name);
            let name = name.get(..name.len().saturating_sub(TIMESTAMP)).context("no scenario")?;
            checks.add(name, &serde_json::from_slice(&fs::read(folder.path().join("checks.json"))?)?)?;
        }
        ensure!(!checks.0.is_empty(), "the suite made no check: {}", ended.output);
        Ok(checks)
    }
}

// === impl Checks ===

impl Checks {
    fn add(&mut self, scenario: &str, made: &Value) -> Result<()> {
        for check in made.as_array().context("no checks")? {
            let text = |member: &str| check.get(member).and_then(Value::as_str).context("no check");
            let ended = text("status")?.to_owned();
            self.0.entry(format!("{scenario}/{}", text("id")?)).or_default().push(ended);
        }
        Ok(())
    }

    /// How often any check ended so.
    #[must_use]
    pub fn ended(&self, ended: &str) -> usize {
        self.0.values().flatten().filter(|one| *one == ended).count()
    }

    /// The checks that failed, or that warn.
    #[must_use]
    pub fn not_passed(&self) -> BTreeSet<&str> {
        let passed = |ended: &String| ended != "FAILURE" && ended != "WARNING";
        self.0.iter().filter(|(_, made)| !made.iter().all(passed)).map(|(check, _)| check.as_str()).collect()
    }

    /// The checks that ended in another way than these.
    #[must_use]
    pub fn other_than<'a>(&'a self, others: &'a Self) -> BTreeSet<&'a str> {
        let all = self.0.keys().chain(others.0.keys());
        all.filter(|check| self.0.get(*check) != others.0.get(*check)).map(String::as_str).collect()
    }
}
