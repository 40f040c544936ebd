//! Whole exchanges with an agent that is spoken to in A2A.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::audit::Outcome;
use crate::compile::ConfigurationError;
use crate::event::Event;
use crate::plugin::Stream as _;
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, JSON, STREAM, codes, compiled, configuration, exchange_with, headers, moment, peer, reply, request_end,
    request_headers, response_headers,
};

mod bindings;
mod unread;

const POLICIES: &str = r#"
@id("ask") permit (principal, action == Action::"message/send", resource == Agent::"hr");
@id("home")
forbid (principal, action, resource is Agent)
when { context.arguments.string.hasTag("pushNotificationHost") }
unless { context.arguments.complete && context.arguments.string.getTag("pushNotificationHost") == "acme.example" };
@id("own-task")
permit (principal, action == Action::"tasks/get", resource)
when { context.arguments.string.hasTag("taskId") && context.arguments.string.getTag("taskId") == "T-1" };
@id("scoped-task")
permit (principal, action == Action::"tasks/cancel", resource)
when { context.token.scopes.contains("tasks.cancel") };
@id("card")
permit (principal, action == Action::"agent-card/get", resource)
when { context.arguments.bool.hasTag("extended") && !context.arguments.bool.getTag("extended") };
"#;

/// The world of the tests with an agent in the server's place.
fn with_agent(configuration: &mut Value) {
    configuration["servers"][0]["protocol"] = json!("a2a");
    configuration["servers"][0]["match"] = json!({"hosts": ["hr.mcp.acme.example"]});
    configuration["policy"]["cedar"] = json!(POLICIES);
}

fn exchange() -> Exchange {
    exchange_with(with_agent)
}

fn rpc(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}).to_string()
}

fn message(more: &Value) -> Value {
    let mut params = json!({"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "Hello"}]}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

#[track_caller]
fn asked(exchange: &mut Exchange, method: &str, params: &Value) -> Step {
    assert!(matches!(request_headers(exchange, &[]), Step::Hold));
    request_end(exchange, &rpc(method, params))
}

fn got(exchange: &mut Exchange, verb: &str, path: &str) -> Step {
    let headers = headers(&[(":method", verb), (":path", path)]);
    exchange.on(&Event::RequestHeaders {
        headers: &headers,
        connection: &peer(),
        end_of_stream: true,
        moment: moment(),
    })
}

/// Of 1.0, as the official SDK writes it.
fn no_such_task() -> Value {
    let error_info = "type.googleapis.com/google.rpc.ErrorInfo";
    json!([{"@type": error_info, "reason": "TASK_NOT_FOUND", "domain": "a2a-protocol.org", "metadata": {}}])
}

/// The JSON-RPC error of a reply, and its HTTP status.
#[track_caller]
fn error(step: Step) -> (u16, Value) {
    let reply = reply(step);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    (reply.status, body)
}

#[test]
fn a_message_goes_on_with_a_token_for_it_alone() {
    for method in ["SendMessage", "message/send", "SendStreamingMessage", "message/stream"] {
        let mut exchange = exchange();
        let Step::Forward(forward) = asked(&mut exchange, method, &message(&json!({}))) else { panic!("{method}") };
        let token = forward.edits().iter().find_map(|edit| match edit {
            HeaderEdit::Set("authorization", value) => value.strip_prefix("Bearer "),
            _ => None,
        });
        let tctx = claims(token.unwrap())["tctx"].clone();
        assert_eq!(
            (&tctx["protocol"], &tctx["server"], &tctx["method"]),
            (&json!("a2a"), &json!("hr"), &json!(method))
        );
        let record: Value = serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap();
        assert_eq!(record["resource"], json!("Agent::\"hr\""));
        assert_eq!(record["policies"], json!(["ask"]));
        assert_eq!(record["arguments_sha256"], tctx["arguments_sha256"]);
    }
}

#[test]
fn two_messages_never_share_a_token() {
    let hash = |text: &str| {
        let mut exchange = exchange();
        let mut params = message(&json!({}));
        params["message"]["parts"][0]["text"] = json!(text);
        assert!(matches!(asked(&mut exchange, "SendMessage", &params), Step::Forward(_)));
        let record: Value = serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap();
        record["arguments_sha256"].clone()
    };
    assert_eq!(hash("Hello"), hash("Hello"));
    assert_ne!(hash("Hello"), hash("Pay everybody twice"));
}

#[test]
fn what_the_agent_answers_passes() {
    let body = json!({"jsonrpc": "2.0", "id": "a", "result": {"tools": [{"name": "x"}]}}).to_string();
    for answer in [JSON, STREAM, &[(":status", "200"), ("content-type", "text/plain")]] {
        let mut exchange = exchange();
        assert!(matches!(asked(&mut exchange, "SendMessage", &message(&json!({}))), Step::Forward(_)));
        assert!(matches!(response_headers(&mut exchange, answer), Step::Continue));
        let piece = Event::ResponsePiece { piece: body.as_bytes(), end_of_stream: false };
        assert!(matches!(exchange.on(&piece), Step::Continue));
        assert!(matches!(exchange.on(&Event::ResponseEnd { body: b"" }), Step::Continue));
    }
}

#[test]
fn a_denied_task_is_not_found() {
    let missing = |data: Option<Value>| {
        let mut missing = json!({"jsonrpc": "2.0", "id": "a", "error": {"code": -32_001, "message": "Task not found"}});
        if let Some(data) = data {
            missing["error"]["data"] = data;
        }
        missing
    };
    let config = json!({"taskId": "T-2", "id": "p", "url": "https://acme.example/"});
    for (method, params) in [
        ("GetTask", json!({"id": "T-2"})),
        ("tasks/get", json!({"id": "T-2"})),
        ("SubscribeToTask", json!({"id": "T-2"})),
        ("tasks/resubscribe", json!({"id": "T-2"})),
        ("CreateTaskPushNotificationConfig", config),
        ("tasks/pushNotificationConfig/list", json!({"id": "T-2"})),
    ] {
        let mut exchange = exchange();
        // As an agent says it, in the words of each version.
        let data = (!method.contains('/')).then(no_such_task);
        assert_eq!(error(asked(&mut exchange, method, &params)), (200, missing(data)), "{method}");
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Deny);
    }
    assert!(matches!(asked(&mut exchange(), "GetTask", &json!({"id": "T-1"})), Step::Forward(_)));
}

#[test]
fn a_scope_that_would_help_is_named_unless_all_is_hidden() {
    let reply = reply(asked(&mut exchange(), "CancelTask", &json!({"id": "T-2"})));
    assert_eq!(reply.status, 403);
    let challenge = &reply.headers.iter().find(|(name, _)| name == "www-authenticate").unwrap().1;
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("tasks.cancel"), "{challenge}");
    let mut hiding = exchange_with(|configuration| {
        with_agent(configuration);
        configuration["hide_denied"] = json!(true);
    });
    assert_eq!(codes(asked(&mut hiding, "CancelTask", &json!({"id": "T-2"}))), (200, -32_001));
}

#[test]
fn other_denials_say_so() {
    let elsewhere = json!({"configuration": {"taskPushNotificationConfig": {"url": "https://evil.example/"}}});
    assert_eq!(codes(asked(&mut exchange(), "SendMessage", &message(&elsewhere))), (403, -31_403));
    assert_eq!(codes(asked(&mut exchange(), "ListTasks", &json!({}))), (403, -31_403));
    assert_eq!(codes(asked(&mut exchange(), "GetExtendedAgentCard", &json!({}))), (403, -31_403));
}

#[test]
fn what_can_not_be_judged_is_refused() {
    for (method, params, expected) in [
        ("tools/call", json!({"name": "seen"}), (403, -32_601)),
        ("tasks/sendSubscribe", json!({}), (403, -32_601)),
        ("GetTask", json!({"id": "T-1", "ID": "T-2"}), (400, -32_602)),
        ("GetTask", json!({}), (400, -32_602)),
    ] {
        let mut exchange = exchange();
        assert_eq!(codes(asked(&mut exchange, method, &params)), expected, "{method}");
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Refuse);
    }
}

