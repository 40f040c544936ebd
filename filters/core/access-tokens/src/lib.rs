//! Who the user is: a verified token in, a smaller token out.
//!
//! Scope: JWT access tokens in compact form (RFC 7519, RFC 9068), signed with the keys that the operator names.
//! There is no way to accept a token without a signature, an expiry or this server's audience, and no text of an error
//! holds any part of a token that could be used again.

mod actors;
mod algorithm;
mod bearer;
mod cache;
mod claims;
mod downscope;
mod dpop;
mod error;
mod exchange;
#[cfg(test)]
mod fixtures;
mod header;
mod host_crypto;
mod issuer;
mod json;
mod jwks;
mod keys;
mod kind;
mod mint;
mod profile;
mod proxy_claims;
mod signature;
mod signing_key;
mod svid;
mod token;
mod transaction;
mod verify;

pub use algorithm::{Algorithm, AlgorithmError};
pub use bearer::{BearerToken, Scheme};
pub use claims::ClaimPaths;
pub use downscope::{CallBinding, DownscopedToken, MintError, Target};
pub use dpop::{
    DpopConfig, DpopError, DpopFault, DpopNonces, DpopProof, DpopVerifier, NoReplays, ProvenRequest, ReplayError,
    ReplayStore,
};
pub use error::{Part, TokenError};
pub use exchange::{
    ActorToken, AnswerError, Arrival, Asked, ClientAuthentication, ExchangeAsk, ExchangeConfig, ExchangeError,
    ExchangeGrant, ExchangedToken, JWT_BEARER, Landed, ServerError, SubjectToken, TOKEN_EXCHANGE, Ticket,
    TokenEndpoint, TokenExchange, TokenRequest, TokenType,
};
pub use host_crypto::{Hash, HostCrypto, TrustedCrypto};
pub use issuer::{IssuerConfig, VerifierError};
pub use jwks::KeySetError;
pub use keys::Jwks;
pub use mint::{Mint, MintConfig, MintConfigError};
pub use profile::Profile;
pub use proxy_claims::{ClaimsVerifier, ProxyIssuer};
pub use signing_key::{PublicSigningKey, SigningKey, SigningKeyError};
pub use svid::{Bundle, BundleError, JwtSvid, SvidConfig, SvidError, SvidVerifier};
pub use token::VerifiedToken;
pub use transaction::{TransactionError, TransactionTerms, TransactionToken, TransactionVerifier, VerifiedTransaction};
pub use verify::{TokenVerifier, Verified};
