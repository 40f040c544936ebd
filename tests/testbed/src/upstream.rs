//! Servers behind Envoy, each on a free loopback port, each with a [`Recorder`] in front.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::middleware;
use bytes::Bytes;
use http_body_util::channel::Channel;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::a2a_agent::A2aAgent;
use crate::http_with_sse;
use crate::mcp_server::McpServer;
use crate::mesh_token::MeshTokens;
use crate::permissive::permissive;
use crate::recorder::Recorder;
use crate::relay::relay;

/// How an MCP server answers. It speaks all revisions either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answers {
    /// Without sessions, in plain JSON.
    #[default]
    Json,
    /// Without sessions, as a stream of events.
    Sse,
    /// Clients of revisions before 2026-07-28 get sessions, whose answers are always streams; newer ones get streams.
    Sessions,
    /// As of 2024-11-05: a stream at `/mcp/sse`, messages at the place that it names.
    HttpWithSse,
}

/// A running server. It stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    recorder: Recorder,
    task: JoinHandle<()>,
}

/// One answer that a [`canned`](Upstream::canned) server gives.
#[derive(Debug, Clone)]
pub struct Canned {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body, one piece at a time.
    pub pieces: Vec<Bytes>,
    /// Whether to pause between pieces, so that they travel apart.
    pub apart: bool,
}

/// What a canned server answers next; it answers the last one again and again.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<Vec<Canned>>>);

/// What stands in a server's place.
pub(crate) enum StandIn {
    Canned(Script),
    Hasty(Script),
    Offer(McpServer, Option<MeshTokens>),
    Other(SocketAddr),
    Permissive,
}

// === impl StandIn ===

impl StandIn {
    pub(crate) async fn start(self, host: &str, answers: Answers) -> Result<Upstream> {
        match self {
            Self::Canned(script) => Upstream::canned(script).await,
            Self::Hasty(script) => Upstream::hasty(script).await,
            Self::Offer(offer, None) => Upstream::mcp(offer, host, answers).await,
            Self::Offer(offer, Some(tokens)) => Upstream::checking(offer, host, answers, tokens).await,
            Self::Other(address) => Upstream::relay(address).await,
            Self::Permissive => Upstream::permissive().await,
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// A real MCP server at `/mcp` (or below it) that answers for `host` and for 127.0.0.1.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn mcp(server: McpServer, host: &str, answers: Answers) -> Result<Self> {
        if answers == Answers::HttpWithSse {
            let router = http_with_sse::router(server);
            return Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record)))
                .await;
        }
        let router = streamable(server, host, answers);
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    /// The same, but it answers nothing that has no token of the mesh for this very call.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn checking(server: McpServer, host: &str, answers: Answers, tokens: MeshTokens) -> Result<Self> {
        let router =
            streamable(server, host, answers).layer(middleware::from_fn_with_state(tokens, MeshTokens::demand));
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    /// An agent that speaks A2A, at `/`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn a2a(agent: A2aAgent) -> Result<Self> {
        let router = agent.router();
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    /// A server that answers everything, whatever it is asked, from a script.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn canned(script: Script) -> Result<Self> {
        let router = scripted(script);
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    /// The same, but it answers as soon as it has seen a request's headers.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn hasty(script: Script) -> Result<Self> {
        let router = scripted(script);
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record_hastily))).await
    }

    /// A server at `/mcp` that answers calls of revision 2026-07-28 whatever their headers say.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn permissive() -> Result<Self> {
        let router = permissive();
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    /// Another server, which hands everything on to the one at `address`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn relay(address: SocketAddr) -> Result<Self> {
        let router = relay(address);
        Self::serve(|recorder| router.layer(middleware::from_fn_with_state(recorder, Recorder::record))).await
    }

    async fn serve(recorded: impl FnOnce(Recorder) -> Router) -> Result<Self> {
        let recorder = Recorder::default();
        let router = recorded(recorder.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, recorder, task })
    }

    /// Where it listens, in plain HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it received.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

fn streamable(server: McpServer, host: &str, answers: Answers) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts([host, "127.0.0.1", "localhost"])
        .with_legacy_session_mode(answers == Answers::Sessions)
        .with_json_response(answers == Answers::Json);
    let service: StreamableHttpService<McpServer, LocalSessionManager> =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config);
    Router::new().route_service("/mcp", service)
}

fn scripted(script: Script) -> Router {
    Router::new().fallback(move || {
        let script = script.clone();
        async move { script.next().into_response() }
    })
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Canned ===

impl Canned {
    /// 200 with JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::new(200, "application/json", vec![Bytes::from(body.to_string())])
    }

    /// 200 with an event stream, of these pieces of its text.
    #[must_use]
    pub fn sse(pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|&piece| Bytes::from(piece.to_owned())).collect();
        Self { apart: true, ..Self::new(200, "text/event-stream", pieces) }
    }

    /// Any status, content type and body.
    #[must_use]
    pub fn new(status: u16, content_type: &str, pieces: Vec<Bytes>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], pieces, apart: false }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn into_response(self) -> Response<Body> {
        let body = if self.pieces.len() == 1 && !self.apart {
            Body::from(self.pieces.into_iter().next().unwrap_or_default())
        } else {
            let apart = self.apart;
            let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
            tokio::spawn(async move {
                for piece in self.pieces {
                    if sender.send_data(piece).await.is_err() {
                        return;
                    }
                    if apart {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
            Body::new(body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

// === impl Script ===

impl Script {
    /// A script of one answer for everything.
    #[must_use]
    pub fn always(answer: Canned) -> Self {
        let script = Self::default();
        script.play([answer]);
        script
    }

    /// Replaces what is left of the script.
    pub fn play(&self, answers: impl IntoIterator<Item = Canned>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answers.into_iter().collect();
    }

    fn next(&self) -> Canned {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.len() {
            0 => Canned::new(500, "text/plain", vec![Bytes::from_static(b"the script has no answer")]),
            1 => answers.first().cloned().unwrap_or_else(|| Canned::json(&Value::Null)),
            _ => answers.remove(0),
        }
    }
}
