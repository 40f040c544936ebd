//! A request for which something is not so, as far as it matters.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Policy, PolicySet};
use cedar_policy_symcc::Env;
use serde_json::{Map, Value, json};

use crate::error::said;

/// A request that the solver found. Whatever it leaves out does not matter to the policies that were asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterexample {
    /// The caller, with type and name; the name is empty where it does not matter.
    pub principal: (String, String),
    /// The workload on the other end, where it is asked for.
    pub actor: Option<(String, String)>,
    /// In the wire's words.
    pub action: String,
    /// The target, likewise.
    pub resource: (String, String),
    /// What is so of the request: conditions in Cedar's JSON format for expressions.
    pub facts: Vec<Value>,
    /// Policies that decide it, by `@id`, in the order of their names.
    pub by: Vec<String>,
    /// Those that fail on it.
    pub failing: Vec<String>,
}

/// What the solver made up, and what of it is worth telling.
struct Story {
    entities: Vec<Value>,
    /// Names of attributes that are read.
    attributes: BTreeSet<String>,
    /// Entities that are named.
    named: BTreeSet<(String, String)>,
    facts: Vec<Value>,
}

/// Cedar's values hold each other to no great depth; what a solver makes up could be a circle.
const DEEPEST: usize = 4;

// === impl Counterexample ===

impl Counterexample {
    /// What matters of a request to the policies that were read; `deciding` are those that are named.
    ///
    /// # Errors
    /// It can't be put in words.
    pub(super) fn of<'a>(
        found: &Env,
        read: impl IntoIterator<Item = &'a Policy>,
        deciding: &PolicySet,
    ) -> Result<Self, String> {
        let nothing = || "it is not a whole request".to_owned();
        let entities = found.entities.to_json_value().map_err(said)?;
        let mut story = Story {
            entities: entities.as_array().cloned().unwrap_or_default(),
            attributes: BTreeSet::new(),
            named: BTreeSet::new(),
            facts: Vec::new(),
        };
        for policy in read {
            story.read(&policy.to_json().map_err(said)?);
        }
        let request = &found.request;
        let (principal, resource) = (request.principal().ok_or_else(nothing)?, request.resource().ok_or_else(nothing)?);
        let uid = |uid: &cedar_policy::EntityUid| (uid.type_name().to_string(), uid.id().unescaped().to_owned());
        let (principal, resource) = (uid(principal), uid(resource));
        let context = request.context().ok_or_else(nothing)?.to_json_value().map_err(said)?;
        story.entity(&json!({"Var": "principal"}), &principal, 0);
        story.entity(&json!({"Var": "resource"}), &resource, 0);
        story.value(&json!({"Var": "context"}), &context, 0);
        let response = Authorizer::new().is_authorized(request, deciding, &found.entities);
        let mut by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        by.sort_unstable();
        let mut failing: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
            .collect();
        failing.sort_unstable();
        let action = request.action().ok_or_else(nothing)?.id().unescaped().to_owned();
        let actor = context.get("actor").and_then(named).filter(|_| story.attributes.contains("actor"));
        let actor = actor.map(|uid| story.called(uid));
        let (principal, resource) = (story.called(principal), story.called(resource));
        Ok(Self { principal, actor, action, resource, facts: story.facts, by, failing })
    }
}

// === impl Story ===

impl Story {
    /// Which names a policy reads.
    fn read(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                if let Some(attribute) = members.get("attr").and_then(Value::as_str) {
                    self.attributes.insert(attribute.to_owned());
                }
                self.named.extend(named(json));
                members.values().for_each(|member| self.read(member));
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.read(element)),
            _ => {}
        }
    }

    fn of(&self, uid: &(String, String)) -> Option<&Value> {
        self.entities.iter().find(|one| one.get("uid").and_then(named).as_ref() == Some(uid))
    }

    /// What a real one would be called: only names that policies write are the solver's concern.
    fn called(&self, uid: (String, String)) -> (String, String) {
        let Some(entity) = self.of(&uid).filter(|_| !self.named.contains(&uid)) else { return uid };
        let attribute = |name: &str| entity.get("attrs")?.get(name)?.as_str();
        let (ty, _) = &uid;
        let name = match ty.as_str() {
            "Workload" => attribute("spiffe_id").filter(|id| id.starts_with("spiffe://")),
            "Resource" => attribute("uri"),
            "Tool" | "Prompt" | "Server" | "Agent" => attribute("name"),
            _ => None,
        };
        let mut above = entity.get("parents").and_then(Value::as_array).into_iter().flatten().filter_map(named);
        let server = above.find(|(ty, _)| ty == "Server").filter(|_| matches!(ty.as_str(), "Tool" | "Prompt"));
        let name = match (name, server) {
            (Some(name), Some((_, server))) if !name.is_empty() => format!("{server}/{name}"),
            (name, _) => name.unwrap_or_default().to_owned(),
        };
        (uid.0, name)
    }

    fn entity(&mut self, path: &Value, uid: &(String, String), depth: usize) {
        if depth > DEEPEST {
            return;
        }
        let Some(entity) = self.of(uid).cloned() else { return };
        let mut above: Vec<_> =
            entity.get("parents").and_then(Value::as_array).into_iter().flatten().filter_map(named).collect();
        above.sort_unstable();
        for (ty, id) in above.into_iter().filter(|one| self.named.contains(one)) {
            let right = json!({"Value": {"__entity": {"type": ty, "id": id}}});
            self.facts.push(json!({"in": {"left": path, "right": right}}));
        }
        if let Some(attributes) = entity.get("attrs") {
            self.value(path, attributes, depth);
        }
        for (tag, value) in entity.get("tags").and_then(Value::as_object).into_iter().flatten() {
            let left = json!({"getTag": {"left": path, "right": {"Value": tag}}});
            self.facts.push(equal(left, value));
        }
    }

    /// A record's members, an entity's, or a value alone.
    fn value(&mut self, path: &Value, value: &Value, depth: usize) {
        if let Some(uid) = named(value) {
            return self.entity(path, &uid, depth.saturating_add(1));
        }
        match value.as_object().filter(|members| !members.contains_key("__extn")) {
            Some(members) => self.members(path, members, depth),
            None => match value {
                Value::Bool(true) => self.facts.push(path.clone()),
                Value::Bool(false) => self.facts.push(json!({"!": {"arg": path}})),
                Value::Array(elements) if elements.is_empty() => self.facts.push(json!({"isEmpty": {"arg": path}})),
                other => self.facts.push(equal(path.clone(), other)),
            },
        }
    }

    fn members(&mut self, path: &Value, members: &Map<String, Value>, depth: usize) {
        let mut members: Vec<_> = members.iter().filter(|(name, _)| self.attributes.contains(*name)).collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in members {
            self.value(&json!({".": {"left": path, "attr": name}}), value, depth);
        }
    }
}

fn equal(left: Value, value: &Value) -> Value {
    let right = match value {
        Value::Array(elements) => {
            let elements: Vec<Value> = elements.iter().map(|one| json!({"Value": one})).collect();
            json!({"Set": elements})
        }
        other => match other.get("__extn").and_then(|call| Some((call.get("fn")?.as_str()?, call.get("arg")?))) {
            Some((function, argument)) => json!({function: [{"Value": argument}]}),
            None => json!({"Value": other}),
        },
    };
    json!({"==": {"left": left, "right": right}})
}

/// Type and name of an entity.
fn named(value: &Value) -> Option<(String, String)> {
    let entity = value.get("__entity").unwrap_or(value);
    let text = |name| entity.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("type")?, text("id")?))
}
