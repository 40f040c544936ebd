//! What an audit line says was judged.

use serde_json::{Map, Value};
use testbed::Executed;

/// An allowed call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    action: String,
    resource: String,
    arguments: Map<String, Value>,
}

// === impl Judged ===

impl Judged {
    /// The request's name, and what of it was allowed; nothing if the line says no such thing.
    pub(crate) fn allowed(line: &Value) -> Option<(String, Self)> {
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        if text("decision") != Some("allow") {
            return None;
        }
        let id = |name: &str| text(name).map(entity_id);
        let arguments = line.get("arguments").and_then(Value::as_object).cloned().unwrap_or_default();
        let judged = Self { action: id("action")?, resource: id("resource")?, arguments };
        Some((text("request_id")?.to_owned(), judged))
    }

    /// Whether a server did just that.
    pub(crate) fn is(&self, executed: &Executed) -> bool {
        let target = match self.action.as_str() {
            "tools/call" | "prompts/get" => self.resource.split_once('/').map_or("", |(_, name)| name),
            _ => self.resource.as_str(),
        };
        let arguments = self.action == "resources/read" || same_members(&self.arguments, &executed.arguments);
        self.action == executed.method && target == executed.target && arguments
    }
}

/// The id in `Type::"id"`, as Cedar escapes it.
fn entity_id(uid: &str) -> String {
    let id = uid.split_once("::\"").map_or(uid, |(_, rest)| rest.strip_suffix('"').unwrap_or(rest));
    let mut plain = String::new();
    let mut chars = id.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('0') => plain.push('\0'),
            Some('u') => {
                let code: String = chars.by_ref().skip(1).take_while(|char| *char != '}').collect();
                plain.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(char) => plain.push(char),
            None => {}
        }
    }
    plain
}

fn same_members(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.len() == other.len() && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
}

/// Numbers are the same when their values are: SDKs write 1 for 1e0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => same_members(one, other),
        _ => one == other,
    }
}

#[test]
fn ids_of_entities_are_read() {
    assert_eq!(entity_id(r#"Tool::"hr/add""#), "hr/add");
    assert_eq!(entity_id(r#"Tool::"hr/a\"\\\u{e9}\n""#), "hr/a\"\\\u{e9}\n");
}
