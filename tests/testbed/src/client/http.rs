//! Connections and answers, with HTTP/1.1 and HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::AlertDescription;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::Caller;
use super::call::HttpCall;

/// The version of HTTP to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The gateway refused the certificate, or the lack of one, with this TLS alert.
    #[error("the gateway ended the TLS connection: {0:?}")]
    Alert(AlertDescription),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer in {0:?}")]
    TimedOut(Duration),
    /// The call can't be made at all.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

/// A connection that stays open for any number of calls, one after the other.
pub struct Connection {
    sender: Sender,
    /// Moves the bytes, and knows why the connection broke.
    driver: Option<JoinHandle<hyper::Result<()>>>,
}

enum Sender {
    Http1(http1::SendRequest<BoxBody<Bytes, SendBodyError>>),
    Http2(http2::SendRequest<BoxBody<Bytes, SendBodyError>>),
}

/// The error of a body that never fails by itself.
pub(super) type SendBodyError = std::convert::Infallible;

/// Longer than anything that works takes, short enough for a test to fail in time.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

// === impl Caller ===

impl Caller {
    /// Opens a connection and sends one call.
    ///
    /// # Errors
    /// There was no complete answer.
    pub async fn send(&self, call: impl Into<HttpCall>) -> Result<Answer, SendError> {
        let call = call.into();
        self.connect(&call.host, call.protocol).await?.send(call).await
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// The gateway does not take it. With TLS 1.3 a refused certificate often shows only at the first
    /// [`send`](Connection::send).
    pub async fn connect(&self, host: &str, protocol: Protocol) -> Result<Connection, SendError> {
        match protocol {
            Protocol::Http1 => Connection::http1(self.tls(host, &["http/1.1"]).await?).await,
            Protocol::Http2 => {
                let stream = self.tls(host, &["h2"]).await?;
                let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
                Ok(Connection { sender: Sender::Http2(sender), driver: Some(tokio::spawn(connection)) })
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    async fn http1<S>(stream: S) -> Result<Self, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender: Sender::Http1(sender), driver: Some(tokio::spawn(connection)) })
    }

    /// Sends a call and waits for the whole answer.
    ///
    /// # Errors
    /// There was no complete answer.
    pub async fn send(&mut self, call: impl Into<HttpCall>) -> Result<Answer, SendError> {
        let request = call.into().into_request(matches!(self.sender, Sender::Http2(_)))?;
        self.exchange(request).await
    }

    /// Sends a call and waits for the beginning of the answer.
    ///
    /// # Errors
    /// There was none.
    pub(super) async fn begin(&mut self, call: HttpCall) -> Result<Response<Incoming>, SendError> {
        let request = call.into_request(matches!(self.sender, Sender::Http2(_)))?;
        match tokio::time::timeout(PATIENCE, self.response(request)).await {
            Err(_) => Err(SendError::TimedOut(PATIENCE)),
            Ok(begun) => begun,
        }
    }

    async fn response(
        &mut self,
        request: Request<BoxBody<Bytes, SendBodyError>>,
    ) -> Result<Response<Incoming>, SendError> {
        Ok(match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        })
    }

    /// Sends calls all at once, each on a stream of its own, and waits for all answers; they are in the calls' order.
    ///
    /// # Errors
    /// The connection speaks HTTP/1.1, or there was no complete answer to one of them.
    pub async fn send_together(&self, calls: Vec<HttpCall>) -> Result<Vec<Answer>, SendError> {
        let Sender::Http2(sender) = &self.sender else {
            return Err(SendError::Other(anyhow!("HTTP/1.1 has no streams")));
        };
        let exchanges: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    let request = call.into_request(true)?;
                    sender.ready().await?;
                    Answer::read(sender.send_request(request).await?).await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for exchange in exchanges {
            let answer = tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| SendError::TimedOut(PATIENCE))?;
            answers.push(answer.map_err(|error| SendError::Other(error.into()))??);
        }
        Ok(answers)
    }

    async fn exchange(&mut self, request: Request<BoxBody<Bytes, SendBodyError>>) -> Result<Answer, SendError> {
        let exchange = async { Answer::read(self.response(request).await?).await };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Err(_) => Err(SendError::TimedOut(PATIENCE)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.reason().await.unwrap_or(error)),
        }
    }

    /// Why the connection broke, if it did.
    async fn reason(&mut self) -> Option<SendError> {
        let ended = tokio::time::timeout(Duration::from_secs(1), self.driver.take()?).await;
        ended.ok()?.ok()?.err().map(SendError::from)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// Sends a call in plain HTTP/1.1, without any gateway: straight to an upstream.
///
/// # Errors
/// There was no complete answer.
pub async fn send_plain(address: SocketAddr, call: impl Into<HttpCall>) -> Result<Answer, SendError> {
    Connection::http1(TcpStream::connect(address).await?).await?.send(call).await
}

/// The body of a plain GET, as text.
///
/// # Errors
/// There was no complete answer.
pub(crate) async fn get_plain(address: SocketAddr, path: &str) -> Result<String, SendError> {
    Ok(send_plain(address, HttpCall::new("GET", &address.to_string(), path)).await?.text())
}

// === impl Answer ===

impl Answer {
    async fn read(response: Response<Incoming>) -> Result<Self, SendError> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes(), trailers })
    }

    /// A header's first value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Envoy's name for the request, which the guard's audit line carries too.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-request-id")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or the last event's data when it is an event stream; null when there is neither.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.header("content-type").is_some_and(|content_type| content_type.starts_with("text/event-stream")) {
            let text = self.text();
            let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
            return events.filter_map(|data| serde_json::from_str(data).ok()).next_back().unwrap_or_default();
        }
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

// === impl SendError ===

impl SendError {
    /// Whether TLS ended the connection, rather than an answer.
    #[must_use]
    pub fn is_tls_refusal(&self) -> bool {
        matches!(self, Self::Alert(_))
    }

    /// Finds the alert that an error is about, at any depth.
    fn from_source(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref() {
                return Self::Alert(*alert);
            }
            // An I/O error shows its inner error's source, not the inner error itself.
            if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
                && let Some(rustls::Error::AlertReceived(alert)) = inner.downcast_ref()
            {
                return Self::Alert(*alert);
            }
            next = error.source();
        }
        Self::Connection(format!("{:#}", anyhow!("{error}")))
    }
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::from_source(&error)
    }
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        Self::from_source(&error)
    }
}
