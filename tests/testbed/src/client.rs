//! Callers: HTTP over mTLS as a given workload, from polite to hostile.

mod a2a;
mod call;
mod http;
mod listen;
mod oauth;
mod raw;
mod sdk;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::a2a::{A2aVersion, Ask};
pub use self::call::{Body, HttpCall, McpCall, Revision};
pub(crate) use self::http::get_plain;
pub use self::http::{Answer, Connection, Protocol, SendError, send_plain};
pub use self::listen::Listening;
pub(crate) use self::oauth::CALLBACK;
pub use self::oauth::{Authorized, Exchange, PublicClient};
pub use self::raw::RawConnection;
pub use self::sdk::{SdkClient, SdkRevision};
use crate::pki::{Authority, Credential};

/// A workload that calls through the gateway, with its certificate or none.
#[derive(Clone)]
pub struct Caller {
    gateway: SocketAddr,
    tls: Arc<ClientConfig>,
}

// === impl Caller ===

impl Caller {
    /// A workload that trusts `authority` to know the gateway, and shows `credential`.
    ///
    /// # Errors
    /// A certificate or key can't be read.
    pub fn new(gateway: SocketAddr, authority: &Authority, credential: Option<&Credential>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der().to_vec()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots);
        let tls = match credential {
            None => builder.with_no_client_auth(),
            Some(credential) => {
                let chain = vec![CertificateDer::from(credential.certificate_der().to_vec())];
                let key = PrivateKeyDer::from_pem_slice(credential.key_pem().as_bytes())?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        Ok(Self { gateway, tls: Arc::new(tls) })
    }

    /// Where it calls.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// A TLS connection that offers these protocols (ALPN) and asks for `host`.
    async fn tls(&self, host: &str, alpn: &[&str]) -> Result<TlsStream<TcpStream>, SendError> {
        let mut config = (*self.tls).clone();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.gateway).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).with_context(|| format!("`{host}` is no DNS name"));
        let name = name.map_err(SendError::Other)?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}
