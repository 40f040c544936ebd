//! What came in exchange.

use std::fmt;

/// A token that an authorization server gave in exchange for the caller's: no wider than what was asked, as far as it
/// can be read. It holds no refresh token.
pub struct ExchangedToken {
    pub(super) text: String,
    pub(super) scope: String,
    /// Unix seconds, where it is known.
    pub(super) expires_at: Option<u64>,
}

// === impl ExchangedToken ===

impl ExchangedToken {
    /// The token itself: for the upstream's eyes only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scopes that it is good for; empty if none.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// How long it still lives at `now` (Unix seconds), in seconds; nothing where the server did not say.
    #[must_use]
    pub fn ttl_seconds(&self, now: u64) -> Option<u64> {
        Some(self.expires_at?.saturating_sub(now))
    }
}

impl fmt::Debug for ExchangedToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ExchangedToken");
        fields.field("scope", &self.scope).field("expires_at", &self.expires_at);
        fields.finish_non_exhaustive()
    }
}
