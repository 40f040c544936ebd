//! A token service: small, and real in everything that it refuses.
//!
//! What it knows: token exchange (RFC 8693), the grant for JWTs of others (RFC 7523), and both ends of an ID-JAG
//! (draft-ietf-oauth-identity-assertion-authz-grant): as an identity provider it issues one, as a resource's authorization
//! server it takes one. Clients authenticate with a secret in the header or in the form (RFC 6749 section 2.3.1), or with
//! a signed JWT (RFC 7523 section 2.2). It checks what it is given, never gives more than that allows, remembers every
//! request, and fails in whatever way a test wants it to.

mod clients;
mod fault;
mod grants;
mod tokens;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::oauth::{Refused, answer};
use crate::recorder::Recorder;
use crate::tokens::IdentityProvider;

pub use clients::{ClientAuthentication, ServiceClient};
pub use fault::Fault;
pub use tokens::Issued;

/// A running service, in plain HTTP on loopback: `POST /token`, `GET /jwks`. It stops when dropped.
pub struct TokenService {
    address: SocketAddr,
    desk: Arc<Desk>,
    recorder: Recorder,
    task: JoinHandle<()>,
}

/// What a token service knows, and whom.
pub struct TokenServiceOptions {
    /// Who it is, and with which key it signs.
    pub issuer: IdentityProvider,
    /// The URL of its token endpoint, as its clients know it.
    pub endpoint: String,
    /// Who may ask.
    pub clients: Vec<ServiceClient>,
    /// Issuers whose tokens it takes, each with its key set: those of users, and those of actors.
    pub trusted: Vec<(String, Value)>,
    /// For what tokens may be asked: audiences and resources, and for an ID-JAG the issuers of authorization servers.
    pub audiences: Vec<String>,
    /// Whether access tokens are texts that say nothing, instead of JWT.
    pub opaque: bool,
    /// How long a token is good at most.
    pub lifetime_seconds: u64,
}

/// What every request is answered from.
struct Desk {
    options: TokenServiceOptions,
    memory: Mutex<Memory>,
    open: watch::Sender<bool>,
}

#[derive(Default)]
struct Memory {
    fault: Option<Fault>,
    issued: Vec<Issued>,
    /// `jti` of clients' assertions: each is good once.
    seen: BTreeSet<String>,
}

// === impl TokenServiceOptions ===

impl TokenServiceOptions {
    /// A service that knows nobody yet, with its endpoint at `/token` below the issuer, and tokens for five minutes.
    #[must_use]
    pub fn new(issuer: IdentityProvider) -> Self {
        Self {
            endpoint: format!("{}/token", issuer.issuer()),
            issuer,
            clients: Vec::new(),
            trusted: Vec::new(),
            audiences: Vec::new(),
            opaque: false,
            lifetime_seconds: 300,
        }
    }

    /// Takes what this provider signs.
    #[must_use]
    pub fn trust(mut self, provider: &IdentityProvider) -> Self {
        self.trusted.push((provider.issuer().to_owned(), provider.jwks()));
        self
    }
}

// === impl TokenService ===

impl TokenService {
    /// Starts it.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(options: TokenServiceOptions) -> Result<Self> {
        let (open, _) = watch::channel(true);
        let desk = Arc::new(Desk { options, memory: Mutex::default(), open });
        let recorder = Recorder::default();
        let recorded = middleware::from_fn_with_state(recorder.clone(), Recorder::record);
        let router = Router::new()
            .route("/token", post(token).route_layer(recorded))
            .route("/jwks", get(jwks))
            .with_state(Arc::clone(&desk));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, desk, recorder, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who signs its tokens.
    #[must_use]
    pub fn issuer(&self) -> &IdentityProvider {
        &self.desk.options.issuer
    }

    /// What was asked at `/token`, from the moment the headers arrived.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Every token that it issued so far, oldest first.
    #[must_use]
    pub fn issued(&self) -> Vec<Issued> {
        self.desk.memory().issued.clone()
    }

    /// From now on fails in this way, or in none.
    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.desk.memory().fault = fault.into();
    }

    /// Holds all answers back, or lets them go.
    pub fn hold(&self, held: bool) {
        self.desk.open.send_replace(!held);
    }
}

impl Drop for TokenService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Desk ===

impl Desk {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /token`.
async fn token(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    // The sender lives as long as the desk.
    let _ = desk.open.subscribe().wait_for(|open| *open).await;
    let fault = desk.memory().fault.clone();
    match fault {
        Some(fault) => fault.answer(&desk, &headers, &body).await,
        None => respond(desk.token(&headers, &body, &json!({}))),
    }
}

fn respond(answered: Result<Value, Refused>) -> Response<Body> {
    match answered {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(refused) => refused.into_response(),
    }
}

async fn jwks(State(desk): State<Arc<Desk>>) -> Response<Body> {
    answer(StatusCode::OK, &desk.options.issuer.jwks())
}

#[cfg(test)]
mod tests;
