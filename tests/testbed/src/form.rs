//! The forms in which the same configuration is loaded: one filter, or a chain of its stages.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::envoy::filters_folder;
use crate::envoy_config::{EnvoyConfig, merge};

/// How the filters are loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// `agent_guard`, which does everything.
    #[default]
    Guard,
    /// Each stage alone, one after the other.
    Separate,
    /// The same, with Envoy's own `jwt_authn` in the place of `jwt_auth`.
    Native,
}

/// The filters of the chain in their order, and the sections of the configuration that each of them takes.
const CHAIN: [(&str, &[&str]); 5] = [
    ("spiffe_identity", &["identity"]),
    ("jwt_auth", &["servers", "tokens", "limits"]),
    ("mcp_parser", &["servers", "limits", "batches"]),
    ("cedar_authz", &["servers", "policy", "limits", "hide_denied", "sessions"]),
    ("jwt_downscope", &["downscope"]),
];

// === impl Form ===

impl Form {
    /// Those that decide alike in every respect: with Envoy's own filter, some refusals have other words.
    pub const ALL: [Self; 2] = [Self::Guard, Self::Separate];

    /// The file of `envoy-configs/` that shows it.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Guard => "agent-to-mcp.yaml",
            Self::Separate => "separate-filters.yaml",
            Self::Native => "native-jwt-authn.yaml",
        }
    }

    /// Changes the configuration as one, and gives each filter its sections of it.
    ///
    /// # Errors
    /// A filter is not there.
    pub(crate) fn change(self, config: &mut EnvoyConfig, change: impl FnOnce(&mut Value)) -> Result<()> {
        match self {
            Self::Guard => change(config.guard()?),
            Self::Native => bail!("no test changes the configuration of this form"),
            Self::Separate => {
                let mut whole = whole(config)?;
                change(&mut whole);
                for (filter, sections) in CHAIN {
                    let of_filter =
                        sections.iter().filter_map(|&name| Some((name.to_owned(), whole.get(name)?.clone())));
                    merge(config.filter(filter)?, of_filter.collect());
                }
                // The decision is made in one place, and so is its line.
                if let Some(audit) = whole.get("audit") {
                    merge(config.filter("cedar_authz")?, [("audit".to_owned(), audit.clone())].into_iter().collect());
                }
                if let Some(mode) = whole.pointer("/audit/log").filter(|mode| *mode == "none") {
                    for (filter, _) in CHAIN {
                        let audit = config.filter(filter)?.get_mut("audit").context("no audit")?;
                        merge(audit, [("log".to_owned(), mode.clone())].into_iter().collect());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Puts the chain in the guard's place, with the same configuration.
///
/// # Errors
/// There is no guard, or it holds no headers.
pub(crate) fn separate(config: &mut EnvoyConfig) -> Result<()> {
    let whole = config.guard()?.clone();
    let hold = config.plugin()?.get("allow_on_headers_stop_iteration").cloned().context("headers are not held")?;
    let stages = CHAIN.map(|(name, sections)| {
        let module = if name == "jwt_downscope" { "jwt_auth" } else { name };
        let sections = sections.iter().chain(&["audit"]);
        let value: Map<String, Value> =
            sections.filter_map(|&name| Some((name.to_owned(), whole.get(name)?.clone()))).collect();
        let file = filters_folder().join(format!("{module}.wasm")).display().to_string();
        json!({ "name": name, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "failure_policy": "FAIL_CLOSED",
                "allow_on_headers_stop_iteration": hold,
                "vm_config": {
                    "vm_id": name,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": file } },
                    "environment_variables": { "host_env_keys": ["MESHWARDEN_SIGNING_KEY"] },
                },
                "configuration": { "@type": "type.googleapis.com/google.protobuf.Struct", "value": value },
            },
        } })
    });
    config.remove_guard()?;
    let filters = config.http_filters()?;
    let others = std::mem::take(filters);
    filters.extend(stages.into_iter().chain(others));
    Ok(())
}

/// The sections of all filters of the chain together.
pub(crate) fn whole(config: &mut EnvoyConfig) -> Result<Value> {
    let mut whole = Map::new();
    for (filter, _) in CHAIN {
        whole.extend(config.filter(filter)?.as_object().cloned().context("no object")?);
        // The one of the stage that decides.
        if filter != "cedar_authz" {
            whole.remove("audit");
        }
    }
    whole.insert("audit".to_owned(), config.filter("cedar_authz")?.get("audit").cloned().unwrap_or_default());
    Ok(Value::Object(whole))
}
