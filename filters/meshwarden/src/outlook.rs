//! What is left of a policy once something is known of who asks for what.
//!
//! Everything that is not known stays open. A part that fails counts as one that does not hold: where a policy fails,
//! the call is denied.

use std::collections::BTreeSet;

use access_policy::{Policies, Statement};
use serde_json::{Map, Value, json};

use crate::expression::{as_truth, conjuncts, entity, flatten, named, not, operation, path, truth};

/// An entity of which something is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thing {
    pub(crate) ty: String,
    /// Nothing for one whose name is open.
    pub(crate) id: Option<String>,
    /// What it is in for sure, by type and id.
    pub(crate) above: BTreeSet<(String, String)>,
    /// It may be in more than that.
    pub(crate) may_be_in_more: bool,
    pub(crate) attributes: Value,
}

/// What is known; nothing = everything is possible.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) principal: Option<Thing>,
    pub(crate) action: Option<&'static str>,
    pub(crate) resource: Option<Thing>,
    pub(crate) actor: Option<Thing>,
    /// There is no token.
    pub(crate) no_token: bool,
    /// All scopes of the token.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// There are no arguments.
    pub(crate) no_arguments: bool,
    /// The groups that the operator puts workloads into, if they are known.
    pub(crate) workload_groups: Option<BTreeSet<String>>,
}

/// What is left of a policy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rest {
    /// It applies.
    Applies,
    /// It can't.
    Never,
    /// It applies if all of these hold.
    If(Vec<Value>),
}

// === impl Thing ===

impl Thing {
    /// As the configuration has it.
    pub(crate) fn described(policies: &Policies, ty: &str, id: &str) -> Option<Self> {
        Some(Self::of(ty, id, &policies.describe(ty, id)?))
    }

    /// An entity in Cedar's JSON format, with everything that it is in.
    pub(crate) fn of(ty: &str, id: &str, json: &Value) -> Self {
        let parents = json.get("parents").and_then(Value::as_array).into_iter().flatten();
        let above = parents.filter_map(named).map(|(ty, id)| (ty.to_owned(), id.to_owned()));
        Self {
            ty: ty.to_owned(),
            id: Some(id.to_owned()),
            above: above.collect(),
            may_be_in_more: false,
            attributes: json.get("attrs").cloned().unwrap_or_default(),
        }
    }

    /// A user who is in these groups and roles, by type and id, and in what those are in.
    pub(crate) fn user(policies: &Policies, member_of: &[(&str, &str)]) -> Self {
        let mut user = Self { ty: "User".to_owned(), ..Self::default() };
        for (ty, id) in member_of {
            user.above.insert(((*ty).to_owned(), (*id).to_owned()));
            user.above.extend(Self::described(policies, ty, id).into_iter().flat_map(|group| group.above));
        }
        user
    }

    fn equals(&self, ty: &str, id: &str) -> Option<bool> {
        if self.ty == ty { self.id.as_deref().map(|known| known == id) } else { Some(false) }
    }

    fn is_in(&self, ty: &str, id: &str) -> Option<bool> {
        if self.equals(ty, id) == Some(true) || self.above.contains(&(ty.to_owned(), id.to_owned())) {
            return Some(true);
        }
        (!self.may_be_in_more && self.equals(ty, id).is_some()).then_some(false)
    }
}

// === impl Known ===

impl Known {
    /// What is left of a policy.
    pub(crate) fn rest(&self, statement: &Statement) -> Rest {
        let mut open = Vec::new();
        for part in conjuncts(statement) {
            let part = self.simplified(&part);
            match as_truth(&part) {
                Some(true) => {}
                Some(false) => return Rest::Never,
                None => flatten(part, &mut open),
            }
        }
        if contradict(&open) {
            Rest::Never
        } else if open.is_empty() {
            Rest::Applies
        } else {
            Rest::If(open)
        }
    }

