//! What the HTTP headers say of the message.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::a2a::{AgentEndpoint, Extensions, Place, grpc};
use crate::call::Revision;
use crate::error::{HeaderProblem, MessageError};
use crate::mcp::MODERN;
use crate::mcp::extra::ExtraMethods;
use crate::protocol::Protocol;

/// The headers that concern the message, each read once and none of them trusted: they are compared with the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHeaders {
    protocol: Protocol,
    verb: Verb,
    /// What the path leads to; of A2A only.
    pub(crate) place: Place,
    /// Of A2A only.
    pub(crate) extensions: Extensions,
    content_length: Option<usize>,
    pub(crate) version: Option<String>,
    pub(crate) method: Option<String>,
    /// Decoded.
    pub(crate) name: Option<String>,
    /// `Mcp-Param-*`: names in lower case, and values as they came.
    pub(crate) params: Vec<(String, Vec<u8>)>,
    extra_methods: Rc<ExtraMethods>,
}

/// The HTTP methods of the transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A message.
    Post,
    /// Listening on a session (MCP up to 2025-11-25), or asking for an agent's card.
    Get,
    /// Ending a session (MCP up to 2025-11-25).
    Delete,
}

pub(crate) const VERSION: &str = "mcp-protocol-version";
pub(crate) const METHOD: &str = "mcp-method";
pub(crate) const NAME: &str = "mcp-name";
pub(crate) const PARAM_PREFIX: &str = "mcp-param-";

/// Longer mirrored headers are refused before they are decoded.
const MAX_HEADER_BYTES: usize = 16_384;

/// Everything seen so far, still as bytes.
#[derive(Default)]
struct Raw<'a> {
    verb: Option<&'a [u8]>,
    path: &'a [u8],
    content_type: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    params: Vec<(String, Vec<u8>)>,
}

// === impl MessageHeaders ===

impl MessageHeaders {
    /// Reads the headers of a request to a server of the protocol, pseudo-headers included. The `Mcp-*` headers mean
    /// nothing in A2A.
    ///
    /// # Errors
    /// A header that concerns the message repeats, is malformed, or announces a body that is not plain JSON.
    pub fn read<'a>(
        protocol: Protocol,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, MessageError> {
        Self::at(protocol, &AgentEndpoint::default(), headers)
    }

    /// Reads the headers of a request to an agent.
    ///
    /// # Errors
    /// The same, and whatever is in none of the agent's bindings.
    pub fn of_agent<'a>(
        endpoint: &AgentEndpoint,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, MessageError> {
        Self::at(Protocol::A2a, endpoint, headers)
    }

