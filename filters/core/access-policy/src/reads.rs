//! What policies read of a question: the rest need not be built.
//!
//! Cedar has no way to an attribute but its name in the text of a policy, and tags are asked for by a key. So what no
//! policy names can't change what any of them says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::conditions::Conditions;

/// Names of attributes and keys of tags; `None` is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reads {
    attributes: Option<BTreeSet<String>>,
    tags: Option<BTreeSet<String>>,
}

// === impl Reads ===

impl Default for Reads {
    /// Nothing.
    fn default() -> Self {
        Self { attributes: Some(BTreeSet::new()), tags: Some(BTreeSet::new()) }
    }
}

impl Reads {
    pub(crate) const EVERYTHING: Self = Self { attributes: None, tags: None };

    /// Adds what these conditions read.
    pub(crate) fn add(&mut self, conditions: &Conditions) {
        self.expression(conditions.as_json());
    }

    /// Whether any policy asks for an attribute, or a member of a record, of that name.
    pub(crate) fn attribute(&self, name: &str) -> bool {
        self.attributes.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Whether any policy asks for a tag of that key.
    pub(crate) fn tag(&self, key: &str) -> bool {
        self.tags.as_ref().is_none_or(|keys| keys.contains(key))
    }

    fn expression(&mut self, expression: &Value) {
        match expression {
            Value::Array(parts) => parts.iter().for_each(|part| self.expression(part)),
            Value::Object(parts) => {
                for (operator, part) in parts {
                    self.operation(operator, part);
                }
            }
            _ => {}
        }
    }

    fn operation(&mut self, operator: &str, operands: &Value) {
        match (operator, operands.get("attr"), operands.get("right")) {
            ("." | "has", Some(named), _) => {
                // `has` can name a path.
                let path = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
                for name in path.iter().filter_map(Value::as_str) {
                    self.attributes = self.attributes.take().map(|names| with(names, name));
                }
                // The context is read by its members.
                if operands.get("left").is_some_and(is_context) {
                    return;
                }
            }
            ("getTag" | "hasTag", _, Some(key)) => {
                self.tags = match key.get("Value") {
                    Some(Value::String(key)) => self.tags.take().map(|keys| with(keys, key)),
                    // It is worked out while the policy runs.
                    _ => None,
                };
            }
            ("Var", ..) if operands == "context" => self.attributes = None,
            _ => {}
        }
        self.expression(operands);
    }
}

fn with(mut names: BTreeSet<String>, name: &str) -> BTreeSet<String> {
    names.insert(name.to_owned());
    names
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").is_some_and(|variable| variable == "context")
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn read(text: &str) -> Reads {
        let mut reads = Reads::default();
        reads.add(&Conditions::of(&Policy::parse(None, text).unwrap()).unwrap());
        reads
    }

    #[track_caller]
    fn reads(condition: &str, attributes: Option<&[&str]>, tags: Option<&[&str]>) {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = Reads { attributes: attributes.map(set), tags: tags.map(set) };
        assert_eq!(read(&format!("permit (principal, action, resource) {condition};")), expected, "{condition}");
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        reads("", Some(&[]), Some(&[]));
        reads("when { context.token.acr == \"gold\" }", Some(&["acr", "token"]), Some(&[]));
        reads(
            "unless { if context has now then principal has issuer else resource.name like \"a*\" }",
            Some(&["issuer", "name", "now"]),
            Some(&[]),
        );
        reads(
            "when { context.actor in Group::\"a\" } unless { [resource.hints.destructive].contains(true) }",
            Some(&["actor", "destructive", "hints"]),
            Some(&[]),
        );
        reads("when { context has token.acr }", Some(&["acr", "token"]), Some(&[]));
        reads("when { {\"x\": context.source_ip.isLoopback()}.x }", Some(&["source_ip", "x"]), Some(&[]));
    }

    #[test]
    fn keys_of_tags_are_known_when_they_are_written_down() {
        reads(
            "when { principal.hasTag(\"a\") && principal.getTag(\"b\").contains(\"c\") }",
            Some(&[]),
            Some(&["a", "b"]),
        );
        reads(
            "when { context.arguments.long.getTag(\"order.amount\") > 5 }",
            Some(&["arguments", "long"]),
            Some(&["order.amount"]),
        );
        reads("when { principal.hasTag(context.token.client_id) }", Some(&["client_id", "token"]), None);
        reads("when { principal.hasTag(if true then \"a\" else \"b\") && principal.hasTag(\"c\") }", Some(&[]), None);
    }

    #[test]
    fn the_context_as_a_whole_is_everything() {
        reads("when { context == {} }", None, Some(&[]));
        reads("when { (if true then context else context).now < datetime(\"2026-01-01\") }", None, Some(&[]));
    }
}
