//! Which proxies a resource is for.

use std::fmt;

use serde_json::{Value, json};

use crate::error::{Rendered, wrong};
use crate::options::{Form, Place};

/// Which proxies a resource is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Pods with all of these labels, in the order given.
    Selector(Vec<(String, String)>),
    /// A resource by name, in the same namespace.
    Reference {
        /// What it is.
        kind: Kind,
        /// What it is called.
        name: String,
    },
}

/// What a target reference may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the Gateway API: a gateway, or a whole waypoint.
    Gateway,
    /// A service behind a waypoint.
    Service,
    /// A host behind a waypoint.
    ServiceEntry,
}

// === impl Target ===

impl Target {
    pub(crate) fn parse(selector: Option<String>, target_ref: Option<String>) -> Rendered<Self> {
        match (selector, target_ref) {
            (Some(selector), None) => selector.split(',').map(label).collect::<Rendered<_>>().map(Self::Selector),
            (None, Some(reference)) => Self::reference(&reference),
            (Some(_), Some(_)) => Err(wrong("--target-ref", "excludes `--selector`; write one of them")),
            (None, None) => Err(wrong("--selector", "is missing, and so is `--target-ref`; write one of them")),
        }
    }

    fn reference(text: &str) -> Rendered<Self> {
        let problem = || format!("`{text}` is none; write Gateway/NAME, Service/NAME or ServiceEntry/NAME");
        let (kind, name) = text.split_once('/').ok_or_else(|| wrong("--target-ref", problem()))?;
        let kind = [Kind::Gateway, Kind::Service, Kind::ServiceEntry].into_iter().find(|known| known.word() == kind);
        match kind {
            Some(kind) if is_name(name) => Ok(Self::Reference { kind, name: name.to_owned() }),
            _ => Err(wrong("--target-ref", problem())),
        }
    }

    /// What Istio would silently ignore is refused: an ignored resource is a guard that isn't there.
    pub(crate) fn check(&self, place: Place, form: Form) -> Rendered<()> {
        let problem = match (place, form, self) {
            (Place::Waypoint, _, Self::Selector(_)) => {
                ("--selector", "a waypoint ignores selectors; write --target-ref Gateway/NAME or Service/NAME")
            }
            (Place::Sidecar, _, Self::Reference { .. }) => {
                ("--target-ref", "a sidecar ignores target references; write --selector LABEL=VALUE")
            }
            (Place::Gateway, _, Self::Reference { kind: Kind::Service | Kind::ServiceEntry, .. }) => {
                ("--target-ref", "only a waypoint serves Service and ServiceEntry; write Gateway/NAME or --selector")
            }
            (_, Form::EnvoyFilter, Self::Reference { kind: Kind::Service | Kind::ServiceEntry, .. }) => {
                ("--target-ref", "an EnvoyFilter patches a whole proxy, not one service; write Gateway/NAME")
            }
            _ => return Ok(()),
        };
        Err(wrong(problem.0, problem.1))
    }

    /// The field of a specification and its value; most resources call the first one `selector.matchLabels`.
    pub(crate) fn field(&self, selector: &str, labels: &str) -> (String, Value) {
        match self {
            Self::Selector(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
                let mut outer = serde_json::Map::new();
                outer.insert(labels.to_owned(), Value::Object(pairs.collect()));
                (selector.to_owned(), Value::Object(outer))
            }
            Self::Reference { kind, name } => {
                let reference = json!([{ "group": kind.group(), "kind": kind.word(), "name": name }]);
                ("targetRefs".to_owned(), reference)
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(labels) => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "--selector {}", labels.join(","))
            }
            Self::Reference { kind, name } => write!(f, "--target-ref {}/{name}", kind.word()),
        }
    }
}

fn label(text: &str) -> Rendered<(String, String)> {
    let plain = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    match text.split_once('=') {
        Some((key, value)) if plain(key, "-_./") && plain(value, "-_.") => Ok((key.to_owned(), value.to_owned())),
        _ => Err(wrong("--selector", format!("`{text}` is no label; write KEY=VALUE[,KEY=VALUE]"))),
    }
}

/// A name as Kubernetes has them (RFC 1123).
pub(crate) fn is_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = name.bytes().all(|byte| byte == b'-' || edge(Some(byte)));
    name.len() <= 63 && inner && edge(name.bytes().next()) && edge(name.bytes().next_back())
}

// === impl Kind ===

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::Service => "Service",
            Self::ServiceEntry => "ServiceEntry",
        }
    }

    const fn group(self) -> &'static str {
        match self {
            Self::Gateway => "gateway.networking.k8s.io",
            Self::Service => "",
            Self::ServiceEntry => "networking.istio.io",
        }
    }
}
