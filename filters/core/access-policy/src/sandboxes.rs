//! Sandboxes: policies, entities and a catalogue, with the decisions that they must lead to (`tests/policies`).
//!
//! Tokens in them are claims without a signature. They are checked as those are that Envoy has verified.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use access_tokens::{ClaimPaths, ClaimsVerifier, ProxyIssuer, VerifiedToken};
use agent_messages::{AgentCall, Limits, ListItem, MessageHeaders, Protocol};
use peer_identity::{PeerIdentity, Source};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{Caller, DenialReason, Hints, Policies, ResourceEntry, Server, ToolEntry};

#[cfg(test)]
mod foreseen;
#[cfg(all(test, feature = "prove"))]
mod provable;
#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{Difference, Verdict};

/// 2026-11-24T12:00:00Z, for cases that do not say `now`.
pub(crate) const NOW: u64 = 1_795_521_600;
pub(crate) const AUDIENCE: &str = "https://server.example/mcp";

/// Policies with what they must lead to.
pub struct Sandbox {
    name: String,
    /// Of each server.
    protocols: BTreeMap<String, Protocol>,
    policies: Policies,
    file: File,
}

/// The texts of its four files.
#[derive(Debug, Clone, Copy)]
pub struct SandboxFiles<'a> {
    /// `policies.cedar`.
    pub policies: &'a str,
    /// `entities.json`: the operator's entities.
    pub entities: &'a str,
    /// `servers.json`: the catalogue, as in a configuration.
    pub servers: &'a str,
    /// `cases.json`: callers, cases and lists.
    pub cases: &'a str,
}

/// Why a sandbox can't be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SandboxError {
    /// Not what the file must hold.
    #[error("{file}:{line}:{column}: {problem}")]
    Json {
        /// Which of the four.
        file: &'static str,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// The policies, the entities or the catalogue are refused.
    #[error("{0}")]
    Policies(#[from] crate::PolicyError),
    /// There is nothing to run.
    #[error("cases.json: there is no case")]
    Empty,
}

/// `cases.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    callers: BTreeMap<String, Who>,
    cases: Vec<Case>,
    #[serde(default)]
    lists: Vec<List>,
}

/// The claims of the user's token, and the workload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    token: Option<Value>,
    peer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    who: String,
    server: String,
    /// A JSON-RPC message, or `GET` (of a session or a card) or `DELETE`.
    call: Value,
    decision: Outcome,
    /// The policies that determine the decision.
    policies: Vec<String>,
    reason: Option<Reason>,
    #[serde(default)]
    errors: usize,
    scopes: Option<BTreeSet<String>>,
    audience: Option<String>,
    ttl_seconds: Option<u64>,
    step_up: Option<Stronger>,
    now: Option<String>,
    source_ip: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Allow,
    Deny,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    UnknownServer,
    NoPrincipal,
    AmbiguousUri,
    Forbidden,
    NotPermitted,
    PolicyFailed,
    ConflictingAudiences,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stronger {
    scopes: BTreeSet<String>,
    acr: Option<String>,
}

/// What somebody sees of what there is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    who: String,
    server: String,
    #[serde(default)]
    tools: BTreeMap<String, bool>,
    #[serde(default)]
    prompts: BTreeMap<String, bool>,
    #[serde(default)]
    resources: BTreeMap<String, bool>,
    #[serde(default)]
    templates: BTreeMap<String, bool>,
    #[serde(default)]
    tasks: BTreeMap<String, bool>,
}

