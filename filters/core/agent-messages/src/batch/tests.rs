//! Batches: which are read, why others are refused, and which answers belong to them.

use serde_json::{Value, json};

use super::{BatchProblem, Batches, MAX_MESSAGES};
use crate::call::{AgentCall, Operation};
use crate::error::{HeaderProblem, MessageError, ParamsProblem, Refusal, ResponseError};
use crate::headers::MessageHeaders;
use crate::jsonrpc::EnvelopeError;
use crate::lists::tests::{LIMITS, seen};
use crate::lists::{AnsweredCall, Filtered, ListKind, filter_response};
use crate::protocol::Protocol;
use crate::sse::SseFilter;

fn read_as(protocol: Protocol, headers: &[(&str, &str)], body: &Value) -> Result<AgentCall, Refusal> {
    let mut all = vec![(":method", "POST"), (":path", "/"), ("content-type", "application/json")];
    all.extend(headers);
    let all = all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = MessageHeaders::read(protocol, all).unwrap();
    AgentCall::parse_with(&headers, body.to_string().as_bytes(), &LIMITS, Batches::Read)
}

fn read(headers: &[(&str, &str)], body: &Value) -> Result<AgentCall, Refusal> {
    read_as(Protocol::Mcp, headers, body)
}

#[track_caller]
fn refused(headers: &[(&str, &str)], body: &Value, error: impl Into<MessageError>) {
    assert_eq!(read(headers, body), Err(Refusal { id: None, error: error.into() }), "{body}");
}

fn ping(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

fn call(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})
}

fn list(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
}

#[test]
fn every_message_of_a_batch_is_read() {
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let body = json!([call(1, "add"), note, list(2), ping(&json!("1"))]);
    for headers in [&[][..], &[("mcp-protocol-version", "2025-03-26")]] {
        let batch = read(headers, &body).unwrap();
        assert_eq!((batch.id(), batch.method(), batch.list()), (None, "batch", None));
        let Operation::Batch { calls, messages } = batch.operation() else { panic!("{batch:?}") };
        let methods: Vec<&str> = calls.iter().map(AgentCall::method).collect();
        assert_eq!(methods, ["tools/call", "notifications/initialized", "tools/list", "ping"]);
        assert_eq!(calls[0].operation(), &Operation::CallTool { name: "add".into(), arguments: Default::default() });
        assert_eq!(calls[2].list(), Some(&ListKind::Tools));
        assert_eq!(Value::Array(messages.clone()), body);
    }
}

#[test]
fn a_batch_of_responses_is_like_a_response() {
    let response = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {}});
    let batch = read(&[], &json!([response(1), response(2)])).unwrap();
    assert_eq!((batch.method(), batch.operation()), ("response", &Operation::Connect));
    refused(&[], &json!([response(1), response(1)]), BatchProblem::RepeatedId);
    refused(&[], &json!([response(1), call(2, "add")]), BatchProblem::Mixed);
    refused(&[], &json!([call(2, "add"), response(1)]), BatchProblem::Mixed);
}

#[test]
fn only_one_revision_has_batches() {
    let body = json!([ping(&json!(1))]);
    for version in ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"] {
        refused(&[("mcp-protocol-version", version)], &body, BatchProblem::Revision);
    }
    let unknown = MessageError::UnsupportedVersion { requested: "2025-03-27".to_owned() };
    refused(&[("mcp-protocol-version", "2025-03-27")], &body, unknown);
    let a2a = read_as(Protocol::A2a, &[], &body);
    assert_eq!(a2a, Err(Refusal { id: None, error: BatchProblem::Revision.into() }));
}

#[test]
fn what_is_not_plainly_a_batch_is_refused() {
    let pings = |count: usize| Value::Array((0..count).map(|id| ping(&json!(id))).collect());
    refused(&[], &json!([]), BatchProblem::Empty);
    assert!(read(&[], &pings(MAX_MESSAGES)).is_ok());
    refused(&[], &pings(MAX_MESSAGES + 1), BatchProblem::TooMany { limit: MAX_MESSAGES });
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
    refused(&[], &json!([initialize, ping(&json!(2))]), BatchProblem::Initialize);
    refused(&[], &json!([ping(&json!(1)), call(1, "add")]), BatchProblem::RepeatedId);
    refused(&[], &json!([ping(&json!("a")), ping(&json!("a"))]), BatchProblem::RepeatedId);
    refused(&[], &json!([ping(&json!(1)), [ping(&json!(2))]]), EnvelopeError::NotAnObject);
    refused(&[], &json!([ping(&json!(1)), 1]), EnvelopeError::NotAnObject);
}

