//! Tasks, subscriptions, requests that are repeated, and methods of extensions.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::extra::{ExtraMethod, ExtraMethodProblem, ExtraMethods, JudgedAs};
use crate::call::{AgentCall, Operation, Revision, ServerTaskKind};
use crate::error::{HeaderProblem, MessageError, ParamsProblem};
use crate::headers::MessageHeaders;
use crate::jsonrpc::EnvelopeError;
use crate::limits::Limits;
use crate::lists::{ExtraList, ItemKind, ListKind};
use crate::pointer::Pointer;
use crate::protocol::Protocol;

const LIMITS: Limits =
    Limits { max_body_bytes: 65_536, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 65_536 };
const BOTH: [Revision; 2] = [Revision::Legacy, Revision::Modern];

fn at(pointer: &str) -> Pointer {
    Pointer::parse(pointer).unwrap()
}

fn skills() -> ListKind {
    ListKind::of_extension(ExtraList { member: "skills".to_owned(), item: at("/uri"), kind: ItemKind::Resource })
}

fn extensions() -> ExtraMethods {
    let mut extensions = ExtraMethods::default();
    for (method, judged, list) in [
        ("skills/list", JudgedAs::Connect, Some(skills())),
        ("skills/get", JudgedAs::ReadResource { uri: at("/uri") }, None),
        ("acme/run", JudgedAs::CallTool { name: at("/run/tool"), arguments: Some(at("/run/with")) }, None),
        ("acme/do", JudgedAs::CallTool { name: at("/tool"), arguments: None }, None),
        ("acme/ask", JudgedAs::GetPrompt { name: at("/prompt"), arguments: None }, None),
        ("acme/watch", JudgedAs::SubscribeResource { uri: at("/uri") }, None),
        ("acme/stop", JudgedAs::Task { kind: ServerTaskKind::Cancel, id: at("/task_id") }, None),
        ("acme/tasks", JudgedAs::ListTasks, Some(ListKind::Tasks)),
        ("notifications/acme/seen", JudgedAs::ReadResource { uri: at("/uri") }, None),
    ] {
        extensions.admit(method, ExtraMethod { judged, list }).unwrap();
    }
    extensions
}

