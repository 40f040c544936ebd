//! What the conditions of a policy speak of.

use cedar_policy::{EntityUid, Policy};
use serde_json::Value;

use crate::error::{PolicyError, said};

/// The conditions of a policy, in Cedar's JSON format.
pub(crate) struct Conditions(Value);

// === impl Conditions ===

impl Conditions {
    pub(crate) fn of(policy: &Policy) -> Result<Self, PolicyError> {
        let mut json = policy.to_json().map_err(|error| PolicyError::Schema { problem: said(error) })?;
        Ok(Self(json.get_mut("conditions").map(Value::take).unwrap_or_default()))
    }

    pub(crate) fn as_json(&self) -> &Value {
        &self.0
    }

    /// Whether they name the entity.
    pub(crate) fn mention(&self, uid: &EntityUid) -> bool {
        let ty = uid.type_name().to_string();
        any(&self.0, &|part| {
            let text = |field: &str| part.get("__entity")?.get(field)?.as_str();
            text("id") == Some(uid.id().unescaped()) && text("type") == Some(ty.as_str())
        })
    }

    /// The `x` of every `context.token.scopes.contains("x")`, `containsAll` and `containsAny` likewise, in the order of
    /// the text.
    pub(crate) fn tested_scopes(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect_scopes(&self.0, &mut found);
        found
    }

    /// They look into arguments and do not ask whether all of these can be seen.
    pub(crate) fn trust_absence(&self) -> bool {
        let reads = |name: &str| any(&self.0, &|part| is_member(part, &["context", "arguments", name]));
        ["string", "long", "decimal", "bool", "strings"].into_iter().any(reads) && !reads("complete")
    }
}

fn any(expression: &Value, holds: &impl Fn(&Value) -> bool) -> bool {
    let parts_hold = match expression {
        Value::Array(parts) => parts.iter().any(|part| any(part, holds)),
        Value::Object(parts) => parts.values().any(|part| any(part, holds)),
        _ => false,
    };
    parts_hold || holds(expression)
}

fn collect_scopes(expression: &Value, found: &mut Vec<String>) {
    let parts: Vec<&Value> = match expression {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(parts) => parts.values().collect(),
        _ => return,
    };
    for operator in ["contains", "containsAll", "containsAny"] {
        let is_scopes = |left: &Value| is_member(left, &["context", "token", "scopes"]);
        let test = expression.get(operator).filter(|test| test.get("left").is_some_and(is_scopes));
        let right = test.and_then(|test| test.get("right"));
        let many = right.and_then(|right| right.get("Set")).and_then(Value::as_array);
        let scopes = many.into_iter().flatten().chain(right).filter_map(|value| value.get("Value")?.as_str());
        for scope in scopes {
            if !found.iter().any(|known| known == scope) {
                found.push(scope.to_owned());
            }
        }
    }
    parts.into_iter().for_each(|part| collect_scopes(part, found));
}

/// Whether an expression is a variable, or a member of a member of one.
fn is_member(expression: &Value, path: &[&str]) -> bool {
    match path {
        [] => false,
        [variable] => expression.get("Var").and_then(Value::as_str) == Some(variable),
        [above @ .., name] => expression.get(".").is_some_and(|access| {
            access.get("attr").and_then(Value::as_str) == Some(name)
                && access.get("left").is_some_and(|left| is_member(left, above))
        }),
    }
}
