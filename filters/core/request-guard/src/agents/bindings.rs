//! HTTP+JSON: the same decisions and the same tokens, other errors.

use serde_json::{Value, json};

use super::{claims, error, exchange, message, no_such_task, rpc, with_agent};
use crate::audit::Outcome;
use crate::compile::ConfigurationError;
use crate::event::{Connection, Event};
use crate::plugin::Stream as _;
use crate::step::{Forward, HeaderEdit, Step};
use crate::testing::{
    Exchange, compiled, configuration, exchange_with, headers, moment, peer, reply, request_end, request_headers,
};

const REST: (&str, &str) = ("content-type", "application/a2a+json");

fn rest(exchange: &mut Exchange, verb: &str, path: &str, body: &str) -> Step {
    let all = headers(&[(":method", verb), (":path", path), REST]);
    let event =
        Event::RequestHeaders { headers: &all, connection: &peer(), end_of_stream: body.is_empty(), moment: moment() };
    match exchange.on(&event) {
        Step::Hold => request_end(exchange, body),
        step => step,
    }
}

#[track_caller]
fn token_of(forward: &Forward) -> Value {
    let token = forward.edits().iter().find_map(|edit| match edit {
        HeaderEdit::Set("authorization", value) => value.strip_prefix("Bearer "),
        _ => None,
    });
    claims(token.unwrap())["tctx"].clone()
}

/// The error of a reply in this binding, and the HTTP status, which are the same.
#[track_caller]
fn status(step: Step) -> (u16, String, String) {
    let (status, body) = error(step);
    assert_eq!(body["error"]["code"], status);
    let text = |member: &str| body["error"][member].as_str().unwrap().to_owned();
    (status, text("status"), text("message"))
}

#[test]
fn a_call_has_the_same_token_in_each_binding() {
    for (verb, path, body, method, params) in [
        ("POST", "/message:send", message(&json!({})).to_string(), "SendMessage", message(&json!({}))),
        ("POST", "/message%3Astream", message(&json!({})).to_string(), "SendStreamingMessage", message(&json!({}))),
        ("GET", "/tasks/T-1", String::new(), "GetTask", json!({"id": "T-1"})),
    ] {
        let mut one = exchange();
        let Step::Forward(forward) = rest(&mut one, verb, path, &body) else { panic!("{path}") };
        let mut other = exchange();
        assert!(matches!(request_headers(&mut other, &[]), Step::Hold));
        let Step::Forward(as_rpc) = request_end(&mut other, &rpc(method, &params)) else { panic!("{method}") };
        let context = token_of(&forward);
        assert_eq!(context, token_of(&as_rpc), "{path}");
        assert_eq!((&context["method"], context["arguments_sha256"].is_string()), (&json!(method), true));
        let lines = [&mut one, &mut other].map(|exchange| exchange.take_record().unwrap().line(0));
        assert_eq!(lines[0], lines[1]);
        assert!(matches!(one.on(&Event::RequestBody { size: 1 }), Step::Reply(_)), "nothing follows what was judged");
    }
}

