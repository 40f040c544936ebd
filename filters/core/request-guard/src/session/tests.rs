//! Ids as callers see them, and who can do something with them.

use std::rc::Rc;

use access_tokens::VerifiedToken;
use peer_identity::{PeerIdentity, Source};
use serde_json::{Value, json};

use super::{Asked, Holder, SessionKey, SessionKeys, endpoint};
use crate::caller::Identity;
use crate::event::{Connection, Event};
use crate::headers::Headers;
use crate::plugin::Stream as _;
use crate::server::{Server, Terms};
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, JSON, LIST, STREAM, codes, exchange_with, headers, moment, peer, request_end, request_headers,
    response_headers,
};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const ID: &str = "1868a90c-44f8-4b6e-9d3e-7b1a0f0d2c11";

fn token(issuer: &str, subject: &str) -> Rc<VerifiedToken> {
    let claims = json!({
        "issuer": issuer, "subject": subject, "audiences": ["https://a.example/mcp"], "expires_at": 2,
        "not_before": null, "issued_at": null, "scopes": [], "client_id": null, "acr": null, "amr": [],
        "transaction": null, "actors": null, "confirmation": null, "tags": {},
    });
    let token = json!({ "claims": claims, "groups": [], "roles": [], "fingerprint": vec![1; 32] });
    Rc::new(serde_json::from_value(token).unwrap())
}

fn identity(user: Option<(&str, &str)>, workload: Option<&str>) -> Identity {
    let peer = workload.map(|id| Rc::new(PeerIdentity::handed_over(id, Source::Tls).unwrap()));
    Identity { peer, token: user.map(|(issuer, subject)| token(issuer, subject)), address: None, now: 1 }
}

fn server(name: &str) -> Server {
    let server: crate::config::Server = serde_json::from_value(json!({
        "name": name, "protocol": "mcp", "audience": "https://a.example/mcp",
        "match": {"hosts": ["a.example"], "path_prefix": "/mcp"},
    }))
    .unwrap();
    Server::compile(&server, Terms::default(), None).unwrap()
}

fn keys(all: &[&[u8]]) -> SessionKeys {
    let mut keys = all.iter().map(|bytes| SessionKey::new(bytes).unwrap());
    SessionKeys::new(keys.next().unwrap(), keys.collect())
}

#[test]
fn a_pinned_id_is_its_holder_s_alone() {
    let keys = keys(&[&[1; 32]]);
    let (hr, docs) = (server("hr"), server("docs"));
    let assistant = Some("spiffe://acme.example/agent/assistant");
    let alice = Some(("https://idp", "alice"));
    let callers = [
        identity(alice, assistant),
        identity(Some(("https://idp", "bob")), assistant),
        identity(Some(("https://other", "alice")), assistant),
        identity(alice, Some("spiffe://acme.example/agent/batch")),
        identity(alice, None),
        identity(None, assistant),
        identity(None, None),
        // The same text, cut elsewhere.
        identity(Some(("https://id", "palice")), assistant),
    ];
    let holders: Vec<Holder<'_>> =
        callers.iter().flat_map(|caller| [&hr, &docs].map(|server| Holder { server, caller })).collect();
    for (at, &holder) in holders.iter().enumerate() {
        let pinned = keys.pin(holder, ID).unwrap();
        for (other, &holder) in holders.iter().enumerate() {
            let expected = (at == other).then_some(ID);
            assert_eq!(keys.unpin(holder, &pinned), expected, "{at} used by {other}");
        }
    }
}

#[test]
fn every_change_to_a_pinned_id_makes_it_unknown() {
    let keys = keys(&[&[1; 32]]);
    let (server, caller) = (server("hr"), identity(Some(("https://idp", "alice")), None));
    let holder = Holder { server: &server, caller: &caller };
    let pinned = keys.pin(holder, "id").unwrap();
    assert_eq!(keys.unpin(holder, &pinned), Some("id"));
    for at in 0..pinned.len() {
        // The neighbours too: of the last character of Base64, some bits count for nothing.
        for change in [1, 2, 3, 0x20] {
            let mut changed = pinned.clone().into_bytes();
            changed[at] ^= change;
            assert_eq!(keys.unpin(holder, std::str::from_utf8(&changed).unwrap()), None, "{at}: {change}");
        }
        assert_eq!(keys.unpin(holder, pinned.get(..at).unwrap()), None, "cut at {at}");
    }
    for odd in ["", "id", ".id", &format!("{pinned}x"), &format!("{pinned}."), &pinned.replace('.', "=."), "\u{e9}"] {
        assert_eq!(keys.unpin(holder, odd), None, "{odd}");
    }
}

