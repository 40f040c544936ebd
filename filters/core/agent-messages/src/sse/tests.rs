//! Streams as real servers write them, whole and in pieces.

mod splits;

use crate::call::Revision;
use crate::error::ResponseError;
use crate::json::JsonError;
use crate::lists::tests::{LIMITS, answered, seen};
use crate::lists::{ListItem, ListKind};
use crate::sse::{SseFilter, StreamKind, Viewer};

const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"hidden"},{"name":"seen"}]}}"#;
const FILTERED: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"seen"}]}}"#;
const PLAIN: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
const ASKS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;

/// Sees what is called `seen…`, may be asked for roots, and sends messages below `/mcp`.
pub(crate) struct Alice;

impl Viewer for Alice {
    fn sees(&self, item: ListItem<'_>) -> bool {
        seen(item)
    }

    fn may_be_asked(&self, method: &str) -> bool {
        method == "roots/list"
    }

    fn endpoint(&self, reference: &str) -> Option<String> {
        reference.starts_with("/mcp").then(|| format!("{reference}&pinned"))
    }
}

fn stream(kind: StreamKind, revision: Revision) -> SseFilter {
    SseFilter::new(&answered(Some(ListKind::Tools), revision), kind, &LIMITS)
}

fn pieces(mut filter: SseFilter, pieces: &[&[u8]]) -> Result<(String, usize), ResponseError> {
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend(filter.push(piece, &Alice)?);
    }
    Ok((String::from_utf8(passed).unwrap(), filter.take_hidden()))
}

fn filter(text: &[u8]) -> Result<(String, usize), ResponseError> {
    pieces(stream(StreamKind::Answer, Revision::Legacy), &[text])
}

#[track_caller]
fn passes(stream: &str) {
    assert_eq!(filter(stream.as_bytes()), Ok((stream.to_owned(), 0)));
}

#[track_caller]
fn refused(stream: &[u8]) -> ResponseError {
    filter(stream).unwrap_err()
}

#[test]
fn events_without_lists_pass_byte_by_byte() {
    passes(&format!("event: message\r\nid: 1\r\ndata: {PLAIN}\r\n\r\n"));
    passes(&format!(": ping\n\ndata: {PLAIN}\n\n"));
    passes("id: 0\nretry: 3000\ndata: \n\n");
    passes("id: 0\ndata\n\n");
    passes("\n\r\n\r");
}

#[test]
fn lists_are_filtered_whatever_ends_their_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!("event: message{end}id: 1{end}data: {LIST}{end}{end}: next{end}{end}");
        let (passed, hidden) = filter(stream.as_bytes()).unwrap();
        assert!(passed.starts_with(&format!("event: message\nid: 1\ndata: {FILTERED}\n\n")), "{passed:?}");
        assert!(passed.ends_with(&format!(": next{end}{end}")), "{passed:?}");
        assert_eq!(hidden, 1);
    }
}

