//! Streams as real servers write them, whole and in pieces.

use crate::call::Revision;
use crate::error::ResponseError;
use crate::json::JsonError;
use crate::lists::ListKind;
use crate::lists::tests::{LIMITS, answered, seen};
use crate::sse::SseFilter;

const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"hidden"},{"name":"seen"}]}}"#;
const FILTERED: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"seen"}]}}"#;
const PLAIN: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;

fn filter(pieces: &[&[u8]]) -> Result<(String, usize), ResponseError> {
    let mut filter = SseFilter::new(&answered(Some(ListKind::Tools), Revision::Legacy), &LIMITS);
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend(filter.push(piece, &mut seen)?);
    }
    Ok((String::from_utf8(passed).unwrap(), filter.take_hidden()))
}

#[track_caller]
fn passes(stream: &str) {
    assert_eq!(filter(&[stream.as_bytes()]), Ok((stream.to_owned(), 0)));
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
        let (passed, hidden) = filter(&[stream.as_bytes()]).unwrap();
        assert!(passed.starts_with(&format!("event: message\nid: 1\ndata: {FILTERED}\n\n")), "{passed:?}");
        assert!(passed.ends_with(&format!(": next{end}{end}")), "{passed:?}");
        assert_eq!(hidden, 1);
    }
}

#[test]
fn the_pieces_make_no_difference_to_what_a_client_reads() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!(": \u{e9}{end}{end}id: 1{end}data: {LIST}{end}{end}data:{PLAIN}{end}{end}");
        let whole = filter(&[stream.as_bytes()]).unwrap();
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(filter(&bytes).unwrap(), whole);
        for at in 0..stream.len() {
            let (first, second) = stream.as_bytes().split_at(at);
            assert_eq!(filter(&[first, second]).unwrap(), whole, "cut at {at}");
        }
    }
}

#[test]
fn data_in_several_lines_is_one_text() {
    let (left, right) = LIST.split_at(LIST.find("[{").unwrap());
    let stream = format!("data: {left}\ndata:{right}\n\n");
    assert_eq!(filter(&[stream.as_bytes()]), Ok((format!("data: {FILTERED}\n\n"), 1)));
}

#[test]
fn a_batch_is_filtered_message_by_message() {
    let stream = format!("data: [{PLAIN},{LIST}]\n\n");
    let (passed, hidden) = filter(&[stream.as_bytes()]).unwrap();
    assert!(passed.contains(FILTERED) && !passed.contains("hidden"), "{passed}");
    assert_eq!(hidden, 1);
}

#[test]
fn what_can_not_be_understood_ends_the_stream() {
    let refused = |stream: &[u8]| filter(&[stream]).unwrap_err();
    assert!(matches!(refused(b"data: /messages?id=1\n\n"), ResponseError::Json(JsonError::Syntax { .. })));
    assert!(matches!(refused(b"data: {\"a\":1,\"a\":2}\n\n"), ResponseError::Json(JsonError::DuplicateName { .. })));
    assert_eq!(refused(b"data: \"\xff\"\n\n"), ResponseError::Json(JsonError::NotUtf8));
    assert_eq!(refused(b"\xef\xbb\xbfdata: {}\n\n"), ResponseError::Json(JsonError::ByteOrderMark));
    assert_eq!(refused(b"data: 1\n\n"), ResponseError::NotTheResponse);
    assert_eq!(
        refused(b"data: {\"result\":{\"tools\":[{\"title\":\"x\"}]}}\n\n"),
        ResponseError::List { list: "tools".to_owned() }
    );
}

#[test]
fn an_event_is_bounded_and_an_unfinished_one_is_dropped() {
    let long = format!("data: {}", "x".repeat(600));
    assert_eq!(filter(&[long.as_bytes()]), Err(ResponseError::TooLarge { limit: 512 }));
    assert_eq!(filter(&[format!("data: {LIST}\n").as_bytes()]), Ok((String::new(), 0)));
}

#[test]
fn names_that_only_look_like_data_are_not_data() {
    passes("data2: not json\n\n");
    passes(" data: not json\n\n");
    passes("DATA: not json\n\n");
}

#[test]
fn a_modern_stream_is_private() {
    let mut filter = SseFilter::new(&answered(Some(ListKind::Tools), Revision::Modern), &LIMITS);
    let passed = filter.push(b"data: {\"result\":{\"tools\":[],\"cacheScope\":\"public\"}}\n\n", &mut seen).unwrap();
    assert_eq!(passed, b"data: {\"result\":{\"tools\":[],\"cacheScope\":\"private\"}}\n\n");
}
