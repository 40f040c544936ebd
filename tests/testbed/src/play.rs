//! Plays a row of the story in a world, and says whether it went as it must.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};

use crate::a2a_agent::no_such_task;
use crate::acme::SCOPES;
use crate::client::{Answer, Caller, HttpCall, McpCall, Revision, SendError};
use crate::envoy::Envoy;
use crate::pki::Credential;
use crate::recorder::Received;
use crate::story::{Agent, Call, Expected, Row, TokenKind};
use crate::world::World;

/// What came of a row.
#[derive(Debug)]
pub struct Played {
    /// The answer, or why there was none.
    pub answer: Result<Answer, SendError>,
    /// The guard's audit line about it; there is none without a connection.
    pub audit: Option<Value>,
    /// What the servers received because of it.
    pub received: Vec<Received>,
}

// === impl World ===

impl World {
    /// Plays one row; nothing else may call at the same time.
    ///
    /// # Errors
    /// The world is broken, rather than the guard.
    pub async fn play(&self, row: &Row, revision: Revision) -> Result<Played> {
        let caller = self.caller(self.credential(row.agent))?;
        let mut call = row.call.message(row.server.host()).revision(revision);
        if let Some(token) = self.token(row)? {
            call = call.token(&token);
        }
        let received = || self.received().into_iter().map(|(_, received)| received).collect();
        Played::of(&caller, call, self.envoy(), received).await
    }

    /// The token that a row presents.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn token(&self, row: &Row) -> Result<Option<String>> {
        let identities = self.identities();
        let good = identities.token(&row.user);
        Ok(Some(match row.token {
            TokenKind::None => return Ok(None),
            TokenKind::Good => self.sign(&good)?,
            TokenKind::OneTimePassword => self.sign(&good.claim("amr", json!(["pwd", "otp"])))?,
            TokenKind::Expired => self.sign(&good.expired(3_600))?,
            TokenKind::OtherAudience => self.sign(&good.claim("aud", "https://mcp.elsewhere.example/mcp"))?,
            TokenKind::OtherKey => identities.impostor.sign(&good)?,
            TokenKind::Unsigned => good.unsigned(),
        }))
    }

    fn credential(&self, agent: Agent) -> Option<&Credential> {
        let identities = self.identities();
        match agent {
            Agent::Assistant => Some(&identities.assistant),
            Agent::Batch => Some(&identities.batch),
            Agent::Stranger => Some(&identities.stranger),
            Agent::Nobody => None,
        }
    }
}

// === impl Call ===

impl Call {
    /// As a message to the server that answers for `host`.
    #[must_use]
    pub fn message(self, host: &str) -> McpCall {
        match self {
            Self::Tool { name, arguments } => {
                let arguments: Map<String, Value> =
                    arguments.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
                McpCall::tool(host, name, Value::Object(arguments))
            }
            Self::Read { uri } => McpCall::read(host, uri),
            Self::ListTools => McpCall::list(host, "tools"),
            Self::ListResources => McpCall::list(host, "resources"),
        }
    }
}

// === impl Expected ===

impl From<&Row> for Expected {
    fn from(row: &Row) -> Self {
        row.outcome
    }
}

// === impl Played ===

impl Played {
    /// Sends a call, and takes what the servers received because of it.
    pub(crate) async fn of(
        caller: &Caller,
        call: impl Into<HttpCall>,
        envoy: &Envoy,
        received: impl Fn() -> Vec<Received>,
    ) -> Result<Self> {
        drop(received());
        let answer = caller.send(call).await;
        let audit = match answer.as_ref().ok().and_then(Answer::request_id) {
            Some(request_id) => Some(envoy.audit_of(request_id).await?),
            None => None,
        };
        Ok(Self { answer, audit, received: received() })
    }

    /// Checks what came of a row, including what the servers received: everything, or nothing.
    ///
    /// # Errors
    /// It is not what the row expects.
    pub fn check(&self, row: impl Into<Expected>) -> Result<()> {
        let outcome = row.into();
        self.check_answer(outcome)?;
        match outcome {
            Expected::Allowed { scope, .. } => {
                self.expect("scope", self.claim("scope"), json!(scope))?;
                self.expect("requests at the server", json!(self.received.len()), json!(1))
            }
            Expected::AllowedForNobody { .. } => {
                let authorized = self.received.iter().any(|request| request.headers.contains_key("authorization"));
                self.expect("a token", json!(authorized), json!(false))?;
                self.expect("requests at the server", json!(self.received.len()), json!(1))
            }
            Expected::Shows { .. } => self.expect("requests at the server", json!(self.received.len()), json!(1)),
            Expected::Denied { .. } => {
                if self.audited("action") != Value::Null {
                    self.expect("id of the answer", member(self.answer()?, "id"), json!(1))?;
                }
                self.expect("requests at the server", json!(self.received.len()), json!(0))
            }
            Expected::TaskNotFound | Expected::Refused { .. } | Expected::NoConnection => {
                self.expect("requests at the server", json!(self.received.len()), json!(0))
            }
        }
    }

