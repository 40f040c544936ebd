//! Proofs that were used (RFC 9449 section 11.1).

use thiserror::Error;

/// Where it is remembered which proofs were used; a host has it.
pub trait ReplayStore {
    /// Whether `id` was told before. It then is, at least until `until` has passed (Unix seconds, as is `now`).
    ///
    /// # Errors
    /// It can't be told: the proof does not count then.
    fn seen(&self, id: &[u8; 32], until: u64, now: u64) -> Result<bool, ReplayError>;
}

/// Remembers nothing: no proof counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoReplays;

/// Why it can't be told whether a proof was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// There is no room for one more.
    #[error("no more proofs can be remembered")]
    Full,
    /// The host did not do its part.
    #[error("the host does not remember proofs")]
    Host,
}

// === impl NoReplays ===

impl ReplayStore for NoReplays {
    fn seen(&self, _: &[u8; 32], _: u64, _: u64) -> Result<bool, ReplayError> {
        Err(ReplayError::Host)
    }
}
