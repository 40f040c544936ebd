//! Whole requests: what is read, and every refusal.

use serde_json::{Map, Value, json};

use super::{AgentCall, Operation, Revision};
use crate::batch::BatchProblem;
use crate::error::{HeaderProblem, MessageError, ParamsProblem, Refusal};
use crate::headers::MessageHeaders;
use crate::json::JsonError;
use crate::jsonrpc::{EnvelopeError, RequestId};
use crate::limits::Limits;
use crate::lists::ListKind;
use crate::protocol::Protocol;

const LIMITS: Limits =
    Limits { max_body_bytes: 65_536, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 65_536 };

fn send(headers: &[(&str, &str)], body: &[u8]) -> Result<AgentCall, Refusal> {
    let mut all = vec![(":method", "POST"), ("content-type", "application/json")];
    all.extend(headers);
    let headers =
        MessageHeaders::read(Protocol::Mcp, all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    AgentCall::parse(&headers.map_err(|error| Refusal { id: None, error })?, body, &LIMITS)
}

fn request(method: &str, params: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string().into_bytes()
}

fn legacy(method: &str, params: Value) -> Result<AgentCall, Refusal> {
    send(&[], &request(method, params))
}

fn modern(headers: &[(&str, &str)], method: &str, mut params: Value) -> Result<AgentCall, Refusal> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    send(headers, &request(method, params))
}

#[track_caller]
fn refused(result: Result<AgentCall, Refusal>, error: MessageError) {
    assert_eq!(result, Err(Refusal { id: RequestId::of(&json!(7)), error }));
}

#[track_caller]
fn unreadable(result: Result<AgentCall, Refusal>, error: MessageError) {
    assert_eq!(result, Err(Refusal { id: None, error }));
}

fn mismatch(header: &'static str, problem: HeaderProblem) -> MessageError {
    MessageError::HeaderMismatch { header, problem }
}

fn params(member: &'static str, problem: ParamsProblem) -> MessageError {
    MessageError::Params { member, problem }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn every_method_has_its_operation() {
    let call = |method, params| legacy(method, params).unwrap().operation().clone();
    let named = |name: &str| json!({"name": name, "arguments": {"a": 1}});
    let arguments = || object(json!({"a": 1}));
    assert_eq!(call("tools/call", named("t")), Operation::CallTool { name: "t".into(), arguments: arguments() });
    assert_eq!(
        call("tools/call", json!({"name": "t"})),
        Operation::CallTool { name: "t".into(), arguments: Map::new() }
    );
    assert_eq!(call("prompts/get", named("p")), Operation::GetPrompt { name: "p".into(), arguments: arguments() });
    assert_eq!(call("resources/read", json!({"uri": "doc://a"})), Operation::ReadResource { uri: "doc://a".into() });
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        assert_eq!(call(method, json!({"uri": "doc://a"})), Operation::SubscribeResource { uri: "doc://a".into() });
    }
    for method in ["initialize", "ping", "logging/setLevel", "tools/list"] {
        assert_eq!(call(method, json!({})), Operation::Connect);
    }
}

#[test]
fn lists_are_known_as_lists() {
    let list = |method| legacy(method, json!({})).unwrap().list().cloned();
    assert_eq!(list("tools/list"), Some(ListKind::Tools));
    assert_eq!(list("prompts/list"), Some(ListKind::Prompts));
    assert_eq!(list("resources/list"), Some(ListKind::Resources));
    assert_eq!(list("resources/templates/list"), Some(ListKind::ResourceTemplates));
    assert_eq!(list("ping"), None);
}

#[test]
fn completing_is_judged_as_what_it_refers_to() {
    let prompt = json!({
        "ref": {"type": "ref/prompt", "name": "p"},
        "argument": {"name": "b", "value": "x"},
        "context": {"arguments": {"a": "y"}},
    });
    let arguments = object(json!({"a": "y", "b": "x"}));
    let call = legacy("completion/complete", prompt).unwrap();
    assert_eq!(call.operation(), &Operation::GetPrompt { name: "p".into(), arguments });
    let resource = json!({"ref": {"type": "ref/resource", "uri": "doc://{x}"}, "argument": {"name": "x", "value": ""}});
    let call = legacy("completion/complete", resource).unwrap();
    assert_eq!(call.operation(), &Operation::ReadResource { uri: "doc://{x}".into() });
    for odd in [json!({}), json!({"ref": "p"}), json!({"ref": {"type": "ref/other", "name": "p"}})] {
        refused(legacy("completion/complete", odd), params("ref", ParamsProblem::WrongType));
    }
    let twice = json!({
        "ref": {"type": "ref/prompt", "name": "p"},
        "argument": {"name": "a", "value": "x"},
        "context": {"arguments": {"a": "y"}},
    });
    refused(legacy("completion/complete", twice), params("argument", ParamsProblem::WrongType));
}

