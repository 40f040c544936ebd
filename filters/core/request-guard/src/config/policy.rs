//! Policies, and what they are about.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) cedar: String,
    #[serde(default = "nothing")]
    pub(crate) entities: Value,
    #[serde(default)]
    pub(crate) shadow: String,
    #[serde(default)]
    pub(crate) enforcement: Enforcement,
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
