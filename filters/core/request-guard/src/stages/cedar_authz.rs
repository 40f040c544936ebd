//! `cedar_authz`: whether policy allows what earlier stages found, and which items of a list the caller sees.

use std::convert::Infallible;
use std::rc::Rc;

use access_tokens::Target;
use peer_identity::PeerIdentity;
use serde_json::Value;

use crate::answer::{AnswerRules, FilteredAnswer};
use crate::audit::Outcome;
use crate::caller::{Identity, ProxyTokenCheck};
use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::event::Moment;
use crate::exchange::{Exchange, Head, Heard, Passed, Stage, reasons};
use crate::facts::target_of;
use crate::hand_off::{
    CallHandOff, GrantHandOff, HandOff, HandOffProblem, PeerHandOff, TokenHandOff, UserToken, written,
};
use crate::host::Host;
use crate::journal::Journal;
use crate::plugin::{Plugin, Stream};
use crate::rejection::Rejection;
use crate::server::Servers;
use crate::session::Asked;
use crate::step::{Forward, HeaderEdit, Step};

/// The stage alone.
pub struct CedarAuthz {
    pub(crate) servers: Servers,
    /// Where `jwt_auth` is not in the chain, because Envoy's `jwt_authn` is.
    pub(crate) tokens: Option<ProxyTokenCheck>,
    pub(crate) rules: Rc<AnswerRules>,
    pub(crate) digest: Rc<str>,
    pub(crate) audit: Audit,
    pub(crate) warnings: Vec<String>,
}

impl Plugin for CedarAuthz {
    const READS: &'static [HandOff] = &[HandOff::Peer, HandOff::Token, HandOff::Call];
    const WRITES: &'static [HandOff] = &[];

    fn configure(configuration: Value, host: &Host<'_>) -> Result<Self, ConfigurationError> {
        compile::cedar_authz(configuration, host)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn stream(self: &Rc<Self>) -> Box<dyn Stream> {
        Box::new(Exchange::new(Rc::clone(self)))
    }
}

impl Stage for CedarAuthz {
    type Held = Infallible;
    type Answer = FilteredAnswer;

    fn audit(&self) -> Audit {
        self.audit
    }

    fn policy_digest(&self) -> Option<Rc<str>> {
        Some(Rc::clone(&self.digest))
    }

    fn policy_reason(&self, id: &str) -> Option<&str> {
        self.rules.policy.reason(id)
    }

    fn claims(&self) -> Option<&str> {
        self.tokens.as_ref().map(|tokens| tokens.payload.as_str())
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection> {
        if let Some(document) = self.servers.document(&head.headers, |_| None) {
            return Ok(Heard::Document(document));
        }
        let hand_offs = &head.connection.hand_offs;
        let peer = HandOff::Peer.read::<PeerHandOff>(hand_offs.peer)?.peer()?.map(Rc::new);
        journal.facts.peer.clone_from(&peer);
        let CallHandOff { server, call } = HandOff::Call.read(hand_offs.call)?;
        journal.facts.binding = call.binding();
        let (token, state) = match &self.tokens {
            None => (HandOff::Token.read::<TokenHandOff>(hand_offs.token)?, Vec::new()),
            Some(tokens) => {
                let token = self.verified_by_proxy(tokens, journal, head, peer.as_deref(), &server)?;
                let state = vec![(HandOff::Token.key(), written(&token)?)];
                (token, state)
            }
        };
        journal.facts.server_name = Some(token.server.clone());
        journal.facts.resource_metadata = token.resource_metadata;
        journal.facts.dpop = token.dpop;
        let subject = match token.token {
            UserToken::Absent => None,
            UserToken::Verified(token) => Some(token),
        };
        journal.facts.token.clone_from(&subject);
        // A token that was verified for one server is no token for another.
        if server != token.server {
            return Err(HandOff::Call.rejected(HandOffProblem::OtherServer));
        }
        journal.facts.ask(&call, &journal.audit);
        let now = head.moment.seconds();
        let caller = Identity { peer, token: subject, address: head.connection.address, now };
        let server = self.servers.named(&server).ok_or(Rejection::UnknownServer)?;
        let session = self.rules.session(server, &caller, &head.headers, call.revision())?;
        let call = self.rules.policy.decide(journal, &caller.caller(), &server.name, call)?;

        let mut record = journal.record(Outcome::Allow);
        record.policies = call.policies().to_vec();
        record.reason = reasons(self, &record.policies);
        let grant = call.grant();
        record.grant = Some(GrantHandOff {
            scopes: grant.scopes.clone(),
            audience: grant.audience.clone(),
            ttl_seconds: grant.ttl_seconds,
            protocol: call.call().protocol().as_str().to_owned(),
            target: target_of(call.call().operation()).map(Target::to_owned),
            arguments_sha256: journal.facts.asked.as_ref().and_then(|asked| asked.arguments_sha256),
        });
        journal.decided(record);
        let mut edits: Vec<HeaderEdit> = head.headers.of_answer().into_iter().map(HeaderEdit::Remove).collect();
        // `jwt_authn` takes a token off only where it has found it good, and not everywhere.
        edits.extend(head.headers.of_token().into_iter().map(HeaderEdit::Remove));
        edits.extend(session);
        let asked = if call.call().method() == "GET" { Asked::of(&head.headers) } else { None };
        let answer = FilteredAnswer::of(&self.rules, server, call.call(), caller, asked, true);
        let step = Step::Forward(Forward::new(&call, edits).leaving(state));
        Ok(Heard::Pass(Passed { step, answer: Some(answer), body_follows: true }))
    }

    fn body(
        &self,
        _: &mut Journal,
        held: &Infallible,
        _: &[u8],
        _: &Moment,
    ) -> Result<Passed<FilteredAnswer>, Rejection> {
        match *held {}
    }
}

// === impl CedarAuthz ===

impl CedarAuthz {
    /// What `jwt_auth` would have left, from what Envoy's `jwt_authn` has.
    fn verified_by_proxy(
        &self,
        tokens: &ProxyTokenCheck,
        journal: &mut Journal,
        head: &Head<'_>,
        peer: Option<&PeerIdentity>,
        server: &str,
    ) -> Result<TokenHandOff, Rejection> {
        let server = self.servers.named(server).ok_or(Rejection::UnknownServer)?;
        journal.facts.server_name = Some(server.name.clone());
        journal.facts.resource_metadata = server.metadata_url().map(str::to_owned);
        let token = tokens.token(journal, &head.headers, head.connection, peer, server, head.moment.seconds())?;
        Ok(TokenHandOff::of(server, None, token, None))
    }
}
