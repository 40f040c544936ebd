//! `spiffe_identity`: which workload calls, for later stages and for the upstream.

use std::convert::Infallible;
use std::rc::Rc;

use serde_json::Value;

use crate::caller::IdentityCheck;
use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::event::Moment;
use crate::exchange::{Exchange, Head, Heard, Passed, Stage};
use crate::hand_off::{HandOff, PeerHandOff, written};
use crate::headers::PEER;
use crate::host::{Answered, CallOut, Host, Purpose, Taken};
use crate::journal::Journal;
use crate::plugin::{Plugin, Stream};
use crate::rejection::Rejection;
use crate::step::{HandOver, HeaderEdit, Step};

/// The stage alone.
pub struct SpiffeIdentity {
    pub(crate) identity: IdentityCheck,
    pub(crate) audit: Audit,
    pub(crate) warnings: Vec<String>,
}

impl Plugin for SpiffeIdentity {
    const READS: &'static [HandOff] = &[];
    const WRITES: &'static [HandOff] = &[HandOff::Peer];

    fn configure(configuration: Value, host: &Host<'_>) -> Result<Self, ConfigurationError> {
        compile::spiffe_identity(configuration, host)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn calls_out(&self) -> bool {
        self.identity.calls_out()
    }

    fn due(&self, now: u64) -> Vec<CallOut> {
        self.identity.due(now)
    }

    fn answered(&self, purpose: Purpose, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        self.identity.answered(purpose, answer, now)
    }

    fn stream(self: &Rc<Self>) -> Box<dyn Stream> {
        Box::new(Exchange::new(Rc::clone(self)))
    }
}

impl Stage for SpiffeIdentity {
    type Held = Infallible;
    type Answer = Infallible;

    fn audit(&self) -> Audit {
        self.audit
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection> {
        let peer = self.identity.peer(&head.headers, head.connection, head.moment.seconds())?;
        journal.facts.peer.clone_from(&peer);
        let ours = head.headers.of_peer().into_iter().chain(self.identity.shown_here(&head.headers));
        let mut edits: Vec<HeaderEdit> = ours.map(HeaderEdit::Remove).collect();
        edits.extend(peer.as_ref().map(|peer| HeaderEdit::Set(PEER, peer.id().as_str().to_owned())));
        let hand_off = written(&PeerHandOff::of(peer.as_deref()))?;
        let step = Step::HandOver(HandOver { edits, state: vec![(HandOff::Peer.key(), hand_off)] });
        Ok(Heard::Pass(Passed { step, answer: None, body_follows: true }))
    }

    fn body(&self, _: &mut Journal, held: &Infallible, _: &[u8], _: &Moment) -> Result<Passed<Infallible>, Rejection> {
        match *held {}
    }
}
