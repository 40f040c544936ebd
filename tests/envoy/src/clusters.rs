//! Servers beside the upstreams that the proxy itself asks, and waiting for what it learns of them.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::EnvoyConfig;

/// Adds a cluster with these ports of this machine, in plain HTTP.
pub fn cluster(name: &'static str, ports: Vec<u16>) -> impl FnOnce(&mut EnvoyConfig) -> Result<()> + Send + 'static {
    move |config| {
        let endpoint = |port| json!({ "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } });
        let endpoints: Vec<Value> = ports.into_iter().map(endpoint).collect();
        let clusters = config.value().pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        clusters.context("no clusters")?.push(json!({
            "name": name,
            "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] },
        }));
        Ok(())
    }
}

/// Waits until something is so.
///
/// # Errors
/// It is not within a minute; or the question can't be answered.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let search = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), search).await.with_context(|| what.to_owned())?
}
