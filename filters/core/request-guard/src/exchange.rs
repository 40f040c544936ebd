//! One request and its answer: every event in every state, whichever filter judges.

use std::convert::Infallible;
use std::mem;
use std::rc::Rc;

use crate::answer::{Answer, Answering};
use crate::audit::{AuditRecord, Count};
use crate::config::Audit;
use crate::event::{Connection, Event, Header, Moment};
use crate::headers::Headers;
use crate::journal::Journal;
use crate::plugin::{BodyWanted, Stream};
use crate::rejection::Rejection;
use crate::step::{HeaderEdit, Reply, Step};

/// What one filter makes of a request. The order of events is the exchange's affair, not the stage's.
pub(crate) trait Stage {
    /// What is known of a request whose body is still coming.
    type Held;
    /// What is done to the answer.
    type Answer: Answer;
    fn audit(&self) -> Audit;

    fn policy_digest(&self) -> Option<Rc<str>> {
        None
    }

    /// The operator's words about a policy.
    fn policy_reason(&self, _id: &str) -> Option<&str> {
        None
    }

    /// Under which name the proxy leaves the claims of a token that it has verified, if that is asked for.
    fn claims(&self) -> Option<&str> {
        None
    }

    /// The most that is held of a body.
    fn max_body_bytes(&self) -> usize {
        0
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection>;

    fn body(
        &self,
        journal: &mut Journal,
        held: &Self::Held,
        body: &[u8],
        moment: &Moment,
    ) -> Result<Passed<Self::Answer>, Rejection>;
}

/// Everything that is known when a request's headers come.
pub(crate) struct Head<'a> {
    pub(crate) headers: Headers<'a>,
    pub(crate) connection: &'a Connection<'a>,
    pub(crate) end_of_stream: bool,
    pub(crate) moment: Moment,
}

/// What the headers alone lead to.
pub(crate) enum Heard<S: Stage + ?Sized> {
    /// A public document is asked for.
    Document(String),
    /// The body is needed, and nothing goes on before it is judged.
    Await(Box<S::Held>),
    /// The body is needed, and the host can't hold the headers: they go on with these changes, the body does not.
    Release(Box<S::Held>, Vec<HeaderEdit>),
    /// The request goes on.
    Pass(Passed<S::Answer>),
}

/// A request that goes on.
pub(crate) struct Passed<A> {
    pub(crate) step: Step,
    /// What happens to its answer; nothing where that passes.
    pub(crate) answer: Option<A>,
    /// Whether its body follows as it comes: nobody here judges it. Otherwise nothing more of it may come.
    pub(crate) body_follows: bool,
}

/// The state machine of one stream.
pub(crate) struct Exchange<S: Stage> {
    stage: Rc<S>,
    journal: Journal,
    state: State<S>,
}

/// Where a stream stands.
enum State<S: Stage> {
    /// Nothing has been seen.
    Fresh,
    /// We know who calls; what is asked is still coming.
    AwaitingBody(Box<S::Held>),
    /// The same, and the headers have gone on.
    Released(Box<S::Held>),
    /// The request has gone on; the answer is looked at.
    Answering { answer: S::Answer, body_follows: bool },
    /// The request has gone on, and the answer passes.
    Passed { body_follows: bool },
    /// The request is at its end: nothing more of it goes on. What comes back (our own reply, the proxy's, or an
    /// answer that needs no filtering) passes.
    Done,
    /// The answer is at its end: nothing more goes either way.
    Cut,
}

// === impl Exchange ===

impl<S: Stage> Exchange<S> {
    pub(crate) fn new(stage: Rc<S>) -> Self {
        let journal = Journal::new(stage.audit(), stage.policy_digest());
        Self { stage, journal, state: State::Fresh }
    }