/// An entry of `servers.json`, which a configuration of the guard can hold as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    name: String,
    protocol: Protocol,
    #[serde(rename = "match")]
    _match: Value,
    #[serde(rename = "audience")]
    _audience: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    tools: BTreeMap<String, ToolFile>,
    #[serde(default)]
    resources: BTreeMap<String, ResourceFile>,
    /// For the guard, which puts each of these as the question of another method.
    #[serde(default, rename = "extra_methods")]
    _extra_methods: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolFile {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    hints: HintsFile,
    #[serde(default)]
    data_class: i64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HintsFile {
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceFile {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    data_class: i64,
}

/// Somebody, with what a caller borrows.
struct Somebody {
    token: Option<Rc<VerifiedToken>>,
    peer: Option<PeerIdentity>,
    now: u64,
    source_ip: Option<IpAddr>,
}

// === impl Sandbox ===

impl Sandbox {
    /// Reads a sandbox of that name.
    ///
    /// # Errors
    /// A file is not what it must be, or the policies are refused.
    pub fn read(name: &str, files: &SandboxFiles<'_>) -> Result<Self, SandboxError> {
        let servers: Vec<ServerFile> = json("servers.json", files.servers)?;
        let servers: Vec<Server> = servers.into_iter().map(ServerFile::server).collect();
        let protocols = servers.iter().map(|server| (server.name.clone(), server.protocol)).collect();
        let policies = Policies::compile(files.policies, &json("entities.json", files.entities)?, &servers)?;
        let file: File = json("cases.json", files.cases)?;
        if file.cases.is_empty() {
            return Err(SandboxError::Empty);
        }
        Ok(Self { name: name.to_owned(), protocols, policies, file })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its policies.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Puts every case and looks at every list.
    #[must_use]
    pub fn run(&self) -> Vec<Verdict> {
        let cases = self.file.cases.iter().map(|case| self.judge(case));
        cases.chain(self.file.lists.iter().flat_map(|list| self.look(list))).collect()
    }

    fn judge(&self, case: &Case) -> Verdict {
        let asked = self.somebody(&case.who, case.now.as_deref(), case.source_ip);
        match asked.and_then(|somebody| Ok((somebody, self.call(case)?))) {
            Ok((somebody, call)) => case.verdict(&self.policies.decide(&somebody.caller(), &case.server, call)),
            Err(problem) => Verdict::impossible(&case.name, problem),
        }
    }

    fn look(&self, list: &List) -> Vec<Verdict> {
        let named = |item: &ListItem<'_>| format!("{} on {} sees {item:?}", list.who, list.server);
        let one = |(item, shown): (ListItem<'_>, bool)| match self.somebody(&list.who, None, None) {
            Ok(somebody) => {
                let seen = self.policies.lists(&somebody.caller(), &list.server, item);
                Verdict::of_list(named(&item), shown, seen)
            }
            Err(problem) => Verdict::impossible(&named(&item), problem),
        };
        list.items().map(one).collect()
    }

    fn somebody(&self, who: &str, now: Option<&str>, source_ip: Option<IpAddr>) -> Result<Somebody, String> {
        let seconds = |now: &str| {
            let time = humantime::parse_rfc3339(now).map_err(|error| format!("`now`: {error}"))?;
            time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|error| format!("`now`: {error}"))
        };
        let now = now.map_or(Ok(NOW), seconds)?;
        let who = self.file.callers.get(who).ok_or_else(|| format!("there is no caller `{who}`"))?;
        let peer = |id: &str| {
            PeerIdentity::handed_over(id, Source::Tls).map_err(|error| format!("the peer is refused: {error}"))
        };
        Ok(Somebody {
            token: who.token.as_ref().map(|claims| token(claims, now)).transpose()?,
            peer: who.peer.as_deref().map(peer).transpose()?,
            now,
            source_ip,
        })
    }

    /// The call, as the server's protocol has it.
    fn call(&self, case: &Case) -> Result<AgentCall, String> {
        let limits =
            Limits { max_body_bytes: 65_536, max_json_depth: 32, max_json_nodes: 20_000, max_sse_event_bytes: 65_536 };
        let protocol = self.protocols.get(&case.server).copied().unwrap_or_default();
        // What 2026-07-28 wants in headers is what the body says.
        let said = |pointer: &str| case.call.pointer(pointer).and_then(Value::as_str);
        let version = said("/params/_meta/io.modelcontextprotocol~1protocolVersion");
        let name = ["/params/name", "/params/uri", "/params/taskId"].into_iter().find_map(said);
        let modern = [("mcp-method", said("/method")), ("mcp-name", name)].into_iter().filter(|_| version.is_some());
        let modern = modern.filter_map(|(name, value)| Some((name.as_bytes(), value?.as_bytes())));
        let headers = |verb: &'static [u8], path: &'static [u8]| {
            let all: [(&[u8], &[u8]); 4] = [
                (b":method", verb),
                (b":path", path),
                (b"content-type", b"application/json"),
                (b"mcp-protocol-version", version.unwrap_or("2025-11-25").as_bytes()),
            ];
            MessageHeaders::read(protocol, all.into_iter().chain(modern.clone()))
                .map_err(|refusal| format!("the call is refused: {refusal:?}"))
        };
        let (headers, body) = match case.call.as_str() {
            Some("GET") => (headers(b"GET", b"/.well-known/agent-card.json")?, String::new()),
            Some("DELETE") => (headers(b"DELETE", b"/")?, String::new()),
            _ => (headers(b"POST", b"/")?, case.call.to_string()),
        };
        AgentCall::parse(&headers, body.as_bytes(), &limits)
            .map_err(|refusal| format!("the call is refused: {refusal:?}"))
    }
}

// === impl Somebody ===

impl Somebody {
    fn caller(&self) -> Caller<'_> {
        Caller { token: self.token.as_deref(), actor: self.peer.as_ref(), now: self.now, source_ip: self.source_ip }
    }
}

// === impl List ===

impl List {
    /// Everything that is asked of it, and whether it must be seen.
    fn items(&self) -> impl Iterator<Item = (ListItem<'_>, bool)> {
        let tools = self.tools.iter().map(|(name, shown)| (ListItem::Tool(name), *shown));
        let prompts = self.prompts.iter().map(|(name, shown)| (ListItem::Prompt(name), *shown));
        let resources = self.resources.iter().map(|(uri, shown)| (ListItem::Resource(uri), *shown));
        let templates = self.templates.iter().map(|(uri, shown)| (ListItem::ResourceTemplate(uri), *shown));
        let tasks = self.tasks.iter().map(|(id, shown)| (ListItem::Task(id), *shown));
        tools.chain(prompts).chain(resources).chain(templates).chain(tasks)
    }
}

// === impl Reason ===

impl Reason {
    fn is(&self) -> DenialReason {
        match self {
            Self::UnknownServer => DenialReason::UnknownServer,
            Self::NoPrincipal => DenialReason::NoPrincipal,
            Self::AmbiguousUri => DenialReason::AmbiguousUri,
            Self::Forbidden => DenialReason::Forbidden,
            Self::NotPermitted => DenialReason::NotPermitted,
            Self::PolicyFailed => DenialReason::PolicyFailed,
            Self::ConflictingAudiences => DenialReason::ConflictingAudiences,
        }
    }
}

// === impl ServerFile ===

impl ServerFile {
    fn server(self) -> Server {
        let usual = Hints::default();
        let tool = |(name, tool): (String, ToolFile)| {
            let hints = Hints {
                read_only: tool.hints.read_only.unwrap_or(usual.read_only),
                destructive: tool.hints.destructive.unwrap_or(usual.destructive),
                idempotent: tool.hints.idempotent.unwrap_or(usual.idempotent),
                open_world: tool.hints.open_world.unwrap_or(usual.open_world),
            };
            (name, ToolEntry { groups: tool.groups, hints, data_class: tool.data_class })
        };
        let resource = |(uri, resource): (String, ResourceFile)| {
            (uri, ResourceEntry { groups: resource.groups, data_class: resource.data_class })
        };
        Server {
            name: self.name,
            protocol: self.protocol,
            groups: self.groups,
            tools: self.tools.into_iter().map(tool).collect(),
            resources: self.resources.into_iter().map(resource).collect(),
        }
    }
}

fn json<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, SandboxError> {
    serde_json::from_str(text).map_err(|error| SandboxError::Json {
        file,
        line: error.line(),
        column: error.column(),
        problem: error.to_string(),
    })
}

/// The token with these claims, issued a minute before `now` and good for five, unless they say otherwise. Groups are in
/// `groups`, roles in `roles`.
fn token(claims: &Value, now: u64) -> Result<Rc<VerifiedToken>, String> {
    let mut all: Map<String, Value> = Map::from_iter([
        ("aud".to_owned(), AUDIENCE.into()),
        ("iat".to_owned(), now.saturating_sub(60).into()),
        ("exp".to_owned(), now.saturating_add(300).into()),
    ]);
    all.extend(claims.as_object().cloned().unwrap_or_default());
    let issuer = all.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned();
    let paths = ClaimPaths { groups: Some("groups".to_owned()), roles: Some("roles".to_owned()) };
    let verifier = ClaimsVerifier::new(vec![ProxyIssuer { issuer, claims: paths }], 30, 86_400);
    let verifier = verifier.map_err(|error| format!("the token is refused: {error}"))?;
    verifier.verify(&all, AUDIENCE, now).map_err(|error| format!("the token is refused: {error}"))
}
