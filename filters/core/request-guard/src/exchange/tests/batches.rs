//! Batches, where the operator allows them: each message is judged, and all go on or none does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::audit::{Count, Outcome};
use crate::event::Event;
use crate::facts::hex;
use crate::plugin::Stream as _;
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, JSON, STREAM, codes, exchange, exchange_with, reply, request_end, request_headers, response_headers,
};

fn allowing(change: impl FnOnce(&mut Value)) -> Exchange {
    exchange_with(|configuration| {
        configuration["batches"] = "authorize_each".into();
        change(configuration);
    })
}

fn call(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})
}

fn list(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
}

fn ask(exchange: &mut Exchange, body: &Value) -> Step {
    request_headers(exchange, &[]);
    request_end(exchange, &body.to_string())
}

fn record(exchange: &mut Exchange) -> Value {
    serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap()
}

#[test]
fn a_batch_goes_on_with_one_token_for_all_of_it() {
    let mut exchange = allowing(|_| {});
    let body = json!([call(1, "scoped"), call(2, "scoped")]);
    let Step::Forward(forward) = ask(&mut exchange, &body) else { panic!("not forwarded") };
    let Some(HeaderEdit::Set("authorization", value)) = forward.edits().last() else { panic!("no token") };
    let claims = URL_SAFE_NO_PAD.decode(value.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let canonical = r#"[{"id":1,"jsonrpc":"2.0","method":"tools/call","params":{"name":"scoped"}},{"id":2,"jsonrpc":"2.0","method":"tools/call","params":{"name":"scoped"}}]"#;
    let hash = hex(&Sha256::digest(canonical));
    let context = json!({"protocol": "mcp", "server": "hr", "method": "batch", "arguments_sha256": hash});
    assert_eq!((&claims["scope"], &claims["tctx"]), (&json!("hr.read"), &context));
    let record = record(&mut exchange);
    let one = json!({"action": "tools/call", "resource": "Tool::\"hr/scoped\""});
    assert_eq!(
        (&record["decision"], &record["action"], &record["resource"]),
        (&json!("allow"), &json!("batch"), &Value::Null)
    );
    assert_eq!((&record["batch"], &record["policies"]), (&json!([one, one]), &json!(["scoped"])));
    assert_eq!(record["arguments_sha256"], hash);
    let allowed = Count::Decision(Outcome::Allow);
    assert_eq!(exchange.take_counts(), [Count::TokenCacheMiss, allowed, allowed]);
}

#[test]
fn one_denied_message_refuses_all() {
    for hidden in [false, true] {
        for at in 0..3 {
            let mut exchange = allowing(|configuration| configuration["hide_denied"] = hidden.into());
            let mut all = [call(1, "seen"), list(2), call(3, "seen")];
            all[at] = call(9, "unseen");
            let reply = reply(ask(&mut exchange, &json!(all)));
            let error = json!({"code": -31_403, "message": "denied by policy", "data": {"request_id": "r-1"}});
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!((reply.status, body), (403, json!({"jsonrpc": "2.0", "error": error})));
            let record = record(&mut exchange);
            assert_eq!(record["errors"], json!([format!("message {}: no policy permits it", at + 1)]));
            assert_eq!((&record["decision"], record["batch"].as_array().unwrap().len()), (&json!("deny"), 3));
            let denied = Count::Decision(Outcome::Deny);
            assert_eq!(exchange.take_counts()[1..], [denied, denied, denied]);
        }
    }
}

#[test]
fn a_batch_asks_for_more_scope_where_that_would_help() {
    let refused = reply(ask(&mut allowing(|_| {}), &json!([call(1, "seen"), call(2, "write")])));
    let challenges =
        |headers: &[(String, String)]| headers.iter().any(|(_, value)| value.contains("scope=\"hr.write\""));
    assert!(refused.status == 403 && challenges(&refused.headers), "{:?}", refused.headers);
    let refused = reply(ask(&mut allowing(|_| {}), &json!([call(1, "unseen"), call(2, "write")])));
    assert!(refused.status == 403 && !challenges(&refused.headers), "{:?}", refused.headers);
}

#[test]
fn batches_are_refused_unless_they_are_allowed_and_then_where_the_revision_has_none() {
    let body = json!([call(1, "seen")]);
    assert_eq!(codes(ask(&mut exchange(), &body)), (400, -32_600));
    for version in ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let mut exchange = allowing(|_| {});
        request_headers(&mut exchange, &[("mcp-protocol-version", version)]);
        assert_eq!(codes(request_end(&mut exchange, &body.to_string())), (400, -32_600), "{version}");
    }
    for odd in [json!([]), json!([call(1, "seen"), call(1, "seen")]), json!([[call(1, "seen")]])] {
        assert_eq!(codes(ask(&mut allowing(|_| {}), &odd)), (400, -32_600), "{odd}");
    }
    assert_eq!(
        codes(ask(&mut allowing(|_| {}), &json!([call(1, "seen"), {"jsonrpc": "2.0", "id": 2, "method": "x"}]))),
        (403, -32_601)
    );
}

