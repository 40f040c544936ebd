//! Tokens that go with a transaction through all services of a trust domain
//! (draft-ietf-oauth-transaction-tokens-10). They tell what began; they authenticate nobody and are no access tokens.

mod mint;
mod verify;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::actors::Actors;
use crate::error::TokenError;

pub use self::mint::{TransactionTerms, TransactionToken};
pub use self::verify::TransactionVerifier;

/// `typ` of every such token, and of nothing else.
const TYPE: &str = "txntoken+jwt";

/// Proof that the trust domain signed this token, and that it is about the user whose token came with it.
///
/// Its serialised form is for handing it from one stage to the next within a proxy, never for anything that a peer sent.
/// In it no member may lack.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifiedTransaction {
    /// `txn`.
    id: String,
    /// `sub`: unique within the trust domain.
    subject: String,
    /// The issuer that the subject is of, where `sub_id` says it (RFC 9493 section 3.2.4).
    #[serde(deserialize_with = "Option::deserialize")]
    subject_issuer: Option<String>,
    /// `aud`: the trust domain.
    audience: String,
    scopes: BTreeSet<String>,
    /// `exp`, in Unix seconds.
    expires_at: u64,
    #[serde(deserialize_with = "Option::deserialize")]
    actors: Option<Actors>,
    /// `tctx`: what the transaction is about. It never changes.
    #[serde(deserialize_with = "Option::deserialize")]
    context: Option<Map<String, Value>>,
    /// `rctx`: how it began.
    #[serde(deserialize_with = "Option::deserialize")]
    request: Option<Map<String, Value>>,
}

/// Why a `Txn-Token` is not good here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// It is no transaction token of this trust domain, or not now.
    #[error("Txn-Token: {0}")]
    Token(#[from] TokenError),
    /// It is about another user than the token in `authorization`, or there is none.
    #[error("Txn-Token: it is about another user than the caller's token")]
    OtherSubject,
    /// The token in `authorization` is of another transaction.
    #[error("Txn-Token: it is of another transaction than the caller's token")]
    OtherTransaction,
}

// === impl VerifiedTransaction ===

impl VerifiedTransaction {
    /// `txn`: names the transaction across hops.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests;
