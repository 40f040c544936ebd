//! The world of `agent-to-agent`: agents with certificates, and two others that they hand work to.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::a2a_agent::{A2aAgent, Task};
use crate::acme::{ALICE, Identities, User};
use crate::agents_story::{AgentRow, CONVERSATION, Colleague, TASKS};
use crate::client::{A2aVersion, Caller};
use crate::envoy::{Envoy, EnvoyOptions, filters_folder};
use crate::envoy_config::EnvoyConfig;
use crate::form::{Form, separate};
use crate::play::Played;
use crate::recorder::{Received, Recorder};
use crate::story::TokenKind;
use crate::tokens::Token;
use crate::upstream::Upstream;

/// Everything, running. It all stops when dropped.
pub struct AgentsWorld {
    envoy: Envoy,
    colleagues: BTreeMap<Colleague, Upstream>,
    identities: Identities,
    certificates: TempDir,
}

/// What users' tokens allow at most.
const SCOPES: &str = "travel.book expenses.write";

// === impl AgentsWorld ===

impl AgentsWorld {
    /// The world of the demo.
    ///
    /// # Errors
    /// There is no Envoy or no guard, or Envoy does not start.
    pub async fn start() -> Result<Self> {
        Self::start_as(Form::Guard, None, |_| Ok(())).await
    }

    /// The same in this form, with an agent of somebody else's making in the travel agent's place, and with a changed
    /// configuration: what is changed is the guard's, of which the chain is made.
    ///
    /// # Errors
    /// There is no Envoy or no guard, or Envoy does not start.
    pub async fn start_as(
        form: Form,
        travel: Option<SocketAddr>,
        change: impl FnOnce(&mut EnvoyConfig) -> Result<()>,
    ) -> Result<Self> {
        let identities = Identities::new()?;
        let certificates = tempfile::Builder::new().prefix("testbed-certificates-").tempdir()?;
        let hosts = Colleague::ALL.map(Colleague::host);
        identities.acme.server("/gateway", &hosts)?.write(certificates.path(), "gateway")?;
        identities.acme.svid("/agent/planner")?.write(certificates.path(), "planner")?;
        fs::write(certificates.path().join("acme.example.pem"), identities.acme.pem())?;
        let mut colleagues = BTreeMap::new();
        for colleague in Colleague::ALL {
            colleagues.insert(colleague, Upstream::a2a(colleague.agent()).await?);
        }
        let port = |colleague| {
            let own = colleagues.get(&colleague).map(Upstream::address);
            let address = travel.filter(|_| colleague == Colleague::Travel).or(own);
            address.map_or_else(String::new, |address| address.port().to_string())
        };
        let mut config = EnvoyConfig::from_template(
            "agent-to-agent.yaml",
            &[
                ("ADMIN_PORT", "0"),
                ("LISTENER_PORT", "0"),
                ("TRAVEL_PORT", &port(Colleague::Travel)),
                ("PAYROLL_PORT", &port(Colleague::Payroll)),
                ("CERTIFICATES", &certificates.path().display().to_string()),
                ("FILTERS", &filters_folder().display().to_string()),
                ("JWKS", &identities.idp.jwks().to_string()),
            ],
        )?;
        change(&mut config)?;
        if form == Form::Separate {
            separate(&mut config)?;
        }
        let key = identities.mesh.private_pem().context("no signing key")?.to_owned();
        let environment = vec![("MESHWARDEN_SIGNING_KEY".to_owned(), key)];
        let envoy = Envoy::start(&config, &EnvoyOptions { environment, ..EnvoyOptions::default() }).await?;
        Ok(Self { envoy, colleagues, identities, certificates })
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

    /// The folder with the planner's certificate and the authority's, as files.
    #[must_use]
    pub fn certificates(&self) -> &Path {
        self.certificates.path()
    }

    /// An agent of the company's, or a caller without a certificate.
    ///
    /// # Errors
    /// Its certificate can't be made.
    pub fn caller(&self, agent: Option<&str>) -> Result<Caller> {
        let credential = agent.map(|agent| self.identities.acme.svid(&format!("/agent/{agent}"))).transpose()?;
        Caller::new(self.envoy.listener(), &self.identities.acme, credential.as_ref())
    }

    /// A token for both agents, right in every respect, not yet signed. It names these actors, the current one first.
    #[must_use]
    pub fn token(&self, user: &User, actors: &[&str]) -> Token {
        let named = |actor: &&str| format!("spiffe://acme.example/agent/{actor}");
        let chain = actors.iter().rev().fold(None, |earlier: Option<Value>, actor| {
            Some(match earlier {
                None => json!({ "sub": named(actor) }),
                Some(earlier) => json!({ "sub": named(actor), "act": earlier }),
            })
        });
        let token = self.identities.idp.token(user.name);
        let token = token
            .claim("aud", json!(Colleague::ALL.map(Colleague::audience)))
            .claim("scope", SCOPES)
            .claim("client_id", "acme-planner")
            .claim("groups", json!(user.groups));
        match chain {
            None => token,
            Some(chain) => token.claim("act", chain),
        }
    }

    /// What an agent received.
    ///
    /// # Errors
    /// There is none: a world always has both.
    pub fn recorder(&self, colleague: Colleague) -> Result<&Recorder> {
        let upstream = self.colleagues.get(&colleague);
        Ok(upstream.with_context(|| format!("no agent {}", colleague.name()))?.recorder())
    }

    /// Everything that any agent received since it was last asked.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.colleagues.values().flat_map(|upstream| upstream.recorder().take()).collect()
    }

    /// Plays one row; nothing else may call at the same time.
    ///
    /// # Errors
    /// The world is broken, rather than the guard.
    pub async fn play(&self, row: &AgentRow, version: A2aVersion) -> Result<Played> {
        let good = self.token(&row.user, row.actors);
        let idp = &self.identities.idp;
        let token = match row.token {
            TokenKind::None => None,
            TokenKind::Good => Some(idp.sign(&good)?),
            TokenKind::OneTimePassword => Some(idp.sign(&good.claim("amr", json!(["pwd", "otp"])))?),
            TokenKind::Expired => Some(idp.sign(&good.expired(3_600))?),
            TokenKind::OtherAudience => Some(idp.sign(&good.claim("aud", "https://agents.elsewhere.example/"))?),
            TokenKind::OtherKey => Some(self.identities.impostor.sign(&good)?),
            TokenKind::Unsigned => Some(good.unsigned()),
        };
        let mut call = row.ask.http(row.agent.host(), version);
        if let Some(token) = token {
            call = call.header("authorization", format!("Bearer {token}"));
        }
        Played::of(&self.caller(row.caller)?, call, &self.envoy, || self.received()).await
    }
}

// === impl Colleague ===

impl Colleague {
    fn agent(self) -> A2aAgent {
        let task = |id: &str, context: &str, owner: &str| Task {
            id: id.to_owned(),
            context: context.to_owned(),
            owner: owner.to_owned(),
            state: "WORKING",
        };
        let [journey, salary] = TASKS;
        let (description, answer, tasks) = match self {
            Self::Travel => {
                let tasks = vec![task(journey, CONVERSATION, ALICE.name), task("T-oslo", "c-oslo", "bob")];
                ("Books journeys", "TP 571, Friday, 11:25", tasks)
            }
            Self::Payroll => {
                ("Pays salaries and expenses", "It will be paid.", vec![task(salary, "c-salary", ALICE.name)])
            }
        };
        A2aAgent { name: self.name(), description, url: self.audience(), answer, tasks }
    }
}