    fn at<'a>(
        protocol: Protocol,
        endpoint: &AgentEndpoint,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, MessageError> {
        let mut raw = Raw::default();
        let mut extensions = Extensions::default();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match name.as_slice() {
                b":method" => raw.verb = Some(value),
                b":path" => raw.path = value,
                b"content-type" => once(&mut raw.content_type, value, MessageError::ContentType)?,
                b"content-length" => once(&mut raw.content_length, value, MessageError::ContentLength)?,
                b"content-encoding" if !without_ows(value).eq_ignore_ascii_case(b"identity") => {
                    return Err(MessageError::ContentEncoding);
                }
                b"mcp-protocol-version" | b"mcp-method" | b"mcp-name" if protocol == Protocol::A2a => {}
                name if protocol == Protocol::A2a && Extensions::is_header(name) => extensions.add(value)?,
                b"mcp-protocol-version" => once(&mut raw.version, value, repeated(VERSION))?,
                b"mcp-method" => once(&mut raw.method, value, repeated(METHOD))?,
                b"mcp-name" => once(&mut raw.name, value, repeated(NAME))?,
                own if protocol == Protocol::Mcp && own.starts_with(PARAM_PREFIX.as_bytes()) => {
                    // A name that is no text is no header that a catalogue could name.
                    raw.params.extend(String::from_utf8(name).map(|name| (name, value.to_vec())));
                }
                _ => {}
            }
        }
        let verb = match raw.verb {
            Some(b"POST") => Verb::Post,
            Some(b"GET") => Verb::Get,
            Some(b"DELETE") => Verb::Delete,
            _ => return Err(MessageError::Verb),
        };
        let mut place = match protocol {
            Protocol::Mcp => Place::Agent,
            Protocol::A2a => endpoint.place(verb, raw.path)?,
        };
        let fits = match &mut place {
            Place::Agent => verb != Verb::Post || raw.content_type.is_some_and(is_plain_json),
            Place::Card => true,
            Place::Rest(asked) => asked.takes(raw.content_type),
            Place::Grpc(_) => raw.content_type.is_some_and(grpc::is_grpc),
        };
        if !fits {
            return Err(MessageError::ContentType);
        }
        Ok(Self {
            protocol,
            verb,
            place,
            extensions,
            content_length: raw.content_length.map(length_of).transpose()?,
            version: raw.version.map(|value| word_of(VERSION, value)).transpose()?,
            method: raw.method.map(|value| word_of(METHOD, value)).transpose()?,
            name: raw.name.map(name_of).transpose()?,
            params: raw.params,
            extra_methods: Rc::default(),
        })
    }

    /// The same headers, of a request to a server that has these extensions.
    #[must_use]
    pub fn admitting(self, extra_methods: &Rc<ExtraMethods>) -> Self {
        Self { extra_methods: Rc::clone(extra_methods), ..self }
    }

    pub(crate) fn extra_methods(&self) -> &ExtraMethods {
        &self.extra_methods
    }

    /// What the server speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The HTTP method.
    #[must_use]
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Whether the body goes on without being read: a gRPC message, or a stream of them.
    #[must_use]
    pub fn body_is_opaque(&self) -> bool {
        matches!(self.place, Place::Grpc(_))
    }

    /// Whether the request says that it is of 2026-07-28, which has no sessions.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.version.as_deref() == Some(MODERN)
    }

    /// Which family of MCP's revisions they announce. The message is of that one, or refused.
    #[must_use]
    pub fn announced_revision(&self) -> Revision {
        if self.is_modern() { Revision::Modern } else { Revision::Legacy }
    }

    /// Bytes of the body, as announced.
    #[must_use]
    pub fn content_length(&self) -> Option<usize> {
        self.content_length
    }
}

fn once<'a>(seen: &mut Option<&'a [u8]>, value: &'a [u8], repeated: MessageError) -> Result<(), MessageError> {
    if seen.replace(value).is_some() { Err(repeated) } else { Ok(()) }
}

fn repeated(header: &'static str) -> MessageError {
    MessageError::HeaderMismatch { header, problem: HeaderProblem::Repeated }
}

fn malformed(header: &'static str) -> MessageError {
    MessageError::HeaderMismatch { header, problem: HeaderProblem::Malformed }
}

/// `application/json`, in UTF-8 if it says so. No other type: some servers read the body whatever this says.
fn is_plain_json(value: &[u8]) -> bool {
    is_json(value, &["application/json"])
}

/// The same, of several types.
pub(crate) fn is_json(value: &[u8], types: &[&str]) -> bool {
    let mut parts = value.split(|&byte| byte == b';').map(without_ows);
    let essence = parts.next().unwrap_or_default();
    let is_utf_8 = |parameter: &[u8]| {
        parameter.eq_ignore_ascii_case(b"charset=utf-8") || parameter.eq_ignore_ascii_case(b"charset=\"utf-8\"")
    };
    types.iter().any(|name| essence.eq_ignore_ascii_case(name.as_bytes())) && parts.all(is_utf_8)
}

fn length_of(value: &[u8]) -> Result<usize, MessageError> {
    let text = std::str::from_utf8(value).map_err(|_| MessageError::ContentLength)?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(MessageError::ContentLength)
}

