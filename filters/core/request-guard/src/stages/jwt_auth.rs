//! `jwt_auth`: which user calls, and with which smaller token the request goes on. A chain loads it twice, once for
//! each; in front of a plain HTTP API one does both.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::rc::Rc;

use access_tokens::{CallBinding, Target, VerifiedToken};
use peer_identity::PeerIdentity;
use serde_json::Value;

use crate::audit::Outcome;
use crate::caller::TokenCheck;
use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::downscope::{Downscope, Wanted};
use crate::event::Moment;
use crate::exchange::{Exchange, Head, Heard, Passed, Stage};
use crate::hand_off::{DecisionHandOff, HandOff, HandOffProblem, PeerHandOff, TokenHandOff, UserToken, written};
use crate::host::{Answered, CallOut, Host, Purpose, Taken};
use crate::journal::Journal;
use crate::plugin::{Plugin, Stream};
use crate::rejection::Rejection;
use crate::server::{Server, Servers};
use crate::step::{HandOver, HeaderEdit, Step};
use crate::transaction::{HEADER, Transactions};

/// The stage alone, in one of its uses.
pub struct JwtAuth {
    pub(crate) work: Work,
    pub(crate) transactions: Transactions,
    pub(crate) audit: Audit,
    pub(crate) warnings: Vec<String>,
}

/// What this instance does.
pub(crate) enum Work {
    /// The first of a chain: checks the caller's token, hands it over, and takes it off the request.
    Validate { servers: Servers, tokens: Box<TokenCheck> },
    /// The last of a chain: puts a smaller token there, as far as policy has granted.
    Downscope(Downscope),
    /// Both, for an API that no policy is about: the grant is in the configuration.
    ValidateAndDownscope { servers: Servers, tokens: Box<TokenCheck>, downscope: Downscope, grant: ConfiguredGrant },
}

/// What the smaller token is good for where no policy says it.
pub(crate) struct ConfiguredGrant {
    pub(crate) audience: Option<String>,
    pub(crate) scopes: Option<BTreeSet<String>>,
}

impl Plugin for JwtAuth {
    const READS: &'static [HandOff] = &[HandOff::Peer, HandOff::Token, HandOff::Decision];
    const WRITES: &'static [HandOff] = &[HandOff::Token];

    fn configure(configuration: Value, host: &Host<'_>) -> Result<Self, ConfigurationError> {
        compile::jwt_auth(configuration, host)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn calls_out(&self) -> bool {
        self.tokens().is_some_and(TokenCheck::calls_out) || self.downscope().is_some_and(Downscope::calls_out)
    }

    fn due(&self, now: u64) -> Vec<CallOut> {
        let mut due = self.tokens().map(|tokens| tokens.due(now)).unwrap_or_default();
        due.extend(self.downscope().map(Downscope::due).unwrap_or_default());
        due
    }

    fn answered(&self, purpose: Purpose, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        match purpose {
            Purpose::IssuerKeys(issuer) => self.tokens().map(|tokens| tokens.answered(issuer, answer, now)),
            Purpose::Exchange(flight) => self.downscope()?.answered(flight, answer, now),
            Purpose::BundleKeys(_) => None,
        }
    }

    fn stream(self: &Rc<Self>) -> Box<dyn Stream> {
        Box::new(Exchange::new(Rc::clone(self)))
    }
}

impl Stage for JwtAuth {
    type Held = Infallible;
    type Answer = Infallible;

