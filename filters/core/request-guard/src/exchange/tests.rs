//! Every event in every state, and what goes on when.

mod batches;
mod exchanged;
mod extensions;
mod headers;
mod hidden;
mod keys;
mod svids;
mod unheld;

use serde_json::{Value, json};

use super::State;
use crate::answer::Answer as _;
use crate::audit::{Count, Outcome};
use crate::event::{Connection, Event};
use crate::plugin::{BodyWanted, Stream as _};
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, JSON, LIST, STREAM, call, codes, exchange, exchange_with, headers, moment, peer, reply, request_end,
    request_headers, response_headers,
};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"seen"},{"name":"unseen"}]}}"#;
const STATES: [&str; 8] = ["fresh", "awaiting body", "forwarded", "whole", "stream", "done", "cut", "released"];

fn at(state: &str) -> Exchange {
    let mut exchange = exchange();
    if state == "fresh" {
        return exchange;
    }
    if state == "released" {
        let mut exchange = unheld::exchange();
        assert!(matches!(request_headers(&mut exchange, &[]), Step::EditRequest(_)));
        return exchange;
    }
    assert!(matches!(request_headers(&mut exchange, &[]), Step::Hold));
    if state == "awaiting body" {
        return exchange;
    }
    if state == "done" {
        assert_eq!(codes(request_end(&mut exchange, "")), (400, -32_700));
        return exchange;
    }
    assert!(matches!(request_end(&mut exchange, LIST), Step::Forward(_)));
    match state {
        "forwarded" => {}
        "whole" => assert!(matches!(response_headers(&mut exchange, JSON), Step::Hold)),
        "stream" => assert!(matches!(response_headers(&mut exchange, STREAM), Step::EditResponse(_))),
        "cut" => {
            response_headers(&mut exchange, STREAM);
            let event = Event::ResponsePiece { piece: b"data: x\n\n", end_of_stream: false };
            assert!(matches!(exchange.on(&event), Step::Reset));
        }
        other => panic!("{other}"),
    }
    exchange
}

fn state_of(exchange: &Exchange) -> &'static str {
    match &exchange.state {
        State::Fresh => "fresh",
        State::AwaitingBody(_) => "awaiting body",
        State::Released(_) => "released",
        State::Answering { answer, .. } => match answer.body_wanted() {
            BodyWanted::Nothing => "forwarded",
            BodyWanted::Whole => "whole",
            BodyWanted::Pieces => "stream",
        },
        State::Passed { .. } => "passed",
        State::Done => "done",
        State::Cut => "cut",
    }
}

fn step_name(step: &Step) -> String {
    match step {
        Step::Continue => "continue".to_owned(),
        Step::Hold => "hold".to_owned(),
        Step::Wait(_) => "wait".to_owned(),
        Step::Forward(_) => "forward".to_owned(),
        Step::EditRequest(_) => "release".to_owned(),
        Step::HandOver(_) => "hand over".to_owned(),
        Step::Reply(reply) => format!("reply {}", reply.status),
        Step::EditResponse(_) => "edit".to_owned(),
        Step::ReplaceBody { .. } => "replace".to_owned(),
        Step::Reset => "reset".to_owned(),
    }
}

/// What each event leads to in each of [`STATES`]: step and next state.
#[test]
fn every_event_in_every_state_has_its_step() {
    let (headers, connection) = (headers(&[]), peer());
    let answer: Vec<_> =
        JSON.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    let end = false;
    let unexpected = ("reply 500", "done");
    // An answer has begun, and nothing more of it goes on.
    let ended = ("reply 500", "cut");
    let events: [(Event<'_>, [(&str, &str); 8]); 7] = [
        (
            Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream: end, moment: moment() },
            [("hold", "awaiting body"), unexpected, unexpected, ended, ended, unexpected, ("hold", "cut"), unexpected],
        ),
        (
            Event::RequestBody { size: 10 },
            [
                unexpected,
                ("hold", "awaiting body"),
                unexpected,
                ended,
                ended,
                ("hold", "done"),
                ("hold", "cut"),
                ("hold", "released"),
            ],
        ),
        (
            Event::RequestEnd { body: LIST.as_bytes(), moment: moment() },
            [
                unexpected,
                ("forward", "forwarded"),
                unexpected,
                ended,
                ended,
                ("hold", "done"),
                ("hold", "cut"),
                ("forward", "forwarded"),
            ],
        ),
        (
            Event::ResponseHeaders { headers: &answer, end_of_stream: end },
            [
                ("continue", "done"),
                ("continue", "done"),
                ("hold", "whole"),
                ended,
                ended,
                ("continue", "done"),
                ("hold", "cut"),
                ("reply 502", "cut"),
            ],
        ),
        (
            Event::ResponseBody { size: 10 },
            [
                ("continue", "done"),
                ("continue", "done"),
                ended,
                ("hold", "whole"),
                ended,
                ("continue", "done"),
                ("hold", "cut"),
                ("continue", "done"),
            ],
        ),
        (
            Event::ResponsePiece { piece: b"data", end_of_stream: end },
            [
                ("continue", "done"),
                ("continue", "done"),
                ended,
                ended,
                ("replace", "stream"),
                ("continue", "done"),
                ("hold", "cut"),
                ("continue", "done"),
            ],
        ),
        (
            Event::ResponseEnd { body: ANSWER.as_bytes() },
            [
                ("continue", "done"),
                ("continue", "done"),
                ended,
                ("replace", "done"),
                ended,
                ("continue", "done"),
                ("hold", "cut"),
                ("continue", "done"),
            ],
        ),
    ];
    for (event, expected) in &events {
        for (state, (step, next)) in STATES.iter().zip(expected) {
            let mut exchange = at(state);
            let done = exchange.on(event);
            assert_eq!((step_name(&done).as_str(), state_of(&exchange)), (*step, *next), "{event:?} when {state}");
        }
    }
}

