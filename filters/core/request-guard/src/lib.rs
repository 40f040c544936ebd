//! The order of the checks, as a state machine that knows no host.
//!
//! Bytes and facts come in as [`Event`]s, and each is answered with one [`Step`]. No clock, no network and no log are
//! in here: what a host does with a step is the host's affair, and no step lets a request go on that policy has not
//! allowed ([`Forward`] can be made of an authorized call only).

#[cfg(test)]
mod agents;
mod answer;
mod audit;
mod caller;
mod compile;
mod config;
mod downscope;
mod event;
mod exchange;
mod facts;
mod hand_off;
mod headers;
mod host;
mod journal;
mod key_sets;
mod message;
mod mirrored;
mod origin;
mod path;
mod plugin;
mod policy;
mod possession;
mod rejection;
mod review;
mod server;
mod session;
mod stages;
mod step;
mod svid;
#[cfg(test)]
mod testing;
mod token_exchange;
mod transaction;

pub use access_tokens::{Hash, HostCrypto, NoReplays, ReplayError, ReplayStore, TrustedCrypto};
pub use audit::{AuditRecord, Count, Exchanged, Minted, Outcome};
pub use compile::ConfigurationError;
pub use event::{Connection, Event, Header, Moment};
pub use hand_off::{HandOff, HandOffs};
pub use host::{Answered, Awaited, CallOut, Endpoint, Host, Purpose, Taken};
pub use plugin::{BodyWanted, Plugin, Stream};
pub use review::{Filter, Review, review};
pub use stages::agent_guard::Guard;
pub use stages::cedar_authz::CedarAuthz;
pub use stages::jwt_auth::JwtAuth;
pub use stages::mcp_parser::McpParser;
pub use stages::spiffe_identity::SpiffeIdentity;
pub use step::{Forward, HandOver, HeaderEdit, Reply, Step};

/// Parses the text of a configuration: JSON in which no name repeats.
///
/// # Errors
/// What is wrong with it, and where.
pub fn strict_json(text: &[u8]) -> Result<serde_json::Value, String> {
    agent_messages::parse_json(text, 64, 1_000_000).map_err(|error| error.to_string())
}