    fn request_headers(
        &mut self,
        headers: &[Header],
        connection: &Connection<'_>,
        end_of_stream: bool,
        moment: Moment,
    ) -> Step {
        let head = Head { headers: Headers::new(headers), connection, end_of_stream, moment };
        self.journal.facts.begin(&moment, head.headers.first("x-request-id"));
        self.journal.facts.speaks_grpc(&head.headers);
        match self.stage.head(&mut self.journal, &head) {
            Err(Rejection::Awaited(awaited)) => {
                self.state = State::Fresh;
                Step::Wait(awaited)
            }
            Err(rejection) => self.reject(&rejection),
            Ok(Heard::Document(document)) => Step::Reply(Reply::document(document)),
            Ok(Heard::Await(held)) => {
                self.state = State::AwaitingBody(held);
                Step::Hold
            }
            Ok(Heard::Release(held, edits)) => {
                self.state = State::Released(held);
                Step::EditRequest(edits)
            }
            Ok(Heard::Pass(passed)) => self.pass(passed),
        }
    }

    /// `state` is where the stream stands when it has to wait.
    fn request_end(&mut self, state: State<S>, body: &[u8], moment: &Moment) -> Step {
        let (State::AwaitingBody(held) | State::Released(held)) = &state else {
            return self.reject(&Rejection::UnexpectedEvent);
        };
        let limit = self.stage.max_body_bytes();
        if body.len() > limit {
            return self.reject(&Rejection::BodyTooLarge { limit });
        }
        match self.stage.body(&mut self.journal, held, body, moment) {
            Ok(passed) => self.pass(passed),
            Err(Rejection::Awaited(awaited)) => {
                self.state = state;
                Step::Wait(awaited)
            }
            Err(rejection) => self.reject(&rejection),
        }
    }

    fn pass(&mut self, passed: Passed<S::Answer>) -> Step {
        let body_follows = passed.body_follows;
        self.state = match passed.answer {
            None => State::Passed { body_follows },
            Some(answer) => State::Answering { answer, body_follows },
        };
        passed.step
    }

    fn answer(&mut self, answer: S::Answer, body_follows: bool, event: &Event<'_>) -> Step {
        match answer.on(&mut self.journal, event) {
            Answering::Next(step, answer) => {
                self.state = State::Answering { answer, body_follows };
                step
            }
            Answering::Finished(step) => {
                // A call and its answer may be two streams at once (gRPC).
                if body_follows {
                    self.state = State::Passed { body_follows };
                }
                step
            }
            Answering::Rejected(rejection) => self.reject_answer(&rejection),
            Answering::Cut(rejection) => {
                self.reject_answer(&rejection);
                Step::Reset
            }
            // Of the answer too, nothing more goes on.
            Answering::Unexpected => self.reject_answer(&Rejection::UnexpectedEvent),
        }
    }

    /// Ends the request with a reply.
    fn reject(&mut self, rejection: &Rejection) -> Step {
        self.state = State::Done;
        Step::Reply(self.refusal(rejection))
    }

    /// Ends the answer.
    fn reject_answer(&mut self, rejection: &Rejection) -> Step {
        self.state = State::Cut;
        Step::Reply(self.refusal(rejection))
    }

    fn refusal(&mut self, rejection: &Rejection) -> Reply {
        let reasons = reasons(&*self.stage, rejection.policies());
        self.journal.refuse(rejection, reasons)
    }
}

