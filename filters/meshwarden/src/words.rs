//! Conditions in words.

use serde_json::Value;

use crate::expression::{entity, operation, path};
use crate::skeleton::string;

/// Conditions that must all hold, one a line. A test for a claim or an argument that another condition reads is left
/// out: reading it says as much.
pub(crate) fn list(parts: &[Value]) -> Vec<String> {
    let reads = |part: &Value| {
        let test = part.get("hasTag")?;
        let read = serde_json::json!({"getTag": test});
        Some(parts.iter().any(|other| other != part && crate::expression::any(other, &|inner| *inner == read)))
    };
    let mut lines: Vec<String> = parts.iter().filter(|part| reads(part) != Some(true)).map(words).collect();
    lines.dedup();
    lines
}

pub(crate) fn words(expression: &Value) -> String {
    let Some((operator, operands)) = operation(expression) else { return expression.to_string() };
    let part = |name: &str| operands.get(name).map(words).unwrap_or_default();
    let left = operands.get("left").and_then(path).unwrap_or_default();
    match operator {
        "Value" => literal(operands),
        "Var" | "." => path(expression)
            .map_or_else(|| format!("{} of {}", attribute(operands), part("left")), |steps| name(&steps)),
        "&&" => format!("{} and {}", grouped(operands, "left"), grouped(operands, "right")),
        "||" => format!("{} or {}", grouped(operands, "left"), grouped(operands, "right")),
        "!" => negated(operands.get("arg").unwrap_or(&Value::Null)),
        "if-then-else" => format!("if {} then {} else {}", part("if"), part("then"), part("else")),
        "==" => format!("{} is {}", part("left"), part("right")),
        "!=" => format!("{} is not {}", part("left"), part("right")),
        "<" => format!("{} is less than {}", part("left"), part("right")),
        "<=" => format!("{} is at most {}", part("left"), part("right")),
        ">" => format!("{} is more than {}", part("left"), part("right")),
        ">=" => format!("{} is at least {}", part("left"), part("right")),
        "in" => format!("{} is in {}", part("left"), part("right")),
        "is" => {
            let ty = operands.get("entity_type").and_then(Value::as_str).unwrap_or_default();
            let above = operands.get("in").map(|above| format!(" in {}", words(above))).unwrap_or_default();
            format!("{} is a {}{above}", part("left"), ty.to_lowercase())
        }
        "contains" if left == ["context", "token", "scopes"] => format!("the token has the scope {}", part("right")),
        "contains" if left == ["context", "token", "amr"] => format!("the user authenticated with {}", part("right")),
        "contains" if operands.get("left").is_some_and(|left| left.get("getTag").is_some()) => {
            format!("{} is in {}", part("right"), part("left"))
        }
        "contains" => format!("{} has {}", part("left"), part("right")),
        "containsAll" => format!("{} has all of {}", part("left"), part("right")),
        "containsAny" => format!("{} has one of {}", part("left"), part("right")),
        "isEmpty" => format!("{} is empty", part("arg")),
        "hasTag" => match left.as_slice() {
            ["principal"] => format!("the token has the claim {}", part("right")),
            ["context", "arguments", bag] => format!("there is an argument {} ({})", part("right"), kind(bag)),
            _ => format!("{} has {}", part("left"), part("right")),
        },
        "getTag" => match left.as_slice() {
            ["principal"] => format!("the claim {}", part("right")),
            ["context", "arguments", _] => format!("the argument {}", part("right")),
            _ => format!("{} of {}", part("right"), part("left")),
        },
        "like" => format!("{} looks like {}", part("left"), pattern(operands.get("pattern"))),
        "Set" => {
            operands.as_array().map(|all| all.iter().map(words).collect::<Vec<_>>().join(", ")).unwrap_or_default()
        }
        _ => call(operator, operands),
    }
}

fn grouped(operands: &Value, side: &str) -> String {
    let Some(part) = operands.get(side) else { return String::new() };
    let compound = ["&&", "||"].iter().any(|operator| part.get(operator).is_some());
    if compound { format!("({})", words(part)) } else { words(part) }
}

fn negated(expression: &Value) -> String {
    let Some((operator, operands)) = operation(expression) else { return format!("not ({})", words(expression)) };
    let part = |name: &str| operands.get(name).map(words).unwrap_or_default();
    match operator {
        "in" => format!("{} is not in {}", part("left"), part("right")),
        "hasTag" => words(expression).replacen("there is an", "there is no", 1).replacen("has the", "lacks the", 1),
        "contains" => words(expression)
            .replacen("the token has the scope", "the token lacks the scope", 1)
            .replacen("authenticated with", "did not authenticate with", 1)
            .replacen(" has ", " lacks ", 1)
            .replacen(" is in ", " is not in ", 1),
        "." | "Var" => match path(expression).unwrap_or_default().as_slice() {
            ["resource", "hints", hint] => format!("the tool is not {}", hint.replace('_', " ")),
            ["context", "token", "present"] => "there is no token".to_owned(),
            ["context", "arguments", "complete"] => "some argument can't be seen".to_owned(),
            _ => format!("not: {}", words(expression)),
        },
        _ => format!("not ({})", words(expression)),
    }
}