#[test]
fn one_message_that_can_not_be_judged_refuses_all() {
    let with = |odd: Value| json!([call(1, "add"), odd, call(3, "add")]);
    refused(&[], &with(json!({"jsonrpc": "1.0", "id": 2, "method": "ping"})), EnvelopeError::Version);
    refused(&[], &with(ping(&json!(null))), EnvelopeError::Id);
    let note = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "add"}});
    refused(&[], &with(note), EnvelopeError::MissingId);
    let unknown = MessageError::UnknownMethod { method: "x".to_owned(), modern: false };
    refused(&[], &with(json!({"jsonrpc": "2.0", "id": 2, "method": "x"})), unknown);
    let nameless = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call"});
    refused(&[], &with(nameless), MessageError::Params { member: "name", problem: ParamsProblem::Missing });
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let modern = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}});
    let missing = |header, problem| MessageError::HeaderMismatch { header, problem };
    refused(&[], &with(modern), missing("mcp-protocol-version", HeaderProblem::Missing));
    for header in ["mcp-method", "mcp-name"] {
        refused(&[(header, "tools/call")], &with(ping(&json!(2))), missing(header, HeaderProblem::Differs));
    }
}

fn answered(body: &Value) -> AnsweredCall {
    AnsweredCall::of(&read(&[], body).unwrap())
}

fn filter(answer: &Value) -> Result<Filtered, ResponseError> {
    let asked = answered(&json!([list(1), call(2, "add"), {"jsonrpc": "2.0", "method": "notifications/initialized"}]));
    filter_response(&asked, answer.to_string().as_bytes(), &LIMITS, &mut seen)
}

fn tools(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [{"name": "hidden"}, {"name": "seen"}]}})
}

fn result(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}})
}

fn error(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32_603, "message": "x"}})
}

#[test]
fn each_answer_is_filtered_and_belongs_to_one_request() {
    let expected = json!([result(2), {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "seen"}]}}]);
    let Ok(Filtered::Rewritten { body, hidden }) = filter(&json!([result(2), tools(1)])) else {
        panic!("not filtered")
    };
    assert_eq!((serde_json::from_slice::<Value>(&body).unwrap(), hidden), (expected, 1));
    for whole in [
        json!([result(2), error(&json!(1))]),
        json!([result(2)]),
        // Servers put a single answer in no array.
        result(2),
        error(&json!(null)),
        json!([error(&json!(null))]),
        json!([]),
    ] {
        assert_eq!(filter(&whole), Ok(Filtered::Unchanged), "{whole}");
    }
    for odd in [
        json!([result(2), result(1)]),
        json!([tools(1), tools(1)]),
        json!([result(2), tools(3)]),
        json!([result(2), error(&json!(3))]),
        json!([result(2), error(&json!("2"))]),
        json!([result(2), 1]),
        json!([result(2), [tools(1)]]),
        json!([result(2), {"jsonrpc": "2.0", "method": "notifications/progress"}]),
        json!({}),
        json!(1),
    ] {
        assert_eq!(filter(&odd), Err(ResponseError::NotTheResponse), "{odd}");
    }
}

#[test]
fn a_stream_answers_each_request_of_a_batch_once() {
    let stream = |events: &[Value]| -> Result<(String, usize), ResponseError> {
        let mut filter = SseFilter::new(&answered(&json!([list(1), call(2, "add")])), &LIMITS);
        let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let passed = filter.push(text.as_bytes(), &mut seen)?;
        Ok((String::from_utf8(passed).unwrap(), filter.take_hidden()))
    };
    let asks = json!({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage"});
    for events in [vec![asks.clone(), result(2), tools(1)], vec![json!([asks, result(2), tools(1)])]] {
        let (passed, hidden) = stream(&events).unwrap();
        assert!(!passed.contains("hidden") && passed.contains("seen") && passed.contains("sampling"), "{passed}");
        assert_eq!(hidden, 1);
    }
    for odd in [
        vec![tools(1), tools(1)],
        vec![json!([tools(1)]), json!([tools(1)])],
        vec![result(1)],
        vec![tools(3)],
        vec![json!({"jsonrpc": "2.0", "id": 3, "method": "x", "result": {}})],
        vec![json!([result(2), 1])],
    ] {
        assert_eq!(stream(&odd), Err(ResponseError::NotTheResponse), "{odd:?}");
    }
}

#[test]
fn notifications_alone_are_answered_with_nothing() {
    let asked = answered(&json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]));
    assert!(!asked.is_batch());
    let odd = filter_response(&asked, tools(1).to_string().as_bytes(), &LIMITS, &mut seen);
    assert_eq!(odd, Err(ResponseError::NotTheResponse));
}