#[test]
fn a_session_s_stream_is_filtered_by_shape() {
    let resumed = format!("id: 9\ndata: {}\n\n", LIST.replace(r#""id":7"#, r#""id":"of another request""#));
    let (passed, hidden) = pieces(stream(StreamKind::Session, Revision::Legacy), &[resumed.as_bytes()]).unwrap();
    assert!(!passed.contains("hidden") && passed.contains("seen"), "{passed}");
    assert_eq!(hidden, 1);
}

#[test]
fn data_in_several_lines_is_one_text() {
    let (left, right) = LIST.split_at(LIST.find("[{").unwrap());
    let stream = format!("data: {left}\ndata:{right}\n\n");
    assert_eq!(filter(stream.as_bytes()), Ok((format!("data: {FILTERED}\n\n"), 1)));
}

#[test]
fn a_batch_is_filtered_message_by_message() {
    let batch = format!("data: [{PLAIN},{LIST}]\n\n");
    let (passed, hidden) = filter(batch.as_bytes()).unwrap();
    assert!(passed.contains(FILTERED) && !passed.contains("hidden"), "{passed}");
    assert_eq!(hidden, 1);
    let modern = pieces(stream(StreamKind::Answer, Revision::Modern), &[batch.as_bytes()]);
    assert_eq!(modern, Err(ResponseError::NotAMessage));
}

#[test]
fn what_can_not_be_understood_ends_the_stream() {
    assert!(matches!(refused(b"data: /messages?id=1\n\n"), ResponseError::Json(JsonError::Syntax { .. })));
    assert!(matches!(refused(b"data: {\"a\":1,\"a\":2}\n\n"), ResponseError::Json(JsonError::DuplicateName { .. })));
    assert_eq!(refused(b"data: \"\xff\"\n\n"), ResponseError::Json(JsonError::NotUtf8));
    assert_eq!(refused(b"\xef\xbb\xbfdata: {}\n\n"), ResponseError::Json(JsonError::ByteOrderMark));
    for odd in ["1", "{}", "null", r#"{"jsonrpc":"2.0","id":7}"#, r#"{"result":{"tools":[]}}"#, "[[]]", "[1]"] {
        assert_eq!(refused(format!("data: {odd}\n\n").as_bytes()), ResponseError::NotAMessage, "{odd}");
    }
    let nameless = LIST.replace("name", "title");
    let unreadable = ResponseError::List { list: "tools".to_owned() };
    assert_eq!(refused(format!("data: {nameless}\n\n").as_bytes()), unreadable);
}

#[test]
fn an_event_is_bounded_and_an_unfinished_one_is_dropped() {
    let event = |bytes: usize| format!(":{}\n\n", "x".repeat(bytes - 3));
    passes(&event(LIMITS.max_sse_event_bytes));
    let limit = LIMITS.max_sse_event_bytes;
    assert_eq!(refused(event(limit + 1).as_bytes()), ResponseError::TooLarge { limit });
    assert_eq!(refused("data: x\n".repeat(limit).as_bytes()), ResponseError::TooLarge { limit });
    assert_eq!(filter(format!("data: {LIST}\n").as_bytes()), Ok((String::new(), 0)));
}

#[test]
fn names_that_only_look_like_a_field_s_end_the_stream() {
    for odd in ["data2: x", " data: x", "DATA: x", "data : x", "\tdata: x", "dat", "event\0: endpoint"] {
        assert_eq!(refused(format!("{odd}\n\n").as_bytes()), ResponseError::Field, "{odd:?}");
    }
}

#[test]
fn a_modern_stream_is_private() {
    let list = br#"data: {"jsonrpc":"2.0","id":7,"result":{"tools":[],"cacheScope":"public"}}"#;
    let mut filter = stream(StreamKind::Answer, Revision::Modern);
    let passed = filter.push(&[&list[..], b"\n\n"].concat(), &Alice).unwrap();
    assert!(String::from_utf8(passed).unwrap().contains(r#""cacheScope":"private""#));
}

#[test]
fn a_modern_stream_answers_its_request_and_asks_nothing() {
    let modern =
        |data: &str| pieces(stream(StreamKind::Answer, Revision::Modern), &[format!("data: {data}\n\n").as_bytes()]);
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"x"}}"#;
    assert_eq!(modern(error), Ok((format!("data: {error}\n\n"), 0)));
    assert_eq!(modern(PLAIN), Ok((format!("data: {PLAIN}\n\n"), 0)));
    assert_eq!(modern(&LIST.replace(r#""id":7"#, r#""id":8"#)), Err(ResponseError::NotTheResponse));
    assert_eq!(modern(&error.replace(r#""id":7"#, r#""id":"7""#)), Err(ResponseError::NotTheResponse));
    let asked = |method: &str| Err(ResponseError::ServerRequest { method: method.to_owned() });
    assert_eq!(modern(ASKS), asked("roots/list"));
}

#[test]
fn a_server_of_older_revisions_asks_for_what_it_may() {
    passes(&format!("data: {ASKS}\n\n"));
    passes(&format!("data: [{ASKS},{PLAIN}]\n\n"));
    for asks in
        [ASKS.replace("roots/list", "sampling/createMessage"), format!("[{ASKS},{}]", ASKS.replace("roots", "x"))]
    {
        let error = refused(format!("data: {asks}\n\n").as_bytes());
        assert!(matches!(error, ResponseError::ServerRequest { .. }), "{asks}: {error}");
    }
}

#[test]
fn a_session_s_stream_may_begin_with_the_place_to_send_to() {
    let session = |text: &str| pieces(stream(StreamKind::Session, Revision::Legacy), &[text.as_bytes()]);
    let first = "event: endpoint\ndata: /mcp?s=1\n\n";
    let told = "event: endpoint\ndata: /mcp?s=1&pinned\n\n";
    assert_eq!(session(&format!("{first}data: {PLAIN}\n\n")), Ok((format!("{told}data: {PLAIN}\n\n"), 0)));
    assert_eq!(session(&format!(": hello\n\nid: 1\n\n{first}")), Ok((format!(": hello\n\nid: 1\n\n{told}"), 0)));
    assert_eq!(session("data:/mcp?s=1\r\nid: 1\r\nevent:ENDPOINT \r\n\r\n"), Ok((format!("{told}\n"), 0)));
    for odd in [
        format!("data: {PLAIN}\n\n{first}"),
        format!("{first}{first}"),
        first.replace("/mcp", "/elsewhere"),
        first.replace("data", "id"),
        format!("event: endpoint\ndata: {PLAIN}\n\n"),
        format!("event: message\n{first}").replace("/mcp", "//"),
    ] {
        assert_eq!(session(&odd), Err(ResponseError::Endpoint), "{odd}");
    }
    assert_eq!(refused(first.as_bytes()), ResponseError::Endpoint, "an answer is no session's stream");
}
