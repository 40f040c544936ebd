//! Answers of servers of older revisions: what they ask for, and what comes elsewhere.

use serde_json::{Value, json};

use crate::event::Event;
use crate::plugin::{BodyWanted, Stream as _};
use crate::step::Step;
use crate::testing::{
    Exchange, JSON, LIST, STREAM, call, codes, exchange_with, request_end, request_headers, response_headers,
};

const ASKS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#;

fn forwarded(server_requests: &Value, body: &str) -> Exchange {
    let server_requests = server_requests.clone();
    let mut exchange = exchange_with(|configuration| configuration["servers"][0]["server_requests"] = server_requests);
    request_headers(&mut exchange, &[]);
    assert!(matches!(request_end(&mut exchange, body), Step::Forward(_)));
    exchange
}

#[test]
fn a_server_asks_for_what_the_operator_says() {
    let event = format!("data: {ASKS}\n\n");
    for (server_requests, passes) in [
        (json!("allow"), true),
        (json!("refuse"), false),
        (json!(["sampling/createMessage"]), true),
        (json!(["roots/list", "ping"]), false),
    ] {
        let mut exchange = forwarded(&server_requests, &call("seen"));
        assert!(matches!(response_headers(&mut exchange, STREAM), Step::EditResponse(_)));
        let step = exchange.on(&Event::ResponsePiece { piece: event.as_bytes(), end_of_stream: false });
        assert_eq!(matches!(step, Step::Continue), passes, "{server_requests}: {step:?}");
        assert_eq!(matches!(step, Step::Reset), !passes, "{server_requests}: {step:?}");
    }
}

#[test]
fn a_request_in_plain_json_is_one_too() {
    let mut exchange = forwarded(&json!(["ping"]), &call("seen"));
    assert!(matches!(response_headers(&mut exchange, JSON), Step::Hold));
    assert_eq!(codes(exchange.on(&Event::ResponseEnd { body: ASKS.as_bytes() })), (502, -31_502));

    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}).to_string();
    let mut exchange = forwarded(&json!(["ping"]), &call("seen"));
    assert!(matches!(response_headers(&mut exchange, JSON), Step::Hold));
    assert!(matches!(exchange.on(&Event::ResponseEnd { body: answer.as_bytes() }), Step::Continue));

    let mut exchange = forwarded(&json!("refuse"), &call("seen"));
    let failure = [(":status", "400"), ("content-type", "application/json")];
    assert!(matches!(response_headers(&mut exchange, &failure), Step::Continue), "no client takes that for a request");
    let mut exchange = forwarded(&json!("allow"), &call("seen"));
    assert!(matches!(response_headers(&mut exchange, JSON), Step::Continue), "nothing is looked for");
}

#[test]
fn an_answer_that_comes_elsewhere_says_nothing_here() {
    let mut exchange = forwarded(&json!("allow"), LIST);
    let accepted = [(":status", "202"), ("content-type", "text/plain"), ("content-length", "8")];
    let Step::EditResponse(edits) = response_headers(&mut exchange, &accepted) else { panic!() };
    assert!(format!("{edits:?}").contains(&format!("{:?}", b"content-length")), "{edits:?}");
    for end_of_stream in [false, true] {
        assert_eq!(exchange.body_wanted(), BodyWanted::Pieces);
        let step = exchange.on(&Event::ResponsePiece { piece: b"Accepted", end_of_stream });
        assert!(matches!(&step, Step::ReplaceBody { body, .. } if body.is_empty()), "{step:?}");
    }
    assert_eq!(exchange.body_wanted(), BodyWanted::Nothing);
}
