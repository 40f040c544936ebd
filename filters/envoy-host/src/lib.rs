//! The only crate that names hostcalls of Envoy.
//!
//! Every call takes and gives bytes and returns a `Result`: a peer can put any byte into a header, and the host may
//! answer any status; neither may panic, since a panic takes the whole VM down for all later requests.

mod abi;
mod body;
mod claims;
mod clock;
mod configuration;
mod crypto;
mod headers;
mod log;
mod metrics;
mod peer;
mod plugin;
mod properties;
mod random;
mod replays;
mod replies;
mod waiting;

pub use plugin::Root;
