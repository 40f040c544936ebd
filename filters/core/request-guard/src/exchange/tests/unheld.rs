//! Where the host can't hold headers: what goes on with them, and that nothing else goes on unjudged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{ANSWER, state_of, step_name};
use crate::audit::Outcome;
use crate::event::Event;
use crate::plugin::{BodyWanted, Stream as _};
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    ALICE, Exchange, JSON, LIST, STREAM, call, codes, exchange_with, headers, moment, peer, reply, request_end,
    request_headers, response_headers,
};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

pub(super) fn exchange() -> Exchange {
    exchange_with(|configuration| configuration["hold_headers"] = false.into())
}

/// Headers of a 2026-07-28 call of a tool.
fn of_tool(name: &str) -> [(&str, &str); 3] {
    [MODERN, ("mcp-method", "tools/call"), ("mcp-name", name)]
}

/// The body that belongs to them.
fn modern_call(tool: &str, arguments: &Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

#[track_caller]
fn released(step: &Step) -> &[HeaderEdit] {
    match step {
        Step::EditRequest(edits) => edits,
        other => panic!("{other:?}"),
    }
}

/// The claims of the token that goes on.
#[track_caller]
fn claims(step: &Step) -> Value {
    let edits = released(step);
    let Some(HeaderEdit::Set("authorization", value)) = edits.last() else { panic!("no token: {edits:?}") };
    let text = value.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The step after headers, with or without a body to come.
fn ask(exchange: &mut Exchange, others: &[(&str, &str)], end_of_stream: bool) -> Step {
    let (headers, connection) = (headers(others), peer());
    exchange.on(&Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream, moment: moment() })
}

#[test]
fn the_callers_token_never_goes_on() {
    for others in [&[][..], &of_tool("scoped")] {
        let ours = [others, &[("x-meshwarden-principal", "root"), ("accept-encoding", "gzip")]].concat();
        let step = request_headers(&mut exchange(), &ours);
        let edits = released(&step);
        for name in ["authorization", "x-meshwarden-principal", "accept-encoding"] {
            assert!(edits.contains(&HeaderEdit::Remove(name.as_bytes().to_vec())), "{name}: {edits:?}");
        }
        assert!(!format!("{edits:?}").contains(ALICE));
        // First off, then on: the other way round nothing would be left.
        assert_eq!(edits.iter().filter(|edit| matches!(edit, HeaderEdit::Set(..))).count(), 1);
        assert!(matches!(edits.last(), Some(HeaderEdit::Set("authorization", _))));
    }
}

#[test]
fn the_token_is_for_the_tool_where_headers_name_it_and_else_for_the_server() {
    let of_call = claims(&request_headers(&mut exchange(), &of_tool("scoped")));
    assert_eq!(of_call["scope"], "hr.read");
    assert_eq!(of_call["tctx"], json!({"protocol": "mcp", "server": "hr", "method": "tools/call", "tool": "scoped"}));
    let of_list = claims(&request_headers(&mut exchange(), &[MODERN, ("mcp-method", "tools/list")]));
    assert_eq!(of_list["tctx"], json!({"protocol": "mcp", "server": "hr", "method": "tools/list"}));
    let legacy = claims(&request_headers(&mut exchange(), &[("mcp-protocol-version", "2025-11-25")]));
    assert_eq!(legacy["tctx"], json!({"protocol": "mcp", "server": "hr"}));
    for claims in [of_call, of_list, legacy] {
        assert_eq!(claims["aud"], "https://hr.mcp.acme.example/mcp");
        assert_eq!(claims["act"]["sub"], "spiffe://acme.example/agent/assistant");
    }
}

#[test]
fn what_no_arguments_could_help_never_goes_on() {
    let mut exchange = exchange();
    assert_eq!(codes(request_headers(&mut exchange, &of_tool("unseen"))), (403, -31_403));
    let line: Value = serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap();
    assert_eq!(
        (&line["decision"], &line["action"], &line["resource"], &line["minted"]),
        (&json!("deny"), &json!("tools/call"), &json!("Tool::\"hr/unseen\""), &Value::Null)
    );
    assert!(matches!(request_end(&mut exchange, &modern_call("unseen", &json!({}))), Step::Hold));

    // What more scope would help is told at once, too.
    let refused = reply(request_headers(&mut self::exchange(), &of_tool("write")));
    assert_eq!(refused.status, 403);
    assert!(
        refused.headers.iter().any(|(_, value)| value.contains("insufficient_scope") && value.contains("hr.write"))
    );
}

#[test]
fn what_headers_alone_make_wrong_never_goes_on() {
    for (others, expected) in [
        (&[("mcp-protocol-version", "2099-01-01")][..], (400, -32_022)),
        (&[MODERN, ("mcp-method", "tools/call")], (400, -32_020)),
        (&[MODERN, ("mcp-method", "tools/list"), ("mcp-name", "x")], (400, -32_020)),
        (&[MODERN, ("mcp-method", "initialize")], (400, -32_020)),
        (&[MODERN, ("mcp-method", "tools/delete")], (404, -32_601)),
        (&[("content-length", "2001")], (413, -31_413)),
        (&[("content-type", "text/plain")], (415, -31_415)),
    ] {
        let mut exchange = exchange();
        assert_eq!(codes(request_headers(&mut exchange, others)), expected, "{others:?}");
        assert_eq!(state_of(&exchange), "done");
    }
}

#[test]
fn a_body_goes_on_only_when_it_is_allowed_and_is_what_the_headers_said() {
    let legacy = [("mcp-protocol-version", "2025-11-25")];
    let cases: [(Pairs<'_>, String, (u16, i64)); 6] = [
        (&legacy, call("unseen"), (403, -31_403)),
        (&legacy, String::new(), (400, -32_700)),
        (&of_tool("scoped"), modern_call("unseen", &json!({})), (400, -32_020)),
        (&of_tool("scoped"), call("scoped"), (400, -32_602)),
        (&[MODERN, ("mcp-method", "tools/list")], modern_call("seen", &json!({})), (400, -32_020)),
        (&[("mcp-method", "tools/list")], call("seen"), (400, -32_020)),
    ];
    for (others, body, expected) in cases {
        let mut exchange = exchange();
        let minted = claims(&request_headers(&mut exchange, others));
        assert!(matches!(exchange.on(&Event::RequestBody { size: 10 }), Step::Hold));
        assert_eq!(codes(request_end(&mut exchange, &body)), expected, "{others:?} {body}");
        assert_eq!(state_of(&exchange), "done");
        assert!(matches!(exchange.on(&Event::RequestBody { size: 20 }), Step::Hold), "{body}");
        // The token is out: whoever reads the line of the refusal must see that.
        let line: Value = serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap();
        assert_eq!(line["minted"]["jti"], minted["jti"], "{line}");
    }
    let mut large = exchange();
    request_headers(&mut large, &[]);
    assert_eq!(codes(large.on(&Event::RequestBody { size: 2_001 })), (413, -31_413));
    assert!(matches!(large.on(&Event::RequestEnd { body: b"", moment: moment() }), Step::Hold));
    let mut at_once = exchange();
    request_headers(&mut at_once, &[]);
    assert_eq!(codes(request_end(&mut at_once, &"x".repeat(2_001))), (413, -31_413));
}

#[test]
fn an_allowed_body_goes_on_as_it_is_and_the_line_names_the_token() {
    let mut exchange = exchange();
    let minted = claims(&request_headers(&mut exchange, &of_tool("scoped")));
    let Step::Forward(forward) = request_end(&mut exchange, &modern_call("scoped", &json!({}))) else {
        panic!("not forwarded")
    };
    assert_eq!(forward.edits(), [], "the headers have gone on");
    let record = exchange.take_record().unwrap();
    assert_eq!(record.outcome(), Outcome::Allow);
    let line: Value = serde_json::from_str(&record.line(0)).unwrap();
    assert_eq!((&line["minted"]["jti"], &line["minted"]["scope"]), (&minted["jti"], &json!("hr.read")));
}

#[test]
fn what_has_no_body_is_decided_at_once() {
    for verb in ["GET", "DELETE"] {
        assert!(matches!(ask(&mut exchange(), &[(":method", verb)], true), Step::Forward(_)), "{verb}");
        // A server may act on the headers alone, so that they are judged although a body is announced.
        let mut unfinished = exchange();
        let step = ask(&mut unfinished, &[(":method", verb)], false);
        assert_eq!(claims(&step)["tctx"]["method"], verb);
        assert_eq!(codes(request_end(&mut unfinished, "{}")), (400, -32_600));
        let mut nobody = exchange_with(|configuration| {
            configuration["hold_headers"] = false.into();
            let other =
                r#"@id("seen") permit (principal, action == Action::"tools/call", resource == Tool::"hr/seen");"#;
            configuration["policy"]["cedar"] = other.into();
        });
        assert_eq!(codes(ask(&mut nobody, &[(":method", verb)], false)), (403, -31_403), "{verb}");
    }
    assert_eq!(codes(ask(&mut exchange(), &[], true)), (400, -32_700));
}

#[test]
fn an_answer_to_a_body_that_has_not_gone_on_is_not_shown() {
    for success in ["101", "200", "202", "204", "299", ""] {
        let mut exchange = exchange();
        request_headers(&mut exchange, &[]);
        let early = [(":status", success), ("content-type", "application/json")];
        assert_eq!(codes(response_headers(&mut exchange, &early)), (502, -31_502), "{success}");
        for event in [Event::RequestBody { size: 1 }, Event::ResponseBody { size: 1 }] {
            assert!(matches!(exchange.on(&event), Step::Hold), "{event:?}");
        }
        assert!(matches!(request_end(&mut exchange, &call("seen")), Step::Hold));
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Error);
    }
    // A failure says what went wrong, and the body is never sent after it.
    let mut exchange = exchange();
    request_headers(&mut exchange, &[]);
    assert!(matches!(response_headers(&mut exchange, &[(":status", "401")]), Step::Continue));
    assert!(matches!(request_end(&mut exchange, &call("seen")), Step::Hold));
}

/// As far as the answer, and then the event: without held headers the body is rewritten under headers that have gone.
#[test]
fn answers_are_filtered_or_cut() {
    let answered = |others: &[(&str, &str)]| {
        let mut exchange = exchange();
        request_headers(&mut exchange, &[]);
        assert!(matches!(request_end(&mut exchange, LIST), Step::Forward(_)));
        let step = response_headers(&mut exchange, others);
        (exchange, step)
    };
    let (mut whole, step) = answered(JSON);
    let Step::EditResponse(edits) = step else { panic!("{step:?}") };
    assert!(edits.contains(&HeaderEdit::Remove(b"content-length".to_vec())), "{edits:?}");
    assert!(matches!(whole.on(&Event::ResponseBody { size: 10 }), Step::Hold));
    let Step::ReplaceBody { body, edits } = whole.on(&Event::ResponseEnd { body: ANSWER.as_bytes() }) else { panic!() };
    assert_eq!(edits, []);
    assert!(!String::from_utf8(body).unwrap().contains("unseen"));

    for odd in [&b""[..], b"[]", br#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"unseen"}]}}"#] {
        let (mut exchange, _) = answered(JSON);
        assert!(matches!(exchange.on(&Event::ResponseEnd { body: odd }), Step::Reset));
        assert_eq!((state_of(&exchange), exchange.body_wanted()), ("cut", BodyWanted::Whole));
    }
    let (mut large, _) = answered(JSON);
    assert_eq!(step_name(&large.on(&Event::ResponseBody { size: 2_001 })), "reset");
    let (mut stream, step) = answered(STREAM);
    assert_eq!(step_name(&step), "edit");
    let event = format!("data: {ANSWER}\n\n");
    let Step::ReplaceBody { body, .. } =
        stream.on(&Event::ResponsePiece { piece: event.as_bytes(), end_of_stream: false })
    else {
        panic!()
    };
    assert!(!String::from_utf8(body).unwrap().contains("unseen"));
    // What the headers say already is answered, not cut.
    let (_, step) = answered(&[(":status", "200"), ("content-type", "text/html")]);
    assert_eq!(codes(step), (502, -31_502));
}
