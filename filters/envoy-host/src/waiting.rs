//! Streams that wait for something to be fetched, and what is fetched for them.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::hostcalls::dispatch_http_call;
use proxy_wasm::types::Action;
use request_guard::Fetch;

use crate::abi::{self, HostError};
use crate::body::{Body, read_body};
use crate::headers::{HeaderMap, read_headers};

/// A stream that may have to wait.
pub(crate) trait Resumable {
    /// Tries again; a pause means that it was answered, or waits for something else.
    fn resume(&mut self) -> Action;

    /// Whether it still waits.
    fn waits(&self) -> bool;
}

/// The streams of a worker that wait, by the number that the host gave them.
pub(crate) struct Waiting<S>(RefCell<Vec<(u32, Weak<RefCell<S>>)>>);

/// Streams that have begun with a request, as the ABI counts them.
const REQUEST_STREAM: u32 = 0;
/// More bytes than any key set has.
const MAX_DOCUMENT_BYTES: usize = 1_048_576;

// === impl Waiting ===

impl<S> Default for Waiting<S> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<S: Resumable> Waiting<S> {
    pub(crate) fn add(&self, id: u32, stream: &Rc<RefCell<S>>) {
        self.0.borrow_mut().push((id, Rc::downgrade(stream)));
    }

    /// Lets all of them try again. `own` is the context to return to.
    ///
    /// # Errors
    /// The host refused; streams that did not get their turn go on waiting.
    pub(crate) fn resume(&self, own: u32) -> Result<(), HostError> {
        let waiting = self.0.take();
        let mut outcome = Ok(());
        for (id, stream) in waiting {
            // The client has gone, or the host has answered.
            let Some(stream) = stream.upgrade().filter(|stream| stream.borrow().waits()) else { continue };
            let resumed = abi::set_effective_context(id).and_then(|()| {
                match stream.borrow_mut().resume() {
                    // The host lets it go on when this callback is over.
                    Action::Continue => abi::continue_stream(REQUEST_STREAM),
                    _ => Ok(()),
                }
            });
            outcome = outcome.and(resumed);
            if stream.borrow().waits() {
                self.add(id, &stream);
            }
        }
        outcome.and(abi::set_effective_context(own))
    }
}

/// Asks the host to fetch a document; the answer comes with the number that is given back. `None` means that the host
/// did not even try.
///
/// This is the one hostcall that is made through the SDK: it gives the answers of its own calls only to whoever made
/// them, and ends the VM over any other answer. Of the host's answers it knows all three.
pub(crate) fn fetch(fetch: &Fetch) -> Option<u32> {
    let headers = vec![
        (":method", "GET"),
        (":scheme", fetch.scheme),
        (":authority", fetch.authority.as_str()),
        (":path", fetch.path.as_str()),
        ("accept", "application/json"),
    ];
    let timeout = Duration::from_millis(u64::from(fetch.timeout_milliseconds));
    dispatch_http_call(&fetch.cluster, headers, None, Vec::new(), timeout).ok()
}

/// The document that has come: nothing unless it came whole and with status 200.
pub(crate) fn fetched(body_size: usize) -> Option<Vec<u8>> {
    let headers = read_headers(HeaderMap::CallResponse).ok()?;
    let is_good = headers.iter().any(|(name, value)| name == b":status" && value == b"200");
    if !is_good || body_size > MAX_DOCUMENT_BYTES {
        return None;
    }
    read_body(Body::CallResponse, body_size).ok()
}
