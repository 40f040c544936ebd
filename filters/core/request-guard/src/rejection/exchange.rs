//! Whose fault it is that a token could not be exchanged: the caller's, policy's at the other end, or nobody's here.

use access_tokens::{ExchangeError, ServerError};

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The caller's token is not good, or not good any more.
    Token,
    /// The authorization server does not allow it. That is as much as it says: a token that it does not like and a
    /// resource that it does not know are the same to it (RFC 8693 section 2.2.2).
    Denied,
    /// The user has to be authenticated better.
    Authentication,
    /// It may be possible a moment later.
    Unavailable,
    /// The server said something that can't be used.
    Answer,
    /// The operator has to mend something.
    Configuration,
}

// === impl Fault ===

impl Fault {
    pub(super) fn of(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::SubjectExpired { .. } | ExchangeError::Refused(ServerError::InvalidGrant) => Self::Token,
            ExchangeError::NoActor
            | ExchangeError::Refused(
                ServerError::InvalidRequest
                | ServerError::InvalidScope
                | ServerError::InvalidTarget
                | ServerError::AccessDenied,
            ) => Self::Denied,
            ExchangeError::Refused(ServerError::AuthenticationRequired) => Self::Authentication,
            ExchangeError::Awaited(_)
            | ExchangeError::Busy { .. }
            | ExchangeError::Unreachable
            | ExchangeError::Paused
            | ExchangeError::Unavailable { .. } => Self::Unavailable,
            ExchangeError::Answer(_) | ExchangeError::Refused(ServerError::Other) => Self::Answer,
            ExchangeError::NoSubjectToken
            | ExchangeError::Signing
            | ExchangeError::Refused(
                ServerError::InvalidClient | ServerError::UnauthorizedClient | ServerError::UnsupportedGrantType,
            ) => Self::Configuration,
        }
    }
}
