//! Who the user is: a verified token in, a smaller token out.
//!
//! Scope: JWT access tokens in compact form (RFC 7519, RFC 9068), signed with the keys that the operator names.
//! There is no way to accept a token without a signature, an expiry or this server's audience.

mod bearer;
mod cache;
mod claims;
mod downscope;
mod error;
mod jwks;
mod mint;
mod object;
#[cfg(test)]
mod testing;
mod token;
mod verify;

pub use bearer::BearerToken;
pub use claims::ClaimPaths;
pub use downscope::{CallBinding, DownscopedToken, MintError};
pub use error::TokenError;
pub use jwks::{Algorithm, KeySetError, UnknownAlgorithm};
pub use mint::{Mint, MintConfig, MintKeyError};
pub use token::VerifiedToken;
pub use verify::{IssuerConfig, TokenVerifier, Verified, VerifierError};