    fn audit(&self) -> Audit {
        self.audit
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection> {
        if let Some(document) = self.document(head) {
            return Ok(Heard::Document(document));
        }
        let step = match &self.work {
            Work::Validate { servers, tokens } => {
                let (server, _, token) = validate(servers, tokens, journal, head)?;
                let now = head.moment.seconds();
                let transaction = self.transactions.earlier(&head.headers, token.as_deref(), now)?;
                let hand_off = TokenHandOff::of(server, journal.facts.dpop.clone(), token, transaction);
                let edits = head.headers.of_token().into_iter().map(HeaderEdit::Remove).collect();
                Step::HandOver(HandOver { edits, state: vec![(HandOff::Token.key(), written(&hand_off)?)] })
            }
            Work::Downscope(downscope) => {
                let edits = downscoped(downscope, &self.transactions, journal, head)?;
                Step::HandOver(HandOver { edits, state: Vec::new() })
            }
            Work::ValidateAndDownscope { servers, tokens, downscope, grant } => {
                let (server, peer, token) = validate(servers, tokens, journal, head)?;
                grant.leaves_something(token.as_deref())?;
                let now = head.moment.seconds();
                let transaction = self.transactions.earlier(&head.headers, token.as_deref(), now)?;
                let mut edits: Vec<HeaderEdit> = if downscope.forwards_client_token() {
                    head.headers.all(HEADER).map(|_| HeaderEdit::Remove(HEADER.into())).collect()
                } else {
                    head.headers.of_token().into_iter().map(HeaderEdit::Remove).collect()
                };
                let binding = CallBinding {
                    audience: grant.audience.as_deref().unwrap_or(&server.audience),
                    protocol: "http",
                    server: &server.name,
                    method: None,
                    target: None,
                    arguments_sha256: None,
                    actor: peer.as_deref().map(|peer| peer.id().as_str()),
                    scopes: grant.scopes.as_ref(),
                    ttl_seconds: None,
                    transaction: transaction.as_deref(),
                };
                let presented = downscope.presented(&head.headers);
                let wanted = Wanted {
                    subject: token.as_deref(),
                    presented: presented.as_deref(),
                    server_audience: &server.audience,
                    audience: grant.audience.as_deref(),
                    binding,
                };
                edits.extend(replace(downscope, journal, &wanted, &head.moment)?);
                let address = head.connection.address;
                edits.extend(self.transactions.header(wanted.subject, &wanted.binding, address, &head.moment)?);
                Step::HandOver(HandOver { edits, state: Vec::new() })
            }
        };
        Ok(Heard::Pass(Passed { step, answer: None, body_follows: true }))
    }

    fn body(&self, _: &mut Journal, held: &Infallible, _: &[u8], _: &Moment) -> Result<Passed<Infallible>, Rejection> {
        match *held {}
    }
}

// === impl JwtAuth ===

impl JwtAuth {
    fn tokens(&self) -> Option<&TokenCheck> {
        match &self.work {
            Work::Validate { tokens, .. } | Work::ValidateAndDownscope { tokens, .. } => Some(tokens),
            Work::Downscope(_) => None,
        }
    }

    fn downscope(&self) -> Option<&Downscope> {
        match &self.work {
            Work::Validate { .. } => None,
            Work::Downscope(downscope) | Work::ValidateAndDownscope { downscope, .. } => Some(downscope),
        }
    }

    /// Public documents, readable without any credentials: metadata where tokens are checked, keys where they are made.
    fn document(&self, head: &Head<'_>) -> Option<String> {
        match &self.work {
            Work::Validate { servers, .. } => servers.document(&head.headers, |_| None),
            Work::Downscope(downscope) => Servers::keys(&head.headers, |path| self.keys_at(downscope, path)),
            Work::ValidateAndDownscope { servers, downscope, .. } => {
                servers.document(&head.headers, |path| self.keys_at(downscope, path))
            }
        }
    }

