//! One request and its answer: every event in every state.

use std::mem;
use std::rc::Rc;

use agent_messages::SseFilter;

use crate::audit::{AuditRecord, Count, Outcome};
use crate::config::AuditLog;
use crate::event::Event;
use crate::facts::Facts;
use crate::guard::Guard;
use crate::rejection::Rejection;
use crate::request::Identified;
use crate::response::Expected;
use crate::step::{Reply, Step};

/// The state machine of one stream. It holds no bytes of the stream; the host does.
pub struct Exchange {
    pub(crate) guard: Rc<Guard>,
    pub(crate) facts: Facts,
    pub(crate) state: State,
    counts: Vec<Count>,
    record: Option<AuditRecord>,
}

/// Where a stream stands.
pub(crate) enum State {
    /// Nothing has been seen.
    Fresh,
    /// We know who calls; what is asked is still coming.
    AwaitingBody(Box<Identified>),
    /// The request has gone on.
    Forwarded(Box<Expected>),
    /// The answer is held until it is complete.
    Whole(Box<Expected>),
    /// The answer passes event by event.
    Stream(Box<Expected>, Box<SseFilter>),
    /// The request is at its end: nothing more of it goes on. What comes back (our own reply, the proxy's, or an
    /// answer that needs no filtering) passes.
    Done,
    /// The answer is at its end: nothing more goes either way.
    Cut,
}

/// How the host is to hand over the answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyWanted {
    /// Not at all: it passes.
    Nothing,
    /// [`Event::ResponseBody`] while it grows, then [`Event::ResponseEnd`].
    Whole,
    /// [`Event::ResponsePiece`] for each piece.
    Pieces,
}

// === impl Exchange ===

impl Exchange {
    /// A stream of which nothing has been seen yet.
    #[must_use]
    pub fn new(guard: Rc<Guard>) -> Self {
        Self { guard, facts: Facts::default(), state: State::Fresh, counts: Vec::new(), record: None }
    }

    /// What to do about an event. An event that the state doesn't expect ends the stream.
    pub fn on(&mut self, event: &Event<'_>) -> Step {
        // Whatever returns early leaves the closed state behind.
        match (mem::replace(&mut self.state, State::Done), event) {
            (State::Fresh, Event::RequestHeaders { headers, connection, end_of_stream, moment }) => {
                self.request_headers(headers, connection, *end_of_stream, moment)
            }
            (State::AwaitingBody(request), Event::RequestBody { size }) => self.request_body(request, *size),
            (State::AwaitingBody(request), Event::RequestEnd { body, moment }) => {
                self.request_end(*request, body, moment)
            }
            // The proxy answers by itself: an earlier filter, a time-out, a limit.
            (
                State::Fresh | State::AwaitingBody(_) | State::Done,
                Event::ResponseHeaders { .. }
                | Event::ResponseBody { .. }
                | Event::ResponsePiece { .. }
                | Event::ResponseEnd { .. },
            ) => Step::Continue,
            (State::Forwarded(expected), Event::ResponseHeaders { headers, end_of_stream }) => {
                self.response_headers(expected, headers, *end_of_stream)
            }
            (State::Whole(expected), Event::ResponseBody { size }) => self.response_body(expected, *size),
            (State::Whole(expected), Event::ResponseEnd { body }) => self.response_end(&expected, body),
            (State::Stream(expected, filter), Event::ResponsePiece { piece, end_of_stream }) => {
                self.response_piece(expected, filter, piece, *end_of_stream)
            }
            (State::Done, Event::RequestBody { .. } | Event::RequestEnd { .. }) => Step::Hold,
            (State::Cut, _) => {
                self.state = State::Cut;
                Step::Hold
            }
            (
                State::Fresh
                | State::AwaitingBody(_)
                | State::Forwarded(_)
                | State::Whole(_)
                | State::Stream(..)
                | State::Done,
                _,
            ) => self.reject(Rejection::UnexpectedEvent),
        }
    }

    /// How the host is to hand over the body of the answer from now on.
    #[must_use]
    pub fn body_wanted(&self) -> BodyWanted {
        match self.state {
            State::Fresh | State::AwaitingBody(_) | State::Forwarded(_) | State::Done => BodyWanted::Nothing,
            State::Whole(_) | State::Cut => BodyWanted::Whole,
            State::Stream(..) => BodyWanted::Pieces,
        }
    }

    /// What there is to count since this was last asked.
    pub fn take_counts(&mut self) -> Vec<Count> {
        mem::take(&mut self.counts)
    }

    /// The decision made since this was last asked.
    pub fn take_record(&mut self) -> Option<AuditRecord> {
        self.record.take()
    }

    /// Whether the operator wants the decision in the log.
    #[must_use]
    pub fn is_logged(&self, record: &AuditRecord) -> bool {
        match self.guard.audit.log {
            AuditLog::All => true,
            AuditLog::Denied => record.outcome() != Outcome::Allow,
            AuditLog::None => false,
        }
    }

    pub(crate) fn count(&mut self, count: Count) {
        self.counts.push(count);
    }

    pub(crate) fn decided(&mut self, record: AuditRecord) {
        self.count(Count::Decision(record.outcome()));
        self.record = Some(record);
    }

    /// Ends the request with a reply.
    pub(crate) fn reject(&mut self, rejection: Rejection) -> Step {
        self.state = State::Done;
        Step::Reply(self.refusal(&rejection))
    }

    /// Ends an answer whose headers are still held.
    pub(crate) fn reject_answer(&mut self, rejection: Rejection) -> Step {
        self.state = State::Cut;
        Step::Reply(self.refusal(&rejection))
    }

    /// Ends an answer that has begun.
    pub(crate) fn cut(&mut self, rejection: &Rejection) -> Step {
        self.state = State::Cut;
        self.refusal(rejection);
        Step::Reset
    }

    /// What the operator says of the policies that decided (`@reason`).
    pub(crate) fn reasons(&self, policies: &[String]) -> Option<String> {
        let reasons: Vec<&str> = policies.iter().filter_map(|id| self.guard.policies.reason(id)).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    fn refusal(&mut self, rejection: &Rejection) -> Reply {
        let server = self.facts.server.and_then(|at| self.guard.servers.get(at));
        let reply = rejection.reply(&self.facts, server);
        let mut record = self.facts.record(rejection.outcome(), self.guard.policies.digest(), &self.guard.audit);
        record.status = Some(reply.status);
        record.policies = rejection.policies().to_vec();
        record.reason = match self.reasons(&record.policies) {
            Some(reasons) => Some(format!("{}: {reasons}", rejection.reason())),
            None => Some(rejection.reason()),
        };
        record.errors = rejection.errors().to_vec();
        self.decided(record);
        reply
    }
}

#[cfg(test)]
mod tests;