#[test]
fn what_is_no_session_id_is_not_pinned() {
    let keys = keys(&[&[1; 32]]);
    let (server, caller) = (server("hr"), identity(None, None));
    let holder = Holder { server: &server, caller: &caller };
    for byte in 0..=0x7f_u8 {
        let id = format!("a{}", char::from(byte));
        assert_eq!(keys.pin(holder, &id).is_some(), byte.is_ascii_graphic(), "{byte}");
    }
    assert!(keys.pin(holder, &"x".repeat(2_048)).is_some());
    assert_eq!(keys.pin(holder, &"x".repeat(2_049)), None);
    assert_eq!(keys.pin(holder, ""), None);
    assert_eq!(keys.pin(holder, "\u{e9}"), None);
}

#[test]
fn keys_change_while_sessions_last() {
    let (server, caller) = (server("hr"), identity(None, None));
    let holder = Holder { server: &server, caller: &caller };
    let (old, new) = ([1; 32].as_slice(), [2; 48].as_slice());
    let pinned = keys(&[old]).pin(holder, ID).unwrap();
    assert_eq!(keys(&[new, old]).unpin(holder, &pinned), Some(ID));
    assert_eq!(keys(&[new]).unpin(holder, &pinned), None);
    let renewed = keys(&[new, old]).pin(holder, ID);
    assert_eq!(renewed, keys(&[new]).pin(holder, ID));
    assert!(SessionKey::new(&[0; 31]).is_none());
}

#[test]
fn messages_go_to_the_server_that_is_listened_to() {
    let (server, caller) = (server("hr"), identity(None, None));
    let holder = Holder { server: &server, caller: &caller };
    let headers = headers(&[(":authority", "A.example:443"), (":path", "/mcp/sse?a=b")]);
    let asked = Asked::of(&Headers::new(&headers)).unwrap();
    let keys = keys(&[&[1; 32]]);
    let place = |reference: &str| endpoint(None, holder, &asked, reference);
    for (reference, expected) in [
        ("/mcp/messages?sessionId=1", "/mcp/messages?sessionId=1"),
        ("messages", "/mcp/messages"),
        ("?sessionId=1", "/mcp/sse?sessionId=1"),
        ("https://A.example:8443/mcp/x?a", "/mcp/x?a"),
        ("http://a.example/mcp", "/mcp"),
        ("//a.example/mcp/x", "/mcp/x"),
    ] {
        assert_eq!(place(reference).as_deref(), Some(expected));
    }
    for elsewhere in [
        "",
        "/messages?sessionId=1",
        "/mcpx",
        "https://evil.example/mcp/x",
        "https://a.example@evil.example/mcp/x",
        "https://a.example",
        "https://a.example?/mcp/x",
        "HTTPS://evil.example/mcp/x",
        "//evil.example/mcp/x",
        "///evil.example/mcp",
        "/\\evil.example/mcp",
        "javascript:/mcp",
        "../mcp/x",
        "/mcp/../x",
        "/mcp/%2e%2e/x",
        "/mcp/x#y",
        "/mcp/x y",
        "/mcp/\u{e9}",
        "/mcp/x?access_token=1",
        "/mcp/x?%73essionId=1",
    ] {
        assert_eq!(place(elsewhere), None, "{elsewhere}");
    }
    let pinned = endpoint(Some(&keys), holder, &asked, "/mcp/x?a=b&session_id=1").unwrap();
    assert_eq!(pinned, format!("/mcp/x?a=b&session_id={}", keys.pin(holder, "1").unwrap()));
    for without in ["/mcp/x", "/mcp/x?a=b", "/mcp/x?sessionId=%31", "/mcp/x?sessionId=1&sessionId=2"] {
        assert_eq!(endpoint(Some(&keys), holder, &asked, without), None, "{without}");
    }
}