#[test]
fn an_allowed_call_goes_on_with_another_token() {
    let mut exchange = exchange();
    let ours = [("accept-encoding", "gzip"), ("X-Meshwarden-Principal", "root"), ("x-custom", "kept")];
    assert!(matches!(request_headers(&mut exchange, &ours), Step::Hold));
    let Step::Forward(forward) = request_end(&mut exchange, &call("scoped")) else { panic!("not forwarded") };
    let removed: Vec<&[u8]> = forward
        .edits()
        .iter()
        .filter_map(|edit| match edit {
            HeaderEdit::Remove(name) => Some(name.as_slice()),
            HeaderEdit::Set(..) => None,
        })
        .collect();
    assert_eq!(removed, [&b"authorization"[..], b"accept-encoding", b"X-Meshwarden-Principal"]);
    let Some(HeaderEdit::Set("authorization", value)) = forward.edits().last() else { panic!("no token") };
    assert!(value.starts_with("Bearer ey") && !value.contains(crate::testing::ALICE));
    let record: Value = serde_json::from_str(&exchange.take_record().unwrap().line(12)).unwrap();
    let (digest, jti) = (record["policy_digest"].clone(), record["minted"]["jti"].clone());
    assert_eq!(
        record,
        json!({
            "audit": "meshwarden.v1", "time": "2026-11-18T11:06:40.000Z", "request_id": "r-1", "decision": "allow",
            "server": "hr", "principal": "User::\"https://idp.acme.example#alice\"",
            "actor": "spiffe://acme.example/agent/assistant", "action": "tools/call", "resource": "Tool::\"hr/scoped\"",
            "policies": ["scoped"], "policy_digest": digest, "microseconds": 12,
            "arguments_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "minted": {"jti": jti, "scope": "hr.read", "ttl_seconds": 60},
        })
    );
    assert_eq!(exchange.take_counts(), [Count::TokenCacheMiss, Count::Decision(Outcome::Allow)]);
}

#[test]
fn a_denied_call_learns_nothing_but_that() {
    let mut exchange = exchange();
    request_headers(&mut exchange, &[]);
    let reply = reply(request_end(&mut exchange, &call("unseen")));
    assert_eq!(reply.status, 403);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let error = json!({"code": -31_403, "message": "denied by policy", "data": {"request_id": "r-1"}});
    assert_eq!(body, json!({"jsonrpc": "2.0", "id": 1, "error": error}));
    assert!(reply.headers.iter().all(|(name, _)| name != "www-authenticate"));
    assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Deny);
}

#[test]
fn more_scope_is_asked_for_only_where_it_would_help() {
    let mut exchange = exchange();
    request_headers(&mut exchange, &[]);
    let reply = reply(request_end(&mut exchange, &call("write")));
    let challenge = "Bearer resource_metadata=\"https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp\", \
                     error=\"insufficient_scope\", scope=\"hr.write\"";
    assert_eq!(reply.status, 403);
    assert!(reply.headers.contains(&("www-authenticate".to_owned(), challenge.to_owned())), "{:?}", reply.headers);
}

#[test]
fn a_hidden_tool_looks_unknown() {
    let mut exchange = exchange_with(|configuration| configuration["hide_denied"] = true.into());
    request_headers(&mut exchange, &[]);
    let reply = reply(request_end(&mut exchange, &call("unseen")));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let error = json!({"code": -32_602, "message": "Unknown tool: unseen"});
    assert_eq!((reply.status, body), (200, json!({"jsonrpc": "2.0", "id": 1, "error": error})));
}