    /// The same where a request's headers can't be held: of a denied one the servers received no more than these, and
    /// never with the caller's token.
    ///
    /// # Errors
    /// It is not what the row expects.
    pub fn check_unheld(&self, row: &Row, revision: Revision) -> Result<()> {
        self.check_answer(row.outcome)?;
        // Headers of a request that was broken off may arrive after the answer to it.
        let id = self.answer.as_ref().ok().and_then(Answer::request_id);
        let own = self.received.iter().filter(|received| id.is_some() && received.header("x-request-id") == id);
        for received in &self.received {
            let issuer = received.claims().and_then(|claims| claims.get("iss").cloned()).unwrap_or_default();
            self.expect("issuer of the token", issuer, json!("https://mesh.acme.example"))?;
        }
        let (whole, headers): (Vec<_>, Vec<_>) = own.partition(|received| received.body.is_some());
        let bytes: usize = headers.iter().map(|received| received.body_bytes).sum();
        self.expect("bytes of what is not allowed", json!(bytes), json!(0))?;
        let claim = |name: &str| whole.first().and_then(|received| received.claims()?.get(name).cloned());
        match row.outcome {
            Expected::Allowed { scope, .. } => {
                // Headers of older revisions don't say for what.
                let scope = if revision == Revision::V2026_07_28 { scope } else { SCOPES };
                let sorted = |scopes: &str| scopes.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
                let minted = claim("scope").and_then(|minted| minted.as_str().map(sorted));
                self.expect("scope", json!(minted), json!(sorted(scope)))?;
                self.expect("requests at the server", json!(whole.len()), json!(1))
            }
            Expected::Shows { .. } | Expected::AllowedForNobody { .. } => {
                self.expect("requests at the server", json!(whole.len()), json!(1))
            }
            Expected::Denied { .. } | Expected::TaskNotFound => {
                self.expect("requests at the server", json!(whole.len()), json!(0))
            }
            Expected::Refused { .. } | Expected::NoConnection => {
                self.expect("requests at the server", json!(whole.len() + headers.len()), json!(0))
            }
        }
    }

    fn check_answer(&self, outcome: Expected) -> Result<()> {
        let determining = |policies: &[&str]| if policies.is_empty() { Value::Null } else { json!(policies) };
        match outcome {
            Expected::Allowed { policies, .. } | Expected::AllowedForNobody { policies } => {
                self.expect("status", json!(self.status()?), json!(200))?;
                self.expect("decision", self.audited("decision"), json!("allow"))?;
                self.expect("policies", self.audited("policies"), determining(policies))?;
                self.expect("an error", member(self.answer()?, "error"), Value::Null)
            }
            Expected::Shows { items } => {
                self.expect("status", json!(self.status()?), json!(200))?;
                self.expect("items", json!(self.listed()), json!(items))
            }
            Expected::Denied { policies } => {
                self.expect("status", json!(self.status()?), json!(403))?;
                self.expect("decision", self.audited("decision"), json!("deny"))?;
                self.expect("policies", self.audited("policies"), determining(policies))
            }
            Expected::TaskNotFound => {
                self.expect("decision", self.audited("decision"), json!("deny"))?;
                let error = no_such_task(self.audited("action").as_str().unwrap_or_default());
                self.expect("status", json!(self.status()?), json!(200))?;
                self.expect("error", member(self.answer()?, "error"), error)
            }
            Expected::Refused { status } => {
                self.expect("status", json!(self.status()?), json!(status))?;
                self.expect("decision", self.audited("decision"), json!("refuse"))
            }
            Expected::NoConnection => match &self.answer {
                Err(SendError::Alert(_)) => Ok(()),
                other => Err(anyhow!("TLS should have refused, but: {other:?}")),
            },
        }
    }

    /// A member of the audit line.
    #[must_use]
    pub fn audited(&self, member: &str) -> Value {
        self.audit.as_ref().and_then(|audit| audit.get(member)).cloned().unwrap_or_default()
    }

    /// A claim of the token that the server received.
    #[must_use]
    pub fn claim(&self, name: &str) -> Value {
        let claims = self.received.first().and_then(Received::claims).unwrap_or_default();
        claims.get(name).cloned().unwrap_or_default()
    }

    /// Names or URIs of the items of a list.
    #[must_use]
    pub fn listed(&self) -> Vec<String> {
        let body = self.answer.as_ref().map(Answer::json).unwrap_or_default();
        let lists = ["tools", "resources", "prompts"];
        let items = lists.iter().find_map(|list| body.get("result")?.get(list)?.as_array().cloned());
        let name = |item: Value| item.get("uri").or(item.get("name")).and_then(Value::as_str).map(str::to_owned);
        items.unwrap_or_default().into_iter().filter_map(name).collect()
    }

    fn answer(&self) -> Result<&Answer> {
        self.answer.as_ref().map_err(|error| anyhow!("no answer: {error}"))
    }

    fn status(&self) -> Result<u16> {
        Ok(self.answer()?.status)
    }

    fn expect(&self, what: &str, is: Value, should_be: Value) -> Result<()> {
        if is == should_be {
            return Ok(());
        }
        let answer = self.answer.as_ref().map(Answer::text);
        Err(anyhow!("{what} should be {should_be}, not {is}; answer {answer:?}; audit {:?}", self.audit))
    }
}

fn member(answer: &Answer, name: &str) -> Value {
    answer.json().get(name).cloned().unwrap_or_default()
}
