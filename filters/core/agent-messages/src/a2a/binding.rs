//! Where an agent is, and in which bindings it is spoken to there.

use serde::{Deserialize, Serialize};

use super::{grpc, rest};
use crate::error::MessageError;
use crate::headers::Verb;

/// A way to write A2A down, in the specification's own word (`protocolBinding` of a card's interfaces).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// One path; the body says what is asked.
    #[default]
    #[serde(rename = "JSONRPC")]
    JsonRpc,
    /// HTTP method and path say what is asked, body and query with which arguments.
    #[serde(rename = "HTTP+JSON")]
    HttpJson,
    /// The path says what is asked; nobody here reads the body.
    #[serde(rename = "GRPC")]
    Grpc,
}

/// An agent's place among paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEndpoint {
    /// What comes before the paths of HTTP+JSON; without a slash at its end.
    base: String,
    bindings: Vec<Binding>,
}

/// What a request turns to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The agent, spoken to in JSON-RPC.
    Agent,
    /// Its card.
    Card,
    /// An operation in HTTP+JSON.
    Rest(Box<rest::Asked>),
    /// A method in gRPC.
    Grpc(&'static grpc::Method),
}

/// Where 1.0 and 0.3, and where 0.2 has the card.
const CARDS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];

// === impl AgentEndpoint ===

impl AgentEndpoint {
    /// Bindings whose messages are judged whole.
    pub const JUDGED: [Binding; 2] = [Binding::JsonRpc, Binding::HttpJson];

    /// An agent whose paths begin with this one, if any, and that is spoken to in these bindings.
    #[must_use]
    pub fn new(path_prefix: Option<&str>, bindings: Vec<Binding>) -> Self {
        let base = path_prefix.unwrap_or_default();
        Self { base: base.strip_suffix('/').unwrap_or(base).to_owned(), bindings }
    }

    /// In which binding an error is understood by whoever asked for this target (path and query).
    #[must_use]
    pub fn binding_of(&self, target: &[u8]) -> Binding {
        let path = path_of(target);
        if !is_card(target) && looks_like_another(path) { Binding::HttpJson } else { Binding::JsonRpc }
    }

    /// Each path belongs to one binding at most, whichever of them the agent has: a path that could be of another one
    /// is never taken for the agent's own.
    pub(crate) fn place(&self, verb: Verb, target: &[u8]) -> Result<Place, MessageError> {
        let has =
            |binding, place| if self.bindings.contains(&binding) { Ok(place) } else { Err(MessageError::Binding) };
        if is_card(target) {
            return if verb == Verb::Get { Ok(Place::Card) } else { Err(MessageError::Binding) };
        }
        if let Some(method) = grpc::method(target) {
            return if verb == Verb::Post {
                has(Binding::Grpc, Place::Grpc(method))
            } else {
                Err(MessageError::Binding)
            };
        }
        let own = target.strip_prefix(self.base.as_bytes()).ok_or(MessageError::Binding)?;
        if let Some(asked) = rest::asked(verb, own)? {
            return has(Binding::HttpJson, Place::Rest(Box::new(asked)));
        }
        if verb != Verb::Post || looks_like_another(path_of(target)) {
            return Err(MessageError::Binding);
        }
        has(Binding::JsonRpc, Place::Agent)
    }
}

impl Default for AgentEndpoint {
    fn default() -> Self {
        Self::new(None, Self::JUDGED.to_vec())
    }
}

/// Whether a target (path and query) is the place of an agent's public card, and of nothing else.
#[must_use]
pub fn is_card(target: &[u8]) -> bool {
    let before = CARDS.iter().find_map(|card| path_of(target).strip_suffix(card.as_bytes()));
    before.is_some_and(|path| !looks_like_another(path))
}

/// Servers decode a path before they route, and some ignore its case.
fn looks_like_another(path: &[u8]) -> bool {
    let path = path.to_ascii_lowercase();
    let of_another = |segment: &[u8]| {
        matches!(segment, b"tasks" | b"skills" | b"extendedagentcard" | b"pushnotificationconfigs")
            || segment.ends_with(b"a2aservice")
    };
    path.contains(&b':') || path.contains(&b'%') || path.split(|&byte| byte == b'/').any(of_another)
}

fn path_of(target: &[u8]) -> &[u8] {
    target.split(|&byte| byte == b'?').next().unwrap_or_default()
}
