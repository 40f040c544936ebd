//! All stages in one: who calls, what is asked, whether policy allows it, what goes on.

use std::rc::Rc;

use access_policy::{AuthorizedCall, Grant};
use access_tokens::{CallBinding, VerifiedTransaction};
use agent_messages::{Batches, MessageHeaders, Verb, announced};
use serde_json::Value;

use crate::answer::{AnswerRules, FilteredAnswer};
use crate::audit::Outcome;
use crate::caller::{Identity, IdentityCheck, TokenCheck};
use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::downscope::{Downscope, Wanted};
use crate::event::Moment;
use crate::exchange::{Exchange, Head, Heard, Passed, Stage, reasons};
use crate::facts::target_of;
use crate::hand_off::HandOff;
use crate::host::{Answered, CallOut, Host, Purpose, Taken};
use crate::journal::Journal;
use crate::message::{parse_message, read_message};
use crate::plugin::{Plugin, Stream};
use crate::rejection::Rejection;
use crate::server::{Server, Servers};
use crate::session::Asked;
use crate::step::{Forward, HeaderEdit, Step};
use crate::transaction::Transactions;

/// `agent_guard`: everything a request is judged by.
pub struct Guard {
    pub(crate) servers: Servers,
    pub(crate) identity: IdentityCheck,
    pub(crate) tokens: TokenCheck,
    pub(crate) rules: Rc<AnswerRules>,
    pub(crate) digest: Rc<str>,
    pub(crate) downscope: Downscope,
    pub(crate) transactions: Transactions,
    pub(crate) batches: Batches,
    pub(crate) audit: Audit,
    pub(crate) hold_headers: bool,
    pub(crate) warnings: Vec<String>,
}

/// A request of which everything is known but what it asks.
pub(crate) struct Identified {
    caller: Identity,
    /// The text of the caller's token, where it is exchanged.
    presented: Option<String>,
    /// The transaction that the request belongs to.
    transaction: Option<Rc<VerifiedTransaction>>,
    /// Index of the server.
    server: usize,
    message: MessageHeaders,
    /// What must not go on as the client sent it.
    strip: Vec<Vec<u8>>,
    /// So that the server sees its own session.
    session: Vec<HeaderEdit>,
    /// Where it listens, if it does.
    asked: Option<Asked>,
    /// The headers have gone on already.
    released: bool,
}

impl Plugin for Guard {
    const READS: &'static [HandOff] = &[];
    const WRITES: &'static [HandOff] = &[];

    fn configure(configuration: Value, host: &Host<'_>) -> Result<Self, ConfigurationError> {
        compile::guard(configuration, host)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn calls_out(&self) -> bool {
        self.tokens.calls_out() || self.identity.calls_out() || self.downscope.calls_out()
    }

    fn due(&self, now: u64) -> Vec<CallOut> {
        let mut due = self.tokens.due(now);
        due.extend(self.identity.due(now));
        due.extend(self.downscope.due());
        due
    }

    fn answered(&self, purpose: Purpose, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        match purpose {
            Purpose::IssuerKeys(issuer) => Some(self.tokens.answered(issuer, answer, now)),
            Purpose::BundleKeys(_) => self.identity.answered(purpose, answer, now),
            Purpose::Exchange(flight) => self.downscope.answered(flight, answer, now),
        }
    }

    fn stream(self: &Rc<Self>) -> Box<dyn Stream> {
        Box::new(Exchange::new(Rc::clone(self)))
    }
}

impl Stage for Guard {
    type Held = Identified;
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

    fn max_body_bytes(&self) -> usize {
        self.rules.limits.max_body_bytes
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection> {
        if let Some(document) = self.document(head) {
            return Ok(Heard::Document(document));
        }
        let (at, server) = self.servers.find(&head.headers, &mut journal.facts)?;
        let now = head.moment.seconds();
        let peer = self.identity.peer(&head.headers, head.connection, now)?;
        journal.facts.peer.clone_from(&peer);
        let token = self.tokens.token(journal, &head.headers, head.connection, peer.as_deref(), server, now)?;
        let transaction = self.transactions.earlier(&head.headers, token.as_deref(), now)?;
        let message = read_message(server, &head.headers, self.max_body_bytes())?;
        let mut strip = head.headers.owned_by_us(self.downscope.forwards_client_token());
        strip.extend(self.identity.shown_here(&head.headers));
        if message.is_modern() {
            strip.extend(head.headers.of_session());
        }
        let caller = Identity { peer, token, address: head.connection.address, now };
        let session = self.rules.session(server, &caller, &head.headers, message.announced_revision())?;
        let identified = Identified {
            caller,
            presented: self.downscope.presented(&head.headers),
            transaction,
            session,
            asked: if message.verb() == Verb::Get { Asked::of(&head.headers) } else { None },
            server: at,
            message,
            strip,
            released: false,
        };
        if head.end_of_stream || identified.message.body_is_opaque() {
            return self.body(journal, &identified, &[], &head.moment).map(Heard::Pass);
        }
        if self.hold_headers {
            return Ok(Heard::Await(Box::new(identified)));
        }
        let edits = self.release(journal, &identified, server, &head.moment)?;
        Ok(Heard::Release(Box::new(Identified { released: true, ..identified }), edits))
    }

    fn body(
        &self,
        journal: &mut Journal,
        held: &Identified,
        body: &[u8],
        moment: &Moment,
    ) -> Result<Passed<FilteredAnswer>, Rejection> {
        let server = self.servers.get(held.server).ok_or(Rejection::UnknownServer)?;
        let call = parse_message(server, &held.message, body, &self.rules.limits, self.batches, journal)?;
        journal.facts.ask(&call, &journal.audit);
        let call = self.rules.policy.decide(journal, &held.caller.caller(), &server.name, call)?;
        self.forward(journal, held, server, &call, moment)
    }
}

// === impl Guard ===

impl Guard {
    /// Public documents, readable without any credentials (RFC 9728 section 3).
    fn document(&self, head: &Head<'_>) -> Option<String> {
        let keys = |path: &str| self.downscope.keys_at(path).or_else(|| self.transactions.keys_at(path));
        self.servers.document(&head.headers, keys)
    }