impl<S: Stage> Stream for Exchange<S> {
    fn on(&mut self, event: &Event<'_>) -> Step {
        // Whatever returns early leaves the closed state behind.
        match (mem::replace(&mut self.state, State::Done), event) {
            (State::Fresh, Event::RequestHeaders { headers, connection, end_of_stream, moment }) => {
                self.request_headers(headers, connection, *end_of_stream, *moment)
            }
            (state @ (State::AwaitingBody(_) | State::Released(_)), Event::RequestBody { size }) => {
                let limit = self.stage.max_body_bytes();
                if *size > limit {
                    return self.reject(&Rejection::BodyTooLarge { limit });
                }
                self.state = state;
                Step::Hold
            }
            (state @ (State::AwaitingBody(_) | State::Released(_)), Event::RequestEnd { body, moment }) => {
                self.request_end(state, body, moment)
            }
            // The upstream answers a body that it can't have seen.
            (State::Released(_), Event::ResponseHeaders { headers, .. }) if !is_failure(headers) => {
                self.reject_answer(&Rejection::EarlyAnswer)
            }
            // The proxy answers by itself: an earlier filter, a time-out, a limit.
            (
                State::Fresh | State::AwaitingBody(_) | State::Released(_) | State::Done,
                Event::ResponseHeaders { .. }
                | Event::ResponseBody { .. }
                | Event::ResponsePiece { .. }
                | Event::ResponseEnd { .. },
            ) => Step::Continue,
            (State::Answering { answer, body_follows: true }, Event::RequestBody { .. } | Event::RequestEnd { .. }) => {
                self.state = State::Answering { answer, body_follows: true };
                Step::Continue
            }
            (
                State::Answering { answer, body_follows },
                Event::ResponseHeaders { .. }
                | Event::ResponseBody { .. }
                | Event::ResponsePiece { .. }
                | Event::ResponseEnd { .. },
            ) => self.answer(answer, body_follows, event),
            (State::Passed { body_follows: false }, Event::RequestBody { .. } | Event::RequestEnd { .. }) => {
                self.reject(&Rejection::UnexpectedEvent)
            }
            (
                State::Passed { body_follows },
                Event::RequestBody { .. }
                | Event::RequestEnd { .. }
                | Event::ResponseHeaders { .. }
                | Event::ResponseBody { .. }
                | Event::ResponsePiece { .. }
                | Event::ResponseEnd { .. },
            ) => {
                self.state = State::Passed { body_follows };
                Step::Continue
            }
            (State::Done, Event::RequestBody { .. } | Event::RequestEnd { .. }) => Step::Hold,
            (State::Cut, _) => {
                self.state = State::Cut;
                Step::Hold
            }
            (State::Answering { answer, .. }, _) if answer.body_wanted() != BodyWanted::Nothing => {
                self.reject_answer(&Rejection::UnexpectedEvent)
            }
            (
                State::Fresh
                | State::AwaitingBody(_)
                | State::Released(_)
                | State::Answering { .. }
                | State::Passed { .. }
                | State::Done,
                _,
            ) => self.reject(&Rejection::UnexpectedEvent),
        }
    }

    fn claims(&self) -> Option<&str> {
        self.stage.claims()
    }

    fn body_wanted(&self) -> BodyWanted {
        match &self.state {
            State::Fresh | State::AwaitingBody(_) | State::Released(_) | State::Passed { .. } | State::Done => {
                BodyWanted::Nothing
            }
            State::Answering { answer, .. } => answer.body_wanted(),
            State::Cut => BodyWanted::Whole,
        }
    }

    fn take_counts(&mut self) -> Vec<Count> {
        self.journal.take_counts()
    }

    fn take_record(&mut self) -> Option<AuditRecord> {
        self.journal.take_record()
    }

    fn is_logged(&self, record: &AuditRecord) -> bool {
        self.journal.is_logged(record)
    }
}

// === impl Answer ===

/// The answer of a stage that looks at none.
impl Answer for Infallible {
    fn on(self, _: &mut Journal, _: &Event<'_>) -> Answering<Self> {
        match self {}
    }

    fn body_wanted(&self) -> BodyWanted {
        match *self {}
    }
}

/// What the operator says of the policies that decided (`@reason`).
pub(crate) fn reasons<S: Stage>(stage: &S, policies: &[String]) -> Option<String> {
    let reasons: Vec<&str> = policies.iter().filter_map(|id| stage.policy_reason(id)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

pub(crate) fn is_success(headers: &[Header]) -> bool {
    Headers::new(headers).first(":status").is_none_or(|status| status.starts_with(b"2"))
}

/// Whether it says that there will be nothing: neither what was asked for, nor another protocol.
fn is_failure(headers: &[Header]) -> bool {
    Headers::new(headers).first(":status").is_some_and(|status| matches!(status.first(), Some(b'3'..=b'5')))
}

#[cfg(test)]
mod tests;
