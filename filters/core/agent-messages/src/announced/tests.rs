//! What is announced is what comes of the body, or the request is refused.

use std::rc::Rc;

use serde_json::{Value, json};

use super::announced;
use crate::call::AgentCall;
use crate::error::MessageError;
use crate::headers::MessageHeaders;
use crate::limits::Limits;
use crate::mcp::extra::{ExtraMethod, ExtraMethods, JudgedAs};
use crate::pointer::Pointer;
use crate::protocol::Protocol;

const LIMITS: Limits =
    Limits { max_body_bytes: 10_000, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 10_000 };

const VERSIONS: [Option<&str>; 4] = [None, Some("2025-11-25"), Some("2026-07-28"), Some("2099-01-01")];
const METHODS: [Option<&str>; 20] = [
    None,
    Some("tools/call"),
    Some("prompts/get"),
    Some("resources/read"),
    Some("completion/complete"),
    Some("tools/list"),
    Some("server/discover"),
    Some("initialize"),
    Some("resources/subscribe"),
    Some("notifications/cancelled"),
    Some("tasks/get"),
    Some("tasks/update"),
    Some("tasks/cancel"),
    Some("tasks/list"),
    Some("subscriptions/listen"),
    Some("skills/get"),
    Some("acme/run"),
    Some("acme/audit"),
    Some("acme/tasks"),
    Some("notifications/acme/seen"),
];
const NAMES: [Option<&str>; 3] = [None, Some("one"), Some("two")];

fn headers(protocol: Protocol, verb: &str, path: &str, more: &[(&str, Option<&str>)]) -> MessageHeaders {
    let always = [(":method", verb), (":path", path), ("content-type", "application/json")];
    let more = more.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    let all = always.into_iter().chain(more);
    let headers = MessageHeaders::read(protocol, all.map(|(name, value)| (name.as_bytes(), value.as_bytes()))).unwrap();
    headers.admitting(&Rc::new(extensions()))
}

/// One method of each kind.
fn extensions() -> ExtraMethods {
    let at = |text| Pointer::parse(text).unwrap();
    let mut extensions = ExtraMethods::default();
    for (method, judged) in [
        ("skills/get", JudgedAs::ReadResource { uri: at("/uri") }),
        ("acme/run", JudgedAs::CallTool { name: at("/name"), arguments: None }),
        ("acme/audit", JudgedAs::Connect),
        ("acme/tasks", JudgedAs::ListTasks),
        ("notifications/acme/seen", JudgedAs::ReadResource { uri: at("/uri") }),
    ] {
        extensions.admit(method, ExtraMethod { judged, list: None }).unwrap();
    }
    extensions
}

/// Every header with every other one.
fn combinations(verb: &str) -> Vec<MessageHeaders> {
    let mut all = Vec::new();
    for version in VERSIONS {
        for method in METHODS {
            for name in NAMES {
                let more = [("mcp-protocol-version", version), ("mcp-method", method), ("mcp-name", name)];
                all.push(headers(Protocol::Mcp, verb, "/mcp", &more));
            }
        }
    }
    all
}

fn named(name: &str) -> Value {
    json!({"name": name, "uri": name, "taskId": name, "notifications": {"resourceSubscriptions": [name]}})
}

/// Requests, notifications and a response, with and without what 2026-07-28 wants.
fn bodies() -> Vec<String> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut all = vec![String::new(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string()];
    for method in METHODS.into_iter().flatten().chain(["ping", "notifications/initialized"]) {
        for modern in [false, true] {
            for target in [json!({}), named("one"), named("two")] {
                let mut params = target;
                params["ref"] = json!({"type": "ref/prompt", "name": "one"});
                params["argument"] = json!({"name": "a", "value": "v"});
                if modern {
                    params["_meta"] = meta.clone();
                }
                let mut body = json!({"jsonrpc": "2.0", "method": method, "params": params});
                if !method.starts_with("notifications/") {
                    body["id"] = json!(1);
                }
                all.push(body.to_string());
            }
        }
    }
    all
}