fn with_keys(keys: &Value) -> Exchange {
    let keys = keys.clone();
    exchange_with(|configuration| configuration["sessions"] = json!({ "keys": keys }))
}

fn pinning() -> Exchange {
    with_keys(&json!([{ "inline": KEY }]))
}

/// What the caller sees of a session that the server begins.
fn begun(mut exchange: Exchange) -> String {
    assert!(matches!(request_headers(&mut exchange, &[]), Step::Hold));
    assert!(matches!(request_end(&mut exchange, LIST), Step::Forward(_)));
    let answer = [STREAM, &[("mcp-session-id", ID)]].concat();
    let Step::EditResponse(edits) = response_headers(&mut exchange, &answer) else { panic!() };
    session_in(&edits).unwrap()
}

fn session_in(edits: &[HeaderEdit]) -> Option<String> {
    edits.iter().find_map(|edit| match edit {
        HeaderEdit::Set("mcp-session-id", value) => Some(value.clone()),
        HeaderEdit::Set(..) | HeaderEdit::Remove(_) => None,
    })
}

/// What the server sees of a session that the caller names.
fn forwarded(mut exchange: Exchange, others: &[(&str, &str)]) -> Vec<HeaderEdit> {
    let step = request_headers(&mut exchange, others);
    assert!(matches!(step, Step::Hold), "{step:?}");
    let Step::Forward(forward) = request_end(&mut exchange, LIST) else { panic!() };
    forward.edits().to_vec()
}

#[test]
fn the_server_sees_its_own_id_and_the_caller_a_pinned_one() {
    let pinned = begun(pinning());
    assert!(pinned.ends_with(&format!(".{ID}")) && pinned.len() == ID.len() + 44, "{pinned}");
    let edits = forwarded(pinning(), &[("mcp-session-id", &pinned)]);
    assert_eq!(session_in(&edits).as_deref(), Some(ID));
    assert_eq!(session_in(&forwarded(pinning(), &[])), None);

    let rotated = with_keys(&json!([{ "inline": OTHER_KEY }, { "inline": KEY }]));
    assert_eq!(session_in(&forwarded(rotated, &[("mcp-session-id", &pinned)])).as_deref(), Some(ID));

    let path = format!("/mcp/messages?a=1&sessionId={pinned}");
    let edits = forwarded(pinning(), &[(":path", &path)]);
    assert!(edits.contains(&HeaderEdit::Set(":path", format!("/mcp/messages?a=1&sessionId={ID}"))), "{edits:?}");
}

#[test]
fn a_session_that_is_not_the_caller_s_is_not_found() {
    let pinned = begun(pinning());
    let altered = pinned.replace(ID, "1868a90c");
    let path = |query: &str| (":path", format!("/mcp/messages?{query}"));
    let twice = path(&format!("sessionId={pinned}&sessionId={pinned}"));
    let cases = [
        vec![("mcp-session-id", ID.to_owned())],
        vec![("mcp-session-id", altered)],
        vec![("mcp-session-id", String::new())],
        vec![("mcp-session-id", pinned.clone()), ("mcp-session-id", pinned.clone())],
        vec![("mcp-session-id", format!("{pinned}, {pinned}"))],
        vec![path(&format!("sessionId={ID}"))],
        vec![path(&format!("sessionid={pinned}"))],
        vec![twice],
        // Of 2026-07-28, which has no sessions: the server may be of another opinion.
        vec![path(&format!("sessionId={ID}")), ("mcp-protocol-version", "2026-07-28".to_owned())],
    ];
    for case in cases {
        let case: Vec<(&str, &str)> = case.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let step = request_headers(&mut pinning(), &case);
        assert_eq!(codes(step), (404, -31_404), "{case:?}");
    }
    let other = with_keys(&json!([{ "inline": OTHER_KEY }]));
    let mut other = other;
    assert_eq!(codes(request_headers(&mut other, &[("mcp-session-id", &pinned)])), (404, -31_404));
}