    pub(crate) fn simplified(&self, expression: &Value) -> Value {
        let Some((operator, operands)) = operation(expression) else { return expression.clone() };
        let part = |name: &str| operands.get(name).map(|part| self.simplified(part)).unwrap_or_default();
        match operator {
            "Value" | "Var" => expression.clone(),
            "!" => not(part("arg")),
            "&&" => self.both(part("left"), || part("right"), false),
            "||" => self.both(part("left"), || part("right"), true),
            "if-then-else" => match as_truth(&part("if")) {
                Some(true) => part("then"),
                Some(false) => part("else"),
                None => json!({"if-then-else": {"if": part("if"), "then": part("then"), "else": part("else")}}),
            },
            "==" | "!=" => {
                let (left, right) = (part("left"), part("right"));
                match self.equal(&left, &right) {
                    Some(equal) => truth(equal == (operator == "==")),
                    None => json!({operator: {"left": left, "right": right}}),
                }
            }
            "in" => self.decided(operands, "right").map_or_else(|| self.inside(expression), truth),
            "is" => self.is(operands).map_or_else(|| expression.clone(), truth),
            "<" | "<=" | ">" | ">=" => {
                let (left, right) = (part("left"), part("right"));
                let number = |side: &Value| side.get("Value").and_then(Value::as_i64);
                match number(&left).zip(number(&right)) {
                    Some((one, other)) => truth(match operator {
                        "<" => one < other,
                        "<=" => one <= other,
                        ">" => one > other,
                        _ => one >= other,
                    }),
                    None => json!({operator: {"left": left, "right": right}}),
                }
            }
            "hasTag" if self.has_no_tags(operands) => truth(false),
            "containsAny" | "containsAll" if is_empty_set(&part("left")) => truth(false),
            "contains" => {
                let (left, right) = (part("left"), part("right"));
                match member(&left, &right) {
                    Some(known) => truth(known),
                    None => json!({"contains": {"left": left, "right": right}}),
                }
            }
            "." => self.attribute(expression).unwrap_or_else(|| self.inside(expression)),
            _ => self.inside(expression),
        }
    }

    /// Of `&&`, which `false` settles, or of `||`, which `true` does.
    fn both(&self, left: Value, right: impl Fn() -> Value, settles: bool) -> Value {
        if as_truth(&left) == Some(settles) {
            return left;
        }
        let right = right();
        match (as_truth(&left), as_truth(&right)) {
            (_, Some(known)) if known == settles => right,
            (Some(_), _) => right,
            (_, Some(_)) => left,
            _ if settles => json!({"||": {"left": left, "right": right}}),
            _ => json!({"&&": {"left": left, "right": right}}),
        }
    }