#[test]
fn only_the_card_is_got() {
    for path in ["/.well-known/agent-card.json", "/.well-known/agent.json"] {
        assert!(matches!(got(&mut exchange(), "GET", path), Step::Forward(_)), "{path}");
        assert_eq!(codes(got(&mut exchange(), "DELETE", path)), (404, -32_601));
    }
    assert_eq!(codes(got(&mut exchange(), "GET", "/")), (404, -32_601));
    assert_eq!(codes(got(&mut exchange(), "PUT", "/")), (405, -31_405));
}

#[test]
fn headers_of_mcp_play_no_part() {
    let mut exchange = exchange();
    let headers = [("mcp-method", "tools/call"), ("mcp-method", "x"), ("mcp-protocol-version", "1900-01-01")];
    assert!(matches!(request_headers(&mut exchange, &headers), Step::Hold));
    assert!(matches!(request_end(&mut exchange, &rpc("GetTask", &json!({"id": "T-1"}))), Step::Forward(_)));
}

#[test]
fn an_agent_is_configured_as_one() {
    let refused = |change: &dyn Fn(&mut Value)| -> ConfigurationError {
        let mut configuration = configuration();
        with_agent(&mut configuration);
        change(&mut configuration);
        compiled(configuration).err().unwrap()
    };
    let error = refused(&|configuration| configuration["servers"][0]["tools"] = json!({"t": {}}));
    assert_eq!(error.to_string(), "`servers`: server `hr`: it speaks A2A: it has no tools and no resources");
    let error = refused(&|configuration| configuration["servers"][0]["protocol"] = json!("mcp"));
    let problem = "policy `ask`: `Agent::\"hr\"` can't exist: an MCP server is a `Server`";
    assert_eq!(error.to_string(), format!("`policy.cedar`: {problem}"));
}

/// What a token says, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
