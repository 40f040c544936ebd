//! The order of the checks, as a state machine that knows no host.
//!
//! Bytes and facts come in as [`Event`]s, and each is answered with one [`Step`]. No clock, no network and no log are
//! in here: what a host does with a step is the host's affair, and no step lets a request go on that policy has not
//! allowed ([`Forward`] can be made of an authorized call only).

#[cfg(test)]
mod agents;
mod audit;
mod compile;
mod config;
mod event;
mod exchange;
mod facts;
mod guard;
mod headers;
mod path;
mod rejection;
mod request;
mod response;
mod server;
mod step;
#[cfg(test)]
mod testing;

pub use audit::{AuditRecord, Count, Minted, Outcome};
pub use compile::ConfigurationError;
pub use event::{Connection, Event, Header, Moment};
pub use exchange::{BodyWanted, Exchange};
pub use guard::Guard;
pub use step::{Forward, HeaderEdit, Reply, Step};

/// Parses the text of a configuration: JSON in which no name repeats.
///
/// # Errors
/// What is wrong with it, and where.
pub fn strict_json(text: &[u8]) -> Result<serde_json::Value, String> {
    agent_messages::parse_json(text, 64, 1_000_000).map_err(|error| error.to_string())
}
