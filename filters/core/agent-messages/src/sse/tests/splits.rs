//! However a stream is cut into pieces, a client reads the same; and what it reads is what it may see.

use super::{ASKS, FILTERED, LIST, PLAIN, pieces, stream};
use crate::call::Revision;
use crate::sse::StreamKind;

/// Streams with `\n` for every line end, and what a client dispatches of each: names and data.
fn corpus() -> Vec<(String, Vec<(&'static str, String)>)> {
    let message = |data: &str| ("", data.to_owned());
    let spread = LIST.replace(",{", ",\ndata: {");
    vec![
        (format!("data: {LIST}\n\n"), vec![message(FILTERED)]),
        (
            format!(": \u{e9}\u{1f680}\n\nid: 1\ndata: {LIST}\n\ndata:{PLAIN}\n\n"),
            vec![message(FILTERED), message(PLAIN)],
        ),
        (format!("id: 0\ndata: \nretry: 3000\n\nid: 1\ndata: {ASKS}\n\n"), vec![message(ASKS)]),
        (format!("data: {spread}\n\n: keep-alive\n\n: keep-alive\n\n"), vec![message(FILTERED)]),
        (
            format!("event: message\nid: \u{fc}\ndata: [{PLAIN},{LIST}]\n\n"),
            vec![("message", format!("[{PLAIN},{FILTERED}]"))],
        ),
        (
            format!("event: endpoint\ndata: /mcp?s=1\n\ndata: {LIST}\n\ndata: {LIST}"),
            vec![("endpoint", "/mcp?s=1&pinned".to_owned()), message(FILTERED)],
        ),
        ("\n\n\n:\n\ndata\n\n".to_owned(), vec![]),
    ]
}

/// What a client dispatches, by the letter of the specification and as slowly as it may be.
fn dispatched(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), String::new());
    // What comes after the last line end is no line.
    let (text, _) = text.rsplit_once('\n').unwrap();
    for line in text.split('\n') {
        if line.is_empty() {
            if let Some(data) = data.strip_suffix('\n').filter(|data| !data.is_empty()) {
                events.push((name.clone(), data.to_owned()));
            }
            (name, data) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => data.extend([value, "\n"]),
            _ => {}
        }
    }
    events
}

fn read(cut: &[&[u8]]) -> (String, usize) {
    pieces(stream(StreamKind::Session, Revision::Legacy), cut).unwrap()
}

#[test]
fn a_client_reads_what_it_may_see_whatever_the_pieces() {
    for (text, expected) in corpus() {
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(name, data)| (name.to_owned(), data)).collect();
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            let bytes = text.as_bytes();
            let whole = read(&[bytes]);
            assert_eq!(dispatched(&format!("{}\n", whole.0)), expected, "{text:?}");
            for size in 1..=bytes.len() {
                assert_eq!(read(&bytes.chunks(size).collect::<Vec<_>>()), whole, "{text:?} in pieces of {size}");
            }
            for at in 0..bytes.len() {
                let (first, second) = bytes.split_at(at);
                assert_eq!(read(&[first, second]), whole, "{text:?} cut at {at}");
            }
        }
    }
}

#[test]
fn a_bad_event_shows_nothing_of_itself_whatever_the_pieces() {
    for bad in
        ["data: {\"secret\":1\n\n", "secret: x\n\n", "event: endpoint\ndata: /secret\n\n", "data: \"secret\"\n\n"]
    {
        let text = format!("data: {PLAIN}\n\n{bad}data: {LIST}\n\n");
        let good = format!("data: {PLAIN}\n\n");
        for size in 1..=text.len() {
            let mut filter = stream(StreamKind::Session, Revision::Legacy);
            let mut passed = Vec::new();
            let ended = text.as_bytes().chunks(size).find_map(|piece| match filter.push(piece, &super::Alice) {
                Ok(more) => {
                    passed.extend(more);
                    None
                }
                Err(error) => Some(error),
            });
            assert!(ended.is_some(), "{bad:?} in pieces of {size}");
            assert!(good.as_bytes().starts_with(&passed), "{bad:?} in pieces of {size}: {passed:?}");
        }
    }
}
