//! Why possession is not proven.

use thiserror::Error;

use super::replay::ReplayError;
use crate::algorithm::{Algorithm, AlgorithmError};
use crate::error::TokenError;
use crate::jwks::KeySetError;

/// What is wrong with a proof, or with the way a token is presented. What a message quotes is bounded, and never enough
/// to use the proof or the token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DpopError {
    /// The token is not bound to a key, and only those that are may come in.
    #[error("the token is not bound to a key, as `tokens.dpop.required` demands")]
    Required,
    /// A token that is bound to a key came without the scheme that goes with a proof (RFC 9449 section 7.2).
    #[error("the token is bound to a key, and is presented as `Bearer`")]
    BoundAsBearer,
    /// A token that is not bound to a key came with the scheme of those that are (RFC 9449 section 7.1).
    #[error("the token is presented as `DPoP`, and is not bound to a key")]
    NotBound,
    /// There is no `dpop` header.
    #[error("there is no `dpop` header")]
    Missing,
    /// More than one `dpop` header, or several merged into one (check 1).
    #[error("there is more than one `dpop` header")]
    Repeated,
    /// Not a JWT that everybody reads in the same way (check 2).
    #[error("the proof, as a token: {0}")]
    Jwt(TokenError),
    /// A claim that every proof must have (check 3), or every proof that goes with a token (check 12).
    #[error("the proof has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim has a type or a form that it can't have.
    #[error("the proof's claim `{0}` is malformed")]
    MalformedClaim(&'static str),
    /// A header member that changes how the proof is to be read.
    #[error("the proof's header has `{0}`, which is never accepted")]
    ForbiddenHeader(&'static str),
    /// A header member is missing or has the wrong type.
    #[error("the proof's header has no proper `{0}`")]
    Header(&'static str),
    /// Another `typ` than `dpop+jwt` (check 4).
    #[error("the proof's type is not `dpop+jwt`")]
    Type,
    /// No algorithm of signatures with a key pair (check 5).
    #[error("the proof's algorithm: {0}")]
    Algorithm(AlgorithmError),
    /// An algorithm that the operator does not name (check 5).
    #[error("`{algorithm}` is not one of `tokens.dpop.algorithms`")]
    AlgorithmNotAllowed {
        /// What the header says.
        algorithm: Algorithm,
    },
    /// `jwk` is not the public key of its algorithm, or has private parts (check 7).
    #[error("the proof's `jwk`: {0}")]
    Key(KeySetError),
    /// The signature is not that of the key (check 6).
    #[error("the proof's signature is wrong")]
    Signature,
    /// For another HTTP method (check 8).
    #[error("the proof is not for the method of this request")]
    Method,
    /// For another URL (check 9).
    #[error("the proof is not for `{expected}`")]
    Url {
        /// That of this request.
        expected: String,
    },
    /// Without a nonce that was given out lately (check 10).
    #[error("the proof has no nonce that is good now")]
    Nonce {
        /// One to use.
        fresh: String,
    },
    /// Made too long ago, or good no longer by its own words (check 11).
    #[error("the proof is of {issued_at}, now is {now}")]
    Stale {
        /// `iat`, Unix seconds.
        issued_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// Made in the future, or not yet good by its own words (check 11).
    #[error("the proof is of {issued_at}, and now is only {now}")]
    Early {
        /// `iat`, Unix seconds.
        issued_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// For another token (check 12).
    #[error("the proof is for another token")]
    OtherToken,
    /// With another key than the one that the token is bound to (check 12).
    #[error("the token is bound to another key than the proof's")]
    OtherKey,
    /// It was used before (RFC 9449 section 11.1).
    #[error("the proof was used before")]
    Replayed,
    /// Whether it was used before can't be told.
    #[error("whether the proof was used before can't be told: {0}")]
    Replays(ReplayError),
}

/// What a caller has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DpopFault<'a> {
    /// The token, or how it is presented.
    Token,
    /// The proof.
    Proof,
    /// The proof needs this nonce.
    Nonce(&'a str),
    /// Nothing: the host fails.
    Host,
}

// === impl DpopError ===

impl DpopError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> DpopFault<'_> {
        match self {
            Self::Required | Self::BoundAsBearer | Self::NotBound | Self::OtherKey => DpopFault::Token,
            Self::Nonce { fresh } => DpopFault::Nonce(fresh),
            Self::Replays(_) => DpopFault::Host,
            Self::Missing
            | Self::Repeated
            | Self::Jwt(_)
            | Self::MissingClaim(_)
            | Self::MalformedClaim(_)
            | Self::ForbiddenHeader(_)
            | Self::Header(_)
            | Self::Type
            | Self::Algorithm(_)
            | Self::AlgorithmNotAllowed { .. }
            | Self::Key(_)
            | Self::Signature
            | Self::Method
            | Self::Url { .. }
            | Self::Stale { .. }
            | Self::Early { .. }
            | Self::OtherToken
            | Self::Replayed => DpopFault::Proof,
        }
    }
}
