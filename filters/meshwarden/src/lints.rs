//! Looks for policies that can't mean what they say.

use std::collections::BTreeSet;

use access_policy::{Effect, Policies, Server, Statement};
use agent_messages::Protocol;
use serde_json::Value;

use crate::configuration::Taken;
use crate::expression::{any, as_truth, conditions, conjuncts, named, path};
use crate::finding::{Finding, Lint};
use crate::outlook::{Known, Rest, Thing};
use crate::words::words;

/// Something that can be asked of a server.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) action: &'static str,
    pub(crate) thing: Thing,
}

/// All findings, in the order of the text; then what no policy speaks of.
pub(crate) fn findings(taken: &Taken) -> Vec<Finding> {
    let subject = Subject::new(taken);
    let mut all: Vec<Finding> = taken.statements.iter().flat_map(|one| subject.of(one)).collect();
    all.extend(subject.nothing_permits());
    all
}

/// Whatever the catalogue has, each as the call that uses it. An entry for the beginning of a name stands for them all.
pub(crate) fn targets(policies: &Policies, servers: &[Server]) -> Vec<Target> {
    let mut all = Vec::new();
    for server in servers {
        let mut add = |action, ty: &str, id: &str| {
            all.extend(Thing::described(policies, ty, id).map(|thing| Target { action, thing }));
        };
        match server.protocol {
            Protocol::Mcp => {
                add("connect", "Server", &server.name);
                server.tools.keys().for_each(|tool| add("tools/call", "Tool", &format!("{}/{tool}", server.name)));
            }
            Protocol::A2a => add("message/send", "Agent", &server.name),
        }
    }
    all
}

/// Every group that the operator has put a workload into.
pub(crate) fn workload_groups(policies: &Policies, entities: &Value) -> BTreeSet<String> {
    let uids = entities.as_array().into_iter().flatten().filter_map(|entity| named(entity.get("uid")?));
    let workloads = uids.filter(|(ty, _)| *ty == "Workload").filter_map(|(ty, id)| Thing::described(policies, ty, id));
    workloads.flat_map(|thing| thing.above).filter(|(ty, _)| ty == "Group").map(|(_, id)| id).collect()
}

struct Subject<'a> {
    taken: &'a Taken,
    targets: Vec<Target>,
    anybody: Known,
}

// === impl Subject ===

impl<'a> Subject<'a> {
    fn new(taken: &'a Taken) -> Self {
        let review = &taken.review;
        let workload_groups = Some(workload_groups(&review.policies, &review.entities));
        Self {
            taken,
            targets: targets(&review.policies, &review.servers),
            anybody: Known { workload_groups, ..Known::default() },
        }
    }

    fn of(&self, statement: &Statement) -> Vec<Finding> {
        let mut all = Vec::new();
        let mut add = |lint, problem: String, advice: &str| {
            all.push(Finding {
                lint,
                policy: Some(statement.id.clone()),
                line: Some(statement.line),
                column: Some(statement.column),
                problem,
                advice: advice.to_owned(),
            });
        };
        if statement.reason.is_none() {
            add(Lint::NoReason, "has no `@reason`".to_owned(), "say in one line why it is there: the audit shows it");
        }
        if statement.shadow {
            return all;
        }
        if let Some(problem) = self.not_in_catalogue(statement) {
            add(Lint::NotInCatalogue, problem, "correct the name, or add it to `servers`");
        }
        match statement.effect {
            Effect::Forbid if self.escapes(statement) => add(
                Lint::AbsentArgumentEscapes,
                "a call that leaves the argument out, or sends it as another type, escapes it".to_owned(),
                "write what may pass instead: `unless { ….hasTag(…) && ….getTag(…) <= … }`, or put the bound into the permits",
            ),
            Effect::Permit => {
                if let Some((problem, advice)) = self.never_permits(statement) {
                    add(Lint::NeverPermits, problem, advice);
                }
            }
            Effect::Forbid => {}
        }
        all
    }

    fn escapes(&self, statement: &Statement) -> bool {
        let of_arguments = |part: &Value| path(part).is_some_and(|steps| steps.starts_with(&["context", "arguments"]));
        let reads = conditions(statement).iter().any(|part| any(part, &of_arguments));
        let without = Known { no_arguments: true, ..Known::default() };
        reads && without.rest(statement) == Rest::Never && Known::default().rest(statement) != Rest::Never
    }

