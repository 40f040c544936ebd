//! Headers of 2026-07-28 that mirror arguments, headers of sessions, and the origins of web pages.

use serde_json::{Value, json};

use crate::event::{Connection, Event};
use crate::plugin::Stream as _;
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, call, codes, exchange, exchange_with, headers, moment, peer, reply, request_end, request_headers,
};

const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

/// Of a 2026-07-28 call of `seen`.
const OF_SEEN: [(&str, &str); 3] = [MODERN, ("mcp-method", "tools/call"), ("mcp-name", "seen")];

fn modern_call(arguments: &Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "seen", "arguments": arguments, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

fn ask(exchange: &mut Exchange, others: &[(&str, &str)], body: &str) -> Step {
    request_headers(exchange, others);
    request_end(exchange, body)
}

fn removed(step: Step) -> Vec<String> {
    let Step::Forward(forward) = step else { panic!("{step:?}") };
    let names = forward.edits().iter().filter_map(|edit| match edit {
        HeaderEdit::Remove(name) => Some(String::from_utf8_lossy(name).into_owned()),
        HeaderEdit::Set(..) => None,
    });
    names.collect()
}

#[test]
fn a_modern_request_goes_on_without_a_session() {
    let session = [("mcp-session-id", "s"), ("Last-Event-ID", "7"), ("mcp-param-any", "kept")];
    let modern = removed(ask(&mut exchange(), &[&OF_SEEN[..], &session].concat(), &modern_call(&json!({}))));
    assert_eq!(modern, ["authorization", "mcp-session-id", "Last-Event-ID"]);
    assert_eq!(removed(ask(&mut exchange(), &session, &call("seen"))), ["authorization"]);
    let mut unheld = exchange_with(|configuration| configuration["hold_headers"] = false.into());
    let Step::EditRequest(edits) = request_headers(&mut unheld, &[&OF_SEEN[..], &session].concat()) else {
        panic!("not released")
    };
    assert!(edits.contains(&HeaderEdit::Remove(b"mcp-session-id".to_vec())), "{edits:?}");
}

#[test]
fn a_modern_server_has_one_verb() {
    for (verb, others, expected, allow) in [
        ("GET", &[MODERN][..], (405, -31_405), "POST"),
        ("DELETE", &[MODERN], (405, -31_405), "POST"),
        ("PUT", &[], (405, -31_405), "POST, GET, DELETE"),
    ] {
        let (headers, connection) = (headers(&[others, &[(":method", verb)]].concat()), peer());
        let event =
            Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream: true, moment: moment() };
        for hold in [true, false] {
            let step = exchange_with(|configuration| configuration["hold_headers"] = hold.into()).on(&event);
            let reply = reply(step);
            assert!(reply.headers.contains(&("allow".to_owned(), allow.to_owned())), "{verb}: {:?}", reply.headers);
            assert_eq!(codes(Step::Reply(reply)), expected, "{verb}");
        }
    }
}

#[test]
fn headers_mirror_the_arguments_that_the_operator_names() {
    let mirrored = |tools: Value| exchange_with(|configuration| configuration["servers"][0]["tools"] = tools);
    let seen = || mirrored(json!({"seen": {"param_headers": {"Region": "/region"}}}));
    let with = |value| [&OF_SEEN[..], &[("Mcp-Param-Region", value)]].concat();
    let here = modern_call(&json!({"region": "here"}));
    assert_eq!(removed(ask(&mut seen(), &with("here"), &here)), ["authorization"]);
    for (others, body) in [
        (with("there"), &here),
        (OF_SEEN.to_vec(), &here),
        ([&with("here")[..], &[("mcp-param-region", "here")]].concat(), &here),
        (with("=?base64?aGVyZ?="), &here),
        (with("here"), &modern_call(&json!({}))),
        (with("here"), &modern_call(&json!({"region": null}))),
    ] {
        let reply = reply(ask(&mut seen(), &others, body));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &body["error"]["code"], &body["id"]),
            (400, &json!(-32_020), &json!(1)),
            "{others:?}"
        );
    }
    // Without held headers, the body that would contradict them does not go on.
    let unheld = |value| {
        let mut exchange = exchange_with(|configuration| {
            configuration["hold_headers"] = false.into();
            configuration["servers"][0]["tools"] = json!({"seen": {"param_headers": {"Region": "/region"}}});
        });
        assert!(matches!(request_headers(&mut exchange, &with(value)), Step::EditRequest(_)));
        request_end(&mut exchange, &here)
    };
    assert!(matches!(unheld("here"), Step::Forward(_)));
    assert_eq!(codes(unheld("there")), (400, -32_020));
    // The exact name wins, then the longest beginning.
    let region = |pointer: &str| json!({"param_headers": {"Region": pointer}});
    for (tools, good) in [
        (json!({"s*": region("/region")}), false),
        (json!({"s*": region("/region"), "seen": {}}), true),
        (json!({"s*": region("/region"), "se*": region("/other")}), true),
        (json!({"s*": region("/other"), "se*": region("/region")}), false),
        (json!({"other": region("/region")}), true),
    ] {
        let step =
            ask(&mut mirrored(tools.clone()), &with("there"), &modern_call(&json!({"region": "x", "other": "there"})));
        assert_eq!(matches!(step, Step::Forward(_)), good, "{tools}");
    }
}

#[test]
fn a_page_of_another_origin_is_refused_before_anything_else() {
    const APP: &str = "https://app.acme.example";
    let guarded = || exchange_with(|configuration| configuration["servers"][0]["allowed_origins"] = json!([APP]));
    for others in [&[("origin", APP)][..], &[]] {
        assert!(matches!(ask(&mut guarded(), others, &call("seen")), Step::Forward(_)), "{others:?}");
    }
    for others in
        [&[("origin", "https://evil.example")][..], &[("origin", "null")], &[("origin", APP), ("Origin", APP)]]
    {
        // Neither a token nor a body nor a peer is looked at.
        let (headers, connection) =
            (headers(&[others, &[("authorization", "x"), ("content-type", "x")]].concat()), Connection::default());
        let end_of_stream = false;
        let event =
            Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream, moment: moment() };
        let reply = reply(guarded().on(&event));
        let error = json!({"code": -31_403, "message": "origin not allowed", "data": {"request_id": "r-1"}});
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, body), (403, json!({"jsonrpc": "2.0", "error": error})), "{others:?}");
    }
    let evil = [("origin", "https://evil.example")];
    assert!(matches!(ask(&mut exchange(), &evil, &call("seen")), Step::Forward(_)), "nobody asked to look");
}
