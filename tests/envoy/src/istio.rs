//! What Istio makes of a manifest for the guard, as far as it reaches the proxy.
//!
//! `TrafficExtension` and `WasmPlugin` go through istiod's `buildWasmConfig` (pilot/pkg/model/extensions.go): JSON text
//! in a `StringValue`, V8, no `vm_id`, and no way to hold headers. The patches of an `EnvoyFilter` are taken as they
//! are written. In both, Istio's agent (pkg/wasm/convert.go) fetches the image and puts a local file in its place.

use std::fs;

use anyhow::{Context, Result, bail};
use istio_render::{Options, Sources, recorded_options, render};
use serde_json::{Map, Value, json};
use testbed::{Discovery, EnvoyConfig, filters_folder, merge, workspace_root};

/// The guard as a proxy gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct IstioPlugin {
    /// Of the extension configuration and of the filter that refers to it.
    pub name: String,
    /// What is discovered under that name.
    pub typed_config: Value,
    /// The HTTP filter, right before the router; it looks for its configuration at the control plane.
    http_filter: Value,
    /// Filters before the connection manager.
    network_filters: Vec<Value>,
}

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";

/// The manifest under `istio/overlays`, made again with these public keys of the users' issuer: nobody has the private
/// half of the ones that are written there.
///
/// # Errors
/// There is none, or it can't be made.
pub fn manifest(place: &str, form: &str, jwks: &str) -> Result<Value> {
    let read = |file: &str| fs::read_to_string(workspace_root().join(file)).with_context(|| file.to_owned());
    let committed = read(&format!("istio/overlays/{place}/{form}/guard.yaml"))?;
    let options = Options::parse(recorded_options(&committed))?;
    let mut config: Value = yaml_serde::from_str(&read(&options.config)?)?;
    *config.pointer_mut("/tokens/issuers/0/jwks/inline").context("no keys")? = jwks.into();
    let cedar = options.cedar.as_deref().map(read).transpose()?;
    let made = render(&options, &Sources { config: config.to_string(), cedar })?;
    Ok(yaml_serde::from_str(&made)?)
}

// === impl IstioPlugin ===

impl IstioPlugin {
    /// What Istio makes of a manifest.
    ///
    /// # Errors
    /// It is none that Istio would take.
    pub fn of(manifest: &Value) -> Result<Self> {
        match text(manifest, "/kind")? {
            "TrafficExtension" => Self::of_extension(manifest, at(manifest, "/spec/wasm")?),
            "WasmPlugin" => Self::of_extension(manifest, at(manifest, "/spec")?),
            "EnvoyFilter" => Self::of_patches(at(manifest, "/spec/configPatches")?),
            other => bail!("no plugin: {other}"),
        }
    }

    fn of_extension(manifest: &Value, wasm: &Value) -> Result<Self> {
        let name = format!("{}.{}", text(manifest, "/metadata/namespace")?, text(manifest, "/metadata/name")?);
        let from_host = |variable: &Value| variable.get("valueFrom").is_some_and(|from| from == "HOST");
        let variables = wasm.pointer("/vmConfig/env").and_then(Value::as_array).into_iter().flatten();
        let host: Vec<&Value> =
            variables.filter(|variable| from_host(variable)).filter_map(|variable| variable.get("name")).collect();
        let failure_policy = match text(wasm, "/failStrategy")? {
            "FAIL_CLOSE" => "FAIL_CLOSED",
            other => other,
        };
        let mut plugin = json!({
            "name": name,
            "root_id": wasm.get("pluginName").and_then(Value::as_str).unwrap_or_default(),
            "failure_policy": failure_policy,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": at(wasm, "/pluginConfig")?.to_string(),
            },
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "remote": { "http_uri": { "uri": text(wasm, "/url")? } } },
                "environment_variables": { "host_env_keys": host },
            },
        });
        fetch(&mut plugin)?;
        let discovery = json!({
            "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
            "type_urls": [WASM, RBAC],
        });
        Ok(Self {
            http_filter: json!({ "name": name, "config_discovery": discovery }),
            name,
            typed_config: json!({ "@type": WASM, "config": plugin }),
            network_filters: Vec::new(),
        })
    }

    fn of_patches(patches: &Value) -> Result<Self> {
        let values = |kind: &str| -> Vec<&Value> {
            let patches = patches.as_array().into_iter().flatten();
            let of_kind = patches.filter(|patch| patch.get("applyTo").is_some_and(|own| own == kind));
            of_kind.filter_map(|patch| patch.pointer("/patch/value")).collect()
        };
        let (extensions, filters) = (values("EXTENSION_CONFIG"), values("HTTP_FILTER"));
        let ([extension], [filter]) = (extensions.as_slice(), filters.as_slice()) else {
            bail!("not one extension and one filter")
        };
        let mut typed_config = at(extension, "/typed_config")?.clone();
        fetch(typed_config.get_mut("config").context("no plugin")?)?;
        Ok(Self {
            name: text(extension, "/name")?.to_owned(),
            typed_config,
            http_filter: (*filter).clone(),
            network_filters: values("NETWORK_FILTER").into_iter().cloned().collect(),
        })
    }

    /// Puts the plugin where the testbed's own guard is, as Istio would: discovered, and right before the router.
    ///
    /// # Errors
    /// There is no guard to take the place of.
    pub fn install(&self, config: &mut EnvoyConfig, discovery: &Discovery) -> Result<()> {
        config.remove_guard()?;
        let network = config.network_filters()?;
        let manager = network.pop().context("no connection manager")?;
        network.clone_from(&self.network_filters);
        network.push(manager);
        let mut filter = self.http_filter.clone();
        *filter.pointer_mut("/config_discovery/config_source").context("no discovery")? = discovery.source();
        let filters = config.http_filters()?;
        let router = filters.pop().context("no router")?;
        filters.extend([filter, router]);
        config.set_node();
        discovery.send(&self.typed_config)
    }

    /// The guard's configuration, however it is carried.
    ///
    /// # Errors
    /// It is neither JSON text nor a `Struct`.
    pub fn configuration(&self) -> Result<Value> {
        match at(&self.typed_config, "/config/configuration/value")? {
            Value::String(text) => Ok(serde_json::from_str(text)?),
            value => Ok(value.clone()),
        }
    }
}

/// What Istio's agent does: the module, fetched, in place of where it is.
fn fetch(plugin: &mut Value) -> Result<()> {
    let code = plugin.pointer_mut("/vm_config/code").context("no code")?;
    let uri = text(code, "/remote/http_uri/uri")?;
    if !uri.starts_with("oci://") {
        bail!("{uri} is no image");
    }
    let module = filters_folder().join("agent_guard.wasm");
    *code = Value::Object(Map::new());
    merge(code, Map::from_iter([("local".to_owned(), json!({ "filename": module.display().to_string() }))]));
    Ok(())
}

fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value.pointer(pointer).with_context(|| format!("no {pointer}"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    at(value, pointer)?.as_str().with_context(|| format!("{pointer} is no text"))
}