    fn never_permits(&self, statement: &Statement) -> Option<(String, &'static str)> {
        let known = Known { resource: self.only_target(statement), ..self.anybody.clone() };
        if known.rest(statement) == Rest::Never {
            let parts = conjuncts(statement);
            let never = parts.iter().find(|part| as_truth(&known.simplified(part)) == Some(false));
            let problem = match never {
                Some(part) => format!("can never apply: it is never so that {}", words(part)),
                None => "can never apply: its conditions contradict each other".to_owned(),
            };
            return Some((problem, "correct the condition, or take the policy out"));
        }
        let reached = self.targets.iter().filter(|target| self.at(target).rest(statement) != Rest::Never);
        let overruled = reached.map(|target| {
            let forbids = self.statements(Effect::Forbid);
            forbids.filter(|forbid| self.at(target).rest(forbid) == Rest::Applies).map(|forbid| &forbid.id).next()
        });
        let forbids: BTreeSet<&String> = overruled.collect::<Option<BTreeSet<_>>>()?;
        let first = forbids.first()?;
        Some((format!("is always overruled: `{first}` forbids whatever it permits"), "take one of the two out"))
    }

    /// What its scope names alone, if that is in the catalogue.
    fn only_target(&self, statement: &Statement) -> Option<Thing> {
        let (operator, ty, id) = resource_of(statement)?;
        (operator == "==").then(|| Thing::described(&self.taken.review.policies, ty, id)).flatten()
    }

    fn at(&self, target: &Target) -> Known {
        Known { action: Some(target.action), resource: Some(target.thing.clone()), ..self.anybody.clone() }
    }

    fn statements(&self, effect: Effect) -> impl Iterator<Item = &'a Statement> {
        self.taken.statements.iter().filter(move |one| one.effect == effect && !one.shadow)
    }

    fn not_in_catalogue(&self, statement: &Statement) -> Option<String> {
        let (_, ty, id) = resource_of(statement)?;
        let servers = &self.taken.review.servers;
        let server = |name: &str| servers.iter().find(|server| server.name == name);
        match ty {
            "Server" | "Agent" if server(id).is_none() => Some(format!("no server of this listener is named `{id}`")),
            "Tool" | "Prompt" => {
                let (name, tool) = id.split_once('/')?;
                let Some(server) = server(name) else {
                    return Some(format!("no server of this listener is named `{name}`"));
                };
                let has =
                    |entry: &String| entry.strip_suffix('*').map_or(entry == tool, |start| tool.starts_with(start));
                let listed = ty == "Prompt" || server.tools.is_empty() || server.tools.keys().any(has);
                (!listed).then(|| format!("the catalogue of `{name}` has no tool `{tool}`"))
            }
            "Group" => {
                (!self.is_used_for_targets(id)).then(|| format!("nothing in the catalogue is in the group `{id}`"))
            }
            _ => None,
        }
    }

    fn is_used_for_targets(&self, group: &str) -> bool {
        let uid = ("Group".to_owned(), group.to_owned());
        let by_resource = self
            .taken
            .review
            .servers
            .iter()
            .flat_map(|server| server.resources.values().flat_map(|entry| &entry.groups).chain(&server.groups));
        let mut named = by_resource.filter_map(|name| Thing::described(&self.taken.review.policies, "Group", name));
        self.targets.iter().any(|target| target.thing.above.contains(&uid))
            || named.any(|one| one.id.as_deref() == Some(group) || one.above.contains(&uid))
    }

    fn nothing_permits(&self) -> Vec<Finding> {
        let unreached = self
            .targets
            .iter()
            .filter(|target| self.statements(Effect::Permit).all(|permit| self.at(target).rest(permit) == Rest::Never));
        let finding = |target: &Target| {
            let id = target.thing.id.as_deref().unwrap_or_default();
            Finding {
                lint: Lint::NothingPermits,
                policy: None,
                line: None,
                column: None,
                problem: format!(
                    "no policy permits `{}` on {}::\"{id}\": everybody is denied",
                    target.action, target.thing.ty
                ),
                advice: "permit it to somebody, or take it out of the catalogue".to_owned(),
            }
        };
        unreached.map(finding).collect()
    }
}

/// The operator, type and id of what the scope says of the resource.
fn resource_of(statement: &Statement) -> Option<(&'static str, &str, &str)> {
    let constraint = statement.json.get("resource")?;
    let literal = constraint.get("entity").or_else(|| constraint.get("in")?.get("entity"))?;
    let (ty, id) = named(literal)?;
    let operator = if constraint.get("op").and_then(Value::as_str) == Some("==") { "==" } else { "in" };
    Some((operator, ty, id))
}
