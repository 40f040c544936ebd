//! Agents that are spoken to in more than one binding.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::EnvoyConfig;

/// Every agent has these bindings.
///
/// # Errors
/// There is no guard.
pub fn with_bindings(config: &mut EnvoyConfig, bindings: &[&str]) -> Result<()> {
    for server in config.guard()?.get_mut("servers").and_then(Value::as_array_mut).context("no servers")? {
        server.as_object_mut().context("no server")?.insert("bindings".to_owned(), json!(bindings));
    }
    Ok(())
}

/// What comes for the agent in gRPC goes to this port of its own, as gRPC needs it: in HTTP/2.
///
/// # Errors
/// There is no such agent.
pub fn speak_grpc(config: &mut EnvoyConfig, agent: &str, port: &Value) -> Result<()> {
    let cluster = format!("{agent}_grpc");
    let options = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let endpoint = json!({ "lb_endpoints": [{ "endpoint": { "address": address } }] });
    let made = json!({
        "name": cluster,
        "typed_extension_protocol_options": options,
        "load_assignment": { "cluster_name": cluster, "endpoints": [endpoint] },
    });
    let clusters = config.value().pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    clusters.context("no clusters")?.push(made);
    let hosts = config.http()?.pointer_mut("/route_config/virtual_hosts").and_then(Value::as_array_mut);
    let mut hosts = hosts.context("no hosts")?.iter_mut();
    let host = hosts.find(|host| host.get("name").is_some_and(|name| name == agent)).context("no such agent")?;
    let routes = host.get_mut("routes").and_then(Value::as_array_mut).context("no routes")?;
    let route = json!({ "match": { "prefix": "/", "grpc": {} }, "route": { "cluster": cluster, "timeout": "0s" } });
    routes.insert(0, route);
    Ok(())
}
