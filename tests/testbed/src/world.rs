//! The story's world put together: identities, servers, and an Envoy with the guard between them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::acme::{Identities, Server};
use crate::client::Caller;
use crate::envoy::{Envoy, EnvoyOptions, Refusal, expect_refused, filters_folder};
use crate::envoy_config::{EnvoyConfig, merge, workspace_root};
use crate::form::Form;
use crate::mcp_server::McpServer;
use crate::pki::Credential;
use crate::recorder::{Received, Recorder};
use crate::tokens::Token;
use crate::upstream::{Answers, Script, StandIn, Upstream};

/// Everything, running. It all stops when dropped.
pub struct World {
    envoy: Envoy,
    upstreams: BTreeMap<Server, Upstream>,
    identities: Identities,
    certificates: TempDir,
}

/// A world about to start: as the demo has it, unless changed.
pub struct WorldBuilder {
    form: Form,
    identities: Option<Identities>,
    answers: Answers,
    stand_ins: BTreeMap<Server, StandIn>,
    options: EnvoyOptions,
    changes: Vec<Change>,
}

type Change = Box<dyn FnOnce(&mut EnvoyConfig, &Prepared, Form) -> Result<()> + Send>;

/// What is there before Envoy starts.
struct Prepared {
    upstreams: BTreeMap<Server, Upstream>,
    identities: Identities,
    certificates: TempDir,
}

/// Of every world, so that they know each other's sessions: replicas have the same key.
pub const SESSION_KEY: &str = "c2Vzc2lvbi1rZXktb2YtdGhlLXRlc3RiZWQtMzItYnl0ZXM=";

// === impl World ===

impl World {
    /// A world to be changed before it starts.
    #[must_use]
    pub fn builder() -> WorldBuilder {
        WorldBuilder {
            form: Form::default(),
            identities: None,
            answers: Answers::default(),
            stand_ins: BTreeMap::new(),
            options: EnvoyOptions::default(),
            changes: Vec::new(),
        }
    }

    /// The world of the demo.
    ///
    /// # Errors
    /// There is no Envoy or no guard, or Envoy does not start.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// The Envoy.
    #[must_use]
    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Certificates and keys.
    #[must_use]
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The folder with the certificates of gateway and agents, as files.
    #[must_use]
    pub fn certificates(&self) -> &Path {
        self.certificates.path()
    }

    /// A workload that shows this certificate, or none.
    ///
    /// # Errors
    /// The certificate can't be read.
    pub fn caller(&self, credential: Option<&Credential>) -> Result<Caller> {
        Caller::new(self.envoy.listener(), &self.identities.acme, credential)
    }

    /// The agent that may act for users.
    ///
    /// # Errors
    /// Its certificate can't be read.
    pub fn assistant(&self) -> Result<Caller> {
        self.caller(Some(&self.identities.assistant))
    }

    /// Signs a token as the company's identity provider.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn sign(&self, token: &Token) -> Result<String> {
        self.identities.idp.sign(token)
    }

    /// A running server.
    ///
    /// # Errors
    /// There is none: a world always has all three.
    pub fn upstream(&self, server: Server) -> Result<&Upstream> {
        self.upstreams.get(&server).with_context(|| format!("no server {}", server.name()))
    }

    /// What a server received.
    ///
    /// # Errors
    /// There is none: a world always has all three.
    pub fn recorder(&self, server: Server) -> Result<&Recorder> {
        Ok(self.upstream(server)?.recorder())
    }

    /// Everything that any server received since it was last asked.
    #[must_use]
    pub fn received(&self) -> Vec<(Server, Received)> {
        let all = self.upstreams.iter();
        all.flat_map(|(&server, upstream)| upstream.recorder().take().into_iter().map(move |got| (server, got)))
            .collect()
    }

    /// No server has received anything.
    ///
    /// # Panics
    /// One has.
    #[track_caller]
    pub fn no_server_saw_anything(&self) {
        let received = self.received();
        assert!(received.is_empty(), "no server should have received anything, but: {received:#?}");
    }

    /// Every audit line so far, oldest first.
    #[must_use]
    pub fn audit(&self) -> Vec<Value> {
        self.envoy.audit()
    }

    /// The audit line of one request, as soon as it is in the log.
    ///
    /// # Errors
    /// It never is.
    pub async fn audit_of(&self, request_id: &str) -> Result<Value> {
        self.envoy.audit_of(request_id).await
    }

    /// Nothing in Envoy's log says that the guard's VM failed.
    ///
    /// # Panics
    /// Something does.
    #[track_caller]
    pub fn guard_never_failed(&self) {
        self.envoy.guard_never_failed();
    }
}

