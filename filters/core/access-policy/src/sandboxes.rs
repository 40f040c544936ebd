//! Runs `tests/policies/<sandbox>/`: policies, entities and a catalogue, with the decisions that they must lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use access_tokens::VerifiedToken;
use agent_messages::{AgentCall, Limits, ListItem, MessageHeaders, Protocol};
use cedar_policy::Entities;
use peer_identity::PeerIdentity;
use serde::Deserialize;
use serde_json::Value;

use crate::question::Supposed;
use crate::testing::{NOW, peer, token};
use crate::{Caller, Decision, DenialReason, Hints, Policies, ResourceEntry, Server, StepUp, ToolEntry};

mod foreseen;

struct Sandbox {
    name: String,
    /// Of each server.
    protocols: BTreeMap<String, Protocol>,
    policies: Policies,
    file: File,
}

/// `cases.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    callers: BTreeMap<String, Who>,
    cases: Vec<Case>,
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

#[derive(Deserialize)]
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

#[test]
fn every_case_of_every_sandbox_is_decided_as_it_says() {
    for sandbox in sandboxes() {
        for case in &sandbox.file.cases {
            let somebody = sandbox.somebody(&case.who, case.now.as_deref(), case.source_ip);
            let decision = sandbox.policies.decide(&somebody.caller(), &case.server, sandbox.call(case));
            case.check(decision, &format!("{}: {}", sandbox.name, case.name));
        }
    }
}

#[test]
fn every_list_of_every_sandbox_shows_what_it_says() {
    for sandbox in sandboxes() {
        for list in &sandbox.file.lists {
            let somebody = sandbox.somebody(&list.who, None, None);
            let tools = list.tools.iter().map(|(name, shown)| (ListItem::Tool(name), shown));
            let prompts = list.prompts.iter().map(|(name, shown)| (ListItem::Prompt(name), shown));
            let resources = list.resources.iter().map(|(uri, shown)| (ListItem::Resource(uri), shown));
            let templates = list.templates.iter().map(|(uri, shown)| (ListItem::ResourceTemplate(uri), shown));
            let tasks = list.tasks.iter().map(|(id, shown)| (ListItem::Task(id), shown));
            for (item, &shown) in tools.chain(prompts).chain(resources).chain(templates).chain(tasks) {
                let seen = sandbox.policies.lists(&somebody.caller(), &list.server, item);
                assert_eq!(seen, shown, "{}: {} on {} sees {item:?}", sandbox.name, list.who, list.server);
            }
        }
    }
}

#[test]
fn every_call_that_is_allowed_is_listed_before() {
    for sandbox in sandboxes() {
        for case in sandbox.file.cases.iter().filter(|case| case.decision == Outcome::Allow) {
            let params = |name: &str| case.call.get("params").and_then(|params| params.get(name)?.as_str());
            let item = match case.call.get("method").and_then(Value::as_str) {
                Some("tools/call") => ListItem::Tool(params("name").unwrap()),
                Some("prompts/get") => ListItem::Prompt(params("name").unwrap()),
                Some("resources/read") => ListItem::Resource(params("uri").unwrap()),
                // An agent's tasks go by `id`.
                Some("tasks/get" | "tasks/result") if params("taskId").is_some() => {
                    ListItem::Task(params("taskId").unwrap())
                }
                _ => continue,
            };
            let somebody = sandbox.somebody(&case.who, case.now.as_deref(), case.source_ip);
            let shown = sandbox.policies.lists(&somebody.caller(), &case.server, item);
            assert!(shown, "{}: {} hides {item:?}", sandbox.name, case.name);
        }
    }
}

#[test]
fn every_policy_of_every_sandbox_decides_something() {
    for sandbox in sandboxes() {
        let decisive: BTreeSet<&String> = sandbox.file.cases.iter().flat_map(|case| &case.policies).collect();
        // Permits for lists only, and those whose overflow or whose step-up is what is tested.
        let idle: Vec<_> = sandbox.policies.rules.keys().filter(|id| !decisive.contains(id)).collect();
        let expected: &[&str] = match sandbox.name.as_str() {
            "fail-closed" => &["edit", "ordered", "publish"],
            _ => &[],
        };
        assert_eq!(idle.iter().map(|id| id.as_str()).collect::<BTreeSet<_>>(), expected.iter().copied().collect());
    }
}

