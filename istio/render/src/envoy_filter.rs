//! `EnvoyFilter`: what Istio makes of a plugin, written by hand, with `allow_on_headers_stop_iteration`.
//!
//! Three patches. The plugin itself travels as an extension configuration, as Istio's own do, so that Istio's agent
//! fetches the image; the filter that refers to it goes right before the router; and at a gateway or a sidecar a
//! network filter shows the guard every URI of the peer's certificate, of which plugins see only the first.

use serde_json::{Map, Value, json};

use crate::configuration::Configuration;
use crate::error::Rendered;
use crate::options::{Module, Options, Place};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// Istio's agent puts one that denies everything in the place of a module that it cannot fetch.
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const FILTER_STATE: &str = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config";
const HTTP: &str = "envoy.filters.network.http_connection_manager";
const ROUTER: &str = "envoy.filters.http.router";

pub(crate) fn manifest(options: &Options, module: &Module, configuration: &Configuration) -> Rendered<Value> {
    let (key, target) = options.target.field("workloadSelector", "labels");
    let resource = format!("{}.{}", options.namespace, options.name);
    let mut patches = vec![extension(options, module, configuration, &resource)?];
    if options.place != Place::Waypoint {
        patches.push(peer_names(options.place));
    }
    patches.push(filter(options.place, &resource));
    let spec = Map::from_iter([(key, target), ("configPatches".to_owned(), Value::Array(patches))]);
    Ok(json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": options.name, "namespace": options.namespace },
        "spec": spec,
    }))
}

/// The whole plugin. Istio hands out an extension configuration that was added; it does not merge into its own.
fn extension(options: &Options, module: &Module, configuration: &Configuration, resource: &str) -> Rendered<Value> {
    let remote = json!({
        // Envoy itself never fetches: Istio's agent does, and puts a local file here.
        "http_uri": { "uri": module.image, "cluster": "_", "timeout": "30s" },
        "sha256": module.sha256,
    });
    let mut vm = json!({ "vm_id": resource, "runtime": "envoy.wasm.runtime.v8", "code": { "remote": remote } });
    let environment = configuration.environment()?;
    if let (false, Some(vm)) = (environment.is_empty(), vm.as_object_mut()) {
        vm.insert("environment_variables".to_owned(), json!({ "host_env_keys": environment }));
    }
    let plugin = json!({
        "name": "agent_guard",
        "failure_policy": module.fail_strategy.envoy(),
        "allow_on_headers_stop_iteration": true,
        "vm_config": vm,
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": configuration.for_guard(options.place, options.form)?,
        },
    });
    let typed = json!({ "@type": WASM, "config": plugin });
    Ok(json!({
        "applyTo": "EXTENSION_CONFIG",
        "match": { "context": context(options.place) },
        "patch": { "operation": "ADD", "value": { "name": resource, "typed_config": typed } },
    }))
}

fn peer_names(place: Place) -> Value {
    let state = json!({
        "@type": FILTER_STATE,
        "on_downstream_tls_handshake": [{
            "object_key": "meshwarden.peer_uri_sans",
            "factory_key": "envoy.string",
            "format_string": { "text_format_source": { "inline_string": "%DOWNSTREAM_PEER_URI_SAN%" } },
        }],
    });
    json!({
        "applyTo": "NETWORK_FILTER",
        "match": { "context": context(place), "listener": { "filterChain": { "filter": { "name": HTTP } } } },
        "patch": {
            "operation": "INSERT_BEFORE",
            "value": { "name": "envoy.filters.network.set_filter_state", "typed_config": state },
        },
    })
}

/// Every chain has a router, so the filter is never left out for want of a neighbour. It waits for its configuration
/// without a limit: until then the listener takes no connection.
fn filter(place: Place, resource: &str) -> Value {
    let mut listener = json!({ "filterChain": { "filter": { "name": HTTP, "subFilter": { "name": ROUTER } } } });
    if let (Place::Waypoint, Some(listener)) = (place, listener.as_object_mut()) {
        // The outer listener ends the tunnel; a guard there would refuse every CONNECT.
        listener.insert("name".to_owned(), json!("main_internal"));
    }
    let discovery = json!({
        "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
        "type_urls": [WASM, RBAC],
    });
    json!({
        "applyTo": "HTTP_FILTER",
        "match": { "context": context(place), "listener": listener },
        "patch": { "operation": "INSERT_BEFORE", "value": { "name": resource, "config_discovery": discovery } },
    })
}

/// A waypoint counts as the inbound side of a sidecar; Istio has a context `WAYPOINT` and applies nothing for it.
const fn context(place: Place) -> &'static str {
    match place {
        Place::Gateway => "GATEWAY",
        Place::Sidecar | Place::Waypoint => "SIDECAR_INBOUND",
    }
}