#[test]
fn denials_are_in_the_words_of_the_binding() {
    let mut exchange_of_task = exchange();
    let (code, body) = error(rest(&mut exchange_of_task, "GET", "/tasks/T-2", ""));
    let expected = json!({"code": 404, "status": "NOT_FOUND", "message": "Task not found", "details": no_such_task()});
    assert_eq!((code, &body), (404, &json!({ "error": expected })));
    assert_eq!(exchange_of_task.take_record().unwrap().outcome(), Outcome::Deny);
    for (verb, path) in [
        ("POST", "/tasks/T-2:subscribe"),
        ("GET", "/tasks/T-2:subscribe"),
        ("GET", "/tasks/T-2/pushNotificationConfigs"),
        ("DELETE", "/tasks/T-2/pushNotificationConfigs/p"),
    ] {
        assert_eq!(error(rest(&mut exchange(), verb, path, "")), (404, body.clone()), "{verb} {path}");
    }
    let denied = |details: &Value| {
        let info = "type.googleapis.com/google.rpc.ErrorInfo";
        let metadata = json!({"request_id": "r-1"});
        assert_eq!(
            details,
            &json!([{"@type": info, "reason": "PERMISSION_DENIED", "domain": "meshwarden", "metadata": metadata}])
        );
    };
    let (code, body) = error(rest(&mut exchange(), "GET", "/tasks", ""));
    assert_eq!((code, &body["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    denied(&body["error"]["details"]);
    let elsewhere = json!({"configuration": {"taskPushNotificationConfig": {"url": "https://evil.example/"}}});
    let sent = rest(&mut exchange(), "POST", "/message:send", &message(&elsewhere).to_string());
    assert_eq!(status(sent).0, 403);
    let less_scope = reply(rest(&mut exchange(), "POST", "/tasks/T-2:cancel", ""));
    let challenge = less_scope.headers.iter().find(|(name, _)| name == "www-authenticate").unwrap();
    assert!(less_scope.status == 403 && challenge.1.contains("tasks.cancel"), "{challenge:?}");
}

#[test]
fn refusals_are_in_the_words_of_the_binding() {
    let words = |status: u16, code: &str, message: &str| (status, code.to_owned(), message.to_owned());
    for (verb, path, body, expected) in [
        ("GET", "/tasks/T-1/", "", words(404, "NOT_FOUND", "the agent has nothing at this path")),
        ("POST", "/Message:send", "{}", words(404, "NOT_FOUND", "the agent has nothing at this path")),
        (
            "GET",
            "/tasks?x=1",
            "",
            words(400, "INVALID_ARGUMENT", "the query has something that the operation does not have, or has it twice"),
        ),
        ("POST", "/message:send", "{}", words(400, "INVALID_ARGUMENT", "`params.message` is missing")),
        ("PUT", "/message:send", "{}", words(405, "UNIMPLEMENTED", "the HTTP method is not `POST`, `GET` or `DELETE`")),
    ] {
        let mut exchange = exchange();
        assert_eq!(status(rest(&mut exchange, verb, path, body)), expected, "{verb} {path}");
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Refuse);
    }
    let of = |others: &[(&str, &str)]| status(request_headers(&mut exchange(), others));
    let send = (":path", "/message:send");
    assert_eq!(of(&[send, ("authorization", "Basic x")]).1, "UNAUTHENTICATED");
    assert_eq!(of(&[send, ("content-type", "text/plain")]).0, 415);
    assert_eq!(
        of(&[send, REST, ("content-length", "2001")]),
        words(413, "RESOURCE_EXHAUSTED", "request body too large")
    );
    let nobody = Event::RequestHeaders {
        headers: &headers(&[send, REST]),
        connection: &Connection::default(),
        end_of_stream: false,
        moment: moment(),
    };
    assert_eq!(status(exchange().on(&nobody)), words(403, "PERMISSION_DENIED", "workload not accepted"));
}

#[test]
fn a_binding_that_is_not_named_is_not_there() {
    let only = |bindings: Value| {
        exchange_with(|configuration| {
            with_agent(configuration);
            configuration["servers"][0]["bindings"] = bindings;
        })
    };
    assert!(matches!(rest(&mut only(json!(["HTTP+JSON"])), "GET", "/tasks/T-1", ""), Step::Forward(_)));
    assert_eq!(status(rest(&mut only(json!(["JSONRPC", "GRPC"])), "GET", "/tasks/T-1", "")).0, 404);
    let decoy = rpc("GetTask", &json!({"id": "T-1"}));
    for path in ["/message:send", "/message%3Asend", "/tasks/T-2:cancel"] {
        let mut exchange = only(json!(["JSONRPC"]));
        let step = request_headers(&mut exchange, &[(":path", path)]);
        assert_eq!(status(step).0, 404, "{path}");
        assert!(matches!(request_end(&mut exchange, &decoy), Step::Hold));
    }
    let mut exchange = only(json!(["HTTP+JSON"]));
    assert_eq!(reply(request_headers(&mut exchange, &[(":path", "/")])).status, 404);
}

#[test]
fn headers_that_can_not_be_held_go_on_with_a_token_for_what_the_path_says() {
    let agent = || {
        exchange_with(|configuration| {
            with_agent(configuration);
            configuration["hold_headers"] = json!(false);
        })
    };
    let head = |exchange: &mut Exchange, verb: &str, path: &str| {
        request_headers(exchange, &[(":method", verb), (":path", path), REST])
    };
    for (verb, path, method) in
        [("POST", "/message:send", Some("SendMessage")), ("GET", "/tasks/T-1", Some("GetTask")), ("POST", "/", None)]
    {
        let mut exchange = agent();
        let content_type = if path == "/" { ("content-type", "application/json") } else { REST };
        let Step::EditRequest(edits) =
            request_headers(&mut exchange, &[(":method", verb), (":path", path), content_type])
        else {
            panic!("{path}")
        };
        let token = edits.iter().find_map(|edit| match edit {
            HeaderEdit::Set("authorization", value) => value.strip_prefix("Bearer "),
            _ => None,
        });
        let context = claims(token.unwrap())["tctx"].clone();
        let mut expected = json!({"protocol": "a2a", "server": "hr"});
        if let Some(method) = method {
            expected["method"] = json!(method);
        }
        assert_eq!(context, expected, "{path}");
    }
    // What the path alone decides never goes on; what the body decides goes no further than its headers.
    assert_eq!(
        status(head(&mut agent(), "GET", "/tasks/T-2")),
        (404, "NOT_FOUND".to_owned(), "Task not found".to_owned())
    );
    assert_eq!(status(head(&mut agent(), "GET", "/tasks")).0, 403);
    assert_eq!(status(head(&mut agent(), "POST", "/tasks/T-2/pushNotificationConfigs")).0, 404);
    let elsewhere = json!({"configuration": {"taskPushNotificationConfig": {"url": "https://evil.example/"}}});
    let mut exchange = agent();
    assert!(matches!(head(&mut exchange, "POST", "/message:send"), Step::EditRequest(_)));
    assert_eq!(status(request_end(&mut exchange, &message(&elsewhere).to_string())).0, 403);
}

#[test]
fn a_public_card_needs_no_token_and_nothing_else_goes_without() {
    let open = |public: bool| {
        exchange_with(move |configuration| {
            with_agent(configuration);
            configuration["servers"][0]["public_card"] = json!(public);
        })
    };
    let without_token = |exchange: &mut Exchange, verb: &str, path: &str, connection: &Connection<'_>| {
        let mut all = headers(&[(":method", verb), (":path", path)]);
        all.retain(|(name, _)| name != b"authorization");
        exchange.on(&Event::RequestHeaders { headers: &all, connection, end_of_stream: true, moment: moment() })
    };
    let card = "/.well-known/agent-card.json";
    assert!(matches!(without_token(&mut open(true), "GET", card, &peer()), Step::Forward(_)));
    assert_eq!(reply(without_token(&mut open(false), "GET", card, &peer())).status, 401);
    for (verb, path) in [("GET", "/tasks/T-1"), ("GET", "/extendedAgentCard"), ("POST", "/"), ("POST", card)] {
        assert_eq!(reply(without_token(&mut open(true), verb, path, &peer())).status, 401, "{verb} {path}");
    }
    // Who calls is still asked, and policy too.
    assert_eq!(reply(without_token(&mut open(true), "GET", card, &Connection::default())).status, 403);
    let bad = headers(&[(":method", "GET"), (":path", card), ("authorization", "Bearer x.y.z")]);
    let event = Event::RequestHeaders { headers: &bad, connection: &peer(), end_of_stream: true, moment: moment() };
    assert_eq!(reply(open(true).on(&event)).status, 401, "a token that is there is looked at");
    let mut closed = exchange_with(|configuration| {
        with_agent(configuration);
        configuration["servers"][0]["public_card"] = json!(true);
        configuration["policy"]["cedar"] =
            json!("@id(\"ask\") permit (principal, action == Action::\"message/send\", resource);");
    });
    assert_eq!(reply(without_token(&mut closed, "GET", card, &peer())).status, 403);
}

#[test]
fn bindings_are_configured_for_agents_and_so_that_they_can_be_told_apart() {
    let refused = |change: &dyn Fn(&mut Value)| -> ConfigurationError {
        let mut configuration = configuration();
        with_agent(&mut configuration);
        change(&mut configuration["servers"][0]);
        compiled(configuration).err().unwrap()
    };
    for (bindings, problem) in [
        (json!([]), "name at least one of `JSONRPC`, `HTTP+JSON` and `GRPC`, or leave it out"),
        (json!(["GRPC", "JSONRPC", "GRPC"]), "a binding is named twice; name each once"),
    ] {
        let error = refused(&|server| server["bindings"] = bindings.clone());
        assert_eq!(error.to_string(), format!("`servers[0].bindings`: {problem}"));
    }
    let error = refused(&|server| server["bindings"] = json!(["REST"]));
    assert_eq!(error.field, "servers[0].bindings[0]");
    let error = refused(&|server| {
        server["bindings"] = json!(["GRPC"]);
        server["match"]["path_prefix"] = json!("/travel");
    });
    let problem = "gRPC is never below `/travel`: leave `match.path_prefix` out, or `GRPC`";
    assert_eq!(error.to_string(), format!("`servers[0].bindings`: {problem}"));
    for (name, value, problem) in [
        ("bindings", json!(["JSONRPC"]), "it is for `a2a`: other protocols have one binding; leave it out"),
        ("public_card", json!(true), "it is for `a2a`: other servers have no card; leave it out"),
    ] {
        let error = refused(&|server| {
            server["protocol"] = json!("mcp");
            server[name] = value.clone();
        });
        assert_eq!(error.to_string(), format!("`servers[0].{name}`: {problem}"));
    }
}