#[test]
fn of_2026_07_28_no_session_goes_either_way() {
    for exchange in [pinning, || exchange_with(|_| {})] {
        let mut exchange = exchange();
        let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list"), ("mcp-session-id", ID)];
        assert!(matches!(request_headers(&mut exchange, &modern), Step::Hold));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }}});
        let Step::Forward(forward) = request_end(&mut exchange, &body.to_string()) else { panic!() };
        let removed = HeaderEdit::Remove(b"mcp-session-id".to_vec());
        assert!(forward.edits().contains(&removed), "{:?}", forward.edits());
        let answer = [STREAM, &[("mcp-session-id", ID)]].concat();
        let Step::EditResponse(edits) = response_headers(&mut exchange, &answer) else { panic!() };
        assert!(edits.contains(&removed), "{edits:?}");
    }
}

#[test]
fn an_answer_whose_session_can_not_be_pinned_is_refused() {
    for odd in [vec!["a b"], vec![""], vec![ID, ID], vec!["\u{e9}"]] {
        let mut exchange = pinning();
        request_headers(&mut exchange, &[]);
        request_end(&mut exchange, LIST);
        let ids: Vec<(&str, &str)> = odd.iter().map(|id| ("mcp-session-id", *id)).collect();
        assert_eq!(codes(response_headers(&mut exchange, &[JSON, &ids].concat())), (502, -31_502), "{odd:?}");
    }
}

#[test]
fn a_held_answer_gets_its_pinned_session_when_it_goes_on() {
    let list = |name: &str| json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{ "name": name }]}}).to_string();
    for name in ["seen", "hidden"] {
        let mut exchange = pinning();
        request_headers(&mut exchange, &[]);
        request_end(&mut exchange, LIST);
        let answer = [JSON, &[("mcp-session-id", ID)]].concat();
        assert!(matches!(response_headers(&mut exchange, &answer), Step::Hold));
        let edits = match exchange.on(&Event::ResponseEnd { body: list(name).as_bytes() }) {
            Step::EditResponse(edits) if name == "seen" => edits,
            Step::ReplaceBody { edits, .. } if name == "hidden" => edits,
            other => panic!("{name}: {other:?}"),
        };
        assert!(session_in(&edits).is_some_and(|id| id.ends_with(ID)), "{edits:?}");
    }
}

/// Listens to the server, as clients of 2024-11-05 do.
fn listening(mut exchange: Exchange) -> Exchange {
    let pairs = headers(&[(":method", "GET"), (":path", "/mcp/sse")]);
    let connection: Connection<'_> = peer();
    let step = exchange.on(&Event::RequestHeaders {
        headers: &pairs,
        connection: &connection,
        end_of_stream: true,
        moment: moment(),
    });
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    assert!(matches!(response_headers(&mut exchange, STREAM), Step::EditResponse(_)));
    exchange
}

#[test]
fn a_listener_is_told_where_to_send_with_its_pinned_session() {
    let piece = format!("event: endpoint\ndata: /mcp/messages?sessionId={ID}\n\n");
    let step = listening(pinning()).on(&Event::ResponsePiece { piece: piece.as_bytes(), end_of_stream: false });
    let Step::ReplaceBody { body, .. } = step else { panic!("{step:?}") };
    let body = String::from_utf8(body).unwrap();
    let place = body.strip_prefix("event: endpoint\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    let edits = forwarded(pinning(), &[(":path", place)]);
    assert!(edits.contains(&HeaderEdit::Set(":path", format!("/mcp/messages?sessionId={ID}"))), "{edits:?}");

    let elsewhere = b"event: endpoint\ndata: https://evil.example/mcp/messages?sessionId=1\n\n";
    let step = listening(pinning()).on(&Event::ResponsePiece { piece: elsewhere, end_of_stream: false });
    assert!(matches!(step, Step::Reset), "{step:?}");
    let unpinned = exchange_with(|_| {});
    let step = listening(unpinned).on(&Event::ResponsePiece { piece: piece.as_bytes(), end_of_stream: false });
    assert!(matches!(step, Step::Continue), "{step:?}");
}
