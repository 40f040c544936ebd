//! A transaction token, or a smaller one in another's place.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{TYPE, VerifiedTransaction};
use crate::actors::Actors;
use crate::downscope::{CallBinding, Context, MintError, SubjectId, signed, transaction, transaction_of, ttl};
use crate::mint::{Mint, MintConfigError, check_ttl};
use crate::token::VerifiedToken;

/// What every transaction token has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionTerms {
    audience: String,
    ttl_seconds: u64,
}

/// A token for one transaction. It is never wider than the token of its user, nor than the one in whose place it is.
pub struct TransactionToken {
    text: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    aud: &'a str,
    exp: u64,
    txn: &'a str,
    sub: &'a str,
    sub_id: SubjectId<'a>,
    /// There even when it is empty: the draft requires it.
    scope: &'a str,
    req_wl: &'a str,
    tctx: Details<'a>,
    rctx: Origin<'a>,
    act: Value,
}

/// What the transaction is about.
#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    New(Context<'a>),
    Kept(&'a Map<String, Value>),
}

/// How it began.
#[derive(Serialize)]
#[serde(untagged)]
enum Origin<'a> {
    New {
        #[serde(skip_serializing_if = "Option::is_none")]
        req_ip: Option<IpAddr>,
        peer: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
    },
    Kept(&'a Map<String, Value>),
}

// === impl TransactionTerms ===

impl TransactionTerms {
    /// Tokens for the trust domain `audience` that live for `ttl_seconds` at most.
    ///
    /// # Errors
    /// The lifetime is zero, or longer than that of any token that is made here.
    pub fn new(audience: String, ttl_seconds: u64) -> Result<Self, MintConfigError> {
        check_ttl(ttl_seconds)?;
        Ok(Self { audience, ttl_seconds })
    }
}

// === impl TransactionToken ===

impl TransactionToken {
    /// Makes a token at `now` (Unix seconds) for what `subject` asks from `address`. Where the call belongs to a transaction
    /// already, it is one in that token's place: who, what, how it began and the identifier stay, the workloads before the
    /// peer are kept behind it, and scope and time get no larger. `entropy` must be fresh; a smaller token of the same
    /// `entropy` names the same transaction.
    ///
    /// # Errors
    /// A token is over, no workload is known, the actors are too many, the transaction is of another trust domain, or
    /// the token would be too large.
    pub fn mint(
        mint: &Mint,
        terms: &TransactionTerms,
        subject: &VerifiedToken,
        call: &CallBinding<'_>,
        address: Option<IpAddr>,
        now: u64,
        entropy: &[u8; 16],
    ) -> Result<Self, MintError> {
        let earlier = call.transaction;
        let peer = call.actor.ok_or(MintError::NoWorkload)?;
        if earlier.is_some_and(|earlier| earlier.audience != terms.audience) {
            return Err(MintError::OtherTrustDomain { audience: terms.audience.clone() });
        }
        let mut exp = now.saturating_add(ttl(subject, call, terms.ttl_seconds, now)?);
        if let Some(VerifiedTransaction { expires_at, .. }) = earlier {
            exp = exp.min(*expires_at);
            if exp <= now {
                return Err(MintError::SubjectExpired { expired_at: *expires_at, now });
            }
        }
        let limits = [call.scopes, earlier.map(|earlier| &earlier.scopes)];
        let within = |scope: &&String| limits.iter().flatten().all(|limit| limit.contains(*scope));
        let scope = subject.scopes().iter().filter(within).map(String::as_str).collect::<Vec<_>>().join(" ");
        let before = earlier.and_then(|earlier| earlier.actors.as_ref()).or(subject.act());
        let actors = Actors::followed_by(before, peer).map_err(|_| MintError::TooManyActors)?;
        let new_transaction = transaction(entropy);
        let subject_issuer = earlier.and_then(|earlier| earlier.subject_issuer.as_deref());
        let iss = subject_issuer.unwrap_or(subject.issuer());
        let claims = Claims {
            iss: &mint.issuer,
            iat: now,
            aud: &terms.audience,
            exp,
            txn: transaction_of(subject, call).unwrap_or(&new_transaction),
            sub: subject.subject(),
            sub_id: SubjectId { format: "iss_sub", iss, sub: subject.subject() },
            scope: &scope,
            req_wl: peer,
            tctx: match earlier.and_then(|earlier| earlier.context.as_ref()) {
                Some(context) => Details::Kept(context),
                None => Details::New(Context::of(call)),
            },
            rctx: match earlier.and_then(|earlier| earlier.request.as_ref()) {
                Some(request) => Origin::Kept(request),
                None => Origin::New { req_ip: address, peer, client_id: subject.client_id() },
            },
            act: actors.into_claim(),
        };
        signed(mint, TYPE, &claims).map(|text| Self { text })
    }

    /// The token itself: for the upstream's eyes only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TransactionToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionToken").finish_non_exhaustive()
    }
}