#[test]
fn notifications_responses_and_sessions_connect() {
    let body = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let call = send(&[], body).unwrap();
    assert_eq!((call.operation(), call.id()), (&Operation::Connect, None));
    let call = send(&[], br#"{"jsonrpc":"2.0","id":7,"result":{}}"#).unwrap();
    assert_eq!((call.method(), call.id()), ("response", None));
    for verb in ["GET", "DELETE"] {
        let headers = MessageHeaders::read(Protocol::Mcp, [(&b":method"[..], verb.as_bytes())]).unwrap();
        assert_eq!(AgentCall::parse(&headers, b"", &LIMITS).unwrap().method(), verb);
        unreadable(AgentCall::parse(&headers, b"{}", &LIMITS), MessageError::BodyNotAllowed);
    }
}

#[test]
fn methods_outside_the_table_are_unknown() {
    for method in
        ["tools/delete", "Tools/call", "tools/call ", "sampling/createMessage", "tasks/update", "server/discover"]
    {
        let error = MessageError::UnknownMethod { method: method.to_owned(), modern: false };
        refused(legacy(method, json!({"name": "x"})), error);
    }
    for method in ["initialize", "ping", "resources/subscribe", "tasks/list"] {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        let error = MessageError::UnknownMethod { method: method.to_owned(), modern: true };
        refused(modern(&headers, method, json!({"uri": "x"})), error);
    }
}

#[test]
fn a_call_is_not_a_notification_and_the_reverse() {
    let body = br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_all"}}"#;
    unreadable(send(&[], body), EnvelopeError::MissingId.into());
    refused(legacy("notifications/initialized", json!({})), EnvelopeError::UnexpectedId.into());
}

#[test]
fn names_are_what_the_server_executes() {
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete\u005fall"}}"#;
    let expected = Operation::CallTool { name: "delete_all".into(), arguments: Map::new() };
    assert_eq!(send(&[], body).unwrap().operation(), &expected);
}

#[test]
fn targets_are_plain_text() {
    let name = |name: Value| legacy("tools/call", json!({ "name": name }));
    refused(legacy("tools/call", json!({})), params("name", ParamsProblem::Missing));
    refused(name(json!(null)), params("name", ParamsProblem::WrongType));
    refused(name(json!(["t"])), params("name", ParamsProblem::WrongType));
    refused(name(json!("")), params("name", ParamsProblem::Empty));
    refused(name(json!("a\u{0}b")), params("name", ParamsProblem::ControlCharacter));
    refused(name(json!("a\nb")), params("name", ParamsProblem::ControlCharacter));
    refused(name(json!("a".repeat(8_193))), params("name", ParamsProblem::TooLong));
    refused(legacy("resources/read", json!({"uri": 1})), params("uri", ParamsProblem::WrongType));
    for odd in [json!(null), json!([]), json!("{}")] {
        let call = legacy("tools/call", json!({"name": "t", "arguments": odd}));
        refused(call, params("arguments", ParamsProblem::WrongType));
    }
}

#[test]
fn members_that_a_case_blind_parser_would_merge_are_refused() {
    for name in ["Name", "NAME"] {
        let call = legacy("tools/call", json!({"name": "add", name: "delete_all"}));
        refused(call, params("name", ParamsProblem::Ambiguous));
    }
    let call = legacy("tools/call", json!({"name": "add", "argument\u{17f}": {}}));
    refused(call, params("arguments", ParamsProblem::Ambiguous));
}

#[test]
fn batches_and_other_shapes_are_refused() {
    unreadable(send(&[], b"[]"), BatchProblem::Refused.into());
    unreadable(send(&[], &[b"[", &request("ping", json!({}))[..], b"]"].concat()), BatchProblem::Refused.into());
    unreadable(send(&[], b"\"ping\""), EnvelopeError::NotAnObject.into());
    unreadable(send(&[], b""), JsonError::Syntax { line: 1, column: 0 }.into());
    let twice = JsonError::DuplicateName { name: "name".to_owned() };
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","name":"delete_all"}}"#;
    unreadable(send(&[], body), twice.into());
    unreadable(send(&[], br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#), EnvelopeError::Id.into());
}

#[test]
fn a_modern_request_mirrors_its_body_in_headers() {
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "add")];
    let call = modern(&headers, "tools/call", json!({"name": "add"})).unwrap();
    assert_eq!(call.revision(), Revision::Modern);
    let listed = modern(&headers[..2], "tools/call", json!({"name": "add"}));
    refused(listed, mismatch("mcp-name", HeaderProblem::Missing));
    let call = modern(&headers, "tools/call", json!({"name": "delete_all"}));
    refused(call, mismatch("mcp-name", HeaderProblem::Differs));
    let call = modern(&headers[..1], "tools/list", json!({}));
    refused(call, mismatch("mcp-method", HeaderProblem::Missing));
    let call = modern(&headers[..2], "tools/list", json!({}));
    refused(call, mismatch("mcp-method", HeaderProblem::Differs));
    let other_case = [headers[0], ("mcp-method", "Tools/Call"), headers[2]];
    refused(modern(&other_case, "tools/call", json!({"name": "add"})), mismatch("mcp-method", HeaderProblem::Differs));
    let stray = [headers[0], ("mcp-method", "tools/list"), ("mcp-name", "add")];
    refused(modern(&stray, "tools/list", json!({})), mismatch("mcp-name", HeaderProblem::Differs));
    let encoded = [headers[0], headers[1], ("mcp-name", "=?base64?w6k=?=")];
    assert!(modern(&encoded, "tools/call", json!({"name": "\u{e9}"})).is_ok());
}

#[test]
fn header_and_body_agree_on_the_revision() {
    let version = "mcp-protocol-version";
    refused(modern(&[], "tools/list", json!({})), mismatch(version, HeaderProblem::Missing));
    let call = modern(&[(version, "2025-11-25")], "tools/list", json!({}));
    refused(call, mismatch(version, HeaderProblem::Differs));
    let headers = [(version, "2026-07-28"), ("mcp-method", "tools/list")];
    refused(send(&headers, &request("tools/list", json!({}))), params("_meta", ParamsProblem::Missing));
    refused(send(&headers[..1], &request("initialize", json!({}))), mismatch(version, HeaderProblem::Differs));
    let odd = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": 1}});
    refused(send(&headers, &request("tools/list", odd)), params("_meta", ParamsProblem::WrongType));
    let said = |capabilities: Value| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        send(&headers, &request("tools/list", json!({ "_meta": meta })))
    };
    assert!(said(json!({"tasks": {}})).is_ok());
    let capabilities = "_meta.io.modelcontextprotocol/clientCapabilities";
    refused(said(json!(null)), params(capabilities, ParamsProblem::WrongType));
    let none = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    refused(send(&headers, &request("tools/list", none)), params(capabilities, ParamsProblem::Missing));
    for unknown in ["1900-01-01", "2026-07-29", "DRAFT"] {
        let error = MessageError::UnsupportedVersion { requested: unknown.to_owned() };
        refused(send(&[(version, unknown)], &request("ping", json!({}))), error);
    }
    for known in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert_eq!(send(&[(version, known)], &request("ping", json!({}))).unwrap().revision(), Revision::Legacy);
    }
}

#[test]
fn a_legacy_body_that_its_headers_contradict_is_refused() {
    let headers = [("mcp-method", "tools/list"), ("mcp-name", "add")];
    let call = send(&headers, &request("tools/call", json!({"name": "delete_all"})));
    refused(call, mismatch("mcp-method", HeaderProblem::Differs));
    let call = send(&headers[1..], &request("tools/call", json!({"name": "delete_all"})));
    refused(call, mismatch("mcp-name", HeaderProblem::Differs));
}

#[test]
fn a_modern_client_sends_no_responses_and_opens_no_session_stream() {
    let headers = [("mcp-protocol-version", "2026-07-28")];
    let response = send(&headers, br#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    unreadable(response, EnvelopeError::UnexpectedResponse.into());
    let get =
        MessageHeaders::read(Protocol::Mcp, [(&b":method"[..], &b"GET"[..]), (b"mcp-protocol-version", b"2026-07-28")])
            .unwrap();
    unreadable(AgentCall::parse(&get, b"", &LIMITS), MessageError::NoSessions);
}
