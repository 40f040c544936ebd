//! Why a token is not good here.

use std::fmt;

use thiserror::Error;

use crate::algorithm::{Algorithm, AlgorithmError};

/// What is wrong with the credentials of a request. What a message quotes is bounded and never enough to use the token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// More than one `authorization` header, or several merged into one (RFC 6750 section 2).
    #[error("more than one `authorization` header")]
    Repeated,
    /// Another scheme than `Bearer`, or no token behind it.
    #[error("the `authorization` header is not `Bearer` and one token")]
    Scheme,
    /// More bytes than are read.
    #[error("the token has more than {limit} bytes")]
    TooLong {
        /// The most that are.
        limit: usize,
    },
    /// Not three parts in the alphabet of base64url: opaque, encrypted, or damaged (RFC 7515 section 7.1).
    #[error("the token is not a JWS in compact form")]
    NotCompact,
    /// A part is not base64url without padding and without stray bits (RFC 7515 section 2).
    #[error("the token's {0} is not base64url")]
    NotBase64(Part),
    /// A part is not a JSON object in UTF-8.
    #[error("the token's {0} is not a JSON object")]
    NotJson(Part),
    /// Two members of one object have the same name, so that readers could differ (RFC 7515 section 4).
    #[error("the token's {part} has two members called `{name}`")]
    DuplicateName {
        /// Where.
        part: Part,
        /// The name, shortened.
        name: String,
    },
    /// A header member is missing or has the wrong type.
    #[error("the token's header has no proper `{0}`")]
    Header(&'static str),
    /// A header member that changes how the token is to be read, or that brings a key along.
    #[error("the token's header has `{0}`, which is never accepted")]
    ForbiddenHeader(&'static str),
    /// An algorithm that no issuer may use.
    #[error("the token's algorithm: {0}")]
    Algorithm(#[from] AlgorithmError),
    /// An algorithm that this issuer does not use.
    #[error("the issuer does not sign with `{algorithm}`")]
    AlgorithmNotAllowed {
        /// What the header says.
        algorithm: Algorithm,
    },
    /// The key is there, but for another algorithm (RFC 8725 section 3.1).
    #[error("key `{key_id}` is for `{expected}`, not for `{algorithm}`")]
    AlgorithmMismatch {
        /// `kid` of the key, shortened.
        key_id: String,
        /// What the key is for.
        expected: Algorithm,
        /// What the header says.
        algorithm: Algorithm,
    },
    /// The token's `typ` is not one that the issuer's access tokens have (RFC 9068 section 4).
    #[error("the token's type `{found}` is not one of its issuer's")]
    Type {
        /// `typ`, shortened; `JWT` when the token has none.
        found: String,
    },
    /// A type that is never one of access tokens, whatever is configured.
    #[error("a token of type `{found}` is never an access token")]
    OtherType {
        /// `typ`, shortened.
        found: String,
    },
    /// A claim that tells a token of another kind, as an ID token.
    #[error("the token's claim `{claim}` says that it is no access token")]
    OtherKind {
        /// The claim.
        claim: &'static str,
    },
    /// Nobody who is configured.
    #[error("the token's issuer `{issuer}` is not known")]
    UnknownIssuer {
        /// `iss`, shortened.
        issuer: String,
    },
    /// No key of the issuer has this `kid`.
    #[error("the issuer has no key `{key_id}`")]
    UnknownKey {
        /// `kid`, shortened.
        key_id: String,
    },
    /// The issuer's keys are being fetched: try again when they are there.
    #[error("the issuer's keys are being fetched")]
    KeysAwaited,
    /// The issuer's keys could not be fetched.
    #[error("the issuer's keys could not be fetched")]
    KeysUnavailable,
    /// The token names no key, and the issuer has several.
    #[error("the token names no key, and its issuer has several")]
    NoKeyId,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim that every token must have.
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim has a type or a form that it can't have.
    #[error("the token's claim `{0}` is malformed")]
    MalformedClaim(String),
    /// The issuer says that the claim is to be fetched elsewhere (OpenID Connect Core section 5.6.2), as some do when a
    /// user has very many groups. Judging without it could pass what a rule about it forbids.
    #[error("the token's claim `{0}` is not in the token")]
    ClaimElsewhere(String),
    /// Its time is over (RFC 7519 section 4.1.4).
    #[error("the token expired at {expired_at}, now is {now}")]
    Expired {
        /// Unix seconds.
        expired_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// Its time has not come (RFC 7519 section 4.1.5).
    #[error("the token is good from {not_before}, now is {now}")]
    NotYetValid {
        /// Unix seconds.
        not_before: u64,
        /// Unix seconds.
        now: u64,
    },
    /// It says that it comes from the future.
    #[error("the token was issued at {issued_at}, now is {now}")]
    IssuedInFuture {
        /// Unix seconds.
        issued_at: u64,
        /// Unix seconds.
        now: u64,
    },
    /// It is good for longer than the operator allows.
    #[error("the token lives for {seconds} seconds, at most {limit} are allowed")]
    LivesTooLong {
        /// From `iat`, or from now where there is none.
        seconds: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// It is for somebody else (RFC 8707, RFC 7519 section 4.1.3).
    #[error("the token is not for audience `{expected}`")]
    Audience {
        /// Ours.
        expected: String,
    },
}

/// A part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The JOSE header.
    Header,
    /// The claims.
    Payload,
    /// The signature.
    Signature,
}

// === impl Part ===

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Input as a message may quote it: bounded, on one line, and unable to end the quote.
pub(crate) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let plain = |c: char| if c.is_control() || c == '`' { '?' } else { c };
    let mut quoted: String = text.chars().take(MAX_CHARS).map(plain).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn quoted_input_is_bounded_and_cannot_end_the_quote() {
        assert_eq!(shortened("idp-1"), "idp-1");
        assert_eq!(shortened("a`b\nc\u{7f}"), "a?b?c?");
        assert_eq!(shortened(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shortened(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
    }
}
