//! Expressions in Cedar's JSON format for policies, taken apart and put together.

use access_policy::Statement;
use serde_json::{Map, Value, json};

pub(crate) fn truth(value: bool) -> Value {
    json!({ "Value": value })
}

/// The truth value that an expression is, if it is one.
pub(crate) fn as_truth(expression: &Value) -> Option<bool> {
    expression.get("Value")?.as_bool()
}

pub(crate) fn not(expression: Value) -> Value {
    if let Some(known) = as_truth(&expression) {
        return truth(!known);
    }
    if let Some((operator, operands)) = operation(&expression) {
        let part = |name: &str| operands.get(name).cloned().unwrap_or_default();
        match operator {
            "!" => return part("arg"),
            "==" => return json!({"!=": operands}),
            "!=" => return json!({"==": operands}),
            "<" => return json!({">=": operands}),
            "<=" => return json!({">": operands}),
            ">" => return json!({"<=": operands}),
            ">=" => return json!({"<": operands}),
            "&&" => return json!({"||": {"left": not(part("left")), "right": not(part("right"))}}),
            "||" => return json!({"&&": {"left": not(part("left")), "right": not(part("right"))}}),
            _ => {}
        }
    }
    json!({ "!": { "arg": expression } })
}

/// The operator and its operands; literals and variables count as operators.
pub(crate) fn operation(expression: &Value) -> Option<(&str, &Value)> {
    expression.as_object()?.iter().next().map(|(operator, operands)| (operator.as_str(), operands))
}

/// `context.token.scopes` as its steps; nothing for what is no variable or member of one.
pub(crate) fn path(expression: &Value) -> Option<Vec<&str>> {
    if let Some(variable) = expression.get("Var") {
        return Some(vec![variable.as_str()?]);
    }
    let access = expression.get(".")?;
    let mut steps = path(access.get("left")?)?;
    steps.push(access.get("attr")?.as_str()?);
    Some(steps)
}

/// Type and id of an entity that is written out.
pub(crate) fn entity(expression: &Value) -> Option<(&str, &str)> {
    named(expression.get("Value")?)
}

/// Type and id, with or without the wrapper that Cedar puts around them.
pub(crate) fn named(value: &Value) -> Option<(&str, &str)> {
    let entity = value.get("__entity").unwrap_or(value);
    Some((entity.get("type")?.as_str()?, entity.get("id")?.as_str()?))
}

pub(crate) fn any(expression: &Value, holds: &impl Fn(&Value) -> bool) -> bool {
    let parts_hold = match expression {
        Value::Array(parts) => parts.iter().any(|part| any(part, holds)),
        Value::Object(parts) => parts.values().any(|part| any(part, holds)),
        _ => false,
    };
    parts_hold || holds(expression)
}

/// Scope and conditions as one list, all of which must hold for the policy to apply.
pub(crate) fn conjuncts(statement: &Statement) -> Vec<Value> {
    let mut all = scope(statement);
    all.extend(conditions(statement));
    all
}

/// `when` and `unless` alone.
pub(crate) fn conditions(statement: &Statement) -> Vec<Value> {
    let mut all = Vec::new();
    for condition in statement.json.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let body = condition.get("body").cloned().unwrap_or_default();
        let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
        flatten(if unless { not(body) } else { body }, &mut all);
    }
    all
}

/// What the head of the policy asks for.
pub(crate) fn scope(statement: &Statement) -> Vec<Value> {
    let mut all = Vec::new();
    for variable in ["principal", "action", "resource"] {
        let Some(constraint) = statement.json.get(variable) else { continue };
        let variable = json!({ "Var": variable });
        let literal = |entity: &Value| json!({ "Value": { "__entity": entity } });
        match constraint.get("op").and_then(Value::as_str) {
            Some("is") => {
                let mut is = Map::from_iter([("left".to_owned(), variable)]);
                is.insert("entity_type".to_owned(), constraint.get("entity_type").cloned().unwrap_or_default());
                if let Some(above) = constraint.get("in").and_then(|above| above.get("entity")) {
                    is.insert("in".to_owned(), literal(above));
                }
                all.push(json!({ "is": is }));
            }
            Some(operator @ ("==" | "in")) => {
                let right = match constraint.get("entities").and_then(Value::as_array) {
                    Some(many) => json!({ "Set": many.iter().map(literal).collect::<Vec<_>>() }),
                    None => literal(constraint.get("entity").unwrap_or(&Value::Null)),
                };
                all.push(json!({ operator: { "left": variable, "right": right } }));
            }
            _ => {}
        }
    }
    all
}

/// The parts of a conjunction.
pub(crate) fn flatten(expression: Value, into: &mut Vec<Value>) {
    match expression.get("&&") {
        Some(both) => {
            ["left", "right"].iter().filter_map(|side| both.get(side)).for_each(|side| flatten(side.clone(), into))
        }
        None => into.push(expression),
    }
}
