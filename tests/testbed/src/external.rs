//! The world of `external-agent-to-mcp`: a public listener before two servers, an authorization server, and agents that
//! know neither.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::acme::{ALICE, Identities, Server};
use crate::authorization_server::{AuthorizationOptions, AuthorizationServer};
use crate::client::{CALLBACK, Caller, PublicClient};
use crate::envoy::{Envoy, EnvoyOptions, filters_folder};
use crate::envoy_config::EnvoyConfig;
use crate::jose::SigningKey;
use crate::pki::Authority;
use crate::recorder::{Received, Recorder};
use crate::tls_front::TlsFront;
use crate::upstream::{Answers, Canned, Script, Upstream};
use crate::world::SESSION_KEY;

/// Everything, running. It all stops when dropped.
pub struct ExternalWorld {
    envoy: Envoy,
    hr: Upstream,
    docs: Upstream,
    authorization: AuthorizationServer,
    authorization_front: TlsFront,
    assistant: Upstream,
    _assistant_front: TlsFront,
    acme: Authority,
    mesh: SigningKey,
    /// Holds the gateway's certificate as long as Envoy may read it.
    _certificates: TempDir,
}

/// The host of all servers that are to be seen from outside.
pub const PUBLIC_HOST: &str = "mcp.acme.example";
/// The host of the authorization server.
const AUTHORIZATION_HOST: &str = "idp.acme.example";
/// The host of the people who make the assistant.
const ASSISTANT_HOST: &str = "assistant.example";
/// The document about the assistant, which is its client id.
pub const ASSISTANT: &str = "https://assistant.example/client.json";
/// What tokens from outside may be asked for. `profile` says who the user is, and opens nothing.
const SCOPES: [&str; 3] = ["profile", "hr.read", "docs.read"];

// === impl ExternalWorld ===

impl ExternalWorld {
    /// The world of the demo. Alice is signed in.
    ///
    /// # Errors
    /// There is no Envoy or no guard, or Envoy does not start.
    pub async fn start() -> Result<Self> {
        let Identities { acme, mesh, idp, .. } = Identities::new()?;
        let certificates = tempfile::Builder::new().prefix("testbed-certificates-").tempdir()?;
        acme.server("/gateway", &[PUBLIC_HOST])?.write(certificates.path(), "gateway")?;
        fs::write(certificates.path().join("acme.example.pem"), acme.pem())?;
        let hr = Upstream::mcp(Server::Hr.offer(), PUBLIC_HOST, Answers::default()).await?;
        let docs = Upstream::mcp(Server::Docs.offer(), PUBLIC_HOST, Answers::default()).await?;

        let config = EnvoyConfig::from_template(
            "external-agent-to-mcp.yaml",
            &[
                ("ADMIN_PORT", "0"),
                ("LISTENER_PORT", "0"),
                ("HR_PORT", &hr.address().port().to_string()),
                ("DOCS_PORT", &docs.address().port().to_string()),
                ("CERTIFICATES", &certificates.path().display().to_string()),
                ("FILTERS", &filters_folder().display().to_string()),
                ("JWKS", &idp.jwks().to_string()),
            ],
        )?;
        let key = mesh.private_pem().context("no signing key")?.to_owned();
        let environment = vec![
            ("MESHWARDEN_SIGNING_KEY".to_owned(), key),
            ("MESHWARDEN_SESSION_KEY".to_owned(), SESSION_KEY.to_owned()),
        ];
        let envoy = Envoy::start(&config, &EnvoyOptions { environment, ..EnvoyOptions::default() }).await?;

        let about_assistant = json!({
            "client_id": ASSISTANT,
            "client_name": "Assistant",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
        });
        let assistant = Upstream::canned(Script::always(Canned::json(&about_assistant))).await?;
        let credential = acme.server("/assistant", &[ASSISTANT_HOST])?;
        let assistant_front = TlsFront::start(&credential, assistant.address()).await?;

        let resources = [Server::Hr, Server::Docs].map(public_url);
        let reader = Caller::new(assistant_front.address(), &acme, None)?;
        let documents = Some(reader.web(&[(ASSISTANT_HOST, assistant_front.address())])?);
        let options = AuthorizationOptions { documents, ..AuthorizationOptions::default() };
        let resources = resources.each_ref().map(String::as_str);
        let authorization = AuthorizationServer::start(idp, &resources, &SCOPES, options).await?;
        authorization.sign_in(Some(ALICE));
        let credential = acme.server("/idp", &[AUTHORIZATION_HOST])?;
        let authorization_front = TlsFront::start(&credential, authorization.address()).await?;
        Ok(Self {
            envoy,
            hr,
            docs,
            authorization,
            authorization_front,
            assistant,
            _assistant_front: assistant_front,
            acme,
            mesh,
            _certificates: certificates,
        })
    }

    /// The Envoy.
    #[must_use]
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// The authorization server.
    #[must_use]
    pub fn authorization(&self) -> &AuthorizationServer {
        &self.authorization
    }

    /// What signs the smaller tokens.
    #[must_use]
    pub fn mesh(&self) -> &SigningKey {
        &self.mesh
    }

    /// An agent with an official client that nobody knows.
    ///
    /// # Errors
    /// The authority's certificate can't be read.
    pub fn stranger(&self) -> Result<PublicClient> {
        let hosts = [(PUBLIC_HOST, self.envoy.listener()), (AUTHORIZATION_HOST, self.authorization_front.address())];
        Ok(PublicClient::new(self.caller()?.web(&hosts)?))
    }

    /// The same, but a document at [`ASSISTANT`] says who it is.
    ///
    /// # Errors
    /// The authority's certificate can't be read.
    pub fn assistant(&self) -> Result<PublicClient> {
        Ok(self.stranger()?.described_at(ASSISTANT))
    }

    /// Who asked for the document about the assistant.
    #[must_use]
    pub fn assistants_site(&self) -> &Recorder {
        self.assistant.recorder()
    }

    /// A caller without a certificate, to send anything.
    ///
    /// # Errors
    /// The authority's certificate can't be read.
    pub fn caller(&self) -> Result<Caller> {
        Caller::new(self.envoy.listener(), &self.acme, None)
    }

    /// What a server received.
    ///
    /// # Errors
    /// It is not to be seen from outside.
    pub fn recorder(&self, server: Server) -> Result<&Recorder> {
        match server {
            Server::Hr => Ok(self.hr.recorder()),
            Server::Docs => Ok(self.docs.recorder()),
            Server::Tickets => bail!("tickets stay inside"),
        }
    }

    /// Everything that any MCP server received since it was last asked.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        [&self.hr, &self.docs].into_iter().flat_map(|upstream| upstream.recorder().take()).collect()
    }
}

/// A server as the world outside knows it: its URL, which is its resource identifier too.
#[must_use]
pub fn public_url(server: Server) -> String {
    format!("https://{PUBLIC_HOST}{}", public_path(server))
}

/// The path of that URL.
#[must_use]
pub fn public_path(server: Server) -> String {
    format!("/{}/mcp", server.name())
}
