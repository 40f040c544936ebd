//! What a host runs: a configuration, and a stream for each request.

use std::rc::Rc;

use serde_json::Value;

use crate::audit::{AuditRecord, Count};
use crate::compile::ConfigurationError;
use crate::event::Event;
use crate::hand_off::HandOff;
use crate::host::{Answered, CallOut, Host, Purpose, Taken};
use crate::step::Step;

/// One configured filter, shared by all streams of a worker. Made of a configuration that is wholly right, or not at
/// all.
pub trait Plugin: Sized {
    /// The hand-offs of earlier stages that are read when the request's headers come.
    const READS: &'static [HandOff];

    /// The hand-offs that this stage alone may write.
    const WRITES: &'static [HandOff];

    /// Compiles a configuration.
    ///
    /// # Errors
    /// Anything that is not wholly right, with the path of the field and what to do.
    fn configure(configuration: Value, host: &Host<'_>) -> Result<Self, ConfigurationError>;

    /// What works and should not stay, for the log.
    fn warnings(&self) -> &[String];

    /// Whether there is anything to ask of others, ever.
    fn calls_out(&self) -> bool {
        false
    }

    /// What to ask of others now (Unix seconds). Each is to be answered by [`answered`](Self::answered).
    fn due(&self, _now: u64) -> Vec<CallOut> {
        Vec::new()
    }

    /// Takes an answer, or `None` where the host got none. Streams that wait for it are to be tried again after it.
    fn answered(&self, _purpose: Purpose, _answer: Option<&Answered>, _now: u64) -> Option<Taken> {
        None
    }

    /// A stream of which nothing has been seen yet.
    fn stream(self: &Rc<Self>) -> Box<dyn Stream>;
}

/// The state machine of one request and its answer. It holds no bytes of either; the host does.
pub trait Stream {
    /// What to do about an event. An event that the state doesn't expect ends the stream.
    fn on(&mut self, event: &Event<'_>) -> Step;

    /// Under which name Envoy's `jwt_authn` leaves the claims of a verified token; nothing when they are of no interest.
    fn claims(&self) -> Option<&str>;

    /// How the host is to hand over the body of the answer from now on.
    fn body_wanted(&self) -> BodyWanted;

    /// What there is to count since this was last asked.
    fn take_counts(&mut self) -> Vec<Count>;

    /// The decision made since this was last asked.
    fn take_record(&mut self) -> Option<AuditRecord>;

    /// Whether the operator wants the decision in the log.
    fn is_logged(&self, record: &AuditRecord) -> bool;
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
