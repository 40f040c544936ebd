//! A filter's configuration that Envoy discovers (ECDS): what a control plane sends, in a file that Envoy watches.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::envoy::Envoy;
use crate::envoy_config::{EnvoyConfig, merge};

/// Where the configuration of one filter is found. It must live as long as the Envoy that looks there.
pub struct Discovery {
    folder: TempDir,
    name: String,
    sent: Mutex<Sent>,
}

/// What was sent last.
#[derive(Default)]
struct Sent {
    version: u64,
    typed_config: Value,
}

/// How long Envoy may take to load what it was sent: compiling comes first.
const PATIENCE: Duration = Duration::from_secs(60);
const FILE: &str = "filter.json";

// === impl Discovery ===

impl Discovery {
    /// For the HTTP filter of that name. Nothing is sent yet.
    ///
    /// # Errors
    /// There is no room for a file.
    pub fn new(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("testbed-discovery-").tempdir()?;
        Ok(Self { folder, name: name.to_owned(), sent: Mutex::default() })
    }

    /// Sends a filter's `typed_config`. Envoy notices files that are renamed, not those that are written to.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn send(&self, typed_config: &Value) -> Result<()> {
        let mut sent = self.lock();
        sent.version += 1;
        sent.typed_config = typed_config.clone();
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": self.name,
            "typed_config": typed_config,
        });
        let response = json!({ "version_info": sent.version.to_string(), "resources": [resource] });
        let draft = self.folder.path().join("draft");
        fs::write(&draft, response.to_string())?;
        Ok(fs::rename(draft, self.folder.path().join(FILE))?)
    }

    /// Sends what was sent last with a change to the guard's own configuration, as long as it is a `Struct`.
    ///
    /// # Errors
    /// It isn't, or the file can't be written.
    pub fn change(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut typed_config = self.sent();
        change(typed_config.pointer_mut("/config/configuration/value").context("no Struct was sent")?);
        self.send(&typed_config)
    }

    /// A counter of Envoy's about what was sent: `update_success`, `update_rejected`, `config_fail`, ….
    ///
    /// # Errors
    /// Envoy does not answer.
    pub async fn stat(&self, envoy: &Envoy, counter: &str) -> Result<u64> {
        envoy.stat(&format!("extension_config_discovery.http_filter.{}.{counter}", self.name)).await
    }

    /// Waits until the counter stands there. Workers take over what was accepted a moment later.
    ///
    /// # Errors
    /// It never does.
    pub async fn wait(&self, envoy: &Envoy, counter: &str, count: u64) -> Result<()> {
        let reached = async {
            while self.stat(envoy, counter).await? < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(reached) => reached,
            Err(_) => bail!("{counter} of {} never came to {count}", self.name),
        }
    }

    /// Where Envoy is to look, as a `config_source`.
    #[must_use]
    pub fn source(&self) -> Value {
        json!({
            "path_config_source": { "path": self.folder.path().join(FILE).display().to_string() },
            "initial_fetch_timeout": "0s",
            "resource_api_version": "V3",
        })
    }

    /// What was sent last; null when nothing was.
    #[must_use]
    pub fn sent(&self) -> Value {
        self.lock().typed_config.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl EnvoyConfig ===

impl EnvoyConfig {
    /// Sends the guard's configuration by discovery instead of writing it here.
    ///
    /// # Errors
    /// There is no guard, or the discovery is for a filter of another name.
    pub fn discover_guard(&mut self, discovery: &Discovery) -> Result<()> {
        let mut filters = self.http_filters()?.iter_mut();
        let filter = filters.find(|filter| filter.get("name").is_some_and(|name| *name == discovery.name));
        let filter = filter.with_context(|| format!("no filter {}", discovery.name))?;
        let typed_config = filter.get("typed_config").context("no configuration")?;
        discovery.send(typed_config)?;
        let type_url = typed_config.get("@type").cloned();
        *filter = json!({
            "name": discovery.name,
            "config_discovery": { "config_source": discovery.source(), "type_urls": [type_url] },
        });
        self.set_node();
        Ok(())
    }

    /// Envoy discovers nothing unless it has a name.
    pub fn set_node(&mut self) {
        let node = json!({ "id": "testbed", "cluster": "testbed" });
        merge(self.value(), [("node".to_owned(), node)].into_iter().collect());
    }
}