    /// The same with its parts simplified.
    fn inside(&self, expression: &Value) -> Value {
        match expression {
            Value::Object(members) => {
                let simpler = |(name, part): (&String, &Value)| {
                    let part = if is_text_of(name) { part.clone() } else { self.of_operand(part) };
                    (name.clone(), part)
                };
                Value::Object(members.iter().map(simpler).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn of_operand(&self, operand: &Value) -> Value {
        match operand {
            Value::Array(parts) => parts.iter().map(|part| self.of_operand(part)).collect(),
            Value::Object(members) if is_expression(members) => self.simplified(operand),
            Value::Object(_) => self.inside(operand),
            other => other.clone(),
        }
    }

    fn thing(&self, expression: &Value) -> Option<&Thing> {
        match path(expression)?.as_slice() {
            ["principal"] => self.principal.as_ref(),
            ["resource"] => self.resource.as_ref(),
            ["context", "actor"] => self.actor.as_ref(),
            _ => None,
        }
    }

    fn equal(&self, left: &Value, right: &Value) -> Option<bool> {
        if let Some((ty, id)) = entity(right) {
            if path(left).as_deref() == Some(&["action"]) {
                return self.action.map(|action| (ty, id) == ("Action", action));
            }
            return self.thing(left).and_then(|thing| thing.equals(ty, id));
        }
        let literal = |side: &Value| side.get("Value").filter(|value| !value.is_object()).cloned();
        Some(literal(left)? == literal(right)?)
    }

    /// Of `left in right`, where `right` is one entity or a set of them.
    fn decided(&self, operands: &Value, right: &str) -> Option<bool> {
        let left = operands.get("left")?;
        let right = operands.get(right)?;
        let many: Vec<&Value> =
            right.get("Set").and_then(Value::as_array).map_or_else(|| vec![right], |all| all.iter().collect());
        let answers: Vec<Option<bool>> =
            many.into_iter().map(|one| entity(one).and_then(|(ty, id)| self.one_in(left, ty, id))).collect();
        if answers.contains(&Some(true)) {
            return Some(true);
        }
        answers.iter().all(|answer| *answer == Some(false)).then_some(false)
    }

    fn one_in(&self, left: &Value, ty: &str, id: &str) -> Option<bool> {
        let steps = path(left)?;
        if steps == ["action"] {
            return self.action.map(|action| (ty, id) == ("Action", action));
        }
        if let Some(thing) = self.thing(left) {
            return thing.is_in(ty, id);
        }
        let groups = self.workload_groups.as_ref().filter(|_| steps == ["context", "actor"] && ty == "Group");
        groups.filter(|groups| !groups.contains(id)).map(|_| false)
    }

    fn is(&self, operands: &Value) -> Option<bool> {
        let ty = operands.get("entity_type")?.as_str()?;
        let of_type = match path(operands.get("left")?)?.as_slice() {
            ["context", "actor"] => Some(ty == "Workload"),
            _ => self.thing(operands.get("left")?).map(|thing| thing.ty == ty),
        };
        if of_type == Some(false) || operands.get("in").is_none() {
            return of_type;
        }
        match self.decided(operands, "in") {
            Some(false) => Some(false),
            Some(true) => of_type.filter(|&right| right),
            None => None,
        }
    }

    fn has_no_tags(&self, operands: &Value) -> bool {
        let Some(steps) = operands.get("left").and_then(path) else { return false };
        match steps.as_slice() {
            ["principal"] => self.principal.as_ref().is_some_and(|thing| thing.ty == "Workload"),
            ["context", "arguments", _] => self.no_arguments,
            _ => false,
        }
    }

    /// The value of a member that is known.
    fn attribute(&self, expression: &Value) -> Option<Value> {
        let steps = path(expression)?;
        match steps.as_slice() {
            ["context", "token", "present"] if self.no_token => return Some(truth(false)),
            ["context", "token", "scopes" | "audiences" | "amr"] if self.no_token => return Some(json!({"Set": []})),
            ["context", "token", "acr" | "client_id"] if self.no_token => return Some(json!({"Value": ""})),
            ["context", "arguments", "complete"] if self.no_arguments => return Some(truth(true)),
            _ => {}
        }
        if let (["context", "token", "scopes"], Some(scopes)) = (steps.as_slice(), &self.scopes) {
            return Some(json!({"Set": scopes.iter().map(|scope| json!({ "Value": scope })).collect::<Vec<_>>()}));
        }
        let (attributes, names) = match steps.as_slice() {
            ["principal", names @ ..] => (&self.principal.as_ref()?.attributes, names),
            ["resource", names @ ..] => (&self.resource.as_ref()?.attributes, names),
            ["context", "actor", names @ ..] => (&self.actor.as_ref()?.attributes, names),
            _ => return None,
        };
        let value = names.iter().try_fold(attributes, |value, name| value.get(name))?;
        (!value.is_object()).then(|| json!({ "Value": value }))
    }
}

fn is_empty_set(expression: &Value) -> bool {
    expression.get("Set").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// Whether a literal is in a set of literals.
fn member(set: &Value, one: &Value) -> Option<bool> {
    let all = set.get("Set")?.as_array()?;
    if all.is_empty() {
        return Some(false);
    }
    let literal = |value: &Value| value.get("Value").is_some();
    (literal(one) && all.iter().all(literal)).then(|| all.contains(one))
}

/// Members whose value is no expression.
fn is_text_of(name: &str) -> bool {
    matches!(name, "Value" | "Var" | "attr" | "entity_type" | "pattern")
}

/// An operator with its operands, as opposed to the operands.
fn is_expression(members: &Map<String, Value>) -> bool {
    members.len() == 1 && !["left", "arg", "right"].iter().any(|name| members.contains_key(*name))
}

/// Whether two of these can't both hold: a thing and its contrary, one value that should be two, an empty range.
fn contradict(parts: &[Value]) -> bool {
    parts.iter().enumerate().any(|(at, one)| {
        let others = parts.iter().skip(at.saturating_add(1));
        others.into_iter().any(|other| *other == not(one.clone()) || two_values(one, other) || empty_range(one, other))
    })
}

fn two_values(one: &Value, other: &Value) -> bool {
    let sides = |part: &Value| Some((part.get("==")?.get("left")?.clone(), part.get("==")?.get("right")?.clone()));
    let Some(((left, value), (same, another))) = sides(one).zip(sides(other)) else { return false };
    let literal = |value: &Value| value.get("Value").is_some();
    left == same && literal(&value) && literal(&another) && value != another
}

fn empty_range(one: &Value, other: &Value) -> bool {
    // Both bounds as whole numbers that still belong to the range.
    let bound = |part: &Value| {
        let (operator, operands) = operation(part)?;
        let number = operands.get("right")?.get("Value")?.as_i64()?;
        let left = operands.get("left")?.clone();
        match operator {
            "<" => Some((left, false, number.checked_sub(1)?)),
            "<=" => Some((left, false, number)),
            ">" => Some((left, true, number.checked_add(1)?)),
            ">=" => Some((left, true, number)),
            _ => None,
        }
    };
    match (bound(one), bound(other)) {
        (Some((left, true, least)), Some((same, false, most)))
        | (Some((left, false, most)), Some((same, true, least))) => left == same && least > most,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
