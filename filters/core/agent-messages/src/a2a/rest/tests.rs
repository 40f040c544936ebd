//! Paths, queries and bodies of HTTP+JSON: what each asks, and everything that two servers could read differently.

use serde_json::{Map, Value, json};

use crate::a2a::{AgentEndpoint, Binding};
use crate::batch::BatchProblem;
use crate::call::{AgentCall, Operation, PushNotificationKind, TaskKind};
use crate::error::{MessageError, ParamsProblem};
use crate::headers::MessageHeaders;
use crate::json::JsonError;
use crate::jsonrpc::EnvelopeError;
use crate::limits::Limits;

const LIMITS: Limits =
    Limits { max_body_bytes: 65_536, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 65_536 };
const A2A_JSON: Option<&str> = Some("application/a2a+json");

fn with(
    endpoint: &AgentEndpoint,
    verb: &str,
    target: &str,
    content_type: Option<&str>,
    body: &str,
) -> Result<AgentCall, MessageError> {
    let always = [(":method", verb), (":path", target)];
    let all = always.into_iter().chain(content_type.map(|value| ("content-type", value)));
    let headers = MessageHeaders::of_agent(endpoint, all.map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
    let call = AgentCall::parse(&headers, body.as_bytes(), &LIMITS).map_err(|refusal| {
        assert_eq!(refusal.id, None, "there are no ids in this binding");
        refusal.error
    })?;
    assert_eq!((call.binding(), call.id(), call.is_opaque()), (Binding::HttpJson, None, false));
    Ok(call)
}

fn asked(verb: &str, target: &str, body: &str) -> Result<AgentCall, MessageError> {
    let content_type = if verb == "POST" { A2A_JSON } else { None };
    with(&AgentEndpoint::default(), verb, target, content_type, body)
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn message() -> Value {
    json!({"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "Hello"}]})
}

fn send() -> String {
    json!({ "message": message() }).to_string()
}

#[track_caller]
fn asks(verb: &str, target: &str, body: &str, method: &str, operation: Operation) -> Map<String, Value> {
    let call = asked(verb, target, body).unwrap_or_else(|error| panic!("{verb} {target}: {error:?}"));
    assert_eq!((call.method(), call.operation()), (method, &operation), "{verb} {target}");
    call.payload().unwrap().clone()
}

fn task(kind: TaskKind, arguments: Value) -> Operation {
    Operation::Task { kind, arguments: object(arguments) }
}

fn push(kind: PushNotificationKind, arguments: Value) -> Operation {
    Operation::PushNotification { kind, arguments: object(arguments) }
}

#[test]
fn every_operation_is_at_its_path() {
    use PushNotificationKind::{Delete, Get, List, Set};
    for version in ["", "/v1"] {
        let at = |path: &str| format!("{version}{path}");
        let sent = || Operation::SendMessage { arguments: object(json!({"partKinds": ["text"]})) };
        asks("POST", &at("/message:send"), &send(), "SendMessage", sent());
        asks("POST", &at("/message:stream"), &send(), "SendStreamingMessage", sent());
        let one = || json!({"taskId": "T-1"});
        let params = asks("GET", &at("/tasks/T-1"), "", "GetTask", task(TaskKind::Get, one()));
        assert_eq!(params, object(json!({"id": "T-1"})), "as in JSON-RPC");
        asks("GET", &at("/tasks"), "", "ListTasks", task(TaskKind::List, json!({})));
        for body in ["", "{}", r#"{"id":"T-1","metadata":{}}"#] {
            asks("POST", &at("/tasks/T-1:cancel"), body, "CancelTask", task(TaskKind::Cancel, one()));
            asks("POST", &at("/tasks/T-1:subscribe"), body, "SubscribeToTask", task(TaskKind::Subscribe, one()));
        }
        asks("GET", &at("/tasks/T-1:subscribe"), "", "SubscribeToTask", task(TaskKind::Subscribe, one()));
        let configs = at("/tasks/T-1/pushNotificationConfigs");
        asks("GET", &configs, "", "ListTaskPushNotificationConfigs", push(List, one()));
        let (config, both) = (format!("{configs}/p"), json!({"taskId": "T-1", "configId": "p"}));
        asks("GET", &config, "", "GetTaskPushNotificationConfig", push(Get, both.clone()));
        asks("DELETE", &config, "", "DeleteTaskPushNotificationConfig", push(Delete, both));
        let set = push(Set, json!({"taskId": "T-1", "configId": "p", "pushNotificationHost": "a.example"}));
        let body = match version {
            "" => json!({"id": "p", "url": "https://A.example/x"}),
            _ => json!({"parent": "tasks/T-1", "config_id": "p", "config": {"push_notification_config": {
                "id": "p", "url": "https://A.example/x",
            }}}),
        };
        asks("POST", &configs, &body.to_string(), "CreateTaskPushNotificationConfig", set);
    }
    let card = || Operation::AgentCard { arguments: object(json!({"extended": true})) };
    asks("GET", "/extendedAgentCard", "", "GetExtendedAgentCard", card());
    asks("GET", "/v1/card", "", "GetExtendedAgentCard", card());
}

#[test]
fn a_tenant_is_in_the_path_or_nowhere() {
    let params = asks(
        "GET",
        "/acme/tasks/T-1?A2A-Version=1.0",
        "",
        "GetTask",
        task(TaskKind::Get, json!({"taskId": "T-1", "tenant": "acme"})),
    );
    assert_eq!(params, object(json!({"id": "T-1", "tenant": "acme"})));
    asks("GET", "/acme/tasks", "", "ListTasks", task(TaskKind::List, json!({"tenant": "acme"})));
    let same = json!({"tenant": "acme", "message": message()}).to_string();
    let sent = Operation::SendMessage { arguments: object(json!({"partKinds": ["text"], "tenant": "acme"})) };
    let params = asks("POST", "/acme/message:send", &same, "SendMessage", sent);
    assert_eq!(params, object(json!({"message": message(), "tenant": "acme"})));
    let contradicts = Err(MessageError::Params { member: "tenant", problem: ParamsProblem::Contradicts });
    for (target, body) in [
        ("/message:send", same.as_str()),
        ("/v1/message:send", same.as_str()),
        ("/evil/message:send", same.as_str()),
        ("/tasks/T-1:cancel", r#"{"tenant":"acme"}"#),
        ("/acme/tasks/T-1:cancel", r#"{"tenant":"other"}"#),
    ] {
        assert_eq!(asked("POST", target, body), contradicts, "{target}");
    }
    let ambiguous = Err(MessageError::Params { member: "tenant", problem: ParamsProblem::Ambiguous });
    assert_eq!(asked("POST", "/acme/tasks/T-1:cancel", r#"{"Tenant":"acme"}"#), ambiguous);
}

#[test]
fn the_body_may_repeat_the_path_and_say_nothing_else() {
    let wrong = |member, problem| Err(MessageError::Params { member, problem });
    let contradicts = ParamsProblem::Contradicts;
    let configs = "/tasks/T-1/pushNotificationConfigs";
    for (target, body, expected) in [
        ("/tasks/T-1:cancel", r#"{"id":"T-2"}"#, wrong("id", contradicts)),
        ("/tasks/T-1:cancel", r#"{"id":1}"#, wrong("id", ParamsProblem::WrongType)),
        ("/tasks/T-1:cancel", r#"{"ID":"T-1"}"#, wrong("id", ParamsProblem::Ambiguous)),
        ("/tasks/T-1:cancel", r#"{"name":"tasks/T-2"}"#, wrong("name", ParamsProblem::Unexpected)),
        ("/tasks/T-1:cancel", r#"{"taskId":"T-2"}"#, wrong("taskId", ParamsProblem::Unexpected)),
        (configs, r#"{"url":"https://a.example/","taskId":"T-2"}"#, wrong("taskId", contradicts)),
        (configs, r#"{"url":"https://a.example/","task_id":"T-2"}"#, wrong("taskId", contradicts)),
        (
            configs,
            r#"{"url":"https://a.example/","task_id":"T-1","taskId":"T-1"}"#,
            wrong("taskId", ParamsProblem::Ambiguous),
        ),
        (configs, r#"{"taskId":"T-1"}"#, wrong("url", ParamsProblem::Missing)),
        (configs, r#"{"url":"https://a.example@b.example/"}"#, wrong("url", ParamsProblem::Url)),
        ("/message:send", r#"{"id":"T-1","message":{"parts":[{"text":"x"}]}}"#, wrong("id", ParamsProblem::Unexpected)),
    ] {
        assert_eq!(asked("POST", target, body), expected, "{target} {body}");
    }
    let snake = r#"{"url":"https://a.example/","task_id":"T-1"}"#;
    let set = push(PushNotificationKind::Set, json!({"taskId": "T-1", "pushNotificationHost": "a.example"}));
    let params = asks("POST", configs, snake, "CreateTaskPushNotificationConfig", set);
    assert_eq!(params, object(json!({"url": "https://a.example/", "taskId": "T-1"})), "once, in one spelling");
}

#[test]
fn a_push_notification_of_0_3_names_its_task_and_itself_once() {
    let url = "https://a.example/";
    let wrong = |member, problem| Err(MessageError::Params { member, problem });
    let contradicts = ParamsProblem::Contradicts;
    let inner = json!({ "url": url });
    for (body, expected) in [
        (json!({"parent": "tasks/T-2", "config": {"pushNotificationConfig": inner}}), wrong("parent", contradicts)),
        (
            json!({"config": {"name": "tasks/T-2/pushNotificationConfigs/p", "pushNotificationConfig": inner}}),
            wrong("name", contradicts),
        ),
        (
            json!({"configId": "q", "name": "tasks/T-1/pushNotificationConfigs/p", "pushNotificationConfig": inner}),
            wrong("configId", contradicts),
        ),
        (
            json!({"config": {"pushNotificationConfig": inner}, "pushNotificationConfig": inner}),
            wrong("pushNotificationConfig", contradicts),
        ),
        (json!({"config": {}}), wrong("pushNotificationConfig", ParamsProblem::Missing)),
        (json!({ "url": url }), wrong("pushNotificationConfig", ParamsProblem::Missing)),
        (json!({"url": url, "pushNotificationConfig": inner}), wrong("url", ParamsProblem::Unexpected)),
        (
            json!({"config": {"pushNotificationConfig": {"url": url, "taskId": "T-2"}}}),
            wrong("taskId", ParamsProblem::Unexpected),
        ),
    ] {
        assert_eq!(asked("POST", "/v1/tasks/T-1/pushNotificationConfigs", &body.to_string()), expected, "{body}");
    }
    let whole = json!({
        "parent": "tasks/T-1/pushNotificationConfigs",
        "config": {"name": "tasks/T-1/pushNotificationConfigs/p", "pushNotificationConfig": {"id": "p", "url": url}},
    });
    let set = json!({"taskId": "T-1", "configId": "p", "pushNotificationHost": "a.example"});
    let method = "CreateTaskPushNotificationConfig";
    let target = "/v1/tasks/T-1/pushNotificationConfigs";
    asks("POST", target, &whole.to_string(), method, push(PushNotificationKind::Set, set.clone()));
    asks("POST", target, &whole["config"].to_string(), method, push(PushNotificationKind::Set, set));
}

#[test]
fn a_path_is_decoded_once() {
    let sent = || Operation::SendMessage { arguments: object(json!({"partKinds": ["text"]})) };
    asks("POST", "/message%3Asend", &send(), "SendMessage", sent());
    asks("POST", "/%6dessage%3asend", &send(), "SendMessage", sent());
    asks("GET", "/%74asks/T%2D1", "", "GetTask", task(TaskKind::Get, json!({"taskId": "T-1"})));
    asks("POST", "/tasks/T-1%3Acancel", "", "CancelTask", task(TaskKind::Cancel, json!({"taskId": "T-1"})));
    for target in [
        "/message%253Asend",
        "/message%3send",
        "/message%3",
        "/message%3Asend%",
        "/message:send%00",
        "/message:send%ff",
        "/tasks/T-1%253Acancel",
        "/tasks/%ff",
        "/tasks/T%0A1",
        "/tasks/%25",
    ] {
        for verb in ["GET", "POST"] {
            assert_eq!(asked(verb, target, ""), Err(MessageError::Binding), "{verb} {target}");
        }
    }
}

#[test]
fn whatever_is_no_operation_is_nothing() {
    for (verb, target) in [
        ("POST", "/message:Send"),
        ("POST", "/Message:send"),
        ("POST", "/MESSAGE:SEND"),
        ("POST", "/message:send/"),
        ("POST", "/message:send:"),
        ("POST", "/message:send:cancel"),
        ("POST", "//message:send"),
        ("POST", "/v1/v1/message:send"),
        ("POST", "/v1/acme/message:send"),
        ("POST", "/a/b/message:send"),
        ("POST", "/tasks/message:send"),
        ("POST", "/v1:x/message:send"),
        ("POST", "/.well-known/message:send"),
        ("POST", "/:/message:send"),
        ("GET", "/message:send"),
        ("DELETE", "/message:send"),
        ("GET", "/tasks/"),
        ("GET", "/Tasks"),
        ("GET", "/TASKS/T-1"),
        ("POST", "/tasks"),
        ("DELETE", "/tasks/T-1"),
        ("POST", "/tasks/T-1"),
        ("GET", "/tasks/T-1/"),
        ("GET", "/tasks//T-1"),
        ("GET", "/tasks/T-1:cancel"),
        ("POST", "/tasks/T-1:Cancel"),
        ("POST", "/tasks/T-1:cancel/"),
        ("POST", "/tasks/T-1:pause"),
        ("POST", "/tasks/:cancel"),
        ("POST", "/tasks/T-1:x:cancel"),
        ("POST", "/tasks/T-1/cancel"),
        ("GET", "/tasks/T-1:x"),
        ("GET", "/tasks/T-1/pushnotificationconfigs"),
        ("GET", "/tasks/T-1/pushNotificationConfigs/"),
        ("GET", "/tasks/T-1/pushNotificationConfigs/p/q"),
        ("GET", "/tasks/T:1/pushNotificationConfigs/p"),
        ("GET", "/tasks/T-1/pushNotificationConfigs/p:q"),
        ("DELETE", "/tasks/T-1/pushNotificationConfigs"),
        ("GET", "/extendedagentcard"),
        ("POST", "/extendedAgentCard"),
        ("GET", "/tasks/tasks"),
        ("GET", "/tasks/extendedAgentCard"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
    ] {
        assert_eq!(asked(verb, target, ""), Err(MessageError::Binding), "{verb} {target}");
    }
    let longest = format!("/tasks/{}", "T".repeat(8_192));
    assert!(asked("GET", &longest, "").is_ok());
    assert_eq!(asked("GET", &format!("{longest}T"), ""), Err(MessageError::Binding));
}

#[test]
fn a_query_has_what_the_operation_has_and_once() {
    let list = "/tasks?contextId=c%201&status=TASK_STATE_WORKING&pageSize=5&pageToken=x%3D&historyLength=1\
                &includeArtifacts=true&statusTimestampAfter=2026-11-25T16:00:00Z&A2A-Version=1.0";
    let params = asks("GET", list, "", "ListTasks", task(TaskKind::List, json!({"contextId": "c 1"})));
    let expected = json!({
        "contextId": "c 1", "status": "TASK_STATE_WORKING", "pageSize": "5", "pageToken": "x=", "historyLength": "1",
        "includeArtifacts": "true", "statusTimestampAfter": "2026-11-25T16:00:00Z",
    });
    assert_eq!(params, object(expected));
    asks("GET", "/tasks/T-1?historyLength=2", "", "GetTask", task(TaskKind::Get, json!({"taskId": "T-1"})));
    asks("GET", "/tasks?", "", "ListTasks", task(TaskKind::List, json!({})));
    asks(
        "POST",
        "/tasks/T-1:cancel?A2A-Version=0.3",
        "",
        "CancelTask",
        task(TaskKind::Cancel, json!({"taskId": "T-1"})),
    );
    for (verb, target) in [
        ("GET", "/tasks?contextId=a&contextId=b"),
        ("GET", "/tasks?contextId=a&contextId=a"),
        ("GET", "/tasks?contextId=a&context_id=b"),
        ("GET", "/tasks?context_id=b"),
        ("GET", "/tasks?ContextId=b"),
        ("GET", "/tasks?contextid=b"),
        ("GET", "/tasks?context%49d=b"),
        ("GET", "/tasks?contextId[]=b"),
        ("GET", "/tasks?contextId"),
        ("GET", "/tasks?contextId=a+b"),
        ("GET", "/tasks?contextId=a;status=x"),
        ("GET", "/tasks?contextId=%2541"),
        ("GET", "/tasks?contextId=%4"),
        ("GET", "/tasks?contextId=%ff"),
        ("GET", "/tasks?contextId=%00"),
        ("GET", "/tasks?&contextId=a"),
        ("GET", "/tasks?contextId=a&"),
        ("GET", "/tasks?tenant=acme"),
        ("GET", "/tasks?A2A-Version=1.0&A2A-Version=0.3"),
        ("GET", "/tasks?a2a-version=1.0"),
        ("GET", "/tasks/T-1?id=T-2"),
        ("GET", "/tasks/T-1?contextId=a"),
        ("GET", "/tasks/T-1:subscribe?id=T-2"),
        ("GET", "/tasks/T-1/pushNotificationConfigs?taskId=T-2"),
        ("GET", "/tasks/T-1/pushNotificationConfigs/p?id=q"),
        ("POST", "/message:send?message.taskId=T-2"),
        ("POST", "/message:send?_method=DELETE"),
        ("POST", "/tasks/T-1:cancel?id=T-2"),
        ("GET", "/extendedAgentCard?tenant=acme"),
    ] {
        assert_eq!(asked(verb, target, ""), Err(MessageError::Query), "{verb} {target}");
    }
}

#[test]
fn a_body_is_strict_json_where_there_is_one() {
    let endpoint = AgentEndpoint::default();
    for content_type in ["application/json", "application/a2a+json; charset=utf-8", "Application/A2A+JSON"] {
        assert!(with(&endpoint, "POST", "/message:send", Some(content_type), &send()).is_ok(), "{content_type}");
    }
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/grpc"),
        Some("application/a2a+json; charset=utf-16"),
        Some("application/a2a+json, text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let refused = with(&endpoint, "POST", "/message:send", content_type, &send());
        assert_eq!(refused, Err(MessageError::ContentType), "{content_type:?}");
    }
    // No body, no type; a body, a type.
    assert!(with(&endpoint, "POST", "/tasks/T-1:cancel", None, "").is_ok());
    assert_eq!(with(&endpoint, "POST", "/tasks/T-1:cancel", None, "{}"), Err(MessageError::ContentType));
    assert_eq!(with(&endpoint, "POST", "/tasks/T-1:cancel", Some("text/plain"), ""), Err(MessageError::ContentType));
    for (verb, target) in [("GET", "/tasks/T-1"), ("DELETE", "/tasks/T-1/pushNotificationConfigs/p")] {
        assert_eq!(asked(verb, target, "{}"), Err(MessageError::BodyNotAllowed));
    }
    let twice = r#"{"message":{"parts":[{"text":"x"}]},"message":{"parts":[{"text":"x"}],"taskId":"T-2"}}"#;
    assert_eq!(
        asked("POST", "/message:send", twice),
        Err(JsonError::DuplicateName { name: "message".to_owned() }.into())
    );
    assert!(matches!(asked("POST", "/message:send", ""), Err(MessageError::Json(_))));
    assert!(matches!(asked("POST", "/message:send", "\u{feff}{}"), Err(MessageError::Json(_))));
    assert_eq!(asked("POST", "/message:send", "[]"), Err(BatchProblem::Refused.into()));
    assert_eq!(asked("POST", "/message:send", "1"), Err(EnvelopeError::NotAnObject.into()));
    let twins = r#"{"message":{"taskId":"T-1","task_id":"T-2","parts":[{"text":"x"}]}}"#;
    let ambiguous = MessageError::Params { member: "taskId", problem: ParamsProblem::Ambiguous };
    assert_eq!(asked("POST", "/message:send", twins), Err(ambiguous));
}

#[test]
fn paths_begin_where_the_agent_does() {
    for prefix in ["/travel", "/travel/"] {
        let endpoint = AgentEndpoint::new(Some(prefix), AgentEndpoint::JUDGED.to_vec());
        let at = |target| with(&endpoint, "GET", target, None, "");
        assert_eq!(at("/travel/tasks/T-1").unwrap().operation(), &task(TaskKind::Get, json!({"taskId": "T-1"})));
        let with_tenant = json!({"taskId": "T-1", "tenant": "acme"});
        assert_eq!(at("/travel/acme/tasks/T-1").unwrap().operation(), &task(TaskKind::Get, with_tenant));
        for elsewhere in ["/tasks/T-1", "/x/travel/tasks/T-1", "/%74ravel/tasks/T-1", "/Travel/tasks/T-1"] {
            assert_eq!(at(elsewhere), Err(MessageError::Binding), "{elsewhere}");
        }
    }
}

#[test]
fn only_the_bindings_that_the_agent_has_are_there() {
    let endpoint = |bindings: &[Binding]| AgentEndpoint::new(None, bindings.to_vec());
    let rpc = r#"{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"T-1"}}"#;
    let get = |bindings| with(&endpoint(bindings), "GET", "/tasks/T-1", None, "");
    assert!(get(&[Binding::HttpJson]).is_ok());
    assert_eq!(get(&[Binding::JsonRpc, Binding::Grpc]), Err(MessageError::Binding));
    for target in ["/message:send", "/tasks/T-1:cancel", "/message%3Asend"] {
        let refused = with(&endpoint(&[Binding::JsonRpc]), "POST", target, Some("application/json"), rpc);
        assert_eq!(refused, Err(MessageError::Binding), "{target}");
    }
    let refused = with(&endpoint(&[Binding::HttpJson]), "POST", "/", Some("application/json"), rpc);
    assert_eq!(refused, Err(MessageError::Binding));
}
