//! MCP: whoever reads the request finds what was judged.

use agent_messages::{AgentCall, Batches, MessageHeaders, Operation, Protocol, Revision, Verb};
use serde_json::Value;

use crate::reading::{Reading, Tree};
use crate::request::{LIMITS, Request};

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A request to an MCP server. If it is accepted, the first of equal names, the last of them and names in any case all
/// give the call that is judged, and so do the headers; of a batch, each message does.
///
/// # Panics
/// That does not hold.
pub fn message(data: &[u8]) {
    let request = Request::of(data);
    let Ok(headers) = MessageHeaders::read(Protocol::Mcp, request.headers.iter().copied()) else { return };
    let alone = AgentCall::parse(&headers, request.body, &LIMITS);
    let Ok(call) = AgentCall::parse_with(&headers, request.body, &LIMITS, Batches::Read) else {
        assert!(alone.is_err(), "allowing batches refuses what is none");
        return;
    };
    handed_over(&call);
    one_meaning_of_headers(&request, &call);
    if headers.verb() != Verb::Post {
        assert!(request.body.is_empty(), "a body that nobody judged");
        return;
    }
    assert!(!request.body.starts_with(b"\xef\xbb\xbf"), "a byte order mark");
    assert_eq!(request.values("content-type").len(), 1, "one content type");
    let tree = Tree::parse(request.body);
    assert!(tree.is_some(), "no JSON");
    let Some(tree) = tree else { return };
    let (calls, messages) = match (call.operation(), &tree) {
        (Operation::Batch { calls, .. }, Tree::List(messages)) => {
            assert!(alone.is_err(), "a batch that nobody allowed");
            (calls.as_slice(), messages.as_slice())
        }
        _ => (std::slice::from_ref(&call), std::slice::from_ref(&tree)),
    };
    assert_eq!(calls.len(), messages.len(), "a message that nobody judged");
    for (call, message) in calls.iter().zip(messages) {
        for reading in Reading::ALL {
            one_meaning(call, message, reading);
            version(&request, call, message, reading);
        }
    }
}

/// What one stage hands to the next is the same call.
pub(crate) fn handed_over(call: &AgentCall) {
    let text = serde_json::to_vec(call).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<AgentCall>(&text).ok().as_ref(), Some(call), "the hand-off differs");
}

fn one_meaning(call: &AgentCall, tree: &Tree, reading: Reading) {
    assert!(matches!(tree, Tree::Object(_)), "no object");
    let text = |path: &[&str]| reading.at(tree, path).and_then(Tree::text);
    let Some(method) = text(&["method"]) else {
        assert_eq!(call.method(), "response", "{reading:?}: there is no method");
        assert!(call.operation() == &Operation::Connect && call.list().is_none());
        return;
    };
    assert_eq!(method, call.method(), "{reading:?}");
    let id = reading.at(tree, &["id"]).map(|id| id.value(reading));
    assert_eq!(id, call.id().cloned().map(Value::from), "{reading:?}");
    assert_eq!(id.is_none(), method.starts_with("notifications/"), "{reading:?}: who answers?");
    let completes = method == "completion/complete";
    let of = |member| if completes { vec!["params", "ref", member] } else { vec!["params", member] };
    let arguments = reading.at(tree, &["params", "arguments"]).map(|arguments| arguments.value(reading));
    let arguments = arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    match call.operation() {
        Operation::CallTool { name, arguments: judged } => {
            assert_eq!(method, "tools/call");
            assert_eq!(text(&of("name")), Some(name.as_str()), "{reading:?}");
            assert_eq!(arguments, Value::Object(judged.clone()), "{reading:?}");
        }
        Operation::GetPrompt { name, arguments: judged } => {
            assert!(method == "prompts/get" || completes);
            assert_eq!(text(&of("name")), Some(name.as_str()), "{reading:?}");
            if completes {
                let argument = text(&["params", "argument", "name"]).unwrap_or_default();
                let value = text(&["params", "argument", "value"]);
                assert_eq!(judged.get(argument).and_then(Value::as_str), value, "{reading:?}");
            } else {
                assert_eq!(arguments, Value::Object(judged.clone()), "{reading:?}");
            }
        }
        Operation::ReadResource { uri } => {
            assert!(method == "resources/read" || completes);
            assert_eq!(text(&of("uri")), Some(uri.as_str()), "{reading:?}");
        }
        Operation::SubscribeResource { uri } => {
            assert!(method.starts_with("resources/"));
            assert_eq!(text(&of("uri")), Some(uri.as_str()), "{reading:?}");
        }
        Operation::Listen { targets } => {
            let judged: Vec<&str> = targets.iter().filter_map(subscribed).collect();
            let list = reading.at(tree, &["params", "notifications", "resourceSubscriptions"]);
            let said: Vec<&str> = list.map(Tree::list).unwrap_or_default().iter().filter_map(Tree::text).collect();
            assert_eq!(said, judged, "{reading:?}");
        }
        Operation::ServerTask { arguments: judged, .. } => {
            assert_eq!(text(&["params", "taskId"]), judged.get("taskId").and_then(Value::as_str), "{reading:?}");
        }
        Operation::Connect => {
            let targeted = ["tools/call", "prompts/get", "resources/read", "resources/subscribe"];
            assert!(!targeted.contains(&method) && !completes, "{method} is more than talking");
            assert_eq!(method.ends_with("/list"), call.list().is_some(), "{method}");
        }
        _ => {}
    }
}

fn subscribed(target: &Operation) -> Option<&str> {
    match target {
        Operation::SubscribeResource { uri } => Some(uri),
        _ => None,
    }
}

/// The revision that body and header say is the one that was judged.
fn version(request: &Request<'_>, call: &AgentCall, tree: &Tree, reading: Reading) {
    // `_meta` is a map for every SDK, and names in a map are as they are.
    let meta = reading.at(tree, &["params", "_meta"]).map(|meta| meta.value(reading)).unwrap_or_default();
    let said = meta.get(META_VERSION).and_then(Value::as_str);
    let header = request.values("mcp-protocol-version");
    if let (Some(said), [header]) = (said, header.as_slice()) {
        assert_eq!(said.as_bytes(), *header, "{reading:?}: header and body say different revisions");
    }
    let modern = said == Some("2026-07-28") || header == [b"2026-07-28"];
    assert_eq!(modern, call.revision() == Revision::Modern, "{reading:?}");
}

/// A server or proxy that goes by the headers does what was judged, or nothing.
fn one_meaning_of_headers(request: &Request<'_>, call: &AgentCall) {
    for header in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
        assert!(request.values(header).len() <= 1, "{header} repeats");
    }
    if let [method] = request.values("mcp-method").as_slice() {
        assert_eq!(*method, call.method().as_bytes(), "the header names another method");
    }
    let names = request.values("mcp-name");
    let [name] = names.as_slice() else { return };
    let encoded = name.strip_prefix(b"=?base64?").is_some_and(|rest| rest.ends_with(b"?="));
    let target = match call.operation() {
        Operation::CallTool { name, .. } | Operation::GetPrompt { name, .. } => Some(name),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(uri),
        // Of other operations, another member of the parameters.
        _ => None,
    };
    if let Some(target) = target.filter(|_| !encoded) {
        assert_eq!(*name, target.as_bytes(), "the header names another target");
    }
}