// === impl WorldBuilder ===

impl WorldBuilder {
    /// Changes the guard's configuration.
    #[must_use]
    pub fn guard(self, change: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        self.change(Box::new(|config, _, form| form.change(config, change)))
    }

    /// Changes anything in Envoy's configuration.
    #[must_use]
    pub fn envoy(self, change: impl FnOnce(&mut EnvoyConfig) -> Result<()> + Send + 'static) -> Self {
        self.change(Box::new(|config, _, _| change(config)))
    }

    /// Gives the guard its configuration as Istio does, as JSON in a `StringValue`. Change it before.
    #[must_use]
    pub fn guard_as_text(self) -> Self {
        self.envoy(EnvoyConfig::guard_as_text)
    }

    /// Loads the guard as Istio's own APIs do: Envoy can't hold a request's headers for it.
    #[must_use]
    pub fn unheld(self) -> Self {
        self.guard(|guard| merge(guard, [("hold_headers".to_owned(), false.into())].into_iter().collect()))
            .envoy(EnvoyConfig::do_not_hold_headers)
    }

    /// Plain Envoy, without the guard.
    #[must_use]
    pub fn without_guard(self) -> Self {
        self.envoy(EnvoyConfig::remove_guard)
    }

    /// Lets TLS trust `evil.example` for its own names, as a federated partner, so that the guard decides about it.
    #[must_use]
    pub fn federated(self) -> Self {
        self.change(Box::new(|config, prepared, _| {
            config.trust("evil.example", &prepared.certificates.path().join("evil.example.pem"))
        }))
    }

    /// Lets callers without a certificate in, so that the guard decides about them. Envoy's SPIFFE validator never
    /// does, whatever `require_client_certificate` says; this has the plain validator trust the company's authority.
    #[must_use]
    pub fn certificate_optional(self) -> Self {
        self.change(Box::new(|config, prepared, _| {
            let authority = prepared.certificates.path().join("acme.example.pem");
            let tls = config.tls()?;
            let context = tls.pointer_mut("/common_tls_context/validation_context").context("no validation")?;
            *context = json!({ "trusted_ca": { "filename": authority.display().to_string() } });
            merge(tls, [("require_client_certificate".to_owned(), false.into())].into_iter().collect());
            Ok(())
        }))
    }

    /// How the filters are loaded.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Certificates and keys that somebody knows before the world starts.
    #[must_use]
    pub fn identities(mut self, identities: Identities) -> Self {
        self.identities = Some(identities);
        self
    }

    /// How the MCP servers answer.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    /// Puts a server that plays a script in a real one's place.
    #[must_use]
    pub fn canned(self, server: Server, script: &Script) -> Self {
        self.stand_in(server, StandIn::Canned(script.clone()))
    }

    /// The same, but it answers as soon as it has seen a request's headers.
    #[must_use]
    pub fn hasty(self, server: Server, script: &Script) -> Self {
        self.stand_in(server, StandIn::Hasty(script.clone()))
    }

    /// Has a server offer something else.
    #[must_use]
    pub fn offer(self, server: Server, offer: McpServer) -> Self {
        self.stand_in(server, StandIn::Offer(offer))
    }

    /// Puts a server that others made in a real one's place, behind a recorder.
    #[must_use]
    pub fn other(self, server: Server, address: SocketAddr) -> Self {
        self.stand_in(server, StandIn::Other(address))
    }

    /// Puts a server that looks at no header in a real one's place.
    #[must_use]
    pub fn permissive(self, server: Server) -> Self {
        self.stand_in(server, StandIn::Permissive)
    }

    /// How Envoy is started.
    #[must_use]
    pub fn options(mut self, options: EnvoyOptions) -> Self {
        self.options = options;
        self
    }

    /// Starts it all.
    ///
    /// # Errors
    /// There is no Envoy or no guard; a change can't be made; or [`NotServing`](crate::NotServing).
    pub async fn start(self) -> Result<World> {
        let (config, options, prepared) = self.prepare().await?;
        let envoy = Envoy::start(&config, &options).await?;
        let Prepared { upstreams, identities, certificates } = prepared;
        Ok(World { envoy, upstreams, identities, certificates })
    }

