//! The APIs that Istio has for plugins: `TrafficExtension`, and the older `WasmPlugin`, which is the same but flat.

use serde_json::{Map, Value, json};

use crate::configuration::Configuration;
use crate::error::Rendered;
use crate::options::{Form, Module, Options, Place};

/// After every plugin of the same phase that has no priority, so that nobody changes a request that was judged.
const PRIORITY: i32 = -100;

/// No `phase` is set: the last one, after Istio's own authentication and authorization and before the router.
pub(crate) fn manifest(options: &Options, module: &Module, configuration: &Configuration) -> Rendered<Value> {
    let (key, target) = options.target.field("selector", "matchLabels");
    let mut spec = Map::from_iter([(key, target), ("priority".to_owned(), json!(PRIORITY))]);
    if options.place == Place::Sidecar {
        // Without this the guard would also judge what the server itself calls, and refuse it.
        spec.insert("match".to_owned(), json!([{ "mode": "SERVER" }]));
    }
    let plugin = plugin(options, module, configuration)?;
    let kind = if options.form == Form::WasmPlugin {
        spec.extend(plugin);
        "WasmPlugin"
    } else {
        spec.insert("wasm".to_owned(), Value::Object(plugin));
        "TrafficExtension"
    };
    Ok(json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": kind,
        "metadata": { "name": options.name, "namespace": options.namespace },
        "spec": spec,
    }))
}

fn plugin(options: &Options, module: &Module, configuration: &Configuration) -> Rendered<Map<String, Value>> {
    let mut plugin = Map::from_iter([
        ("type".to_owned(), json!("HTTP")),
        ("url".to_owned(), json!(module.image)),
        ("sha256".to_owned(), json!(module.sha256)),
        ("failStrategy".to_owned(), json!(module.fail_strategy.istio())),
    ]);
    let variable = |name: &str| json!({ "name": name, "valueFrom": "HOST" });
    let environment: Vec<Value> = configuration.environment()?.into_iter().map(variable).collect();
    if !environment.is_empty() {
        plugin.insert("vmConfig".to_owned(), json!({ "env": environment }));
    }
    plugin.insert("pluginConfig".to_owned(), configuration.for_guard(options.place, options.form)?);
    Ok(plugin)
}