#[test]
fn a_list_shows_what_the_caller_could_call() {
    let mut exchange = at("whole");
    let Step::ReplaceBody { body, edits } = exchange.on(&Event::ResponseEnd { body: ANSWER.as_bytes() }) else {
        panic!("not rewritten")
    };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["result"]["tools"], json!([{"name": "seen"}]));
    assert!(edits.contains(&HeaderEdit::Set("content-length", body.to_string().len().to_string())));
    assert_eq!(exchange.take_counts().last(), Some(&Count::ListItemsHidden(1)));
    let mut exchange = at("stream");
    let event = format!("data: {ANSWER}\n\n");
    let Step::ReplaceBody { body, .. } =
        exchange.on(&Event::ResponsePiece { piece: event.as_bytes(), end_of_stream: true })
    else {
        panic!("not rewritten")
    };
    assert!(!String::from_utf8(body).unwrap().contains("unseen"));
}

#[test]
fn an_answer_that_can_not_be_filtered_is_not_shown() {
    for odd in ["", "[]", "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"tools\":[]}}"] {
        let mut exchange = at("whole");
        assert_eq!(codes(exchange.on(&Event::ResponseEnd { body: odd.as_bytes() })), (502, -31_502));
        assert_eq!(exchange.body_wanted(), BodyWanted::Whole);
        assert!(matches!(exchange.on(&Event::ResponseBody { size: 1 }), Step::Hold));
    }
    let encoded = [JSON[0], JSON[1], ("content-encoding", "gzip")];
    let html = [JSON[0], ("content-type", "text/html")];
    let twice = [JSON[0], JSON[1], ("content-type", "text/html")];
    let nothing = [JSON[0]];
    let joined = [JSON[0], ("content-type", "application/json, text/html")];
    for odd in [&encoded[..], &html, &twice, &joined, &nothing] {
        assert_eq!(codes(response_headers(&mut at("forwarded"), odd)), (502, -31_502), "{odd:?}");
    }
    assert_eq!(codes(at("whole").on(&Event::ResponseBody { size: 2_001 })), (502, -31_502));
}

#[test]
fn answers_that_list_nothing_pass_untouched() {
    let forwarded = || {
        let mut exchange = exchange();
        request_headers(&mut exchange, &[]);
        assert!(matches!(request_end(&mut exchange, &call("seen")), Step::Forward(_)));
        exchange
    };
    for headers in [JSON, &[(":status", "200"), ("content-type", "image/png")], &[(":status", "202")]] {
        let mut exchange = forwarded();
        assert!(matches!(response_headers(&mut exchange, headers), Step::Continue));
        assert_eq!(exchange.body_wanted(), BodyWanted::Nothing);
    }
    let failed = [(":status", "503"), ("content-type", "text/plain")];
    assert!(matches!(response_headers(&mut at("forwarded"), &failed), Step::Continue));
    assert!(matches!(response_headers(&mut forwarded(), STREAM), Step::EditResponse(_)));
}

#[test]
fn a_request_without_a_body_is_decided_by_its_headers() {
    let ask = |method: &str| {
        let mut exchange = exchange();
        let (headers, connection) = (headers(&[(":method", method)]), peer());
        exchange.on(&Event::RequestHeaders {
            headers: &headers,
            connection: &connection,
            end_of_stream: true,
            moment: moment(),
        })
    };
    assert!(matches!(ask("GET"), Step::Forward(_)));
    assert!(matches!(ask("DELETE"), Step::Forward(_)));
    assert_eq!(codes(ask("POST")), (400, -32_700));
    assert_eq!(codes(ask("PUT")), (405, -31_405));
}

#[test]
fn public_documents_need_no_credentials() {
    let ask = |method: &str, path: &str| {
        let mut exchange = exchange();
        let headers: Vec<_> = [(":method", method), (":path", path), (":authority", "hr.mcp.acme.example")]
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .to_vec();
        exchange.on(&Event::RequestHeaders {
            headers: &headers,
            connection: &Connection::default(),
            end_of_stream: true,
            moment: moment(),
        })
    };
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let document: Value = serde_json::from_slice(&reply(ask("GET", path)).body).unwrap();
        assert_eq!(document["resource"], "https://hr.mcp.acme.example/mcp");
        assert_eq!(document["authorization_servers"], json!(["https://idp.acme.example"]));
    }
    let keys: Value = serde_json::from_slice(&reply(ask("GET", "/.well-known/meshwarden/jwks.json")).body).unwrap();
    assert_eq!(keys["keys"][0]["kid"], "2026-11");
    assert_eq!(codes(ask("POST", "/.well-known/oauth-protected-resource")), (403, -31_403));
}