    /// Starts it all, and tells whether Envoy refused the configuration, as it should.
    ///
    /// # Errors
    /// There is no Envoy; a change can't be made.
    pub async fn expect_refused(self) -> Result<Refusal> {
        let (config, options, _prepared) = self.prepare().await?;
        expect_refused(&config, &options).await
    }

    fn stand_in(mut self, server: Server, stand_in: StandIn) -> Self {
        self.stand_ins.insert(server, stand_in);
        self
    }

    fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    async fn prepare(mut self) -> Result<(EnvoyConfig, EnvoyOptions, Prepared)> {
        let identities = match self.identities.take() {
            Some(identities) => identities,
            None => Identities::new()?,
        };
        let certificates = tempfile::Builder::new().prefix("testbed-certificates-").tempdir()?;
        write_certificates(&identities, certificates.path())?;
        let mut upstreams = BTreeMap::new();
        for server in Server::ALL {
            let stand_in = self.stand_ins.remove(&server).unwrap_or_else(|| StandIn::Offer(server.offer()));
            let upstream = stand_in.start(server.host(), self.answers).await?;
            upstreams.insert(server, upstream);
        }
        let mut config = configuration(self.form, &identities, certificates.path(), &upstreams)?;
        let prepared = Prepared { upstreams, identities, certificates };
        for change in self.changes {
            change(&mut config, &prepared, self.form)?;
        }
        let key = prepared.identities.mesh.private_pem().context("no signing key")?.to_owned();
        self.options.environment.push(("MESHWARDEN_SIGNING_KEY".to_owned(), key));
        self.options.environment.push(("MESHWARDEN_SESSION_KEY".to_owned(), SESSION_KEY.to_owned()));
        Ok((config, self.options, prepared))
    }
}

fn configuration(
    form: Form,
    identities: &Identities,
    certificates: &Path,
    upstreams: &BTreeMap<Server, Upstream>,
) -> Result<EnvoyConfig> {
    let policies = workspace_root().join("tests/policies/acme/policies.cedar");
    let policies = fs::read_to_string(&policies).with_context(|| policies.display().to_string())?;
    let port =
        |server| upstreams.get(&server).map_or_else(String::new, |upstream| upstream.address().port().to_string());
    EnvoyConfig::from_template(
        form.file(),
        &[
            ("ADMIN_PORT", "0"),
            ("LISTENER_PORT", "0"),
            ("HR_PORT", &port(Server::Hr)),
            ("DOCS_PORT", &port(Server::Docs)),
            ("TICKETS_PORT", &port(Server::Tickets)),
            ("CERTIFICATES", &certificates.display().to_string()),
            ("FILTERS", &filters_folder().display().to_string()),
            ("JWKS", &identities.idp.jwks().to_string()),
            ("POLICIES", &policies),
        ],
    )
}

fn write_certificates(identities: &Identities, folder: &Path) -> Result<()> {
    for authority in [&identities.acme, &identities.evil] {
        fs::write(folder.join(format!("{}.pem", authority.trust_domain())), authority.pem())?;
    }
    for (name, credential) in [
        ("gateway", &identities.gateway),
        ("assistant", &identities.assistant),
        ("batch", &identities.batch),
        ("stranger", &identities.stranger),
    ] {
        credential.write(folder, name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::whole;

    #[test]
    fn the_shipped_configuration_says_what_the_policy_sandbox_says() {
        let sandbox = |file: &str| -> Value {
            let path = workspace_root().join("tests/policies/acme").join(file);
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
        };
        let identities = Identities::new().unwrap();
        let configured = |form| configuration(form, &identities, Path::new("/x"), &BTreeMap::new()).unwrap();
        let mut config = configured(Form::Guard);
        let guard = config.guard().unwrap();
        assert_eq!(*guard, whole(&mut configured(Form::Separate)).unwrap(), "both forms say the same");
        assert_eq!(guard["servers"], sandbox("servers.json"));
        assert_eq!(guard["policy"]["entities"], sandbox("entities.json"));
        let policies = fs::read_to_string(workspace_root().join("tests/policies/acme/policies.cedar")).unwrap();
        assert_eq!(guard["policy"]["cedar"].as_str().unwrap().trim(), policies.trim());
    }
}
