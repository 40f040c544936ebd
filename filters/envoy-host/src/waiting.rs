//! Streams that wait for an answer, and what is asked for them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::hostcalls::dispatch_http_call;
use proxy_wasm::types::Action;
use request_guard::{Answered, Awaited, CallOut};

use crate::abi::{self, HostError, set_tick_period};
use crate::body::{Body, read_body};
use crate::headers::{HeaderMap, read_headers};

/// A stream that may have to wait.
pub(crate) trait Resumable {
    /// Tries again; a pause means that it was answered, or waits for something else.
    fn resume(&mut self) -> Action;

    /// What it waits for.
    fn awaited(&self) -> Option<Awaited>;
}

/// The streams of a worker that wait, by the number that the host gave them.
pub(crate) struct Waiting<S> {
    streams: RefCell<Vec<(u32, Weak<RefCell<S>>)>>,
    /// The next tick comes soon.
    hurried: Cell<bool>,
}

/// Streams that have begun with a request, as the ABI counts them.
const REQUEST_STREAM: u32 = 0;
/// More bytes than any answer has that is of use.
const MAX_ANSWER_BYTES: usize = 1_048_576;
/// How often it is looked whether something is due while nobody waits.
const CALM_MILLISECONDS: u32 = 100;
/// Calls are made by the root context, which a stream reaches by way of a tick: so they don't end with the stream.
const HURRIED_MILLISECONDS: u32 = 1;

// === impl Waiting ===

impl<S> Default for Waiting<S> {
    fn default() -> Self {
        Self { streams: RefCell::default(), hurried: Cell::new(false) }
    }
}

impl<S: Resumable> Waiting<S> {
    /// Takes a stream in, which has begun to wait, and has what it waits for asked for soon.
    ///
    /// # Errors
    /// The host refused.
    pub(crate) fn add(&self, id: u32, stream: &Rc<RefCell<S>>) -> Result<(), HostError> {
        self.streams.borrow_mut().push((id, Rc::downgrade(stream)));
        if self.hurried.replace(true) { Ok(()) } else { set_tick_period(HURRIED_MILLISECONDS) }
    }

    /// All that is due has been asked for.
    ///
    /// # Errors
    /// The host refused.
    pub(crate) fn calm(&self) -> Result<(), HostError> {
        if self.hurried.replace(false) { set_tick_period(CALM_MILLISECONDS) } else { Ok(()) }
    }

    /// Lets those try again that wait for this. `own` is the context to return to.
    ///
    /// # Errors
    /// The host refused; streams that did not get their turn go on waiting.
    pub(crate) fn resume(&self, own: u32, answered: Awaited) -> Result<(), HostError> {
        let mut outcome = Ok(());
        for (id, stream) in self.streams.take() {
            // The client has gone, or the host has answered.
            let Some(stream) = stream.upgrade() else { continue };
            let Some(awaited) = stream.borrow().awaited() else { continue };
            if awaited != answered {
                self.streams.borrow_mut().push((id, Rc::downgrade(&stream)));
                continue;
            }
            let resumed = abi::set_effective_context(id).and_then(|()| {
                match stream.borrow_mut().resume() {
                    // The host lets it go on when this callback is over.
                    Action::Continue => abi::continue_stream(REQUEST_STREAM),
                    _ => Ok(()),
                }
            });
            outcome = outcome.and(resumed);
            if stream.borrow().awaited().is_some() {
                outcome = outcome.and(self.add(id, &stream));
            }
        }
        outcome.and(abi::set_effective_context(own))
    }
}

/// Begins to look regularly whether something is due.
///
/// # Errors
/// The host refused.
pub(crate) fn begin() -> Result<(), HostError> {
    set_tick_period(CALM_MILLISECONDS)
}

/// Has the host make a call; the answer comes with the number that is given back. `None` means that the host did not even
/// try.
///
/// This is the one hostcall that is made through the SDK: it gives the answers of its own calls only to whoever made
/// them, and ends the VM over any other answer. Of the host's answers it knows all three.
pub(crate) fn call_out(call: &CallOut) -> Option<u32> {
    let endpoint = &call.endpoint;
    let mut headers = vec![
        (":method", if call.body.is_some() { "POST" } else { "GET" }),
        (":scheme", endpoint.scheme),
        (":authority", endpoint.authority.as_str()),
        (":path", endpoint.path.as_str()),
    ];
    headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let timeout = Duration::from_millis(u64::from(endpoint.timeout_milliseconds));
    dispatch_http_call(&endpoint.cluster, headers, call.body.as_deref(), Vec::new(), timeout).ok()
}

/// The answer that has come: nothing unless it came whole.
pub(crate) fn answered(body_size: usize) -> Option<Answered> {
    let headers = read_headers(HeaderMap::CallResponse).ok()?;
    let (_, status) = headers.iter().find(|(name, _)| name == b":status")?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    if body_size > MAX_ANSWER_BYTES {
        return None;
    }
    let body = if body_size == 0 { Vec::new() } else { read_body(Body::CallResponse, body_size).ok()? };
    Some(Answered { status, body })
}
