//! Event streams: what a client sees of a list is what the caller could call, however the stream is cut.

use agent_messages::{
    AgentCall, AnsweredCall, ListItem, MessageHeaders, Protocol, ResponseError, SseFilter, StreamKind, Viewer,
};

use crate::client::{events, listed};
use crate::request::LIMITS;

/// A revision and where to cut (the first line), and a stream. What the filter lets through does not depend on the
/// cuts, ends with a whole event, and lists nothing that the caller may not call; a stream that shows all is unchanged.
///
/// # Panics
/// That does not hold.
pub fn stream(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (head, stream) = data.split_at(end);
    let stream = stream.strip_prefix(b"\n").unwrap_or(stream);
    let (modern, cuts) = match head {
        [b'm', cuts @ ..] => (true, cuts),
        [_, cuts @ ..] => (false, cuts),
        [] => (false, head),
    };
    let call = question(modern);
    assert!(call.is_some(), "the question is refused");
    if let Some(call) = call {
        however_cut(&call, stream, cuts, modern);
    }
}

fn however_cut(call: &AnsweredCall, stream: &[u8], cuts: &[u8], modern: bool) {
    let whole = filtered(call, &[stream], seen);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    same(&whole, &filtered(call, &bytes, seen));
    same(&whole, &filtered(call, &pieces(stream, cuts), seen));
    for event in events(&whole.passed) {
        let hidden: Vec<_> = listed(&event).into_iter().filter(|item| !item.starts_with("seen")).collect();
        assert!(hidden.is_empty(), "a client sees {hidden:?}");
    }
    let shown = filtered(call, &[stream], |_| true);
    if !modern {
        assert!(stream.starts_with(&shown.passed), "nothing was hidden, and yet it changed");
    }
    assert_eq!(events(&shown.passed).len(), events(&whole.passed).len(), "an event is lost");
    // It did not go on half: what comes next would be read as its end.
    let more = [shown.passed.as_slice(), b"data: {}\n\n"].concat();
    assert_eq!(events(&more).len(), events(&shown.passed).len() + 1, "an event has gone on half");
}

/// A call whose answer is a list.
fn question(modern: bool) -> Option<AnsweredCall> {
    let json: &[u8] = b"application/json";
    let plain = vec![(&b":method"[..], &b"POST"[..]), (b"content-type", json)];
    let (headers, params) = if modern {
        let own = vec![(&b"mcp-protocol-version"[..], &b"2026-07-28"[..]), (b"mcp-method", b"tools/list")];
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
        ([plain, own].concat(), meta)
    } else {
        (plain, "{}")
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{params}}}"#);
    let headers = MessageHeaders::read(Protocol::Mcp, headers).ok()?;
    let call = AgentCall::parse(&headers, body.as_bytes(), &LIMITS).ok()?;
    Some(AnsweredCall::of(&call))
}

/// Sees these items, and may be asked for anything.
struct Sees(fn(ListItem<'_>) -> bool);

impl Viewer for Sees {
    fn sees(&self, item: ListItem<'_>) -> bool {
        self.0(item)
    }

    fn may_be_asked(&self, _method: &str) -> bool {
        true
    }

    fn endpoint(&self, _reference: &str) -> Option<String> {
        None
    }
}

struct Outcome {
    passed: Vec<u8>,
    end: Result<(), ResponseError>,
}

fn filtered(call: &AnsweredCall, pieces: &[&[u8]], keep: fn(ListItem<'_>) -> bool) -> Outcome {
    let mut filter = SseFilter::new(call, StreamKind::Answer, &LIMITS);
    let mut passed = Vec::new();
    for piece in pieces {
        match filter.push(piece, &Sees(keep)) {
            Ok(bytes) => passed.extend(bytes),
            Err(error) => return Outcome { passed, end: Err(error) },
        }
    }
    Outcome { passed, end: Ok(()) }
}

/// Each byte of `cuts` is the length of the next piece, over and over.
fn pieces<'s>(stream: &'s [u8], cuts: &[u8]) -> Vec<&'s [u8]> {
    let mut lengths = cuts.iter().cycle().map(|&cut| usize::from(cut % 32) + 1);
    let (mut pieces, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// A piece in which the stream is ended gives nothing at all, so bigger pieces may show less.
#[track_caller]
fn same(whole: &Outcome, cut: &Outcome) {
    assert_eq!(whole.end, cut.end, "the cuts decide how it ends");
    if whole.end.is_ok() {
        assert!(whole.passed == cut.passed, "the cuts decide what passes");
    } else {
        assert!(cut.passed.starts_with(&whole.passed), "the cuts decide what passes");
    }
}

/// Keeps what is called `seen…`.
fn seen(item: ListItem<'_>) -> bool {
    match item {
        ListItem::Tool(name) | ListItem::Prompt(name) | ListItem::Task(name) => name.starts_with("seen"),
        ListItem::Resource(uri) | ListItem::ResourceTemplate(uri) => uri.starts_with("seen"),
    }
}