/// Sends a message; of 2026-07-28 with `Mcp-Method`, and with `Mcp-Name` where it is given.
fn sent(
    extensions: ExtraMethods,
    revision: Revision,
    method: &str,
    name: Option<&str>,
    mut params: Value,
) -> Result<AgentCall, MessageError> {
    let mut headers = vec![(":method", "POST"), ("content-type", "application/json")];
    if revision == Revision::Modern {
        headers.extend([("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)]);
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    }
    headers.extend(name.map(|name| ("mcp-name", name)));
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = MessageHeaders::read(Protocol::Mcp, headers)?.admitting(&Rc::new(extensions));
    let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if !method.starts_with("notifications/") {
        message["id"] = json!(7);
    }
    AgentCall::parse(&headers, message.to_string().as_bytes(), &LIMITS).map_err(|refusal| refusal.error)
}

fn plain(revision: Revision, method: &str, name: Option<&str>, params: Value) -> Result<AgentCall, MessageError> {
    sent(ExtraMethods::default(), revision, method, name, params)
}

fn extended(method: &str, params: Value) -> Result<AgentCall, MessageError> {
    let legacy = sent(extensions(), Revision::Legacy, method, None, params.clone());
    let modern = sent(extensions(), Revision::Modern, method, None, params);
    let operation = |call: &Result<AgentCall, MessageError>| call.clone().map(|call| call.operation().clone());
    assert_eq!(operation(&legacy), operation(&modern), "{method} is the same in both");
    legacy
}

fn unknown(method: &str, revision: Revision) -> MessageError {
    MessageError::UnknownMethod { method: method.to_owned(), modern: revision == Revision::Modern }
}

fn params(member: &'static str, problem: ParamsProblem) -> MessageError {
    MessageError::Params { member, problem }
}

fn target(pointer: &str, problem: ParamsProblem) -> MessageError {
    MessageError::Target { pointer: pointer.to_owned(), problem }
}

fn name_header(problem: HeaderProblem) -> MessageError {
    MessageError::HeaderMismatch { header: "mcp-name", problem }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn task(kind: ServerTaskKind) -> Operation {
    Operation::ServerTask { kind, arguments: object(json!({"taskId": "t-1"})) }
}

#[test]
fn tasks_are_read_in_both_eras() {
    use ServerTaskKind::{Cancel, Get, Update};
    for (method, kind, legacy, modern) in [
        ("tasks/get", Get, true, true),
        ("tasks/result", Get, true, false),
        ("tasks/cancel", Cancel, true, true),
        ("tasks/update", Update, false, true),
    ] {
        for (revision, known) in [(Revision::Legacy, legacy), (Revision::Modern, modern)] {
            let call = plain(revision, method, Some("t-1"), json!({"taskId": "t-1"}));
            let expected = if known { Ok(task(kind)) } else { Err(unknown(method, revision)) };
            assert_eq!(call.map(|call| call.operation().clone()), expected, "{method} {revision:?}");
        }
    }
    let list = plain(Revision::Legacy, "tasks/list", None, json!({"cursor": ""})).unwrap();
    let all = Operation::ServerTask { kind: ServerTaskKind::List, arguments: Map::new() };
    assert_eq!((list.operation(), list.list()), (&all, Some(&ListKind::Tasks)));
    let error = plain(Revision::Modern, "tasks/list", None, json!({})).err();
    assert_eq!(error, Some(unknown("tasks/list", Revision::Modern)));
}

#[test]
fn a_task_is_named_once_and_the_header_names_the_same() {
    let get = |params| plain(Revision::Legacy, "tasks/get", None, params).err();
    assert_eq!(get(json!({})), Some(params("taskId", ParamsProblem::Missing)));
    assert_eq!(get(json!({"taskId": 1})), Some(params("taskId", ParamsProblem::WrongType)));
    assert_eq!(get(json!({"taskId": ""})), Some(params("taskId", ParamsProblem::Empty)));
    for other in ["task_id", "taskid", "TaskId"] {
        let twice = json!({"taskId": "t-1", other: "t-2"});
        assert_eq!(get(twice), Some(params("taskId", ParamsProblem::Ambiguous)), "{other}");
        assert_eq!(get(json!({other: "t-2"})), Some(params("taskId", ParamsProblem::Ambiguous)), "{other}");
    }
    let of = |revision, name| plain(revision, "tasks/cancel", name, json!({"taskId": "t-1"})).err();
    assert_eq!(of(Revision::Modern, None), Some(name_header(HeaderProblem::Missing)));
    assert_eq!(of(Revision::Legacy, None), None);
    for revision in BOTH {
        assert_eq!(of(revision, Some("t-2")), Some(name_header(HeaderProblem::Differs)));
    }
}

#[test]
fn a_repeated_request_is_the_same_request() {
    let answered = json!({"inputResponses": {"q": {"action": "accept"}}, "requestState": "opaque"});
    for (method, name, own) in [
        ("tools/call", "add", json!({"name": "add", "arguments": {"a": 1}})),
        ("prompts/get", "p", json!({"name": "p"})),
        ("resources/read", "doc://a", json!({"uri": "doc://a"})),
        ("tasks/update", "t-1", json!({"taskId": "t-1"})),
    ] {
        let asked = |more: &Value| {
            let mut params = own.clone();
            params.as_object_mut().unwrap().extend(object(more.clone()));
            plain(Revision::Modern, method, Some(name), params)
        };
        let first = asked(&json!({})).unwrap();
        assert_eq!(asked(&answered).unwrap(), first, "{method}: judged alike, and bound to the same");
        for (odd, member, problem) in [
            (json!({"inputResponses": []}), "inputResponses", ParamsProblem::WrongType),
            (json!({"inputResponses": {"q": "yes"}}), "inputResponses", ParamsProblem::WrongType),
            (json!({"input_responses": {}}), "inputResponses", ParamsProblem::Ambiguous),
            (json!({"requestState": {}}), "requestState", ParamsProblem::WrongType),
            (json!({"request_state": "x"}), "requestState", ParamsProblem::Ambiguous),
        ] {
            assert_eq!(asked(&odd).err(), Some(params(member, problem)), "{method} {odd}");
        }
    }
    let as_task = |task| plain(Revision::Legacy, "tools/call", None, json!({"name": "add", "task": task}));
    assert!(as_task(json!({"ttl": 60_000})).is_ok());
    assert_eq!(as_task(json!(true)).err(), Some(params("task", ParamsProblem::WrongType)));
}

#[test]
fn listening_is_about_all_that_it_names() {
    let listen = |revision, wanted| plain(revision, "subscriptions/listen", None, json!({"notifications": wanted}));
    let all = json!({
        "toolsListChanged": true, "promptsListChanged": false, "resourcesListChanged": true,
        "resourceSubscriptions": ["doc://a", "doc://b"], "taskIds": ["t-1"],
    });
    let subscription = |uri: &str| Operation::SubscribeResource { uri: uri.to_owned() };
    let targets = vec![subscription("doc://a"), subscription("doc://b"), task(ServerTaskKind::Get)];
    let call = listen(Revision::Modern, all.clone()).unwrap();
    assert_eq!(call.operation(), &Operation::Listen { targets });
    let call = listen(Revision::Modern, json!({})).unwrap();
    assert_eq!(call.operation(), &Operation::Listen { targets: Vec::new() });
    let method = "subscriptions/listen";
    assert_eq!(listen(Revision::Legacy, all).err(), Some(unknown(method, Revision::Legacy)));

    let refused = |wanted: Value| listen(Revision::Modern, wanted).err();
    for (wanted, member, problem) in [
        (json!([]), "notifications", ParamsProblem::WrongType),
        (json!({"promptIds": ["p"]}), "notifications", ParamsProblem::Unexpected),
        (json!({"toolsListChanged": "yes"}), "toolsListChanged", ParamsProblem::WrongType),
        (json!({"resourceSubscriptions": "doc://a"}), "resourceSubscriptions", ParamsProblem::WrongType),
        (json!({"resourceSubscriptions": [1]}), "resourceSubscriptions", ParamsProblem::WrongType),
        (json!({"resourceSubscriptions": [""]}), "resourceSubscriptions", ParamsProblem::Empty),
        (json!({"resource_subscriptions": []}), "resourceSubscriptions", ParamsProblem::Ambiguous),
        (json!({"taskIds": [], "task_ids": ["t"]}), "taskIds", ParamsProblem::Ambiguous),
        (json!({"taskIds": vec!["t"; 65]}), "notifications", ParamsProblem::TooLong),
    ] {
        assert_eq!(refused(wanted.clone()), Some(params(member, problem)), "{wanted}");
    }
    let error = plain(Revision::Modern, method, None, json!({})).err();
    assert_eq!(error, Some(params("notifications", ParamsProblem::Missing)));
    let beside = json!({"notifications": {}, "taskIds": ["t-1"]});
    let error = plain(Revision::Modern, method, None, beside).err();
    assert_eq!(error, Some(params("notifications", ParamsProblem::Unexpected)));
    let error = plain(Revision::Modern, method, Some("x"), json!({"notifications": {}})).err();
    assert_eq!(error, Some(name_header(HeaderProblem::Differs)));
}

#[test]
fn a_client_tells_of_its_own_tasks_in_a_session() {
    let status = json!({"taskId": "t-1", "status": "working"});
    let told = |revision| plain(revision, "notifications/tasks/status", None, status.clone());
    assert_eq!(told(Revision::Legacy).unwrap().operation(), &Operation::Connect);
    let unknown = unknown("notifications/tasks/status", Revision::Modern);
    assert_eq!(told(Revision::Modern).err(), Some(unknown));
}

#[test]
fn an_extension_is_judged_as_the_operator_says() {
    let operation = |method, params| extended(method, params).unwrap().operation().clone();
    assert_eq!(operation("skills/list", json!({})), Operation::Connect);
    assert_eq!(operation("skills/get", json!({"uri": "s://a"})), Operation::ReadResource { uri: "s://a".into() });
    assert_eq!(
        operation("acme/run", json!({"run": {"tool": "t", "with": {"a": 1}}})),
        Operation::CallTool { name: "t".into(), arguments: object(json!({"a": 1})) }
    );
    let whole = json!({"tool": "t", "a": 1});
    assert_eq!(operation("acme/do", whole.clone()), Operation::CallTool { name: "t".into(), arguments: object(whole) });
    let whole = json!({"prompt": "p", "a": 1});
    let asked = Operation::GetPrompt { name: "p".into(), arguments: object(whole.clone()) };
    assert_eq!(operation("acme/ask", whole), asked);
    assert_eq!(operation("acme/watch", json!({"uri": "s://a"})), Operation::SubscribeResource { uri: "s://a".into() });
    assert_eq!(operation("acme/stop", json!({"task_id": "t-1"})), task(ServerTaskKind::Cancel));
    let all = Operation::ServerTask { kind: ServerTaskKind::List, arguments: Map::new() };
    assert_eq!(operation("acme/tasks", json!({})), all);
    assert_eq!(
        operation("notifications/acme/seen", json!({"uri": "s://a"})),
        Operation::ReadResource { uri: "s://a".into() }
    );
    for revision in BOTH {
        let other = sent(extensions(), revision, "skills/put", None, json!({})).err();
        assert_eq!(other, Some(unknown("skills/put", revision)));
    }
    let call = extended("skills/get", json!({"uri": "s://a", "more": 1})).unwrap();
    assert_eq!(call.payload(), Some(&object(json!({"uri": "s://a", "more": 1}))), "a token is bound to all of it");
}

#[test]
fn the_target_of_an_extension_is_beyond_doubt() {
    let get = |params| extended("skills/get", params).err();
    assert_eq!(get(json!({})), Some(target("/uri", ParamsProblem::Missing)));
    assert_eq!(get(json!({"uri": ["s://a"]})), Some(target("/uri", ParamsProblem::WrongType)));
    assert_eq!(get(json!({"uri": "a\nb"})), Some(target("/uri", ParamsProblem::ControlCharacter)));
    assert_eq!(get(json!({"uri": "s://a", "URI": "s://b"})), Some(target("/uri", ParamsProblem::Ambiguous)));
    let run = |params| extended("acme/run", params).err();
    assert_eq!(run(json!({"run": "t"})), Some(target("/run/tool", ParamsProblem::WrongType)));
    assert_eq!(run(json!({"run": {"tool": "t"}, "Run": {}})), Some(target("/run/tool", ParamsProblem::Ambiguous)));
    let with = json!({"run": {"tool": "t", "with": []}});
    assert_eq!(run(with), Some(target("/run/with", ParamsProblem::WrongType)));

    let named = |revision, name, uri| sent(extensions(), revision, "skills/get", name, json!({"uri": uri})).err();
    for revision in BOTH {
        assert_eq!(named(revision, None, "s://a"), None, "the header may be missing");
        assert_eq!(named(revision, Some("s://a"), "s://a"), None);
        assert_eq!(named(revision, Some("s://b"), "s://a"), Some(name_header(HeaderProblem::Differs)));
        let list = sent(extensions(), revision, "skills/list", Some("s://a"), json!({})).err();
        assert_eq!(list, Some(name_header(HeaderProblem::Differs)));
    }
}

#[test]
fn an_extensions_notification_has_no_id() {
    let headers: [(&[u8], &[u8]); 2] = [(b":method", b"POST"), (b"content-type", b"application/json")];
    let headers = MessageHeaders::read(Protocol::Mcp, headers).unwrap().admitting(&Rc::new(extensions()));
    let error = |message: Value| {
        AgentCall::parse(&headers, message.to_string().as_bytes(), &LIMITS).map_err(|refusal| refusal.error).err()
    };
    let notification =
        json!({"jsonrpc": "2.0", "id": 1, "method": "notifications/acme/seen", "params": {"uri": "s://a"}});
    assert_eq!(error(notification), Some(EnvelopeError::UnexpectedId.into()));
    let call = json!({"jsonrpc": "2.0", "method": "skills/get", "params": {"uri": "s://a"}});
    assert_eq!(error(call), Some(EnvelopeError::MissingId.into()));
}

#[test]
fn every_answer_of_a_server_can_hold_the_lists_of_its_extensions() {
    let call = sent(extensions(), Revision::Legacy, "ping", None, json!({})).unwrap();
    assert_eq!((call.list(), call.extra_lists()), (None, &[skills()][..]));
    let headers = MessageHeaders::read(Protocol::Mcp, [(&b":method"[..], &b"GET"[..])]).unwrap();
    let call = AgentCall::parse(&headers.admitting(&Rc::new(extensions())), b"", &LIMITS).unwrap();
    assert_eq!(call.extra_lists(), [skills()]);
}

#[test]
fn a_method_is_admitted_once_and_never_in_the_place_of_another() {
    let mut extensions = extensions();
    let mut admit = |method: &str, list: Option<ListKind>| {
        extensions.admit(method, ExtraMethod { judged: JudgedAs::Connect, list }).err()
    };
    for method in ["tools/call", "tasks/list", "tasks/update", "initialize", "subscriptions/listen", "ping"] {
        assert_eq!(admit(method, None), Some(ExtraMethodProblem::Known), "{method}");
    }
    assert_eq!(admit("skills/get", None), Some(ExtraMethodProblem::Repeated));
    for odd in ["", "a b", "a\n", "é"] {
        assert_eq!(admit(odd, None), Some(ExtraMethodProblem::Name), "{odd}");
    }
    let list = |member: &str, item| ExtraList { member: member.to_owned(), item: at(item), kind: ItemKind::Resource };
    let other = ListKind::of_extension(list("skills", "/name"));
    assert_eq!(admit("acme/a", Some(other)), Some(ExtraMethodProblem::OtherList));
    let other = ListKind::of_extension(list("tools", "/uri"));
    assert_eq!(admit("acme/b", Some(other)), Some(ExtraMethodProblem::OtherList));
    assert_eq!(admit("acme/c", Some(skills())), None);
    assert_eq!(admit("acme/d", Some(ListKind::of_extension(list("resources", "/uri")))), None);
}
