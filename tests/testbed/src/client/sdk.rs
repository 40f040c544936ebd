//! The official MCP SDK as a client, over the same mTLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use rmcp::model::ProtocolVersion;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};

use super::Caller;

/// A client of the SDK, connected: see [`RunningService`] for what it can do.
pub type SdkClient = RunningService<RoleClient, ()>;

/// How a client of the SDK begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdkRevision {
    /// With `initialize`, as before 2026-07-28.
    Legacy,
    /// With `server/discover`, as of 2026-07-28.
    Modern,
}

// === impl Caller ===

impl Caller {
    /// Connects a client of the SDK to the server that answers for `host`, at `/mcp`.
    ///
    /// # Errors
    /// The connection or the handshake fails, also when the guard refuses it.
    pub async fn sdk(&self, host: &str, token: Option<&str>, revision: SdkRevision) -> Result<SdkClient> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .resolve(host, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
            .build()?;
        let url = format!("https://{host}:{}/mcp", self.gateway.port());
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = token {
            config = config.auth_header(token);
        }
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let lifecycle = match revision {
            SdkRevision::Legacy => ClientLifecycleMode::Initialize,
            SdkRevision::Modern => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        };
        Ok(().serve_with_lifecycle(transport, lifecycle).await?)
    }
}
