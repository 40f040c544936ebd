//! Policies, and what they are about.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) cedar: String,
    /// Policies that are made of the templates in `cedar`.
    #[serde(default)]
    pub(crate) template_links: Vec<TemplateLink>,
    #[serde(default = "nothing")]
    pub(crate) entities: Value,
    #[serde(default)]
    pub(crate) shadow: String,
    #[serde(default)]
    pub(crate) enforcement: Enforcement,
}

/// In the words of Cedar's JSON format for policy sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateLink {
    pub(crate) template_id: String,
    pub(crate) new_id: String,
    /// An entity for each slot.
    pub(crate) values: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Enforcement {
    #[default]
    Enforce,
    Shadow,
}

fn nothing() -> Value {
    Value::Array(Vec::new())
}
