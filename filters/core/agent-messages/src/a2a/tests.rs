//! Each method in both vocabularies, and everything that two servers could read differently.

use serde_json::{Map, Value, json};

use crate::call::{AgentCall, Operation, PushNotificationKind, TaskKind};
use crate::error::{MessageError, ParamsProblem, Refusal};
use crate::headers::MessageHeaders;
use crate::jsonrpc::{EnvelopeError, RequestId};
use crate::limits::Limits;
use crate::protocol::Protocol;

const LIMITS: Limits =
    Limits { max_body_bytes: 65_536, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 65_536 };

const SEND: [&str; 4] = ["SendMessage", "SendStreamingMessage", "message/send", "message/stream"];

fn at(verb: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<AgentCall, Refusal> {
    let mut all = vec![(":method", verb), (":path", path), ("content-type", "application/json")];
    all.extend(headers);
    let all = all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = MessageHeaders::read(Protocol::A2a, all).map_err(|error| Refusal { id: None, error })?;
    AgentCall::parse(&headers, body, &LIMITS)
}

fn body(method: &str, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string().into_bytes()
}

fn call(method: &str, params: &Value) -> Result<AgentCall, Refusal> {
    at("POST", "/travel", &[], &body(method, params))
}

fn operation(method: &str, params: Value) -> Operation {
    call(method, &params).unwrap_or_else(|refusal| panic!("{method} {params}: {refusal:?}")).operation().clone()
}

#[track_caller]
fn refused(method: &str, params: &Value, error: MessageError) {
    assert_eq!(call(method, params), Err(Refusal { id: RequestId::of(&json!(7)), error }), "{method} {params}");
}

#[track_caller]
fn wrong(method: &str, params: Value, member: &'static str, problem: ParamsProblem) {
    refused(method, &params, MessageError::Params { member, problem });
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn text() -> Value {
    json!([{"text": "Hello"}])
}

/// Parameters of a message of one text part, with more in the message.
fn message(more: Value) -> Value {
    let mut message = json!({"messageId": "m-1", "role": "ROLE_USER", "parts": text()});
    message.as_object_mut().unwrap().extend(object(more));
    json!({ "message": message })
}

fn with_part(part: Value) -> Value {
    message(json!({ "parts": [part] }))
}

fn with_configuration(configuration: Value) -> Value {
    let mut params = message(json!({}));
    params["configuration"] = configuration;
    params
}

#[track_caller]
fn sent(params: &Value, arguments: Value) {
    for method in SEND {
        let expected = Operation::SendMessage { arguments: object(arguments.clone()) };
        assert_eq!(operation(method, params.clone()), expected, "{method}");
    }
}

#[track_caller]
fn never_sent(params: Value, member: &'static str, problem: ParamsProblem) {
    for method in SEND {
        wrong(method, params.clone(), member, problem);
    }
}

#[test]
fn a_message_is_shown_as_policies_see_it() {
    sent(&message(json!({})), json!({"partKinds": ["text"]}));
    let full = json!({
        "tenant": "t-1",
        "message": {
            "messageId": "m-1",
            "contextId": "c-1",
            "taskId": "T-1",
            "referenceTaskIds": ["T-2", "T-3"],
            "extensions": ["https://ext.example/a"],
            "parts": [{"url": "https://files.example/x"}, {"text": "Hello"}, {"raw": "AA=="}, {"data": {"a": 1}}, {"text": "x"}],
            "metadata": {"task_id": "T-9", "taskId": "T-8"},
        },
        "configuration": {"taskPushNotificationConfig": {"url": "https://Hooks.ACME.example:8443/x", "taskId": "T-1"}},
        "metadata": {"contextId": "c-9"},
    });
    let arguments = json!({
        "contextId": "c-1",
        "extensions": ["https://ext.example/a"],
        "partKinds": ["data", "raw", "text", "url"],
        "pushNotificationHost": "hooks.acme.example",
        "referenceTaskIds": ["T-2", "T-3"],
        "taskId": "T-1",
        "tenant": "t-1",
    });
    sent(&full, arguments);
}

#[test]
fn a_file_is_what_it_holds() {
    let uri = json!({"kind": "file", "file": {"uri": "https://files.example/x", "mimeType": "text/plain"}});
    sent(&with_part(uri), json!({"partKinds": ["url"]}));
    sent(&with_part(json!({"kind": "file", "file": {"bytes": "AA==", "uri": null}})), json!({"partKinds": ["raw"]}));
    sent(&with_part(json!({"file": {"bytes": "AA=="}})), json!({"partKinds": ["raw"]}));
    sent(&with_part(json!({"kind": "text", "text": "x"})), json!({"partKinds": ["text"]}));
    sent(&with_part(json!({"kind": "data", "data": {}})), json!({"partKinds": ["data"]}));
    sent(&with_part(json!({ "data": null })), json!({"partKinds": ["data"]}));
    sent(&with_part(json!({"text": "x", "url": null, "kind": null})), json!({"partKinds": ["text"]}));
}

#[test]
fn a_part_has_one_content() {
    never_sent(with_part(json!({"text": "x", "url": "https://a.example/"})), "parts", ParamsProblem::Contradicts);
    never_sent(with_part(json!({"text": "x", "data": null})), "parts", ParamsProblem::Contradicts);
    never_sent(with_part(json!({"kind": "text", "text": "x", "file": {}})), "parts", ParamsProblem::Contradicts);
    never_sent(with_part(json!({"kind": "text", "url": "x"})), "kind", ParamsProblem::Contradicts);
    never_sent(with_part(json!({"kind": "file", "raw": "AA=="})), "kind", ParamsProblem::Contradicts);
    never_sent(with_part(json!({"kind": "video", "text": "x"})), "kind", ParamsProblem::Contradicts);
    never_sent(with_part(json!({})), "parts", ParamsProblem::Missing);
    never_sent(with_part(json!({"kind": "text"})), "parts", ParamsProblem::Missing);
    never_sent(with_part(json!("x")), "parts", ParamsProblem::WrongType);
    never_sent(with_part(json!({ "file": "x" })), "file", ParamsProblem::WrongType);
    never_sent(with_part(json!({ "file": {} })), "file", ParamsProblem::Missing);
    never_sent(with_part(json!({"file": {"bytes": "AA==", "uri": "x"}})), "file", ParamsProblem::Contradicts);
    never_sent(message(json!({ "parts": [] })), "parts", ParamsProblem::Empty);
    never_sent(message(json!({ "parts": null })), "parts", ParamsProblem::Missing);
    never_sent(message(json!({ "parts": {} })), "parts", ParamsProblem::WrongType);
}

#[test]
fn a_message_has_its_types() {
    never_sent(json!({}), "message", ParamsProblem::Missing);
    never_sent(json!({ "message": null }), "message", ParamsProblem::Missing);
    never_sent(json!({ "message": "x" }), "message", ParamsProblem::WrongType);
    never_sent(message(json!({ "taskId": 1 })), "taskId", ParamsProblem::WrongType);
    never_sent(message(json!({ "contextId": ["c"] })), "contextId", ParamsProblem::WrongType);
    never_sent(message(json!({ "taskId": "a\nb" })), "taskId", ParamsProblem::ControlCharacter);
    never_sent(message(json!({"taskId": "a".repeat(8_193)})), "taskId", ParamsProblem::TooLong);
    never_sent(message(json!({ "referenceTaskIds": "T-1" })), "referenceTaskIds", ParamsProblem::WrongType);
    never_sent(message(json!({ "referenceTaskIds": [1] })), "referenceTaskIds", ParamsProblem::WrongType);
    never_sent(message(json!({ "referenceTaskIds": [""] })), "referenceTaskIds", ParamsProblem::Empty);
    never_sent(message(json!({ "extensions": [null] })), "extensions", ParamsProblem::WrongType);
    never_sent(with_configuration(json!([])), "configuration", ParamsProblem::WrongType);
    for member in ["id", "taskId", "contextId", "url"] {
        let mut beside = message(json!({}));
        beside[member] = json!("https://a.example/");
        never_sent(beside, member, ParamsProblem::Unexpected);
    }
}

#[test]
fn what_is_null_or_empty_is_absent() {
    let empty = json!({"taskId": "", "contextId": null, "referenceTaskIds": [], "extensions": null});
    sent(&message(empty), json!({"partKinds": ["text"]}));
    sent(&with_configuration(json!({ "taskPushNotificationConfig": null })), json!({"partKinds": ["text"]}));
    sent(&with_configuration(json!(null)), json!({"partKinds": ["text"]}));
    let config = json!({"taskPushNotificationConfig": {"url": "https://a.example", "taskId": "", "tenant": ""}});
    sent(&with_configuration(config), json!({"partKinds": ["text"], "pushNotificationHost": "a.example"}));
}

#[test]
fn a_lone_snake_case_name_is_the_camel_case_one() {
    let snake = json!({
        "message": {"context_id": "c-1", "task_id": "T-1", "reference_task_ids": ["T-2"], "parts": text()},
        "configuration": {"task_push_notification_config": {"url": "https://a.example/", "task_id": "T-1"}},
    });
    let arguments = json!({
        "contextId": "c-1",
        "partKinds": ["text"],
        "pushNotificationHost": "a.example",
        "referenceTaskIds": ["T-2"],
        "taskId": "T-1",
    });
    sent(&snake, arguments);
    let config = json!({"push_notification_config": {"url": "https://a.example/"}});
    sent(&with_configuration(config), json!({"partKinds": ["text"], "pushNotificationHost": "a.example"}));
    let id = |operation| match operation {
        Operation::PushNotification { arguments, .. } => arguments["taskId"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(id(operation("ListTaskPushNotificationConfigs", json!({"task_id": "T-1"}))), json!("T-1"));
}

#[test]
fn twins_are_refused_at_every_level() {
    let ambiguous = ParamsProblem::Ambiguous;
    for (one, other) in [("T-1", "T-2"), ("T-1", "T-1"), ("T-1", "")] {
        never_sent(message(json!({"taskId": one, "task_id": other})), "taskId", ambiguous);
    }
    never_sent(message(json!({"taskId": null, "task_id": "T-1"})), "taskId", ambiguous);
    never_sent(message(json!({"contextId": "c", "context_id": "c"})), "contextId", ambiguous);
    never_sent(message(json!({"referenceTaskIds": [], "reference_task_ids": []})), "referenceTaskIds", ambiguous);
    let url = json!({"url": "https://a.example/"});
    let twice = json!({"taskPushNotificationConfig": url, "task_push_notification_config": url});
    never_sent(with_configuration(twice), "taskPushNotificationConfig", ambiguous);
    let twice = json!({"pushNotificationConfig": url, "push_notification_config": url});
    never_sent(with_configuration(twice), "pushNotificationConfig", ambiguous);
    let nested = json!({"url": "https://a.example/", "taskId": "", "task_id": ""});
    never_sent(with_configuration(json!({ "pushNotificationConfig": nested })), "taskId", ambiguous);
    let twice = json!({"taskId": "T-1", "task_id": "T-2"});
    for method in ["GetTaskPushNotificationConfig", "tasks/pushNotificationConfig/set", "GetTask", "tasks/list"] {
        wrong(method, twice.clone(), "taskId", ambiguous);
    }
    let twice = json!({"contextId": "c-1", "context_id": "c-2"});
    wrong("ListTasks", twice, "contextId", ambiguous);
    let twice = json!({"id": "T-1", "pushNotificationConfigId": "a", "push_notification_config_id": "b"});
    wrong("tasks/pushNotificationConfig/delete", twice, "pushNotificationConfigId", ambiguous);
}

#[test]
fn other_spellings_are_refused_even_alone() {
    for name in ["TaskId", "taskid", "TASK_ID", "Task_Id", "task-id", "task__id", "taskId_", "_taskId", "ta\u{17f}kId"]
    {
        never_sent(message(json!({ name: "T-1" })), "taskId", ParamsProblem::Ambiguous);
    }
    let mut other_case = message(json!({}));
    other_case["Message"] = json!({});
    never_sent(other_case, "message", ParamsProblem::Ambiguous);
    never_sent(with_part(json!({"text": "x", "URL": "y"})), "url", ParamsProblem::Ambiguous);
    never_sent(with_part(json!({"file": {"Uri": "y", "bytes": "AA=="}})), "uri", ParamsProblem::Ambiguous);
    let config = json!({"pushNotificationConfig": {"url": "https://a.example/", "Url": "https://evil.example/"}});
    never_sent(with_configuration(config), "url", ParamsProblem::Ambiguous);
    for method in ["GetTask", "tasks/cancel"] {
        wrong(method, json!({"id": "T-1", "ID": "T-2"}), "id", ParamsProblem::Ambiguous);
    }
}

#[test]
fn push_notifications_of_a_message_are_for_its_own_task() {
    let config =
        |name: &str, task: &str| with_configuration(json!({name: {"url": "https://a.example/", "taskId": task}}));
    for name in ["taskPushNotificationConfig", "pushNotificationConfig"] {
        never_sent(config(name, "T-2"), "taskId", ParamsProblem::Contradicts);
        let mut of_another = config(name, "T-2");
        of_another["message"]["taskId"] = json!("T-1");
        never_sent(of_another, "taskId", ParamsProblem::Contradicts);
        let tenant = with_configuration(json!({name: {"url": "https://a.example/", "tenant": "t-2"}}));
        never_sent(tenant, "tenant", ParamsProblem::Contradicts);
        never_sent(with_configuration(json!({ name: {} })), "url", ParamsProblem::Missing);
        never_sent(with_configuration(json!({name: {"url": "https://a.example\\@b/"}})), "url", ParamsProblem::Url);
        never_sent(with_configuration(json!({name: {"url": 1}})), "url", ParamsProblem::WrongType);
        let nested =
            json!({name: {"url": "https://a.example/", "pushNotificationConfig": {"url": "https://b.example"}}});
        never_sent(with_configuration(nested), "pushNotificationConfig", ParamsProblem::Unexpected);
    }
    let url = json!({"url": "https://a.example/"});
    let both = json!({"taskPushNotificationConfig": url, "pushNotificationConfig": url});
    never_sent(with_configuration(both), "pushNotificationConfig", ParamsProblem::Contradicts);
}

#[test]
fn every_method_about_a_task_names_it_alike() {
    for (methods, kind) in [
        (["GetTask", "tasks/get"], TaskKind::Get),
        (["CancelTask", "tasks/cancel"], TaskKind::Cancel),
        (["SubscribeToTask", "tasks/resubscribe"], TaskKind::Subscribe),
    ] {
        for method in methods {
            let arguments = object(json!({"taskId": "T-1", "tenant": "t"}));
            let params = json!({"id": "T-1", "tenant": "t", "historyLength": 3});
            assert_eq!(operation(method, params), Operation::Task { kind, arguments });
            wrong(method, json!({}), "id", ParamsProblem::Missing);
            wrong(method, json!({"id": ""}), "id", ParamsProblem::Missing);
            wrong(method, json!({"id": 1}), "id", ParamsProblem::WrongType);
            wrong(method, json!({"id": "T-1", "taskId": "T-2"}), "taskId", ParamsProblem::Unexpected);
        }
    }
    for method in ["ListTasks", "tasks/list"] {
        let list = |arguments: Value| Operation::Task { kind: TaskKind::List, arguments: object(arguments) };
        assert_eq!(operation(method, json!({"pageSize": 5})), list(json!({})));
        assert_eq!(
            operation(method, json!({"contextId": "c", "tenant": "t"})),
            list(json!({"contextId": "c", "tenant": "t"}))
        );
        wrong(method, json!({"id": "T-1"}), "id", ParamsProblem::Unexpected);
    }
}

#[test]
fn every_method_about_push_notifications_names_them_alike() {
    use PushNotificationKind::{Delete, Get, List, Set};
    let push = |kind, arguments: Value| Operation::PushNotification { kind, arguments: object(arguments) };
    let set = json!({"taskId": "T-1", "configId": "p", "pushNotificationHost": "a.example"});
    let params = json!({"taskId": "T-1", "id": "p", "url": "https://A.example/x", "token": "x"});
    assert_eq!(operation("CreateTaskPushNotificationConfig", params), push(Set, set.clone()));
    let params = json!({"taskId": "T-1", "pushNotificationConfig": {"id": "p", "url": "https://A.example/x"}});
    assert_eq!(operation("tasks/pushNotificationConfig/set", params), push(Set, set));
    let (both, one) = (json!({"taskId": "T-1", "configId": "p"}), json!({"taskId": "T-1"}));
    for (kind, method, method_0_3) in [
        (Get, "GetTaskPushNotificationConfig", "tasks/pushNotificationConfig/get"),
        (Delete, "DeleteTaskPushNotificationConfig", "tasks/pushNotificationConfig/delete"),
    ] {
        assert_eq!(operation(method, json!({"taskId": "T-1", "id": "p"})), push(kind, both.clone()));
        let params = json!({"id": "T-1", "pushNotificationConfigId": "p"});
        assert_eq!(operation(method_0_3, params), push(kind, both.clone()));
        assert_eq!(operation(method_0_3, json!({"id": "T-1"})), push(kind, one.clone()));
        wrong(method, json!({"id": "p"}), "taskId", ParamsProblem::Missing);
        let other = json!({"taskId": "T-1", "id": "p", "pushNotificationConfigId": "q"});
        wrong(method, other, "pushNotificationConfigId", ParamsProblem::Unexpected);
        wrong(method_0_3, json!({"id": "T-1", "taskId": "T-2"}), "taskId", ParamsProblem::Unexpected);
    }
    assert_eq!(operation("ListTaskPushNotificationConfigs", json!({"taskId": "T-1"})), push(List, one.clone()));
    assert_eq!(operation("tasks/pushNotificationConfig/list", json!({"id": "T-1"})), push(List, one));
    wrong("ListTaskPushNotificationConfigs", json!({"taskId": "T-1", "id": "x"}), "id", ParamsProblem::Unexpected);
}

#[test]
fn a_push_notification_has_one_url() {
    let set = "CreateTaskPushNotificationConfig";
    wrong(set, json!({"taskId": "T-1"}), "url", ParamsProblem::Missing);
    wrong(set, json!({"url": "https://a.example/"}), "taskId", ParamsProblem::Missing);
    wrong(set, json!({"taskId": "T-1", "url": "https://u@a.example/"}), "url", ParamsProblem::Url);
    let two =
        json!({"taskId": "T-1", "url": "https://a.example/", "pushNotificationConfig": {"url": "https://b.example/"}});
    wrong(set, two.clone(), "pushNotificationConfig", ParamsProblem::Unexpected);
    let set = "tasks/pushNotificationConfig/set";
    wrong(set, two, "url", ParamsProblem::Unexpected);
    wrong(set, json!({"taskId": "T-1"}), "pushNotificationConfig", ParamsProblem::Missing);
    let of_another = json!({"taskId": "T-1", "pushNotificationConfig": {"url": "https://a.example/", "taskId": "T-2"}});
    wrong(set, of_another, "taskId", ParamsProblem::Contradicts);
    let url = "https://a.example/";
    let of_another = json!({"taskId": "T-1", "tenant": "t", "pushNotificationConfig": {"url": url, "tenant": "u"}});
    wrong(set, of_another, "tenant", ParamsProblem::Contradicts);
    let nested =
        json!({"taskId": "T-1", "pushNotificationConfig": {"url": url, "pushNotificationConfig": {"url": "x"}}});
    wrong(set, nested, "pushNotificationConfig", ParamsProblem::Unexpected);
}

#[test]
fn the_card_is_public_or_extended() {
    let card = |arguments: Value| Operation::AgentCard { arguments: object(arguments) };
    for method in ["GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"] {
        assert_eq!(operation(method, json!({})), card(json!({"extended": true})));
        assert_eq!(operation(method, json!({"tenant": "t"})), card(json!({"extended": true, "tenant": "t"})));
        let without_params = json!({"jsonrpc": "2.0", "id": 7, "method": method}).to_string();
        let call = at("POST", "/", &[], without_params.as_bytes()).unwrap();
        assert_eq!(call.operation(), &card(json!({"extended": true})));
    }
    for path in ["/.well-known/agent-card.json", "/travel/.well-known/agent.json", "/.well-known/agent-card.json?v=1"] {
        let call = at("GET", path, &[], b"").unwrap();
        assert_eq!((call.operation(), call.method(), call.id()), (&card(json!({"extended": false})), "GET", None));
        let body = Refusal { id: None, error: MessageError::BodyNotAllowed };
        assert_eq!(at("GET", path, &[], b"{}"), Err(body));
    }
}

#[test]
fn nothing_else_is_got_or_deleted() {
    let binding = || Err(Refusal { id: None, error: MessageError::Binding });
    for path in
        ["/", "", "/travel", "/agent-card.json", "/.well-known/agent-card.json/", "/card", "/v1/extendedAgentCard"]
    {
        assert_eq!(at("GET", path, &[], b""), binding(), "{path}");
    }
    // A task of that name is no card.
    for path in ["/tasks/.well-known/agent-card.json", "/tasks/T-1/pushNotificationConfigs/.well-known/agent.json"] {
        assert_eq!(at("GET", path, &[], b""), binding(), "{path}");
    }
    for path in ["/.well-known/agent-card.json", "/travel", "/tasks/T-1", "/tasks/T-1/pushNotificationConfigs"] {
        assert_eq!(at("DELETE", path, &[], b""), binding(), "{path}");
    }
}

#[test]
fn json_rpc_is_at_no_path_that_could_be_of_another_binding() {
    // To an agent that has both bindings at one path, this cancels T-1.
    let decoy = body("GetTask", &json!({"id": "T-2"}));
    for path in [
        "/travel/x/tasks/T-1:cancel",
        "/travel/Tasks/T-1",
        "/Message:send",
        "/message:send/",
        "/message%253Asend",
        "/skills/s/query",
        "/lf.a2a.v1.A2AService/SendMessage",
        "/lf.a2a.v1.A2AService/",
        "/.well-known/agent-card.json",
    ] {
        assert_eq!(at("POST", path, &[], &decoy), Err(Refusal { id: None, error: MessageError::Binding }), "{path}");
    }
    for path in ["/", "/travel", "/travel/", "/a2a/v1?A2A-Version=1.0", "/x?y=/tasks/:"] {
        assert!(at("POST", path, &[], &decoy).is_ok(), "{path}");
    }
}

#[test]
fn methods_outside_the_table_are_unknown() {
    for method in [
        "sendMessage",
        "SendMessage ",
        "message/Send",
        "tasks/send",
        "tasks/sendSubscribe",
        "tasks/pushNotification/set",
        "tasks/subscribe",
        "QuerySkill",
        "tools/call",
        "initialize",
        "ping",
    ] {
        refused(method, &message(json!({})), MessageError::UnknownMethod { method: method.to_owned(), modern: false });
    }
}

#[test]
fn there_are_requests_only() {
    let unreadable = |body: &[u8], error: MessageError| {
        assert_eq!(at("POST", "/", &[], body), Err(Refusal { id: None, error }));
    };
    unreadable(br#"{"jsonrpc":"2.0","method":"GetTask","params":{"id":"T-1"}}"#, EnvelopeError::MissingId.into());
    unreadable(br#"{"jsonrpc":"2.0","id":7,"result":{}}"#, EnvelopeError::UnexpectedResponse.into());
    unreadable(b"[]", crate::batch::BatchProblem::Refused.into());
}

#[test]
fn headers_of_mcp_mean_nothing() {
    let headers = [
        ("mcp-method", "tools/call"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "\u{e9}"),
        ("mcp-protocol-version", "1900-01-01"),
        ("a2a-version", "0.3"),
    ];
    let call = at("POST", "/", &headers, &body("GetTask", &json!({"id": "T-1"}))).unwrap();
    assert_eq!((call.protocol(), call.method()), (Protocol::A2a, "GetTask"));
}

#[test]
fn a_token_is_bound_to_all_that_was_sent() {
    let params = message(json!({"taskId": "T-1"}));
    assert_eq!(call("SendMessage", &params).unwrap().payload(), params.as_object());
    assert_eq!(at("GET", "/.well-known/agent.json", &[], b"").unwrap().payload(), None);
}

#[test]
fn extensions_of_the_headers_are_added_to_those_of_the_message() {
    let asked = |headers: &[(&str, &str)], extensions: Value| {
        let params = message(json!({ "extensions": extensions }));
        let call = at("POST", "/", headers, &body("SendMessage", &params)).unwrap();
        assert_eq!(call.payload(), params.as_object(), "what goes on is what came");
        match call.operation() {
            Operation::SendMessage { arguments } => arguments.get("extensions").cloned(),
            other => panic!("{other:?}"),
        }
    };
    let headers = [("A2A-Extensions", "urn:b, urn:a,,"), ("x-a2a-extensions", "urn:c"), ("a2a-extensions", "urn:b")];
    assert_eq!(asked(&headers, json!(["urn:a"])), Some(json!(["urn:a", "urn:b", "urn:c"])));
    assert_eq!(asked(&headers[..1], json!(null)), Some(json!(["urn:b", "urn:a"])));
    assert_eq!(asked(&[("a2a-extensions", " , ")], json!([])), None);
    let get = at("POST", "/", &headers[1..2], &body("GetTask", &json!({"id": "T-1"}))).unwrap();
    let arguments = object(json!({"taskId": "T-1", "extensions": ["urn:c"]}));
    assert_eq!(get.operation(), &Operation::Task { kind: TaskKind::Get, arguments });
    let odd = at("POST", "/", &[("a2a-extensions", "urn:\u{7f}")], &body("GetTask", &json!({"id": "T-1"})));
    let error = MessageError::Params { member: "extensions", problem: ParamsProblem::ControlCharacter };
    assert_eq!(odd, Err(Refusal { id: None, error }));
}

#[test]
fn both_names_of_0_3_for_a_message_and_its_parts_are_read_and_never_both() {
    let request = json!({"messageId": "m", "role": "ROLE_USER", "content": [
        {"text": "x"},
        {"file": {"file_with_uri": "https://a.example/"}},
        {"file": {"fileWithBytes": "AA=="}},
    ]});
    let push = json!({"push_notification": {"url": "https://a.example/"}});
    let arguments = json!({"partKinds": ["raw", "text", "url"], "pushNotificationHost": "a.example"});
    sent(&json!({"request": request, "configuration": push}), arguments.clone());
    sent(&json!({"message": request, "configuration": push}), arguments);
    let contradicts = ParamsProblem::Contradicts;
    never_sent(json!({"request": request, "message": request}), "message", contradicts);
    never_sent(message(json!({"content": text()})), "parts", contradicts);
    never_sent(with_part(json!({"file": {"bytes": "AA==", "fileWithUri": "https://a.example/"}})), "file", contradicts);
    let two = json!({"pushNotification": {"url": "https://a.example/"}, "pushNotificationConfig": {"url": "https://b.example/"}});
    never_sent(with_configuration(two), "pushNotificationConfig", contradicts);
}
