//! The workload's own token, where it shows one.

use access_tokens::{JwtSvid, SvidError, SvidVerifier, TokenError};

use crate::headers::Headers;
use crate::host::{Answered, CallOut, Taken};
use crate::key_sets::KeySets;
use crate::rejection::Rejection;

/// Which JWT-SVIDs are accepted.
pub(crate) struct SvidCheck {
    /// The header that has nothing but one.
    pub(crate) header: String,
    pub(crate) verifier: SvidVerifier,
    /// Of each bundle.
    pub(crate) keys: KeySets,
}

// === impl SvidCheck ===

impl SvidCheck {
    /// The one that is shown. What is shown and is not good is refused, whatever else names the workload.
    pub(crate) fn shown(&self, headers: &Headers<'_>, now: u64) -> Result<Option<JwtSvid>, Rejection> {
        let value = headers.only(&self.header).map_err(|()| Rejection::RepeatedHeader)?;
        value.map(|value| self.verifier.verify(value, now).map_err(refused)).transpose()
    }

    /// Whether any keys are fetched.
    pub(crate) fn calls_out(&self) -> bool {
        self.keys.are_fetched()
    }

    /// The bundles to fetch now (Unix seconds).
    pub(crate) fn due(&self, now: u64) -> Vec<CallOut> {
        self.keys.calls(self.verifier.due(now))
    }

    /// Takes a bundle.
    pub(crate) fn answered(&self, bundle: usize, answer: Option<&Answered>, now: u64) -> Taken {
        self.keys.answered(bundle, answer, |set| self.verifier.fetched(bundle, set, now))
    }
}

fn refused(error: SvidError) -> Rejection {
    match error {
        // Proxies join what repeats with a comma.
        SvidError::Token(TokenError::Repeated) => Rejection::RepeatedHeader,
        SvidError::Token(error @ (TokenError::KeysAwaited | TokenError::KeysUnavailable)) => Rejection::of_token(error),
        error => Rejection::Svid(error),
    }
}
