//! What requests can come, as far as the catalogue and the operator's entities say it.
//!
//! The solver would try every tool with every hint, in every group. This is a policy that forbids what the filter never
//! asks; beside a set of policies it leaves of what they allow what can be.

use std::collections::BTreeSet;

use agent_messages::Protocol;
use cedar_policy::{EntityTypeName, EntityUid, Policy, PolicyId, RequestEnv};
use peer_identity::SpiffeId;
use serde_json::{Map, Value, json};

use super::{ProofError, literals};
use crate::Server;
use crate::policies::Policies;
use crate::schema::entity;

/// A name that no policy has: an `@id` has no control characters.
const NAME: &str = "\u{1}world";

pub(super) struct World<'a> {
    policies: &'a Policies,
    servers: &'a [Server],
    /// Entities that the policies name: no others matter.
    named: BTreeSet<EntityUid>,
}

/// The entries of a catalogue for what is on a server.
type Entry = (String, Value);

// === impl World ===

impl<'a> World<'a> {
    pub(super) fn new<'p>(
        policies: &'a Policies,
        servers: &'a [Server],
        read: impl IntoIterator<Item = &'p Policy>,
    ) -> Self {
        Self { policies, servers, named: literals(read) }
    }

    /// Policies that allow what these allow and can be.
    pub(super) fn with(&self, policies: &[Policy], environment: &RequestEnv) -> Result<Vec<Policy>, ProofError> {
        let mut facts = self.groups();
        let words = &self.policies.words;
        if *environment.principal() == words.workload {
            facts.extend(self.workload(&var("principal")));
        }
        facts.extend(self.workload(&get(var("context"), "actor")));
        facts.push(no_token());
        facts.push(self.target(environment.resource()));
        let all = json!({"op": "All"});
        let unless = json!({"kind": "unless", "body": every(facts)});
        let world =
            json!({"effect": "forbid", "principal": all, "action": all, "resource": all, "conditions": [unless]});
        let world = Policy::from_json(Some(PolicyId::new(NAME)), world).map_err(ProofError::broken)?;
        Ok(policies.iter().cloned().chain([world]).collect())
    }

    fn of_type<'s>(&'s self, ty: &'s EntityTypeName) -> impl Iterator<Item = &'s EntityUid> {
        self.named.iter().filter(move |uid| uid.type_name() == ty)
    }

    /// Groups within groups, and roles within roles.
    fn groups(&self) -> Vec<Value> {
        let words = &self.policies.words;
        let mut facts = Vec::new();
        for ty in [&words.group, &words.role] {
            for one in self.of_type(ty) {
                let above = self.policies.hierarchy.above(one);
                let others = self.of_type(ty).filter(|other| *other != one);
                facts.extend(others.map(|other| is(within(literal(one), other), above.contains(other))));
            }
        }
        facts
    }

    /// Workloads are in what the operator states, and in the trust domain of their name.
    fn workload(&self, who: &Value) -> Vec<Value> {
        let words = &self.policies.words;
        let stated = || self.policies.hierarchy.stated().filter(|(uid, _)| *uid.type_name() == words.workload);
        let mut facts = Vec::new();
        for group in self.of_type(&words.group) {
            let mut members: Vec<_> = stated().filter(|(_, above)| above.contains(group)).map(|(uid, _)| uid).collect();
            members.sort_unstable();
            let members = some(members.into_iter().map(|uid| equal(who.clone(), literal(uid))));
            facts.push(equal(within(who.clone(), group), members));
        }
        for domain in self.of_type(&words.trust_domain) {
            let same = equal(get(who.clone(), "trust_domain"), text(domain.id().unescaped()));
            facts.push(equal(within(who.clone(), domain), same));
        }
        let known = stated().map(|(uid, _)| uid).chain(self.of_type(&words.workload));
        for uid in known.collect::<BTreeSet<_>>() {
            let id = uid.id().unescaped();
            let same_id = equal(get(who.clone(), "spiffe_id"), text(id));
            let named = equal(who.clone(), literal(uid));
            let Ok(spiffe) = SpiffeId::parse(id) else { continue };
            let parts = [("trust_domain", spiffe.trust_domain().as_str()), ("path", spiffe.path())];
            let parts = parts.map(|(name, part)| equal(get(who.clone(), name), text(part)));
            facts.push(equal(named.clone(), same_id));
            facts.push(choice(named, every(parts), truth(true)));
        }
        facts
    }

    /// What is asked about is on one of the servers, and as the catalogue says.
    fn target(&self, ty: &EntityTypeName) -> Value {
        let words = &self.policies.words;
        let own_name = || get(var("resource"), "name");
        let mut facts: Vec<Value> = self
            .of_type(ty)
            .map(|uid| {
                let id = uid.id().unescaped();
                let same = if *ty == words.resource {
                    equal(get(var("resource"), "uri"), text(id))
                } else if let Some((server, name)) = id.split_once('/') {
                    let on = entity(&words.server, server);
                    every([within(var("resource"), &on), equal(own_name(), text(name))])
                } else {
                    equal(own_name(), text(id))
                };
                equal(equal(var("resource"), literal(uid)), same)
            })
            .collect();
        let protocol = if *ty == words.agent { Protocol::A2a } else { Protocol::Mcp };
        let spoken = || self.servers.iter().filter(move |server| server.protocol == protocol);
        let itself = *ty == words.agent || *ty == words.server;
        let uid = |server: &Server| {
            let ty = if protocol == Protocol::A2a { &words.agent } else { &words.server };
            entity(ty, &server.name)
        };
        let this = |server: &Server| {
            let uid = uid(server);
            if itself { equal(var("resource"), literal(&uid)) } else { within(var("resource"), &uid) }
        };
        let mut on = truth(false);
        for server in spoken() {
            let elsewhere = spoken().filter(|other| other.name != server.name).map(|other| is(this(other), false));
            let entry = if *ty == words.tool {
                self.tool(server)
            } else if *ty == words.resource {
                self.resource(server)
            } else if itself {
                every([equal(own_name(), text(&server.name)), self.memberships(&server.groups, &[])])
            } else {
                self.memberships(&server.groups, &[])
            };
            on = choice(this(server), every(elsewhere.chain([entry])), on);
        }
        facts.push(on);
        every(facts)
    }

    fn tool(&self, server: &Server) -> Value {
        let entry = |known: &crate::ToolEntry| {
            let hints = known.hints;
            let stated = [
                ("read_only", hints.read_only),
                ("destructive", hints.destructive),
                ("idempotent", hints.idempotent),
                ("open_world", hints.open_world),
            ];
            let hints = stated.map(|(name, so)| is(get(get(var("resource"), "hints"), name), so));
            let class = equal(get(var("resource"), "data_class"), json!({"Value": known.data_class}));
            every(hints.into_iter().chain([class, self.memberships(&server.groups, &known.groups)]))
        };
        let entries = server.tools.iter().map(|(name, known)| (name.clone(), entry(known)));
        by_name(&get(var("resource"), "name"), entries.collect(), entry(&crate::ToolEntry::default()))
    }

    fn resource(&self, server: &Server) -> Value {
        let entry = |known: &crate::ResourceEntry| {
            let class = equal(get(var("resource"), "data_class"), json!({"Value": known.data_class}));
            every([class, self.memberships(&server.groups, &known.groups)])
        };
        let entries = server.resources.iter().map(|(uri, known)| (uri.clone(), entry(known)));
        by_name(&get(var("resource"), "uri"), entries.collect(), entry(&crate::ResourceEntry::default()))
    }

    /// In these groups, in what they are in, and in no other.
    fn memberships(&self, of_server: &[String], own: &[String]) -> Value {
        let ty = &self.policies.words.group;
        let direct = of_server.iter().chain(own);
        let direct = direct.map(|name| entity(ty, name));
        let all = self.policies.hierarchy.closure(direct);
        every(self.of_type(ty).map(|group| is(within(var("resource"), group), all.contains(group))))
    }
}

