//! A2A: whoever reads the request, in whichever spelling, finds what was judged.

use agent_messages::{AgentCall, MessageHeaders, Operation, Protocol, Verb};
use serde_json::{Map, Value};

use crate::message::handed_over;
use crate::reading::{Reading, Tree, folded};
use crate::request::{LIMITS, Request};

/// A request to an agent. If it is accepted, every spelling of a judged member says the same.
///
/// # Panics
/// That does not hold.
pub fn agent(data: &[u8]) {
    let request = Request::of(data);
    let Ok(headers) = MessageHeaders::read(Protocol::A2a, request.headers.iter().copied()) else { return };
    let Ok(call) = AgentCall::parse(&headers, request.body, &LIMITS) else { return };
    handed_over(&call);
    assert_eq!(call.protocol(), Protocol::A2a);
    if headers.verb() != Verb::Post {
        assert!(request.body.is_empty(), "a body that nobody judged");
        return;
    }
    let tree = Tree::parse(request.body);
    // JSON-RPC has ids; in HTTP+JSON the path says the method, and often all there is to say.
    if call.id().is_none() && (tree.is_some() || request.body.is_empty()) {
        tree.iter().for_each(|body| nothing_else(&call, body));
        return;
    }
    assert!(tree.is_some(), "no JSON");
    let Some(tree) = tree else { return };
    for reading in Reading::ALL {
        let text = |name| reading.at(&tree, &[name]).and_then(Tree::text);
        assert_eq!(text("jsonrpc"), Some("2.0"), "{reading:?}");
        assert_eq!(text("method"), Some(call.method()), "{reading:?}");
        let params = reading.at(&tree, &["params"]).map(|params| params.value(reading));
        let params = params.as_ref().and_then(Value::as_object).filter(|params| !params.is_empty());
        assert_eq!(params, payload(&call), "{reading:?}");
        let id = reading.at(&tree, &["id"]).map(|id| id.value(reading));
        assert_eq!(id, call.id().cloned().map(Value::from), "{reading:?}");
    }
    if let Some(params) = Reading::Last.at(&tree, &["params"]) {
        one_meaning(&call, params);
    }
}

/// Absent parameters are empty ones.
fn payload(call: &AgentCall) -> Option<&Map<String, Value>> {
    call.payload().filter(|params| !params.is_empty())
}

/// Every spelling of what is judged, wherever it may stand, says what was judged.
fn one_meaning(call: &AgentCall, params: &Tree) {
    match call.operation() {
        Operation::SendMessage { arguments } => {
            let message = spellings(params, "message");
            assert_eq!(message.len(), 1, "one message");
            for member in ["taskId", "contextId"] {
                let found = message.iter().flat_map(|message| spellings(message, member)).collect::<Vec<_>>();
                says(&found, arguments.get(member), member);
            }
            says(&spellings(params, "tenant"), arguments.get("tenant"), "tenant");
        }
        Operation::Task { arguments, .. } => {
            says(&spellings(params, "id"), arguments.get("taskId"), "id");
            says(&spellings(params, "contextId"), arguments.get("contextId"), "contextId");
            says(&spellings(params, "tenant"), arguments.get("tenant"), "tenant");
        }
        Operation::PushNotification { arguments, .. } => {
            let task = arguments.get("taskId");
            // In 0.3 the task's own `id` is the task; in 1.0 `id` is the configuration's.
            let own = spellings(params, "taskId");
            let own = if own.is_empty() { spellings(params, "id") } else { own };
            says(&own, task, "taskId");
            says(&spellings(params, "tenant"), arguments.get("tenant"), "tenant");
        }
        _ => {}
    }
}

/// What a body in HTTP+JSON says of what is judged is what was judged, in whichever spelling: the path may say it alone.
fn nothing_else(call: &AgentCall, body: &Tree) {
    let agrees = |found: &[&Tree], judged: Option<&Value>, member: &str| {
        for value in said(found) {
            assert_eq!(Some(&value), judged, "{member}");
        }
    };
    match call.operation() {
        Operation::SendMessage { arguments } => {
            let message = spellings(body, "message");
            assert_eq!(message.len(), 1, "one message");
            for member in ["taskId", "contextId"] {
                let found = message.iter().flat_map(|message| spellings(message, member)).collect::<Vec<_>>();
                says(&found, arguments.get(member), member);
            }
        }
        Operation::Task { arguments, .. } => agrees(&spellings(body, "id"), arguments.get("taskId"), "id"),
        Operation::PushNotification { arguments, .. } => {
            agrees(&spellings(body, "taskId"), arguments.get("taskId"), "taskId");
        }
        _ => {}
    }
    if let Operation::SendMessage { arguments } | Operation::Task { arguments, .. } = call.operation() {
        agrees(&spellings(body, "tenant"), arguments.get("tenant"), "tenant");
    }
}

/// All members that some parser takes for the one of this name.
fn spellings<'t>(tree: &'t Tree, name: &str) -> Vec<&'t Tree> {
    let Tree::Object(members) = tree else { return Vec::new() };
    let plain = |name: &str| folded(name).replace(['_', '-'], "");
    members.iter().filter(|(other, _)| plain(other) == plain(name)).map(|(_, member)| member).collect()
}

#[track_caller]
fn says(found: &[&Tree], judged: Option<&Value>, member: &str) {
    assert_eq!(said(found), judged.cloned().into_iter().collect::<Vec<_>>(), "{member}");
}

/// Null and empty are absent.
fn said(found: &[&Tree]) -> Vec<Value> {
    let said = found.iter().map(|tree| tree.value(Reading::Last));
    said.filter(|value| !value.is_null() && value.as_str() != Some("")).collect()
}
