//! An OAuth 2.1 authorization server for public clients: small, and real in everything that it refuses.
//!
//! What it knows: its own metadata (RFC 8414), clients whose id is the URL of a document about them, and dynamic
//! registration for others (RFC 7591), authorization codes bound to a client, a redirect URI, a PKCE challenge (RFC 7636,
//! S256 only) and one resource (RFC 8707), `iss` in its redirects (RFC 9207), access tokens as JWT (RFC 9068). There is
//! no page to log in: whoever is signed in consents at once.

mod authorize;
mod documents;
mod registration;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::acme::User;
use crate::oauth::answer;
use crate::tokens::IdentityProvider;

/// A running server, in plain HTTP on loopback. It stops when dropped.
pub struct AuthorizationServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

/// How an authorization server works.
#[derive(Debug, Clone)]
pub struct AuthorizationOptions {
    /// How long a code is good. OAuth 2.1 section 4.1.2 wants ten minutes or less.
    pub code_lifetime: Duration,
    /// With what it reads clients' documents; without it, clients must register.
    pub documents: Option<reqwest::Client>,
}

/// What every request is answered from.
struct Desk {
    idp: IdentityProvider,
    /// Resource identifiers for which tokens may be asked.
    resources: Vec<String>,
    scopes: Vec<String>,
    options: AuthorizationOptions,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Who sits at the browser.
    signed_in: Option<User>,
    /// By client id.
    clients: BTreeMap<String, Client>,
    /// By code.
    grants: BTreeMap<String, Grant>,
}

/// A public client: it has no secret.
#[derive(Debug, Clone)]
struct Client {
    redirect_uris: Vec<String>,
}

/// What a code stands for.
struct Grant {
    user: User,
    client_id: String,
    redirect_uri: String,
    /// `code_challenge`, always S256.
    challenge: String,
    resource: String,
    scope: String,
    issued: Instant,
}

// === impl AuthorizationOptions ===

impl Default for AuthorizationOptions {
    fn default() -> Self {
        Self { code_lifetime: Duration::from_secs(60), documents: None }
    }
}

// === impl AuthorizationServer ===

impl AuthorizationServer {
    /// A server that speaks in the name of `idp`'s issuer, and knows these resources and scopes. Nobody is signed in.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(
        idp: IdentityProvider,
        resources: &[&str],
        scopes: &[&str],
        options: AuthorizationOptions,
    ) -> Result<Self> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let desk = Arc::new(Desk {
            idp,
            resources: owned(resources),
            scopes: owned(scopes),
            options,
            memory: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(jwks))
            .route("/register", post(registration::register))
            .route("/authorize", get(authorize::authorize))
            .route("/token", post(token::token))
            .with_state(Arc::clone(&desk));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, desk, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who signs its tokens.
    #[must_use]
    pub fn identity_provider(&self) -> &IdentityProvider {
        &self.desk.idp
    }

    /// Puts somebody before the browser, who consents to everything; nobody consents to nothing.
    pub fn sign_in(&self, user: Option<User>) {
        self.desk.memory().signed_in = user;
    }
}

impl Drop for AuthorizationServer {
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

async fn metadata(State(desk): State<Arc<Desk>>) -> Response<Body> {
    let issuer = desk.idp.issuer();
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "jwks_uri": format!("{issuer}/jwks"),
        "scopes_supported": desk.scopes,
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": desk.options.documents.is_some(),
    });
    answer(StatusCode::OK, &document)
}

async fn jwks(State(desk): State<Arc<Desk>>) -> Response<Body> {
    answer(StatusCode::OK, &desk.idp.jwks())
}

#[cfg(test)]
mod tests;