/// A value without the white space around it, which does not belong to it (RFC 9110 section 5.5).
fn without_ows(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| blank(byte)).count();
    let end = value.iter().rev().take_while(|byte| blank(byte)).count();
    value.get(start..value.len().saturating_sub(end)).unwrap_or_default()
}

/// Visible ASCII, space and tab, without white space around it (MCP 2026-07-28 transports, "Value encoding").
fn text_of(value: &[u8]) -> Option<String> {
    let value = without_ows(value);
    let plain = |&byte: &u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    if value.len() > MAX_HEADER_BYTES || !value.iter().all(plain) {
        return None;
    }
    String::from_utf8(value.to_vec()).ok()
}

/// A revision or a method: neither has a comma, so with one there are two values on one line (RFC 9110 section 5.3).
fn word_of(header: &'static str, value: &[u8]) -> Result<String, MessageError> {
    match text_of(value).filter(|text| !text.is_empty()) {
        Some(text) if text.contains(',') => Err(repeated(header)),
        Some(text) => Ok(text),
        None => Err(malformed(header)),
    }
}

/// A name is never empty.
fn name_of(value: &[u8]) -> Result<String, MessageError> {
    decoded(value).filter(|name| !name.is_empty()).ok_or(malformed(NAME))
}

/// A value, or `=?base64?…?=` around the Base64 of its UTF-8. With any other spelling of the sentinel the value is
/// what it says literally. Nothing if it is malformed.
pub(crate) fn decoded(value: &[u8]) -> Option<String> {
    let text = text_of(value)?;
    let Some(encoded) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(text);
    };
    // The engine wants canonical padding and no stray bits.
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{HeaderProblem, MessageError, MessageHeaders, Verb};
    use crate::protocol::Protocol;

    fn read(pairs: &[(&str, &[u8])]) -> Result<MessageHeaders, MessageError> {
        MessageHeaders::read(Protocol::Mcp, pairs.iter().map(|(name, value)| (name.as_bytes(), *value)))
    }

    #[track_caller]
    fn post(pairs: &[(&str, &[u8])]) -> Result<MessageHeaders, MessageError> {
        let mut all: Vec<(&str, &[u8])> = vec![(":method", b"POST"), ("content-type", b"application/json")];
        all.extend(pairs);
        read(&all)
    }

    fn mismatch(header: &'static str, problem: HeaderProblem) -> Result<MessageHeaders, MessageError> {
        Err(MessageError::HeaderMismatch { header, problem })
    }

    #[test]
    fn the_three_verbs_are_known_and_no_others() {
        assert_eq!(read(&[(":method", b"GET")]).unwrap().verb(), Verb::Get);
        assert_eq!(read(&[(":method", b"DELETE")]).unwrap().verb(), Verb::Delete);
        for verb in [&b"PUT"[..], b"PATCH", b"OPTIONS", b"HEAD", b"post", b"CONNECT", b""] {
            assert_eq!(read(&[(":method", verb)]), Err(MessageError::Verb));
        }
        assert_eq!(read(&[]), Err(MessageError::Verb));
    }

    #[test]
    fn a_message_is_json_in_utf_8() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert!(read(&[(":method", b"POST"), ("Content-Type", good.as_bytes())]).is_ok(), "{good}");
        }
        for odd in [
            "",
            "text/plain",
            "application/vnd.x+json",
            "application/json; charset=utf-16le",
            "application/json, text/plain",
            "application/json; boundary=x",
            "application/json;",
            "application/jsonx",
        ] {
            let headers: [(&str, &[u8]); 2] = [(":method", b"POST"), ("content-type", odd.as_bytes())];
            assert_eq!(read(&headers), Err(MessageError::ContentType), "{odd}");
        }
        assert_eq!(read(&[(":method", b"POST")]), Err(MessageError::ContentType));
        assert_eq!(post(&[("content-type", b"application/json")]), Err(MessageError::ContentType));
    }

    #[test]
    fn an_encoded_body_is_refused() {
        assert!(post(&[("content-encoding", b"identity")]).is_ok());
        for odd in [&b"gzip"[..], b"br", b"identity, gzip", b"", b"deflate"] {
            assert_eq!(post(&[("Content-Encoding", odd)]), Err(MessageError::ContentEncoding));
        }
    }

    #[test]
    fn a_length_is_digits() {
        assert_eq!(post(&[("content-length", b"12")]).unwrap().content_length(), Some(12));
        for odd in [&b"+1"[..], b"-1", b"", b"1 ", b"1,1", b"99999999999999999999999"] {
            assert_eq!(post(&[("content-length", odd)]), Err(MessageError::ContentLength));
        }
    }

    #[test]
    fn mirrored_headers_never_repeat() {
        for header in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
            let twice: [(&str, &[u8]); 2] = [(header, b"x"), (header, b"x")];
            assert_eq!(post(&twice), mismatch(header, HeaderProblem::Repeated));
        }
        for header in ["mcp-protocol-version", "mcp-method"] {
            assert_eq!(post(&[(header, b"x, x")]), mismatch(header, HeaderProblem::Repeated));
        }
    }

    #[test]
    fn an_oversized_value_is_refused_before_it_is_decoded() {
        let most = vec![b'x'; super::MAX_HEADER_BYTES];
        assert!(post(&[("mcp-name", &most)]).is_ok());
        let more = [&most[..], b"x"].concat();
        for header in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
            assert_eq!(post(&[(header, &more)]), mismatch(header, HeaderProblem::Malformed));
        }
    }

    #[test]
    fn only_blanks_are_white_space_around_a_value() {
        for byte in 0..=255_u8 {
            let around = [byte, b'a', byte];
            let value = post(&[("mcp-name", &around)]).ok().and_then(|headers| headers.name);
            let expected = match byte {
                b' ' | b'\t' => Some("a".to_owned()),
                byte if byte.is_ascii_graphic() => String::from_utf8(around.to_vec()).ok(),
                _ => None,
            };
            assert_eq!(value, expected, "byte 0x{byte:02x}");
        }
    }

    #[test]
    fn a_name_may_be_base64_in_one_spelling_only() {
        let name = |value: &[u8]| post(&[("Mcp-Name", value)]).map(|headers| headers.name.unwrap());
        assert_eq!(name(b"get_time_off").as_deref(), Ok("get_time_off"));
        assert_eq!(name(b" \tx\t ").as_deref(), Ok("x"));
        assert_eq!(name(b"two, names").as_deref(), Ok("two, names"));
        assert_eq!(name("=?base64?w6k=?=".as_bytes()).as_deref(), Ok("\u{e9}"));
        for literal in ["=?BASE64?w6k=?=", "=?base64?w6k=", "base64?w6k=?="] {
            assert_eq!(name(literal.as_bytes()).as_deref(), Ok(literal));
        }
        for odd in ["", " ", "=?base64??=", "=?base64?w6k=w6k=?=", "=?base64?w6k=?=\u{b}", "=?base64? w6k=?="] {
            assert_eq!(post(&[("mcp-name", odd.as_bytes())]), mismatch("mcp-name", HeaderProblem::Malformed), "{odd}");
        }
        for odd in ["=?base64?w6k?=", "=?base64?w6l=?=", "=?base64?_-8=?=", "=?base64?w6k==?=", "=?base64?/w==?="] {
            assert_eq!(post(&[("mcp-name", odd.as_bytes())]), mismatch("mcp-name", HeaderProblem::Malformed), "{odd}");
        }
    }

    #[test]
    fn every_byte_of_a_mirrored_header_is_allowed_or_refused() {
        for byte in 0..=255_u8 {
            let value = [b'a', byte, b'b'];
            let allowed = byte != b',' && (byte.is_ascii_graphic() || byte == b' ' || byte == b'\t');
            assert_eq!(post(&[("mcp-method", &value)]).is_ok(), allowed, "byte 0x{byte:02x}");
        }
        assert_eq!(post(&[("mcp-method", b"  ")]), mismatch("mcp-method", HeaderProblem::Malformed));
    }
}