    fn keys_at<'a>(&'a self, downscope: &'a Downscope, path: &str) -> Option<&'a str> {
        downscope.keys_at(path).or_else(|| self.transactions.keys_at(path))
    }
}

// === impl ConfiguredGrant ===

impl ConfiguredGrant {
    /// A token that is good for nothing of what the API is asked for is not made: an API that looks at `aud` alone
    /// would take it.
    fn leaves_something(&self, token: Option<&VerifiedToken>) -> Result<(), Rejection> {
        match (&self.scopes, token) {
            (Some(scopes), Some(token)) if !scopes.is_empty() && scopes.is_disjoint(token.scopes()) => {
                Err(Rejection::NothingGranted(scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")))
            }
            _ => Ok(()),
        }
    }
}

type Validated<'a> = (&'a Server, Option<Rc<PeerIdentity>>, Option<Rc<VerifiedToken>>);

/// The server, the peer where an earlier stage named one, and the token.
fn validate<'a>(
    servers: &'a Servers,
    tokens: &TokenCheck,
    journal: &mut Journal,
    head: &Head<'_>,
) -> Result<Validated<'a>, Rejection> {
    let (_, server) = servers.find(&head.headers, &mut journal.facts)?;
    let peer = match head.connection.hand_offs.peer {
        // Alone, in front of an API that asks for no workload.
        None => None,
        Some(_) => HandOff::Peer.read::<PeerHandOff>(head.connection.hand_offs.peer)?.peer()?.map(Rc::new),
    };
    journal.facts.peer.clone_from(&peer);
    let now = head.moment.seconds();
    let token = tokens.token(journal, &head.headers, head.connection, peer.as_deref(), server, now)?;
    Ok((server, peer, token))
}

/// The changes that put a smaller token on a request that policy has allowed.
fn downscoped(
    downscope: &Downscope,
    transactions: &Transactions,
    journal: &mut Journal,
    head: &Head<'_>,
) -> Result<Vec<HeaderEdit>, Rejection> {
    let hand_offs = &head.connection.hand_offs;
    let decision: DecisionHandOff = HandOff::Decision.read(hand_offs.decision)?;
    let token: TokenHandOff = HandOff::Token.read(hand_offs.token)?;
    let peer = HandOff::Peer.read::<PeerHandOff>(hand_offs.peer)?.peer()?;
    journal.facts.server_name = Some(token.server.clone());
    journal.facts.resource_metadata = token.resource_metadata;
    journal.facts.dpop = token.dpop;
    if decision.decision != "allow" {
        return Err(HandOff::Decision.rejected(HandOffProblem::NotAllowed));
    }
    if decision.server.as_deref() != Some(&token.server) {
        return Err(HandOff::Decision.rejected(HandOffProblem::OtherServer));
    }
    let grant = decision.grant.ok_or_else(|| HandOff::Decision.rejected(HandOffProblem::Malformed))?;
    let subject = match token.token {
        UserToken::Absent => None,
        UserToken::Verified(token) => Some(token),
    };
    // Another filter may have put a token here after `jwt_auth` took the caller's off.
    let mut edits: Vec<HeaderEdit> = head.headers.of_token().into_iter().map(HeaderEdit::Remove).collect();
    let binding = CallBinding {
        audience: grant.audience.as_deref().unwrap_or(&token.audience),
        protocol: &grant.protocol,
        server: &token.server,
        method: decision.action.as_deref(),
        target: grant.target.as_ref().map(Target::as_deref),
        arguments_sha256: grant.arguments_sha256,
        actor: peer.as_ref().map(|peer| peer.id().as_str()),
        scopes: grant.scopes.as_ref(),
        ttl_seconds: grant.ttl_seconds,
        transaction: token.transaction.as_deref(),
    };
    journal.facts.peer = peer.clone().map(Rc::new);
    journal.facts.token.clone_from(&subject);
    let (server_audience, audience) = (token.audience.as_str(), grant.audience.as_deref());
    let wanted = Wanted { subject: subject.as_deref(), presented: None, server_audience, audience, binding };
    edits.extend(replace(downscope, journal, &wanted, &head.moment)?);
    edits.extend(transactions.header(wanted.subject, &wanted.binding, head.connection.address, &head.moment)?);
    Ok(edits)
}

/// The smaller token's header. The decision was another stage's; what is recorded here is the token.
fn replace(
    downscope: &Downscope,
    journal: &mut Journal,
    wanted: &Wanted<'_>,
    moment: &Moment,
) -> Result<Option<HeaderEdit>, Rejection> {
    let Some(edit) = downscope.replacement(journal, wanted, moment)? else { return Ok(None) };
    journal.minted(journal.record(Outcome::Allow));
    Ok(Some(edit))
}

#[cfg(test)]
mod tests;
