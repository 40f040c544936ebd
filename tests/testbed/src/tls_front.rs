//! TLS before a server that speaks plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::pki::Credential;

/// Ends TLS on a free loopback port and hands the bytes on. It stops when dropped.
pub struct TlsFront {
    address: SocketAddr,
    task: JoinHandle<()>,
}

// === impl TlsFront ===

impl TlsFront {
    /// Shows `credential` to everybody who connects, and hands what they say to `server`.
    ///
    /// # Errors
    /// The certificate or key can't be read; there is no free port.
    pub async fn start(credential: &Credential, server: SocketAddr) -> Result<Self> {
        let chain = vec![CertificateDer::from(credential.certificate_der().to_vec())];
        let key = PrivateKeyDer::from_pem_slice(credential.key_pem().as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key)?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that ends badly is its client's to notice.
                connections.spawn(hand_on(acceptor.clone(), stream, server));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hand_on(acceptor: TlsAcceptor, stream: TcpStream, server: SocketAddr) -> Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
