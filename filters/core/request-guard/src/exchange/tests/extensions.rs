//! Tasks, subscriptions and methods of extensions, from the request to the answer.

use serde_json::{Value, json};

use crate::audit::Count;
use crate::event::Event;
use crate::plugin::Stream as _;
use crate::step::{HeaderEdit, Step};
use crate::testing::{Exchange, JSON, codes, exchange_with, reply, request_end, request_headers, response_headers};

const POLICIES: &str = r#"
@id("talk") permit (principal, action == Action::"connect", resource);
@id("read") @downscope_scope("hr.read")
permit (principal, action == Action::"resources/read", resource) when { resource.uri like "doc://open/*" };
@id("watch") @downscope_scope("hr.read")
permit (principal, action == Action::"resources/subscribe", resource) when { resource.uri like "doc://open/*" };
@id("tasks") @downscope_scope("hr.read")
permit (principal, action in [Action::"tasks/get", Action::"tasks/cancel"], resource)
when { context.arguments.string.hasTag("taskId") && context.arguments.string.getTag("taskId") like "mine-*" };
@id("all-tasks") permit (principal, action == Action::"tasks/list", resource);
@id("tool") permit (principal, action == Action::"tools/call", resource == Tool::"hr/seen")
unless { context.arguments.bool.hasTag("all") };
"#;

fn world(hide_denied: bool) -> Exchange {
    exchange_with(|configuration| {
        configuration["policy"]["cedar"] = json!(POLICIES);
        configuration["hide_denied"] = json!(hide_denied);
        configuration["servers"][0]["extra_methods"] = json!([
            {"method": "skills/list", "action": "connect",
             "list": {"member": "skills", "item": "/uri", "action": "resources/read"}},
            {"method": "skills/get", "action": "resources/read", "target": "/uri"},
            {"method": "acme/run", "action": "tools/call", "target": "/tool"},
        ]);
    })
}