#[test]
fn without_held_headers_a_batch_is_judged_before_its_body_goes_on() {
    let unheld = || allowing(|configuration| configuration["hold_headers"] = false.into());
    let end = |exchange: &mut Exchange, body: &Value| {
        assert!(matches!(request_headers(exchange, &[]), Step::EditRequest(_)));
        request_end(exchange, &body.to_string())
    };
    let Step::Forward(forward) = end(&mut unheld(), &json!([call(1, "seen"), list(2)])) else {
        panic!("not forwarded")
    };
    assert_eq!(forward.edits(), []);
    assert_eq!(codes(end(&mut unheld(), &json!([call(1, "seen"), call(2, "unseen")]))), (403, -31_403));
}

#[test]
fn each_answer_belongs_to_a_request_and_lists_are_filtered() {
    let asked = || {
        let mut exchange = allowing(|_| {});
        assert!(matches!(ask(&mut exchange, &json!([call(1, "seen"), list(2)])), Step::Forward(_)));
        exchange
    };
    let called = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}});
    let listed =
        |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [{"name": "seen"}, {"name": "unseen"}]}});
    let shown = json!({"jsonrpc": "2.0", "id": 2, "result": {"tools": [{"name": "seen"}]}});

    let mut exchange = asked();
    assert!(matches!(response_headers(&mut exchange, JSON), Step::Hold));
    let answer = json!([listed(2), called]).to_string();
    let Step::ReplaceBody { body, .. } = exchange.on(&Event::ResponseEnd { body: answer.as_bytes() }) else {
        panic!("not rewritten")
    };
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!([shown, called]));
    assert_eq!(exchange.take_counts().last(), Some(&Count::ListItemsHidden(1)));

    let mut exchange = asked();
    response_headers(&mut exchange, JSON);
    let odd = json!([called, listed(3)]).to_string();
    assert_eq!(codes(exchange.on(&Event::ResponseEnd { body: odd.as_bytes() })), (502, -31_502));

    for (event, good) in
        [(json!([listed(2), called]), true), (json!([listed(2), listed(2)]), false), (listed(3), false)]
    {
        let mut exchange = asked();
        assert!(matches!(response_headers(&mut exchange, STREAM), Step::EditResponse(_)));
        let piece = format!("data: {event}\n\n");
        match exchange.on(&Event::ResponsePiece { piece: piece.as_bytes(), end_of_stream: true }) {
            Step::ReplaceBody { body, .. } => {
                assert!(good, "{event}");
                assert_eq!(String::from_utf8(body).unwrap(), format!("data: {}\n\n", json!([shown, called])));
            }
            step => assert!(!good && matches!(step, Step::Reset), "{event}: {step:?}"),
        }
    }
}