/// Whether proofs about these policies reckon with a request.
#[cfg(test)]
pub(crate) fn is_possible(policies: &Policies, servers: &[Server], question: &crate::question::Question) -> bool {
    let (request, words) = (&question.request, &policies.words);
    let ty = |uid: Option<&EntityUid>| uid.unwrap().type_name().clone();
    let action = request.action().unwrap().clone();
    let environment = RequestEnv::new(ty(request.principal()), action, ty(request.resource()));
    let all = "permit (principal, action, resource);".parse::<Policy>().unwrap();
    let world = World::new(policies, servers, policies.index.policies());
    let set = cedar_policy::PolicySet::from_policies(world.with(&[all], &environment).unwrap()).unwrap();
    // A question has the groups of those that it speaks of, and not those groups themselves.
    let groups = policies.hierarchy.stated().filter_map(|(uid, _)| policies.hierarchy.named(uid, words));
    let entities = question.entities.clone().upsert_entities(groups, None).unwrap();
    let response = cedar_policy::Authorizer::new().is_authorized(request, &set, &entities);
    assert_eq!(response.diagnostics().errors().count(), 0);
    response.decision() == cedar_policy::Decision::Allow
}

/// The entry that counts for a name: the exact one, then the longest beginning.
fn by_name(name: &Value, mut entries: Vec<Entry>, otherwise: Value) -> Value {
    let rank = |key: &str| if key.ends_with('*') { key.len() } else { usize::MAX };
    entries.sort_by_key(|(key, _)| rank(key));
    entries.into_iter().fold(otherwise, |otherwise, (key, known)| {
        let chosen = match key.strip_suffix('*') {
            None => equal(name.clone(), text(&key)),
            Some(beginning) => {
                let pattern = json!([{"Literal": beginning}, "Wildcard"]);
                json!({"like": {"left": name, "pattern": pattern}})
            }
        };
        choice(chosen, known, otherwise)
    })
}

