//! What a filter asks of its host beside the events of streams.

use std::rc::Rc;

use access_tokens::{ReplayStore, TrustedCrypto};

/// What there is while a filter is configured.
pub struct Host<'a> {
    /// The value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Signatures that the host computes.
    pub crypto: TrustedCrypto,
    /// Opens the memory of proofs that were used, where there is to be one.
    pub replays: &'a dyn Fn() -> Result<Rc<dyn ReplayStore>, String>,
}

/// A document that the host is to fetch with a `GET`, for all streams of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which of the filter's documents; to be named in [`Plugin::fetched`](crate::Plugin::fetched).
    pub document: usize,
    /// The cluster of the proxy that it is asked of.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// `:scheme`: `https` or `http`.
    pub scheme: &'static str,
    /// How long it may take.
    pub timeout_milliseconds: u32,
}
