//! One event: its fields, and the same event with other data.

use std::borrow::Cow;

use crate::error::ResponseError;
use crate::json::JsonError;

/// What counts of an event.
#[derive(Debug)]
pub(super) struct Fields<'e> {
    /// The values of all `data` lines; empty where a client has nothing to dispatch: a comment, a priming event.
    pub(super) data: Cow<'e, [u8]>,
    /// Its name, in some reading, is `endpoint` (MCP 2024-11-05, "HTTP with SSE").
    pub(super) is_endpoint: bool,
}

// === impl Fields ===

impl<'e> Fields<'e> {
    /// Reads the fields of an event, which ends with its empty line.
    ///
    /// # Errors
    /// A field that event streams don't have: a parser that trims names, or folds their case, would take it for another.
    pub(super) fn of(event: &'e [u8]) -> Result<Self, ResponseError> {
        // Clients strip a byte order mark at the start of a stream, and then see another field than we do.
        if event.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::ByteOrderMark.into());
        }
        let (mut data, mut is_endpoint) = (None, false);
        for line in lines(event) {
            let (name, value) = split(line);
            match name {
                b"data" => data = Some(joined(data, value)),
                b"event" => is_endpoint |= value.trim_ascii().eq_ignore_ascii_case(b"endpoint"),
                // A line that begins with a colon is a comment.
                b"" | b"id" | b"retry" => {}
                _ => return Err(ResponseError::Field),
            }
        }
        Ok(Self { data: data.unwrap_or_default(), is_endpoint })
    }
}

/// The same event with other data, of one line; its id and name are kept, comments and pauses too.
pub(super) fn with_data(event: &[u8], data: &str, out: &mut Vec<u8>) {
    for line in lines(event).filter(|line| split(line).0 != b"data") {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data.as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// The lines of an event, without their ends. A CR LF leaves an empty line between, which no field has.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty())
}

/// Name and value of a field: one space after the colon does not count, and without a colon all is the name.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return (line, &[]) };
    let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
    let value = value.strip_prefix(b":").unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

fn joined<'e>(data: Option<Cow<'e, [u8]>>, value: &'e [u8]) -> Cow<'e, [u8]> {
    match data {
        None => Cow::Borrowed(value),
        Some(data) => {
            let mut data = data.into_owned();
            data.push(b'\n');
            data.extend_from_slice(value);
            Cow::Owned(data)
        }
    }
}
