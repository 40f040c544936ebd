//! Why there is no token in exchange.

use thiserror::Error;

/// Why a token could not be exchanged. Nothing here holds any part of a token, or words of the server's own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// The server is being asked: try again when the flight of this number has landed.
    #[error("the authorization server is being asked")]
    Awaited(u64),
    /// The subject token was accepted within the clock skew only.
    #[error("the caller's token expired at {expired_at}, now is {now}")]
    SubjectExpired {
        /// `exp` of the subject token, in Unix seconds.
        expired_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// An actor token is to be sent, and there is no workload that it could name.
    #[error("there is no workload that an actor token could name")]
    NoActor,
    /// The caller's token is to be sent, and is not at hand.
    #[error("the caller's token is not at hand")]
    NoSubjectToken,
    /// What is to be sent could not be signed.
    #[error("the signing key does not sign, or a name is too long")]
    Signing,
    /// So many exchanges are under way that there is no room for another.
    #[error("{limit} exchanges are under way")]
    Busy {
        /// The most that may be.
        limit: usize,
    },
    /// No answer came in time, or none from the server itself.
    #[error("the authorization server can't be reached")]
    Unreachable,
    /// It could not be reached a moment ago.
    #[error("the authorization server could not be reached a moment ago")]
    Paused,
    /// The server says that it can't answer now.
    #[error("the authorization server answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
    },
    /// The server refuses, and says why.
    #[error("the authorization server refused: {0}")]
    Refused(ServerError),
    /// The answer can't be used.
    #[error("the authorization server's answer: {0}")]
    Answer(#[from] AnswerError),
}

/// `error` of a refusal (RFC 6749 section 5.2 and its extensions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Of a token exchange this is also: the subject or the actor is not acceptable (RFC 8693 section 2.2.2).
    #[error("`invalid_request`")]
    InvalidRequest,
    /// The client authentication failed.
    #[error("`invalid_client`")]
    InvalidClient,
    /// The subject token is not good, or not good any more.
    #[error("`invalid_grant`")]
    InvalidGrant,
    /// This client may not do this.
    #[error("`unauthorized_client`")]
    UnauthorizedClient,
    /// The server does not do this.
    #[error("`unsupported_grant_type`")]
    UnsupportedGrantType,
    /// Not these scopes.
    #[error("`invalid_scope`")]
    InvalidScope,
    /// Not for this audience or resource (RFC 8693 section 2.2.2, RFC 8707 section 2).
    #[error("`invalid_target`")]
    InvalidTarget,
    /// Not this user.
    #[error("`access_denied`")]
    AccessDenied,
    /// The user has to be authenticated better (RFC 9470, OpenID Connect Core section 3.1.2.6).
    #[error("the user has to be authenticated again")]
    AuthenticationRequired,
    /// Any other.
    #[error("an error that is none of OAuth's")]
    Other,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Neither a success nor a refusal in OAuth's form.
    #[error("the status {0}")]
    Status(u16),
    /// More bytes than are read.
    #[error("more than {limit} bytes")]
    TooLong {
        /// The most that are.
        limit: usize,
    },
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// Two members have one name, so that readers could differ.
    #[error("a member of it repeats")]
    Duplicate,
    /// A member that has to be there.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A member that has a form that it can't have.
    #[error("its `{0}` is malformed")]
    Malformed(&'static str),
    /// Not what was asked for, or nothing that could be sent on (RFC 8693 section 2.2.1).
    #[error("the token is of another type than was asked for")]
    IssuedTokenType,
    /// Not used as a bearer token is: bound to a key that the proxy does not have, or something unknown.
    #[error("its `token_type` is not the one of such a token")]
    TokenType,
    /// Not of the alphabet of tokens (RFC 6750 section 2.1), or longer than a header should be.
    #[error("the token can't be sent in a header")]
    TokenText,
    /// The caller's own token came back.
    #[error("it is the token that was sent")]
    SameToken,
    /// The token is a JWT, and its claims can't be read.
    #[error("the claims of the token can't be read")]
    Claims,
    /// It is good for more than was asked.
    #[error("it has scopes that were not asked for")]
    Scope,
    /// It is for somebody else, or for others too.
    #[error("the token is for another audience, or for others too")]
    Audience,
    /// It is about somebody else.
    #[error("the token is about another subject")]
    Subject,
    /// It is over already.
    #[error("the token has expired")]
    Expired,
    /// It lives longer than policy allows, or does not say how long.
    #[error("the token lives for more than {limit} seconds, or does not say how long")]
    LivesTooLong {
        /// The most that is allowed.
        limit: u64,
    },
}

// === impl ServerError ===

impl ServerError {
    pub(super) fn of(code: &str) -> Self {
        match code {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "invalid_scope" => Self::InvalidScope,
            "invalid_target" => Self::InvalidTarget,
            "access_denied" => Self::AccessDenied,
            "insufficient_user_authentication" | "interaction_required" | "login_required" => {
                Self::AuthenticationRequired
            }
            _ => Self::Other,
        }
    }
}