#[test]
fn no_body_that_is_accepted_asks_for_anything_else() {
    let bodies = bodies();
    let (mut kept, mut refused) = (0, 0);
    for verb in ["POST", "GET", "DELETE"] {
        for headers in combinations(verb) {
            let announced = announced(&headers);
            for body in &bodies {
                let Ok(call) = AgentCall::parse(&headers, body.as_bytes(), &LIMITS) else { continue };
                match &announced {
                    Err(error) => panic!("{error}, but {body} is accepted with {headers:?}"),
                    Ok(None) => {}
                    Ok(Some(announced)) => {
                        let without_arguments = |call: &AgentCall| {
                            let mut operation = serde_json::to_value(call.operation()).unwrap();
                            for open in ["/call_tool/arguments", "/get_prompt/arguments"] {
                                operation.pointer_mut(open).into_iter().for_each(|value| *value = json!({}));
                            }
                            if let Some(targets) = operation.pointer_mut("/listen/targets") {
                                *targets = json!([]);
                            }
                            operation
                        };
                        assert!(
                            announced.method.as_ref().is_none_or(|method| method == call.method()),
                            "{headers:?} {body}"
                        );
                        assert_eq!(
                            serde_json::to_value(&announced.operation).unwrap(),
                            without_arguments(&call),
                            "{headers:?} {body}"
                        );
                        kept += 1;
                    }
                }
            }
            refused += usize::from(announced.is_err());
        }
    }
    assert!(kept > 40 && refused > 50, "{kept} kept what they announced, {refused} refused at once");
}

#[test]
fn what_the_headers_do_not_tell_is_not_announced() {
    let of = |version, method, name| {
        let more = [("mcp-protocol-version", version), ("mcp-method", method), ("mcp-name", name)];
        announced(&headers(Protocol::Mcp, "POST", "/mcp", &more))
    };
    assert_eq!(of(Some("2025-11-25"), Some("tools/call"), Some("one")), Ok(None));
    assert_eq!(of(None, None, None), Ok(None));
    let modern = Some("2026-07-28");
    assert_eq!(of(modern, Some("completion/complete"), None), Ok(None));
    let tool = of(modern, Some("tools/call"), Some("one")).unwrap().unwrap();
    assert_eq!(tool.method.as_deref(), Some("tools/call"));
    let operation: Value = serde_json::to_value(&tool.operation).unwrap();
    assert_eq!(operation, json!({"call_tool": {"name": "one", "arguments": {}}}));
    assert!(matches!(of(modern, Some("tools/call"), None), Err(MessageError::HeaderMismatch { .. })));
    assert!(matches!(of(modern, Some("x"), None), Err(MessageError::UnknownMethod { modern: true, .. })));
}

#[test]
fn of_an_agent_the_path_announces_what_the_body_then_asks() {
    let of = |verb, path| announced(&headers(Protocol::A2a, verb, path, &[])).unwrap();
    assert_eq!(of("POST", "/"), None, "JSON-RPC says nothing");
    assert_eq!(of("GET", "/.well-known/agent-card.json").unwrap().method.as_deref(), Some("GET"));
    let send = br#"{"message":{"parts":[{"text":"x"}]}}"#;
    let config = br#"{"url":"https://a.example/"}"#;
    for (verb, path, body, announced_alone) in [
        ("POST", "/v1/message:send", &send[..], true),
        ("POST", "/acme/message:stream", br#"{"tenant":"acme","message":{"parts":[{"text":"x"}]}}"#, true),
        ("POST", "/tasks/1/pushNotificationConfigs", config, true),
        ("POST", "/tasks/1:cancel", br#"{"id":"1"}"#, false),
        ("POST", "/tasks/1:subscribe", b"", false),
        ("GET", "/tasks/1", b"", false),
        ("GET", "/acme/tasks?contextId=c", b"", false),
        ("DELETE", "/tasks/1/pushNotificationConfigs/2", b"", false),
        ("GET", "/extendedAgentCard", b"", false),
    ] {
        let announced = of(verb, path).unwrap_or_else(|| panic!("{verb} {path}"));
        let call = AgentCall::parse(&headers(Protocol::A2a, verb, path, &[]), body, &LIMITS).unwrap();
        assert_eq!(announced.method.as_deref(), Some(call.method()), "{verb} {path}");
        if announced_alone {
            let kind = std::mem::discriminant(&announced.operation);
            assert_eq!(kind, std::mem::discriminant(call.operation()), "{verb} {path}");
        } else {
            assert_eq!(&announced.operation, call.operation(), "{verb} {path}");
        }
    }
}
