//! The official MCP SDK as a public client: no certificate, no token, nothing but a server's URL. It is told by the
//! server where tokens come from (RFC 9728), asks there (RFC 8414, PKCE, RFC 8707) and comes back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use http::{Request, Response};
use reqwest::redirect::Policy;
use rmcp::model::ProtocolVersion;
use rmcp::service::ClientInitializeError;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthHttpClient, OAuthHttpClientFuture, OAuthHttpRequest,
    OAuthState, WWWAuthenticateParams,
};
use rmcp::transport::streamable_http_client::{StreamableHttpClient, StreamableHttpClientTransportConfig};
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use url::Url;

use super::Caller;
use super::sdk::SdkClient;

/// Where authorization servers send the browser back to. Nobody listens there: the client reads the redirect itself.
pub(crate) const CALLBACK: &str = "http://127.0.0.1:33418/callback";
/// What the client calls itself.
const NAME: &str = "An agent from outside";
/// What it speaks.
const REVISION: ProtocolVersion = ProtocolVersion::V_2026_07_28;
/// Longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent anywhere on the internet.
#[derive(Clone)]
pub struct PublicClient {
    http: reqwest::Client,
    /// The URL of the document that says who it is; without one it registers.
    document: Option<String>,
    log: Arc<Mutex<Vec<Exchange>>>,
}

/// One thing that the client did on the way to its token.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: Url,
    /// What was sent: a form, JSON, or nothing.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
    /// Where the answer sends the browser.
    pub location: Option<Url>,
    /// The answer.
    pub answer: String,
}

/// A client that has its token and is connected.
pub struct Authorized {
    client: PublicClient,
    /// What it can do: see [`SdkClient`].
    pub mcp: SdkClient,
    tokens: AuthClient<reqwest::Client>,
}

// === impl Caller ===

impl Caller {
    /// A client for any HTTP, that trusts whom this one trusts and finds these hosts at these addresses.
    ///
    /// # Errors
    /// It can't speak TLS so.
    pub fn web(&self, hosts: &[(&str, SocketAddr)]) -> Result<reqwest::Client> {
        // No redirect is followed: those of OAuth are for a browser, and no other is expected.
        let builder = reqwest::Client::builder().tls_backend_preconfigured((*self.tls).clone());
        let builder = builder.redirect(Policy::none()).timeout(PATIENCE);
        Ok(hosts.iter().fold(builder, |builder, (host, address)| builder.resolve(host, *address)).build()?)
    }
}

// === impl PublicClient ===

impl PublicClient {
    /// A client that nobody knows: it registers where it comes to.
    #[must_use]
    pub fn new(http: reqwest::Client) -> Self {
        Self { http, document: None, log: Arc::default() }
    }

    /// Its id is the URL of a document about it, which authorization servers can read.
    #[must_use]
    pub fn described_at(mut self, url: &str) -> Self {
        self.document = Some(url.to_owned());
        self
    }

    /// Everything that it did to get tokens since it was last asked.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls without a token: the challenge that comes back (`WWW-Authenticate`).
    ///
    /// # Errors
    /// There is none.
    pub async fn knock(&self, server: &str) -> Result<String> {
        let error = serve(self.http.clone(), server, None).await.err().context("no token was needed")?;
        error.auth_challenge().map(str::to_owned).ok_or_else(|| anyhow!(error).context("no challenge"))
    }

    /// Does all that a challenge asks for, and connects. With `scopes` empty, asks for those that the server names.
    ///
    /// # Errors
    /// Something on the way is not as the specifications want it, or the handshake fails.
    pub async fn authorize(&self, server: &str, challenge: &str, scopes: &[&str]) -> Result<Authorized> {
        let mut state = OAuthState::new_with_oauth_http_client(server, Arc::new(self.clone())).await?;
        let mut request = AuthorizationRequest::new(CALLBACK).with_client_name(NAME).with_challenge(challenge);
        if let Some(url) = &self.document {
            request = request.with_client_metadata_url(url);
        }
        state.start_authorization(request.with_scopes(scopes.iter().copied())).await?;
        let redirect = self.browse(&state.get_authorization_url().await?).await?;
        state.handle_callback_url(&redirect).await?;
        let manager = state.into_authorization_manager().context("not authorized")?;
        let tokens = AuthClient::new(self.http.clone(), manager);
        let mcp = serve(tokens.clone(), server, None).await?;
        Ok(Authorized { client: self.clone(), mcp, tokens })
    }

    /// Is challenged, authorizes, connects.
    ///
    /// # Errors
    /// As [`knock`](Self::knock) and [`authorize`](Self::authorize).
    pub async fn connect(&self, server: &str) -> Result<Authorized> {
        self.authorize(server, &self.knock(server).await?, &[]).await
    }

    /// Connects with a token that it has from elsewhere.
    ///
    /// # Errors
    /// The handshake fails, also when the guard refuses the token.
    pub async fn connect_with(&self, server: &str, token: &str) -> Result<SdkClient, ClientInitializeError> {
        serve(self.http.clone(), server, Some(token)).await
    }

    /// Opens the authorization URL as a browser would, and gives the address to which it is sent back.
    async fn browse(&self, url: &str) -> Result<String> {
        let response = self.exchange(Request::get(url).body(Vec::new())?).await?;
        let location = response.headers().get("location").context("no redirect")?.to_str()?;
        ensure!(location.starts_with(CALLBACK), "the browser is sent to {location}");
        Ok(location.to_owned())
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        let (method, body) = (request.method().to_string(), request.body().clone());
        let url = Url::parse(&request.uri().to_string())?;
        let answer = self.http.execute(reqwest::Request::try_from(request)?).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let response = response.body(answer.bytes().await?.to_vec())?;
        let location = response.headers().get("location").and_then(|location| location.to_str().ok());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange {
            method,
            url,
            body: String::from_utf8_lossy(&body).into_owned(),
            status: response.status().as_u16(),
            location: location.and_then(|location| Url::parse(location).ok()),
            answer: String::from_utf8_lossy(response.body()).into_owned(),
        });
        Ok(response)
    }
}

impl OAuthHttpClient for PublicClient {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move { Ok(self.exchange(request.request).await?) })
    }
}

// === impl Authorized ===

impl Authorized {
    /// The token that it shows.
    ///
    /// # Errors
    /// It has none any more.
    pub async fn token(&self) -> Result<String> {
        Ok(self.tokens.get_access_token().await?)
    }

    /// Asks the user for the scopes that a challenge names, in addition to those that it has.
    ///
    /// # Errors
    /// The challenge names none, or the authorization server refuses.
    pub async fn step_up(&self, challenge: &str) -> Result<()> {
        let base = Url::parse(CALLBACK)?;
        let scope = WWWAuthenticateParams::parse(challenge, &base).scope.context("the challenge names no scope")?;
        let manager = self.tokens.auth_manager.lock().await;
        let redirect = self.client.browse(&manager.request_scope_upgrade(&scope).await?).await?;
        let AuthorizationCallback { code, csrf_token, issuer, .. } =
            AuthorizationCallback::from_redirect_url(&redirect)?;
        manager.exchange_code_for_token_with_issuer(&code, &csrf_token, issuer.as_deref()).await?;
        Ok(())
    }
}

async fn serve<C: StreamableHttpClient>(
    http: C,
    server: &str,
    token: Option<&str>,
) -> Result<SdkClient, ClientInitializeError> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(server);
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![REVISION] };
    ().serve_with_lifecycle(StreamableHttpClientTransport::with_client(http, config), lifecycle).await
}
