//! Who can call what, as far as it follows from what is written.

use std::collections::BTreeSet;

use access_policy::{Effect, Policies, Server, Statement};
use agent_messages::{ListItem, Protocol};
use serde::Serialize;
use serde_json::Value;

use crate::configuration::Taken;
use crate::expression::{conditions, entity, named, not, path, scope};
use crate::lints::workload_groups;
use crate::outlook::{Known, Rest, Thing};
use crate::words::{entity_name, list};

/// Somebody who may call.
pub(crate) struct Somebody {
    pub(crate) label: String,
    pub(crate) known: Known,
}

/// Something that can be called.
pub(crate) struct Row {
    pub(crate) server: String,
    pub(crate) label: String,
    pub(crate) action: &'static str,
    pub(crate) thing: Thing,
    /// It stands for whatever has no row of its own.
    pub(crate) rest: bool,
}

/// Whether somebody can call something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Reach {
    Allowed,
    /// If all conditions of one of these hold.
    Conditional {
        ways: Vec<Way>,
    },
    /// By these; none where nothing permits it.
    Denied {
        by: Vec<String>,
    },
}

/// One permit, and what it and the forbids ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Way {
    pub(crate) policy: String,
    pub(crate) conditions: Vec<String>,
}

/// What policies say of a call of which so much is known.
pub(crate) fn reach(statements: &[Statement], known: &Known) -> Reach {
    let of = |effect| statements.iter().filter(move |one| one.effect == effect && !one.shadow);
    let mut escapes: Vec<Value> = Vec::new();
    let mut by = Vec::new();
    for forbid in of(Effect::Forbid) {
        match known.rest(forbid) {
            Rest::Never => {}
            Rest::Applies => by.push(forbid.id.clone()),
            Rest::If(parts) => escapes.extend(escape(parts)),
        }
    }
    if !by.is_empty() {
        return Reach::Denied { by };
    }
    let way = |permit: &Statement| {
        let mut parts = match known.rest(permit) {
            Rest::Never => return None,
            Rest::Applies => Vec::new(),
            Rest::If(parts) => parts,
        };
        parts.extend(escapes.iter().filter(|escape| !parts.contains(escape)).cloned().collect::<Vec<_>>());
        Some(Way { policy: permit.id.clone(), conditions: list(&parts) })
    };
    let ways: Vec<Way> = of(Effect::Permit).filter_map(way).collect();
    if ways.is_empty() {
        Reach::Denied { by: Vec::new() }
    } else if ways.iter().any(|way| way.conditions.is_empty()) {
        Reach::Allowed
    } else {
        Reach::Conditional { ways }
    }
}

/// What must hold for a forbid not to apply.
fn escape(parts: Vec<Value>) -> Option<Value> {
    let either = |one: Value, other: Value| serde_json::json!({"||": {"left": one, "right": other}});
    parts.into_iter().map(not).reduce(either)
}

/// Everybody that policies and entities tell apart. Without `workloads`, only users.
pub(crate) fn everybody(taken: &Taken, workloads: bool) -> Vec<Somebody> {
    let policies = &taken.review.policies;
    let groups = workload_groups(policies, &taken.review.entities);
    let base = || Known { workload_groups: Some(groups.clone()), ..Known::default() };
    let mut names: BTreeSet<(String, String)> = BTreeSet::new();
    for statement in &taken.statements {
        let parts: Vec<Value> = scope(statement).into_iter().chain(conditions(statement)).collect();
        parts.iter().for_each(|part| principals(part, &mut names));
    }
    for stated in taken.review.entities.as_array().into_iter().flatten() {
        let Some((ty, id)) = stated.get("uid").and_then(named) else { continue };
        if ty != "Group" || !groups.contains(id) {
            names.insert((ty.to_owned(), id.to_owned()));
        }
    }
    let mut all = vec![Somebody {
        label: "any user".to_owned(),
        known: Known { principal: Some(Thing::user(policies, &[])), ..base() },
    }];
    for (ty, id) in &names {
        let principal = match ty.as_str() {
            "Group" | "Role" => Thing::user(policies, &[(ty, id)]),
            "User" => Thing { id: Some(id.clone()), may_be_in_more: true, ..Thing::user(policies, &[]) },
            _ => continue,
        };
        all.push(Somebody { label: entity_name(ty, id), known: Known { principal: Some(principal), ..base() } });
    }
    for (ty, id) in names.iter().filter(|(ty, _)| workloads && ty == "Workload") {
        let Some(thing) = Thing::described(policies, ty, id) else { continue };
        let known = Known { principal: Some(thing.clone()), actor: Some(thing), no_token: true, ..base() };
        all.push(Somebody { label: format!("{} itself", id.trim_start_matches("spiffe://")), known });
    }
    all
}

