//! The token of a transaction, which goes along in a header of its own.

use std::net::IpAddr;
use std::rc::Rc;

use access_tokens::{
    CallBinding, Mint, TransactionTerms, TransactionToken, TransactionVerifier, VerifiedToken, VerifiedTransaction,
};

use crate::downscope::KEYS;
use crate::event::Moment;
use crate::headers::Headers;
use crate::rejection::Rejection;
use crate::step::HeaderEdit;

/// What happens to transaction tokens. Without a word about them, none is looked at, and none goes on.
#[derive(Default)]
pub(crate) struct Transactions {
    pub(crate) accepted: Option<Accepted>,
    pub(crate) begun: Option<Begun>,
}

/// Which are taken up.
pub(crate) struct Accepted {
    pub(crate) verifier: TransactionVerifier,
    pub(crate) max_bytes: usize,
}

/// Which go on.
pub(crate) struct Begun {
    pub(crate) mint: Rc<Mint>,
    pub(crate) terms: TransactionTerms,
}

/// "The value of this header MUST be exactly one Txn-Token" (draft-ietf-oauth-transaction-tokens-10 section 8.1).
pub(crate) const HEADER: &str = "txn-token";

// === impl Transactions ===

impl Transactions {
    /// The transaction that a request of this user belongs to, where one is said.
    pub(crate) fn earlier(
        &self,
        headers: &Headers<'_>,
        user: Option<&VerifiedToken>,
        now: u64,
    ) -> Result<Option<Rc<VerifiedTransaction>>, Rejection> {
        let Some(Accepted { verifier, max_bytes }) = &self.accepted else { return Ok(None) };
        let Some(value) = headers.only(HEADER).map_err(|()| Rejection::RepeatedHeader)? else { return Ok(None) };
        let transaction = verifier.verify(value, *max_bytes, user, now).map_err(Rejection::Transaction)?;
        Ok(Some(Rc::new(transaction)))
    }

    /// The header that goes on; nothing where no user calls.
    pub(crate) fn header(
        &self,
        subject: Option<&VerifiedToken>,
        binding: &CallBinding<'_>,
        address: Option<IpAddr>,
        moment: &Moment,
    ) -> Result<Option<HeaderEdit>, Rejection> {
        let (Some(Begun { mint, terms }), Some(subject)) = (&self.begun, subject) else { return Ok(None) };
        TransactionToken::mint(mint, terms, subject, binding, address, moment.seconds(), &moment.entropy)
            .map(|token| Some(HeaderEdit::Set(HEADER, token.as_str().to_owned())))
            .map_err(Rejection::Mint)
    }

    /// The public keys, when `path` asks for them.
    pub(crate) fn keys_at(&self, path: &str) -> Option<&str> {
        self.begun.as_ref().filter(|_| path == KEYS).map(|begun| begun.mint.public_jwks())
    }
}

#[cfg(test)]
mod tests;
