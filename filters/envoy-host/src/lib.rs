//! The only crate that names hostcalls of Envoy.
//!
//! Every call takes and gives bytes and returns a `Result`: a peer can put any byte into a header, and the host may
//! answer any status; neither may panic, since a panic takes the whole VM down for all later requests.

mod abi;
mod body;
mod clock;
mod configuration;
mod headers;
mod log;
mod metrics;
mod peer;
mod properties;
mod random;
mod replies;

pub use abi::{HostError, Status};
pub use body::{Body, read_body, replace_body};
pub use clock::now_nanoseconds;
pub use configuration::{ConfigurationError, plugin_configuration};
pub use headers::{HeaderMap, read_headers, remove_header, set_header};
pub use log::{Level, log};
pub use metrics::Metrics;
pub use peer::{Peer, read_peer};
pub use properties::{property, set_filter_state};
pub use random::entropy;
pub use replies::{reset_response, send_reply};