#[test]
fn every_question_conforms_to_the_schema() {
    for sandbox in sandboxes() {
        let policies = &sandbox.policies;
        for case in &sandbox.file.cases {
            let somebody = sandbox.somebody(&case.who, None, case.source_ip);
            let caller = somebody.caller();
            let call = sandbox.call(case);
            let Some(server) = policies.catalogue.server(&case.server) else { continue };
            let Ok((action, thing, shown)) = policies.subject(server, call.operation()) else { continue };
            let Some(asked) = policies.case(&caller, action, thing, shown) else { continue };
            let question = policies.question(&asked, &Supposed::NOTHING).unwrap();
            let strict = Entities::from_entities(question.entities.iter().cloned(), Some(&policies.words.schema));
            assert_eq!(strict.err().map(|error| error.to_string()), None, "{}: {}", sandbox.name, case.name);
        }
    }
}

// === impl Sandbox ===

impl Sandbox {
    fn somebody(&self, who: &str, now: Option<&str>, source_ip: Option<IpAddr>) -> Somebody {
        let now =
            now.map_or(NOW, |now| humantime::parse_rfc3339(now).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let who = self.file.callers.get(who).unwrap_or_else(|| panic!("{}: no caller `{who}`", self.name));
        Somebody {
            token: who.token.as_ref().map(|claims| token(claims, now)),
            peer: who.peer.as_deref().map(peer),
            now,
            source_ip,
        }
    }

    /// The call, as the server's protocol has it.
    fn call(&self, case: &Case) -> AgentCall {
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
            MessageHeaders::read(protocol, all.into_iter().chain(modern.clone())).unwrap()
        };
        let (headers, body) = match case.call.as_str() {
            Some("GET") => (headers(b"GET", b"/.well-known/agent-card.json"), String::new()),
            Some("DELETE") => (headers(b"DELETE", b"/"), String::new()),
            _ => (headers(b"POST", b"/"), case.call.to_string()),
        };
        AgentCall::parse(&headers, body.as_bytes(), &limits)
            .unwrap_or_else(|refusal| panic!("{}: {}: {refusal:?}", self.name, case.name))
    }
}

// === impl Somebody ===

impl Somebody {
    fn caller(&self) -> Caller<'_> {
        Caller { token: self.token.as_deref(), actor: self.peer.as_ref(), now: self.now, source_ip: self.source_ip }
    }
}

// === impl Case ===

impl Case {
    #[track_caller]
    fn check(&self, decision: Decision, name: &str) {
        match (self.decision, decision) {
            (Outcome::Allow, Decision::Allow(call)) => {
                assert_eq!(call.policies(), self.policies, "{name}");
                assert_eq!(call.server(), self.server, "{name}");
                assert_eq!(call.grant().scopes, self.scopes, "{name}");
                assert_eq!(call.grant().audience, self.audience, "{name}");
                assert_eq!(call.grant().ttl_seconds, self.ttl_seconds, "{name}");
            }
            (Outcome::Deny, Decision::Deny(denial)) => {
                let step_up = self.step_up.as_ref();
                let step_up = step_up.map(|step| StepUp { scopes: step.scopes.clone(), acr: step.acr.clone() });
                let reason = self.reason.as_ref().map(Reason::is).unwrap_or_else(|| panic!("{name}: no reason given"));
                assert_eq!(denial.reason, reason, "{name}: {denial:?}");
                assert_eq!(denial.policies, self.policies, "{name}");
                assert_eq!(denial.errors.len(), self.errors, "{name}: {:?}", denial.errors);
                assert_eq!(denial.step_up, step_up, "{name}");
            }
            (_, decision) => panic!("{name}: {decision:?}"),
        }
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

fn sandboxes() -> Vec<Sandbox> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/policies");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let all: Vec<Sandbox> = folders.iter().filter(|path| path.is_dir()).map(|path| sandbox(path)).collect();
    assert!(all.len() >= 2);
    all
}

fn sandbox(folder: &Path) -> Sandbox {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let text =
        |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
    let servers: Vec<ServerFile> = serde_json::from_str(&text("servers.json")).unwrap();
    let servers: Vec<Server> = servers.into_iter().map(ServerFile::server).collect();
    let protocols = servers.iter().map(|server| (server.name.clone(), server.protocol)).collect();
    let entities = serde_json::from_str(&text("entities.json")).unwrap();
    let policies = Policies::compile(&text("policies.cedar"), &entities, &servers);
    let policies = policies.unwrap_or_else(|error| panic!("{name}: {error}"));
    let file: File = serde_json::from_str(&text("cases.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!file.cases.is_empty(), "{name}");
    Sandbox { name, protocols, policies, file }
}