/// The groups, roles, users and workloads that an expression asks the principal for.
fn principals(expression: &Value, found: &mut BTreeSet<(String, String)>) {
    for operator in ["in", "==", "is"] {
        let Some(operands) = expression.get(operator) else { continue };
        if operands.get("left").and_then(path).as_deref() != Some(&["principal"]) {
            continue;
        }
        let right = operands.get("right").or_else(|| operands.get("in"));
        let many = right.and_then(|right| right.get("Set")).and_then(Value::as_array).into_iter().flatten();
        found.extend(many.chain(right).filter_map(entity).map(|(ty, id)| (ty.to_owned(), id.to_owned())));
    }
    match expression {
        Value::Array(parts) => parts.iter().for_each(|part| principals(part, found)),
        Value::Object(parts) => parts.values().for_each(|part| principals(part, found)),
        _ => {}
    }
}

/// Everything that can be called, server by server: what the catalogue or a policy names, and one row each for the rest.
pub(crate) fn rows(taken: &Taken) -> Vec<Row> {
    let mut all = Vec::new();
    for server in &taken.review.servers {
        match server.protocol {
            Protocol::Mcp => all.extend(rows_of_mcp(taken, server)),
            Protocol::A2a => all.extend(rows_of_agent(&taken.review.policies, server)),
        }
    }
    all
}

fn rows_of_mcp(taken: &Taken, server: &Server) -> Vec<Row> {
    let policies = &taken.review.policies;
    let row = |label: &str, action, thing, rest| Row {
        server: server.name.clone(),
        label: label.to_owned(),
        action,
        thing,
        rest,
    };
    let itself = Thing::described(policies, "Server", &server.name);
    let mut all: Vec<Row> = itself.into_iter().map(|thing| row("connect", "connect", thing, false)).collect();
    let mut tools: BTreeSet<String> = server.tools.keys().cloned().collect();
    let prefix = format!("{}/", server.name);
    tools.extend(taken.statements.iter().filter_map(|one| tool_of(one)?.strip_prefix(&prefix).map(str::to_owned)));
    // Names that nothing can have stand for all that have no row.
    let tools = tools.iter().map(|name| (name.as_str(), name.as_str(), false));
    for (label, name, rest) in tools.chain([("any other tool", " ", true)]) {
        let thing = policies.describe_item(&server.name, ListItem::Tool(name));
        let id = format!("{prefix}{name}");
        all.extend(thing.map(|json| row(label, "tools/call", Thing::of("Tool", &id, &json), rest)));
    }
    let resources = server.resources.keys().map(|uri| (uri.as_str(), uri.as_str(), false));
    for (label, uri, rest) in resources.chain([("any other resource", " ", true)]) {
        let thing = policies.describe_item(&server.name, ListItem::Resource(uri));
        all.extend(thing.map(|json| row(label, "resources/read", Thing::of("Resource", uri, &json), rest)));
    }
    let prompt = policies.describe_item(&server.name, ListItem::Prompt(" "));
    let id = format!("{prefix} ");
    let itself = Thing::described(policies, "Server", &server.name);
    for action in ["tasks/get", "tasks/list", "tasks/update", "tasks/cancel"] {
        all.extend(itself.clone().map(|thing| row(action, action, thing, true)));
    }
    all.extend(prompt.map(|json| row("any prompt", "prompts/get", Thing::of("Prompt", &id, &json), true)));
    all
}

fn rows_of_agent(policies: &Policies, server: &Server) -> Vec<Row> {
    const ACTIONS: [(&str, bool); 9] = [
        ("message/send", false),
        ("tasks/get", true),
        ("tasks/list", true),
        ("tasks/cancel", true),
        ("push-notifications/set", true),
        ("push-notifications/get", true),
        ("push-notifications/list", true),
        ("push-notifications/delete", true),
        ("agent-card/get", true),
    ];
    let Some(thing) = Thing::described(policies, "Agent", &server.name) else { return Vec::new() };
    let row = |(action, rest): (&'static str, bool)| Row {
        server: server.name.clone(),
        label: action.to_owned(),
        action,
        thing: thing.clone(),
        rest,
    };
    ACTIONS.map(row).into()
}

/// The tool that the scope of a policy names.
fn tool_of(statement: &Statement) -> Option<&str> {
    let (ty, id) = named(statement.json.get("resource")?.get("entity")?)?;
    (ty == "Tool").then_some(id)
}

#[cfg(test)]
mod tests;
