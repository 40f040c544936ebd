//! The configuration as it is written, and as one place and one form need it.
//!
//! The guard itself checks a configuration whole, when it starts. Here only what is read or set is looked at, and the
//! names of the sections, so that a misspelt one is noticed before it is rolled out.

use serde_json::{Map, Value, json};

use crate::error::{Rendered, wrong};
use crate::options::{Form, Place};

/// The sections of version 1, and whether each must be there.
const SECTIONS: [(&str, bool); 9] = [
    ("servers", true),
    ("identity", true),
    ("tokens", true),
    ("policy", true),
    ("downscope", true),
    ("limits", false),
    ("batches", false),
    ("hide_denied", false),
    ("audit", false),
];

/// A configuration of Meshwarden, version 1, without what depends on the place and the form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configuration(Map<String, Value>);

// === impl Configuration ===

impl Configuration {
    /// Reads YAML; `cedar` is the text of the policies when they are a file of their own.
    pub(crate) fn parse(yaml: &str, cedar: Option<&str>) -> Rendered<Self> {
        // By way of YAML's own values: they refuse a name that is there twice, JSON's take the last one.
        let value: yaml_serde::Value =
            yaml_serde::from_str(yaml).map_err(|error| wrong("--config", format!("is no YAML: {error}")))?;
        let value = serde_json::to_value(value).map_err(|error| wrong("--config", format!("is no JSON: {error}")))?;
        let Value::Object(mut sections) = value else {
            return Err(wrong("--config", "is no mapping; begin with `servers:`"));
        };
        if sections.contains_key("hold_headers") {
            return Err(wrong("hold_headers", "depends on the form, which sets it; leave it out"));
        }
        let known = SECTIONS.map(|(name, _)| name).join(", ");
        if let Some(odd) = sections.keys().find(|name| SECTIONS.iter().all(|(known, _)| known != name)) {
            return Err(wrong(odd.as_str(), format!("is no section of version 1; there are {known}")));
        }
        if let Some((name, _)) = SECTIONS.iter().find(|(name, needed)| *needed && !sections.contains_key(*name)) {
            return Err(wrong(*name, "is missing"));
        }
        set_policies(&mut sections, cedar)?;
        Ok(Self(sections))
    }

    /// What the guard gets: `identity.sources` and `hold_headers` follow from where and how it runs.
    pub(crate) fn for_guard(&self, place: Place, form: Form) -> Rendered<Value> {
        let mut sections = self.0.clone();
        let identity = sections.get_mut("identity").and_then(Value::as_object_mut);
        let identity = identity.ok_or_else(|| wrong("identity", "is no mapping"))?;
        if place == Place::Waypoint {
            // mTLS ended on an outer listener: the certificate is not to be seen here, only what was kept of it.
            identity.insert("sources".to_owned(), json!(["waypoint"]));
        } else if self.sources()?.contains(&"waypoint") {
            let problem = format!("`waypoint` says nothing at a {}; write [tls]", place.word());
            return Err(wrong("identity.sources", problem));
        }
        sections.insert("hold_headers".to_owned(), Value::Bool(form == Form::EnvoyFilter));
        Ok(Value::Object(sections))
    }

    /// The variables of the proxy's environment that the guard reads.
    pub(crate) fn environment(&self) -> Rendered<Vec<&str>> {
        let (field, variable) = match self.text("/downscope/strategy") {
            Some("mint") => ("downscope.mint.signing_key_env", self.text("/downscope/mint/signing_key_env")),
            Some("exchange") => {
                ("downscope.exchange.client_secret_env", self.text("/downscope/exchange/client_secret_env"))
            }
            Some(_) => return Ok(Vec::new()),
            None => return Err(wrong("downscope.strategy", "is missing; write mint, exchange or remove")),
        };
        let variable =
            variable.ok_or_else(|| wrong(field, "is missing; name a variable of the proxy's environment"))?;
        if variable.is_empty() || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(wrong(field, format!("`{variable}` is no name of a variable; write one like SIGNING_KEY")));
        }
        Ok(vec![variable])
    }

    /// The identity sources as written.
    pub(crate) fn sources(&self) -> Rendered<Vec<&str>> {
        self.texts("/identity/sources").ok_or_else(|| wrong("identity.sources", "is no list of names; write [tls]"))
    }

    /// The domains whose workloads may call.
    pub(crate) fn trust_domains(&self) -> Rendered<Vec<&str>> {
        let domains = self.texts("/identity/trust_domains").filter(|domains| !domains.is_empty());
        domains.ok_or_else(|| wrong("identity.trust_domains", "is no list of domains; name at least one"))
    }

    /// The items of a section that is a list.
    pub(crate) fn list(&self, pointer: &str) -> Rendered<&[Value]> {
        let list = self.at(pointer).and_then(Value::as_array).filter(|list| !list.is_empty());
        list.map(Vec::as_slice).ok_or_else(|| wrong(dotted(pointer), "is no list, or an empty one"))
    }

    /// Any value, by JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        let (section, rest) = pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
        let section = self.0.get(section)?;
        if rest.is_empty() { Some(section) } else { section.pointer(&format!("/{rest}")) }
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    fn texts(&self, pointer: &str) -> Option<Vec<&str>> {
        self.at(pointer)?.as_array()?.iter().map(Value::as_str).collect()
    }
}

fn set_policies(sections: &mut Map<String, Value>, cedar: Option<&str>) -> Rendered<()> {
    let policy = sections.get_mut("policy").and_then(Value::as_object_mut);
    let policy = policy.ok_or_else(|| wrong("policy", "is no mapping"))?;
    match (policy.get("cedar"), cedar) {
        (None, None) => {
            Err(wrong("policy.cedar", "is missing; write the policies there, or name their file by --cedar"))
        }
        (Some(_), Some(_)) => Err(wrong("--cedar", "the configuration has `policy.cedar` already; write them once")),
        (Some(_), None) => Ok(()),
        (None, Some(cedar)) => {
            // First, as it is in the documentation: what an operator reads most should not stand below the entities.
            let rest = std::mem::take(policy);
            policy.insert("cedar".to_owned(), Value::from(cedar));
            policy.extend(rest);
            Ok(())
        }
    }
}

/// `/tokens/issuers` as errors write it.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

#[cfg(test)]
mod tests;