    /// What goes on with headers that can't be held: the caller's token never does. The token in its place is as small
    /// as what the headers say allows: they are compared with the body before a byte of that goes on.
    fn release(
        &self,
        journal: &mut Journal,
        held: &Identified,
        server: &Server,
        moment: &Moment,
    ) -> Result<Vec<HeaderEdit>, Rejection> {
        let announced = announced(&held.message).map_err(Rejection::Message)?;
        let grant = match &announced {
            None => Grant::default(),
            Some(announced) => {
                journal.facts.ask_early(announced);
                self.rules.policy.foresee(&held.caller.caller(), &server.name, announced)?
            }
        };
        let binding = CallBinding {
            audience: grant.audience.as_deref().unwrap_or(&server.audience),
            protocol: held.message.protocol().as_str(),
            server: &server.name,
            method: announced.as_ref().and_then(|announced| announced.method.as_deref()),
            target: announced.as_ref().and_then(|announced| target_of(&announced.operation)),
            arguments_sha256: None,
            actor: held.caller.peer.as_ref().map(|peer| peer.id().as_str()),
            scopes: grant.scopes.as_ref(),
            ttl_seconds: grant.ttl_seconds,
            transaction: held.transaction.as_deref(),
        };
        self.edits(journal, held, server, grant.audience.as_deref(), binding, moment)
    }

    /// Takes off what is not the client's to say, and puts the smaller token in place of the caller's.
    fn edits(
        &self,
        journal: &mut Journal,
        held: &Identified,
        server: &Server,
        audience: Option<&str>,
        binding: CallBinding<'_>,
        moment: &Moment,
    ) -> Result<Vec<HeaderEdit>, Rejection> {
        let mut edits: Vec<HeaderEdit> = held.strip.iter().cloned().map(HeaderEdit::Remove).collect();
        edits.extend(held.session.iter().cloned());
        let (subject, presented) = (held.caller.token.as_deref(), held.presented.as_deref());
        let wanted = Wanted { subject, presented, server_audience: &server.audience, audience, binding };
        edits.extend(self.downscope.replacement(journal, &wanted, moment)?);
        edits.extend(self.transactions.header(subject, &wanted.binding, held.caller.address, moment)?);
        Ok(edits)
    }

    fn forward(
        &self,
        journal: &mut Journal,
        held: &Identified,
        server: &Rc<Server>,
        call: &AuthorizedCall,
        moment: &Moment,
    ) -> Result<Passed<FilteredAnswer>, Rejection> {
        let edits = if held.released {
            Vec::new()
        } else {
            let grant = call.grant();
            let binding = CallBinding {
                audience: grant.audience.as_deref().unwrap_or(&server.audience),
                protocol: call.call().protocol().as_str(),
                server: &server.name,
                method: Some(call.call().method()),
                target: target_of(call.call().operation()),
                arguments_sha256: journal.facts.asked.as_ref().and_then(|asked| asked.arguments_sha256),
                actor: held.caller.peer.as_ref().map(|peer| peer.id().as_str()),
                scopes: grant.scopes.as_ref(),
                ttl_seconds: grant.ttl_seconds,
                transaction: held.transaction.as_deref(),
            };
            self.edits(journal, held, server, grant.audience.as_deref(), binding, moment)?
        };
        let mut record = journal.record(Outcome::Allow);
        record.policies = call.policies().to_vec();
        record.reason = reasons(self, &record.policies);
        journal.decided(record);
        let answer = FilteredAnswer::of(
            &self.rules,
            server,
            call.call(),
            held.caller.clone(),
            held.asked.clone(),
            self.hold_headers,
        );
        let body_follows = call.call().is_opaque();
        Ok(Passed { step: Step::Forward(Forward::new(call, edits)), answer: Some(answer), body_follows })
    }
}

#[cfg(test)]
mod tests;