/// Sends a request; of 2026-07-28 with the headers that it wants.
fn ask(exchange: &mut Exchange, modern: bool, method: &str, name: Option<&str>, params: Value) -> Step {
    let mut params = params;
    let mut headers = Vec::new();
    if modern {
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        headers.extend([("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)]);
        headers.extend(name.map(|name| ("mcp-name", name)));
    }
    assert!(matches!(request_headers(exchange, &headers), Step::Hold));
    request_end(exchange, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
}

/// What becomes of an answer.
fn answered(exchange: &mut Exchange, result: &Value) -> Step {
    assert!(matches!(response_headers(exchange, JSON), Step::Hold));
    let body = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    exchange.on(&Event::ResponseEnd { body: body.as_bytes() })
}

#[track_caller]
fn result(step: Step) -> Value {
    match step {
        Step::ReplaceBody { body, .. } => serde_json::from_slice::<Value>(&body).unwrap()["result"].take(),
        other => panic!("{other:?}"),
    }
}

/// The claims of the token that goes on.
#[track_caller]
fn claims(step: Step) -> Value {
    use base64::Engine as _;
    let Step::Forward(forward) = step else { panic!("{step:?}") };
    let bearer = forward.edits().iter().find_map(|edit| match edit {
        HeaderEdit::Set("authorization", value) => value.strip_prefix("Bearer "),
        _ => None,
    });
    let payload = bearer.unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn a_task_is_for_whom_policy_says() {
    for (modern, method, id, expected) in [
        (false, "tasks/get", "mine-1", None),
        (true, "tasks/get", "mine-1", None),
        (false, "tasks/result", "mine-1", None),
        (true, "tasks/cancel", "mine-1", None),
        (false, "tasks/get", "yours-1", Some((403, -31_403))),
        (true, "tasks/get", "yours-1", Some((403, -31_403))),
        (false, "tasks/result", "yours-1", Some((403, -31_403))),
        (true, "tasks/cancel", "yours-1", Some((403, -31_403))),
        // No policy speaks of it.
        (true, "tasks/update", "mine-1", Some((403, -31_403))),
    ] {
        let mut exchange = world(false);
        let step = ask(&mut exchange, modern, method, Some(id), json!({"taskId": id}));
        match expected {
            None => assert!(matches!(step, Step::Forward(_)), "{method} {id}"),
            Some(expected) => assert_eq!(codes(step), expected, "{method} {id}"),
        }
    }
}

#[test]
fn a_denied_task_can_look_like_a_missing_one() {
    let mut exchange = world(true);
    let reply = reply(ask(&mut exchange, false, "tasks/get", None, json!({"taskId": "yours-1"})));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let missing = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32_602, "message": "Task not found"}});
    assert_eq!((reply.status, body), (200, missing));
}

#[test]
fn a_list_of_tasks_shows_those_that_can_be_got() {
    let mut exchange = world(false);
    assert!(matches!(ask(&mut exchange, false, "tasks/list", None, json!({})), Step::Forward(_)));
    let all = json!({"tasks": [{"taskId": "yours-1"}, {"taskId": "mine-1", "status": "working"}], "nextCursor": ""});
    let shown = json!({"tasks": [{"taskId": "mine-1", "status": "working"}], "nextCursor": ""});
    assert_eq!(result(answered(&mut exchange, &all)), shown);
    assert!(exchange.take_counts().contains(&Count::ListItemsHidden(1)));
}

#[test]
fn all_that_is_listened_to_is_allowed_or_nothing_goes_on() {
    let listen = |wanted: Value| {
        let mut exchange = world(false);
        let params = json!({ "notifications": wanted });
        let step = ask(&mut exchange, true, "subscriptions/listen", None, params);
        (step, exchange.take_record().unwrap())
    };
    let wanted = json!({"resourceSubscriptions": ["doc://open/a"], "taskIds": ["mine-1"], "toolsListChanged": true});
    let (step, record) = listen(wanted);
    let claims = claims(step);
    assert_eq!(claims["scope"], "hr.read");
    assert_eq!(claims["tctx"]["method"], "subscriptions/listen");
    assert_eq!(record.policies, ["talk", "tasks", "watch"]);
    assert_eq!(record.resource.as_deref(), Some("Resource::\"doc://open/a\", Server::\"hr\""));
    for denied in [
        json!({"resourceSubscriptions": ["doc://open/a", "doc://closed/a"]}),
        json!({"resourceSubscriptions": ["doc://open/a"], "taskIds": ["mine-1", "yours-1"]}),
    ] {
        assert_eq!(codes(listen(denied.clone()).0), (403, -31_403), "{denied}");
    }
}

#[test]
fn a_repeated_call_is_judged_anew() {
    let again = |all: bool| {
        let mut exchange = world(false);
        let mut params = json!({"name": "seen", "arguments": {}, "inputResponses": {"q": {}}, "requestState": "s"});
        if all {
            params["arguments"] = json!({"all": true});
        }
        ask(&mut exchange, true, "tools/call", Some("seen"), params)
    };
    assert!(matches!(again(false), Step::Forward(_)));
    assert_eq!(codes(again(true)), (403, -31_403), "what was allowed with other arguments before");
}

#[test]
fn a_method_of_an_extension_is_judged_as_the_operator_says() {
    for modern in [false, true] {
        let get = |uri: &str| ask(&mut world(false), modern, "skills/get", None, json!({ "uri": uri }));
        assert_eq!(claims(get("doc://open/skill"))["scope"], "hr.read");
        assert_eq!(codes(get("doc://closed/skill")), (403, -31_403));
        let run = |params| ask(&mut world(false), modern, "acme/run", None, params);
        let claims = claims(run(json!({"tool": "seen", "more": 1})));
        assert_eq!((&claims["tctx"]["method"], &claims["tctx"]["tool"]), (&json!("acme/run"), &json!("seen")));
        assert_eq!(codes(run(json!({"tool": "unseen"}))), (403, -31_403));
        assert_eq!(codes(run(json!({"tool": "seen", "all": true}))), (403, -31_403), "all parameters are arguments");
        assert_eq!(codes(run(json!({"Tool": "seen"}))), (400, -32_602));
        let unknown = if modern { (404, -32_601) } else { (403, -32_601) };
        assert_eq!(codes(ask(&mut world(false), modern, "skills/put", None, json!({}))), unknown);
    }
}

#[test]
fn what_an_extension_lists_is_filtered_and_what_it_answers_is_private() {
    let mut exchange = world(false);
    assert!(matches!(ask(&mut exchange, true, "skills/list", None, json!({})), Step::Forward(_)));
    let all = json!({
        "skills": [{"uri": "doc://closed/a"}, {"uri": "doc://open/a"}, {"uri": "doc://open/../closed/a"}],
        "nextCursor": "", "cacheScope": "public", "ttlMs": 9,
    });
    let shown = json!({"skills": [{"uri": "doc://open/a"}], "nextCursor": "", "cacheScope": "private", "ttlMs": 9});
    assert_eq!(result(answered(&mut exchange, &all)), shown);

    for (method, name) in [("skills/get", None), ("resources/read", Some("doc://open/a"))] {
        let mut exchange = world(false);
        let step = ask(&mut exchange, true, method, name, json!({"uri": "doc://open/a"}));
        assert!(matches!(step, Step::Forward(_)), "{method}");
        let public = json!({"contents": [], "cacheScope": "public", "ttlMs": 9});
        let private = json!({"contents": [], "cacheScope": "private", "ttlMs": 9});
        assert_eq!(result(answered(&mut exchange, &public)), private, "{method}");
    }
    // Before 2026-07-28 nothing is said to caches, so that nothing has to be read.
    let mut exchange = world(false);
    assert!(matches!(
        ask(&mut exchange, false, "resources/read", None, json!({"uri": "doc://open/a"})),
        Step::Forward(_)
    ));
    assert!(matches!(response_headers(&mut exchange, JSON), Step::Continue));
}
