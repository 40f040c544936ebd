//! What must hold for any input, whoever makes it: a fuzzer, or the replay of what fuzzers have found.
//!
//! Each target takes bytes and panics if something does not hold. That nothing panics is the least of it: what is
//! judged must be what any parser in the wild would find in the same bytes, and what is not allowed must not get out.

mod agent;
mod client;
mod keys;
mod message;
mod order;
mod reading;
mod request;
mod stream;
mod token;
mod world;

pub use agent::agent;
pub use keys::keys;
pub use message::message;
pub use order::order;
pub use stream::stream;
pub use token::token;

/// Something that must hold for any bytes; it panics if it does not.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder in `tests/fixtures/fuzz`.
pub const TARGETS: [(&str, Target); 6] =
    [("agent", agent), ("keys", keys), ("message", message), ("order", order), ("stream", stream), ("token", token)];
