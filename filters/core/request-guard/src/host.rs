//! What a filter asks of its host beside the events of streams.

use std::fmt;
use std::rc::Rc;

use access_tokens::{ReplayStore, TrustedCrypto};

use crate::audit::Count;

/// What there is while a filter is configured.
pub struct Host<'a> {
    /// The value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Signatures that the host computes.
    pub crypto: TrustedCrypto,
    /// Opens the memory of proofs that were used, where there is to be one.
    pub replays: &'a dyn Fn() -> Result<Rc<dyn ReplayStore>, String>,
}

/// A request that the host is to make for all streams of a worker: a `GET`, or a `POST` where there is a body.
#[derive(Clone, PartialEq, Eq)]
pub struct CallOut {
    /// What for; to be named in [`Plugin::answered`](crate::Plugin::answered).
    pub purpose: Purpose,
    /// Through whom.
    pub endpoint: Endpoint,
    /// Headers beside those of the endpoint; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// Whom to ask, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The cluster of the proxy that it is asked of.
    pub cluster: String,
    /// `:scheme`: `https` or `http`.
    pub scheme: &'static str,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// How long it may take.
    pub timeout_milliseconds: u32,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The keys of an issuer, by its place in the configuration.
    IssuerKeys(usize),
    /// The keys of a trust domain, by the place of its bundle in the configuration.
    BundleKeys(usize),
    /// A token in exchange, by the number of the flight.
    Exchange(u64),
}

/// What a stream waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Keys, whosever.
    Keys,
    /// A token in exchange, by the number of the flight.
    Exchange(u64),
}

/// An answer to a [`CallOut`].
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// To be counted.
    pub count: Count,
    /// What is wrong with it, for the log: what was there before stays.
    pub problem: Option<String>,
}

// === impl Purpose ===

impl Purpose {
    /// Who is to try again once it has been answered.
    #[must_use]
    pub fn serves(self) -> Awaited {
        match self {
            Self::IssuerKeys(_) | Self::BundleKeys(_) => Awaited::Keys,
            Self::Exchange(flight) => Awaited::Exchange(flight),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// As the operator wrote it.
    pub(crate) fn uri(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }
}

// === impl CallOut ===

impl fmt::Debug for CallOut {
    /// Without what may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut call = f.debug_struct("CallOut");
        call.field("purpose", &self.purpose).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

// === impl Answered ===

impl fmt::Debug for Answered {
    /// Without what may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("status", &self.status).finish_non_exhaustive()
    }
}
