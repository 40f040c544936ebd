//! Event streams, filtered event by event.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>: lines end in LF, CR LF or
//! CR; an empty line ends an event; the values of several `data` lines are joined with line feeds.

mod event;

use std::mem;

use serde_json::Value;

use self::event::{Fields, with_data};
use crate::batch::Unanswered;
use crate::call::Revision;
use crate::error::{ResponseError, shortened};
use crate::json::parse_json;
use crate::limits::Limits;
use crate::lists::{AnsweredCall, Change, ListItem, check_answer, filter_message};
use crate::sent::Sent;

/// For whom a stream is filtered.
pub trait Viewer {
    /// Whether the caller sees an item of a list.
    fn sees(&self, item: ListItem<'_>) -> bool;

    /// Whether the server may ask the caller for this, where the revision lets it ask at all.
    fn may_be_asked(&self, method: &str) -> bool;

    /// Where the caller is to send its messages, for what the server says of it; none where it may not send them there.
    fn endpoint(&self, reference: &str) -> Option<String>;
}

/// Which stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// The answer to a message.
    Answer,
    /// A session's own, to a `GET`: answers come to requests that were made elsewhere. It may begin with the place to
    /// send those to (MCP 2024-11-05, "HTTP with SSE").
    Session,
}

/// The filter of one stream. It holds the bytes of one event at most; what it gives back may go on at once. What it
/// still holds when the stream ends is an incomplete event, which every client has to drop.
#[derive(Debug)]
pub struct SseFilter {
    limits: Limits,
    answered: AnsweredCall,
    /// Of a batch, whose answers are matched to its requests.
    unanswered: Option<Unanswered>,
    /// The next event may say where to send messages.
    endpoint_may_come: bool,
    /// The event so far, with its line ends.
    event: Vec<u8>,
    /// Where the current line begins in it.
    line: usize,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: bool,
    hidden: usize,
}

/// What is kept of the memory of an event for the next one: streams of small events allocate nothing for them, and a
/// large one does not cost its size for as long as the stream lives.
const KEPT_BYTES: usize = 16_384;

// === impl SseFilter ===

impl SseFilter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(answered: &AnsweredCall, kind: StreamKind, limits: &Limits) -> Self {
        Self {
            limits: *limits,
            answered: answered.clone(),
            unanswered: Unanswered::of(answered),
            endpoint_may_come: kind == StreamKind::Session,
            event: Vec::new(),
            line: 0,
            after_cr: false,
            hidden: 0,
        }
    }

    /// Takes a piece of the stream and gives what may go on now: whole events only.
    ///
    /// # Errors
    /// An event that can't be understood, may not be there, or is too large. Nothing of the stream may go on any more.
    pub fn push(&mut self, piece: &[u8], viewer: &dyn Viewer) -> Result<Vec<u8>, ResponseError> {
        let mut passed = Vec::with_capacity(piece.len());
        let mut rest = piece;
        while !rest.is_empty() {
            if mem::take(&mut self.after_cr)
                && let Some(tail) = rest.strip_prefix(b"\n")
            {
                // The line has ended with the CR; only the bytes go where the CR went.
                if self.event.is_empty() { &mut passed } else { &mut self.event }.push(b'\n');
                self.line = self.event.len();
                rest = tail;
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |at| at.saturating_add(1));
            let (part, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = tail;
            if self.event.len().saturating_add(part.len()) > self.limits.max_sse_event_bytes {
                return Err(ResponseError::TooLarge { limit: self.limits.max_sse_event_bytes });
            }
            let line_is_new = self.event.len() == self.line;
            self.event.extend_from_slice(part);
            let Some(&end @ (b'\n' | b'\r')) = part.last() else { break };
            self.after_cr = end == b'\r';
            self.line = self.event.len();
            if line_is_new && part.len() == 1 {
                self.complete(&mut passed, viewer)?;
            }
        }
        Ok(passed)
    }

    /// How many items were taken out of lists since this was last asked.
    pub fn take_hidden(&mut self) -> usize {
        mem::take(&mut self.hidden)
    }

    fn complete(&mut self, passed: &mut Vec<u8>, viewer: &dyn Viewer) -> Result<(), ResponseError> {
        let mut event = mem::take(&mut self.event);
        self.line = 0;
        self.pass(&event, passed, viewer)?;
        event.clear();
        event.shrink_to(KEPT_BYTES);
        self.event = event;
        Ok(())
    }

    /// Adds what may be seen of an event.
    fn pass(&mut self, event: &[u8], passed: &mut Vec<u8>, viewer: &dyn Viewer) -> Result<(), ResponseError> {
        let fields = Fields::of(event)?;
        if fields.is_endpoint {
            let reference = std::str::from_utf8(&fields.data).map_err(|_| ResponseError::Endpoint)?;
            let endpoint = viewer.endpoint(reference).filter(|_| mem::take(&mut self.endpoint_may_come));
            passed.extend_from_slice(b"event: endpoint\n");
            with_data(b"", &endpoint.ok_or(ResponseError::Endpoint)?, passed);
            return Ok(());
        }
        if fields.data.is_empty() {
            passed.extend_from_slice(event);
            return Ok(());
        }
        self.endpoint_may_come = false;
        let mut value = parse_json(&fields.data, self.limits.max_json_depth, self.limits.max_json_nodes)?;
        let change = self.filter(&mut value, viewer)?;
        self.hidden = self.hidden.saturating_add(change.hidden);
        if change.rewritten {
            // JSON text has no line ends: serde_json escapes them.
            with_data(event, &value.to_string(), passed);
        } else {
            passed.extend_from_slice(event);
        }
        Ok(())
    }

    /// One message, or a batch of them (2025-03-26).
    fn filter(&mut self, value: &mut Value, viewer: &dyn Viewer) -> Result<Change, ResponseError> {
        let messages = match value {
            Value::Array(messages) if self.answered.revision() == Revision::Legacy => messages.as_mut_slice(),
            message => std::slice::from_mut(message),
        };
        let mut all = Change { rewritten: false, hidden: 0 };
        for message in messages {
            let change = self.filter_message(message, viewer)?;
            all.rewritten |= change.rewritten;
            all.hidden = all.hidden.saturating_add(change.hidden);
        }
        Ok(all)
    }

    fn filter_message(&mut self, message: &mut Value, viewer: &dyn Viewer) -> Result<Change, ResponseError> {
        let message = message.as_object_mut().ok_or(ResponseError::NotAMessage)?;
        match (Sent::of(message).ok_or(ResponseError::NotAMessage)?, self.answered.revision()) {
            // "The server MUST NOT send JSON-RPC requests" (MCP 2026-07-28, Streamable HTTP).
            (Sent::Request(method), Revision::Modern) => return Err(asked(method)),
            (Sent::Request(method), Revision::Legacy) if !viewer.may_be_asked(method) => return Err(asked(method)),
            (Sent::Response, Revision::Modern) => check_answer(message, &self.answered)?,
            (Sent::Response, Revision::Legacy) => {
                if let Some(unanswered) = &mut self.unanswered {
                    unanswered.take(message)?;
                }
            }
            (Sent::Request(_), Revision::Legacy) | (Sent::Notification, _) => {}
        }
        filter_message(message, &self.answered, &mut |item| viewer.sees(item))
    }
}

fn asked(method: &str) -> ResponseError {
    ResponseError::ServerRequest { method: shortened(method) }
}

#[cfg(test)]
pub(crate) mod tests;
