//! Which crate may depend on which.

use std::fmt;

/// A dependency that a workspace member declares, whatever its kind: a test that reaches over a boundary couples the
/// two sides as much as the code would, so development and build dependencies obey the same rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// The folder of the member, relative to the workspace, with `/` between its parts: `filters/core/access-policy`.
    pub from: String,
    /// The name of the package depended on: `cedar-policy`.
    pub to: String,
    /// The folder of the package depended on, when it is a member of the workspace too.
    pub to_folder: Option<String>,
}

/// An arrow that may not be, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForbiddenArrow {
    /// The arrow.
    pub arrow: Arrow,
    /// The part of the rule that it breaks.
    pub reason: Reason,
}

/// The parts of the dependency rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The folder is none that the rule knows, so the rule cannot say what it may depend on.
    UnknownFolder,
    /// `plugins -> envoy-host -> request-guard -> access-policy -> the three leaves`, `meshwarden -> ` the cores, and
    /// nothing else.
    AgainstTheLayers,
    /// What runs in Envoy knows nothing of what tests it.
    OnTests,
    /// Only `envoy-host` and the plugins may name the host.
    ProxyWasm,
    /// Only `access-policy` may name Cedar.
    Cedar,
    /// Only `access-tokens` may name the library that verifies and signs: its defaults are unsafe here.
    JwtSimple,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    AccessTokens,
    OtherLeaf,
    Policy,
    Guard,
    Host,
    Plugin,
    /// What policy authors run: it asks the cores, and runs in no proxy.
    Tool,
    Tests,
}

/// The arrows that the rule forbids, in the order given.
pub fn forbidden(arrows: &[Arrow]) -> Vec<ForbiddenArrow> {
    arrows
        .iter()
        .filter_map(|arrow| reason_against(arrow).map(|reason| ForbiddenArrow { arrow: arrow.clone(), reason }))
        .collect()
}

fn reason_against(arrow: &Arrow) -> Option<Reason> {
    let Some(from) = Layer::of(&arrow.from) else { return Some(Reason::UnknownFolder) };
    match &arrow.to_folder {
        Some(folder) => match Layer::of(folder) {
            None => Some(Reason::UnknownFolder),
            Some(Layer::Tests) if from != Layer::Tests => Some(Reason::OnTests),
            Some(to) => (!from.may_depend_on(to)).then_some(Reason::AgainstTheLayers),
        },
        None => reason_against_library(from, &arrow.to),
    }
}

fn reason_against_library(from: Layer, library: &str) -> Option<Reason> {
    let (allowed, reason) = if library.starts_with("proxy-wasm") {
        (matches!(from, Layer::Host | Layer::Plugin), Reason::ProxyWasm)
    } else if library.starts_with("cedar-policy") {
        (from == Layer::Policy, Reason::Cedar)
    } else if library.starts_with("jwt-simple") {
        (from == Layer::AccessTokens, Reason::JwtSimple)
    } else {
        (true, Reason::UnknownFolder)
    };
    (!allowed).then_some(reason)
}

// === impl Layer ===

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        match folder.split('/').collect::<Vec<_>>().as_slice() {
            ["filters", "core", "access-tokens"] => Some(Self::AccessTokens),
            ["filters", "core", "agent-messages" | "peer-identity"] => Some(Self::OtherLeaf),
            ["filters", "core", "access-policy"] => Some(Self::Policy),
            ["filters", "core", "request-guard"] => Some(Self::Guard),
            ["filters", "envoy-host"] => Some(Self::Host),
            ["filters", "plugins", _] => Some(Self::Plugin),
            ["filters", "meshwarden"] => Some(Self::Tool),
            // What generates manifests and what tests: neither runs in Envoy.
            ["istio" | "tests", _] => Some(Self::Tests),
            _ => None,
        }
    }

    fn may_depend_on(self, to: Self) -> bool {
        match self {
            Self::AccessTokens | Self::OtherLeaf => false,
            Self::Policy => to.is_leaf(),
            Self::Guard => to == Self::Policy || to.is_leaf(),
            Self::Host => to == Self::Guard,
            Self::Plugin => matches!(to, Self::Host | Self::Guard),
            Self::Tool => matches!(to, Self::Guard | Self::Policy) || to.is_leaf(),
            Self::Tests => true,
        }
    }

    fn is_leaf(self) -> bool {
        matches!(self, Self::AccessTokens | Self::OtherLeaf)
    }
}

// === impl ForbiddenArrow ===

impl fmt::Display for ForbiddenArrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            Reason::UnknownFolder => "a member stands in a folder that the rule does not know",
            Reason::AgainstTheLayers => {
                "only plugins -> envoy-host -> request-guard -> access-policy -> leaves, and meshwarden -> the cores, is allowed"
            }
            Reason::OnTests => "what runs in Envoy may not depend on what tests it",
            Reason::ProxyWasm => "only envoy-host and the plugins may depend on it",
            Reason::Cedar => "only access-policy may depend on it",
            Reason::JwtSimple => "only access-tokens may depend on it",
        };
        write!(f, "`{}` -> `{}`: {why}", self.arrow.from, self.arrow.to)
    }
}

#[cfg(test)]
mod tests;
