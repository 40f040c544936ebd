//! Why a token is not good here. No message shows any part of a token that could be used again.

use thiserror::Error;

/// What is wrong with the credentials of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// More than one `authorization` header (RFC 6750 section 2).
    #[error("more than one `authorization` header")]
    Repeated,
    /// Another scheme than `Bearer`.
    #[error("the `authorization` header is not `Bearer` with one token")]
    Scheme,
    /// More bytes than are read.
    #[error("the token has more than {limit} bytes")]
    TooLong {
        /// The most that are.
        limit: usize,
    },
    /// Not three parts of base64url (RFC 7515 section 7.1).
    #[error("the token is not a JWS in compact form")]
    NotCompact,
    /// The header is not a JSON object without repeated names.
    #[error("the token's header is not a plain JSON object")]
    Header,
    /// A header member has the wrong type or must not be there.
    #[error("the token's header member `{0}` is not acceptable")]
    HeaderMember(&'static str),
    /// The payload is not a JSON object without repeated names.
    #[error("the token's claims are not a plain JSON object")]
    Claims,
    /// A claim is missing or has the wrong type.
    #[error("the token's claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// `none`, a shared secret, or another algorithm that is never accepted.
    #[error("the token's algorithm is never accepted")]
    Algorithm,
    /// An algorithm that the issuer does not use.
    #[error("the token's algorithm is not one of its issuer's")]
    AlgorithmNotAllowed,
    /// The token's `typ` is not one of the issuer's.
    #[error("the token's type is not one of its issuer's")]
    Type,
    /// Nobody who is configured.
    #[error("the token's issuer is not known")]
    UnknownIssuer,
    /// No key of the issuer has this `kid` and algorithm.
    #[error("the token's key is not one of its issuer's")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("the token expired at {expired_at}, now is {now}")]
    Expired {
        /// Unix seconds.
        expired_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// Its time has not come.
    #[error("the token is valid from {from}, now is {now}")]
    NotYetValid {
        /// Unix seconds.
        from: u64,
        /// Unix seconds.
        now: u64,
    },
    /// It is good for longer than the operator allows.
    #[error("the token lives for {lifetime} seconds, at most {limit} are allowed")]
    LivesTooLong {
        /// Seconds.
        lifetime: u64,
        /// Seconds.
        limit: u64,
    },
    /// It is for somebody else (RFC 8707).
    #[error("the token is not for audience `{expected}`")]
    Audience {
        /// Ours.
        expected: String,
    },
}