/// Without a token nothing is said of one.
fn no_token() -> Value {
    let token = |name: &str| get(get(var("context"), "token"), name);
    let empty = ["scopes", "audiences", "amr"].map(|name| json!({"isEmpty": {"arg": token(name)}}));
    let blank = ["client_id", "acr"].map(|name| equal(token(name), text("")));
    let bare = [is(token("sender_constrained"), false), equal(token("expires_in_seconds"), json!({"Value": 0}))];
    choice(token("present"), truth(true), every(empty.into_iter().chain(blank).chain(bare)))
}

// ---- Cedar's JSON format for expressions

/// `json!` would copy all operands, at each level again.
fn node<const N: usize>(operator: &str, operands: [(&str, Value); N]) -> Value {
    let operands = operands.into_iter().map(|(name, operand)| (name.to_owned(), operand));
    Value::Object(Map::from_iter([(operator.to_owned(), Value::Object(operands.collect()))]))
}

fn var(name: &str) -> Value {
    json!({"Var": name})
}

fn get(left: Value, attr: &str) -> Value {
    node(".", [("left", left), ("attr", attr.into())])
}

fn text(value: &str) -> Value {
    json!({"Value": value})
}

fn truth(value: bool) -> Value {
    json!({"Value": value})
}

fn literal(uid: &EntityUid) -> Value {
    json!({"Value": {"__entity": {"type": uid.type_name().to_string(), "id": uid.id().unescaped()}}})
}

fn equal(left: Value, right: Value) -> Value {
    node("==", [("left", left), ("right", right)])
}

fn within(left: Value, above: &EntityUid) -> Value {
    node("in", [("left", left), ("right", literal(above))])
}

fn is(fact: Value, so: bool) -> Value {
    if so { fact } else { node("!", [("arg", fact)]) }
}

fn choice(condition: Value, then: Value, otherwise: Value) -> Value {
    node("if-then-else", [("if", condition), ("then", then), ("else", otherwise)])
}

fn every(facts: impl IntoIterator<Item = Value>) -> Value {
    joined("&&", facts.into_iter().collect()).unwrap_or_else(|| truth(true))
}

fn some(facts: impl IntoIterator<Item = Value>) -> Value {
    joined("||", facts.into_iter().collect()).unwrap_or_else(|| truth(false))
}

/// As a balanced tree: what reads it takes the longer the deeper it is.
fn joined(operator: &str, mut facts: Vec<Value>) -> Option<Value> {
    let half = facts.len() / 2;
    if half == 0 {
        return facts.pop();
    }
    let right = facts.split_off(half);
    Some(node(operator, [("left", joined(operator, facts)?), ("right", joined(operator, right)?)]))
}