fn name(steps: &[&str]) -> String {
    match steps {
        ["principal"] => "the caller".to_owned(),
        ["resource"] => "the target".to_owned(),
        ["action"] => "the method".to_owned(),
        ["context", "actor"] => "the agent".to_owned(),
        ["context", "now"] => "the time".to_owned(),
        ["context", "source_ip"] => "the address".to_owned(),
        ["context", "token", "present"] => "there is a token".to_owned(),
        ["context", "token", "sender_constrained"] => "the token is bound to its sender".to_owned(),
        ["context", "token", what] => format!("the token's {}", what.replace('_', " ")),
        ["context", "delegation", "depth"] => "the number of actors in the token".to_owned(),
        ["context", "delegation", "current_actor_is_peer"] => "the token's actor is the agent".to_owned(),
        ["context", "arguments", "complete"] => "every argument can be seen".to_owned(),
        ["resource", "hints", hint] => format!("the tool is {}", hint.replace('_', " ")),
        ["context", "actor", what] => format!("the agent's {}", what.replace('_', " ")),
        ["principal", what] => format!("the caller's {}", what.replace('_', " ")),
        ["resource", what] => format!("the target's {}", what.replace('_', " ")),
        other => other.join("."),
    }
}

fn kind(bag: &str) -> &str {
    match bag {
        "string" => "a text",
        "long" => "a whole number",
        "decimal" => "a decimal",
        "bool" => "true or false",
        "strings" => "a list of texts",
        other => other,
    }
}

fn attribute(operands: &Value) -> &str {
    operands.get("attr").and_then(Value::as_str).unwrap_or_default()
}

fn literal(value: &Value) -> String {
    match entity(&serde_json::json!({ "Value": value })) {
        Some((ty, id)) => entity_name(ty, id),
        // Quotes only where the text would not stand out as one word.
        None => match value.as_str() {
            Some(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => text.to_owned(),
            Some(text) => string(text),
            None => value.to_string(),
        },
    }
}

/// A group, a server or somebody, as people say it.
pub(crate) fn entity_name(ty: &str, id: &str) -> String {
    match ty {
        "Group" => format!("group {id}"),
        "Role" => format!("role {id}"),
        "TrustDomain" => format!("trust domain {id}"),
        "Action" | "Workload" => id.to_owned(),
        _ => format!("{} {id}", ty.to_lowercase()),
    }
}

fn pattern(pattern: Option<&Value>) -> String {
    let pieces = pattern.and_then(Value::as_array).into_iter().flatten();
    let text: String = pieces.map(|piece| piece.get("Literal").and_then(Value::as_str).unwrap_or("*")).collect();
    string(&text)
}

/// An extension's function; values that are written out are shown without it.
fn call(function: &str, operands: &Value) -> String {
    let all: Vec<String> = operands.as_array().into_iter().flatten().map(words).collect();
    match (function, all.as_slice()) {
        ("ip" | "decimal" | "datetime" | "duration", [value]) => value.trim_matches('"').to_owned(),
        ("lessThan", [one, other]) => format!("{one} is less than {other}"),
        ("lessThanOrEqual", [one, other]) => format!("{one} is at most {other}"),
        ("greaterThan", [one, other]) => format!("{one} is more than {other}"),
        ("greaterThanOrEqual", [one, other]) => format!("{one} is at least {other}"),
        ("isInRange", [one, other]) => format!("{one} is within {other}"),
        ("toTime", [time]) => format!("the time of day of {time}"),
        _ if operands.is_array() => format!("{function}({})", all.join(", ")),
        _ => {
            let part = |name: &str| operands.get(name).map(words);
            let sides: Vec<String> = ["left", "arg", "right"].into_iter().filter_map(part).collect();
            sides.join(&format!(" {function} "))
        }
    }
}

#[cfg(test)]
mod tests {
    use access_policy::statements;

    use super::list;
    use crate::expression::conditions;

    #[track_caller]
    fn told(condition: &str, expected: &[&str]) {
        let statement = statements(&format!("permit (principal, action, resource) {condition};")).unwrap().remove(0);
        assert_eq!(list(&conditions(&statement)), expected, "{condition}");
    }

    #[test]
    fn conditions_read_like_sentences() {
        told(
            "when { context.actor in Group::\"user-agents\" && context.token.scopes.contains(\"hr.read\") }",
            &["the agent is in group user-agents", "the token has the scope hr.read"],
        );
        told(
            "when { principal.hasTag(\"d\") && context.arguments.string.hasTag(\"d\") && principal.getTag(\"d\").contains(context.arguments.string.getTag(\"d\")) }",
            &["the argument d is in the claim d"],
        );
        told("unless { context.token.amr.contains(\"otp\") }", &["the user did not authenticate with otp"]);
        told(
            "when { context.arguments.long.getTag(\"n\") <= 5 || context.token.present }",
            &["the argument n is at most 5 or there is a token"],
        );
        told("when { context.source_ip.isInRange(ip(\"10.0.0.0/8\")) }", &["the address is within 10.0.0.0/8"]);
        told(
            "when { context.arguments.string.getTag(\"p\") like \"/tmp/*\" }",
            &["the argument p looks like \"/tmp/*\""],
        );
        told("unless { context.arguments.complete }", &["some argument can't be seen"]);
    }
}
