//! Event streams, filtered event by event.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>: lines end in LF, CR LF or
//! CR; an empty line ends an event; the values of several `data` lines are joined with line feeds.

use serde_json::Value;

use crate::batch::Unanswered;
use crate::error::ResponseError;
use crate::json::{JsonError, parse_json};
use crate::limits::Limits;
use crate::lists::{AnsweredCall, Change, ListItem, filter_messages};

/// The filter of one stream. It holds the bytes of one event at most; what it gives back may go on at once. What it
/// still holds when the stream ends is an incomplete event, which every client has to drop.
#[derive(Debug)]
pub struct SseFilter {
    limits: Limits,
    answered: AnsweredCall,
    /// Of a batch, whose answers are matched to its requests.
    unanswered: Option<Unanswered>,
    /// The event so far, with its line ends.
    event: Vec<u8>,
    /// Where the current line begins in it.
    line: usize,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: bool,
    hidden: usize,
}

// === impl SseFilter ===

impl SseFilter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(answered: &AnsweredCall, limits: &Limits) -> Self {
        let (answered, unanswered) = (answered.clone(), Unanswered::of(answered));
        Self { limits: *limits, answered, unanswered, event: Vec::new(), line: 0, after_cr: false, hidden: 0 }
    }

    /// Takes a piece of the stream and gives what may go on now: whole events only.
    ///
    /// # Errors
    /// An event that can't be understood or is too large. Nothing of the stream may go on any more.
    pub fn push(&mut self, piece: &[u8], keep: &mut dyn FnMut(ListItem<'_>) -> bool) -> Result<Vec<u8>, ResponseError> {
        let mut passed = Vec::with_capacity(piece.len());
        for &byte in piece {
            if self.after_cr && byte == b'\n' {
                self.after_cr = false;
                // The line has ended with the CR; only the bytes go where the CR went.
                if self.event.is_empty() { &mut passed } else { &mut self.event }.push(byte);
                self.line = self.event.len();
                continue;
            }
            self.after_cr = byte == b'\r';
            if self.event.len() >= self.limits.max_sse_event_bytes {
                return Err(ResponseError::TooLarge { limit: self.limits.max_sse_event_bytes });
            }
            let line_is_empty = self.event.len() == self.line;
            self.event.push(byte);
            if matches!(byte, b'\n' | b'\r') {
                self.line = self.event.len();
                if line_is_empty {
                    passed.extend(self.complete(keep)?);
                }
            }
        }
        Ok(passed)
    }

    /// How many items were taken out of lists since this was last asked.
    pub fn take_hidden(&mut self) -> usize {
        std::mem::take(&mut self.hidden)
    }

    fn complete(&mut self, keep: &mut dyn FnMut(ListItem<'_>) -> bool) -> Result<Vec<u8>, ResponseError> {
        let event = std::mem::take(&mut self.event);
        self.line = 0;
        // Clients strip a byte order mark at the start of a stream, and then see another field than we do.
        if event.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::ByteOrderMark.into());
        }
        let data = data_of(&event);
        // A comment, or a priming event: an id without data.
        if data.is_empty() {
            return Ok(event);
        }
        let mut value = parse_json(&data, self.limits.max_json_depth, self.limits.max_json_nodes)?;
        let change = self.filter(&mut value, keep)?;
        self.hidden = self.hidden.saturating_add(change.hidden);
        Ok(if change.rewritten { with_data(&event, &value) } else { event })
    }

    /// One message, or a batch of them (2025-03-26).
    fn filter(
        &mut self,
        value: &mut Value,
        keep: &mut dyn FnMut(ListItem<'_>) -> bool,
    ) -> Result<Change, ResponseError> {
        filter_messages(value, &self.answered, keep, |message| match &mut self.unanswered {
            Some(unanswered) => unanswered.take_if_answer(message),
            None => Ok(()),
        })
    }
}

/// The lines of an event, without their ends. A CR LF leaves an empty line between, which no field has.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty())
}

/// The value of a `data` line: one space after the colon does not count.
fn data_line(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

fn data_of(event: &[u8]) -> Vec<u8> {
    lines(event).filter_map(data_line).collect::<Vec<_>>().join(&b'\n')
}

/// The same event with other data; its id and name are kept, comments and pauses too.
fn with_data(event: &[u8], value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.len());
    for line in lines(event).filter(|line| data_line(line).is_none()) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    // JSON text has no line ends: serde_json escapes them.
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
    out
}

#[cfg(test)]
mod tests;
