//! A first hop, for callers that can't show a certificate: an Envoy that listens in plain HTTP and calls the gateway as
//! the assistant does. A sidecar does the same for its workload.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::acme::Server;
use crate::envoy::{Envoy, EnvoyOptions};
use crate::envoy_config::{EnvoyConfig, merge};
use crate::world::World;

/// The running hop. It stops when dropped.
pub struct Hop {
    envoy: Envoy,
}

/// What a hop adds to every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adds<'a> {
    /// The assistant's certificate.
    Certificate,
    /// That, and this token: for callers that can't send one either.
    CertificateAndToken(&'a str),
}

// === impl Hop ===

impl Hop {
    /// Starts one before a server of `world`.
    ///
    /// # Errors
    /// There is no Envoy, or it does not start.
    pub async fn start(world: &World, server: Server, adds: Adds<'_>) -> Result<Self> {
        let gateway = world.envoy().listener().port();
        let config = configuration(server.host(), gateway, world.certificates(), adds);
        let envoy = Envoy::start(&EnvoyConfig::parse(&config.to_string())?, &EnvoyOptions::default()).await?;
        Ok(Self { envoy })
    }

    /// Where it listens, in plain HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.envoy.listener()
    }
}

fn configuration(host: &str, gateway: u16, certificates: &Path, adds: Adds<'_>) -> Value {
    let file = |name: &str| json!({ "filename": certificates.join(name).display().to_string() });
    let address = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let token = match adds {
        Adds::Certificate => json!([]),
        Adds::CertificateAndToken(token) => json!([{
            "header": { "key": "authorization", "value": format!("Bearer {token}") },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }]),
    };
    let routes = |rewrite: Value| {
        let mut route = json!({ "cluster": "gateway", "timeout": "0s" });
        merge(&mut route, rewrite.as_object().cloned().unwrap_or_default());
        json!([{ "match": { "prefix": "/" }, "route": route, "request_headers_to_add": token }])
    };
    // The caller says where it believes the server to be: here. What it says of other hosts goes on as it is.
    let hosts = json!([
        { "name": "here", "domains": ["127.0.0.1", "localhost"], "routes": routes(json!({ "host_rewrite_literal": host })) },
        { "name": "elsewhere", "domains": ["*"], "routes": routes(json!({})) },
    ]);
    json!({
        "admin": { "address": address(0) },
        "static_resources": {
            "listeners": [{
                "name": "callers",
                "address": address(0),
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "callers",
                        "strip_any_host_port": true,
                        "route_config": { "virtual_hosts": hosts },
                        "http_filters": [{
                            "name": "envoy.filters.http.router",
                            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                        }],
                    },
                }] }],
            }],
            "clusters": [{
                "name": "gateway",
                "load_assignment": {
                    "cluster_name": "gateway",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(gateway) } }] }],
                },
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": { "http2_protocol_options": {} },
                    },
                },
                "transport_socket": {
                    "name": "tls",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                        "sni": host,
                        "common_tls_context": {
                            "alpn_protocols": ["h2"],
                            "tls_certificates": [{
                                "certificate_chain": file("assistant.pem"), "private_key": file("assistant.key"),
                            }],
                            "validation_context": { "trusted_ca": file("acme.example.pem") },
                        },
                    },
                },
            }],
        },
    })
}
