//! What an agent could be talked into over HTTP+JSON and gRPC: every such request is refused in the words of its
//! binding, none is seen by an agent, and afterwards good ones still succeed.

#![cfg(test)]

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::{in_both_forms, with_bindings};
use serde_json::{Value, json};
use testbed::{ALICE, AgentsWorld, Answer, Body, Caller, Colleague, HttpCall, Protocol};

/// One hostile request: what it tries, how, and the statuses that refuse it.
struct Hostile {
    what: &'static str,
    call: HttpCall,
    refused_with: &'static [u16],
}

const NOTHING: &[u16] = &[404];
const BAD: &[u16] = &[400];
const MEDIA: &[u16] = &[415];
const REST: &str = "application/a2a+json";

fn call(verb: &str, path: &str, content_type: Option<&str>, body: &str) -> HttpCall {
    let call = HttpCall::new(verb, Colleague::Travel.host(), path).header("a2a-version", "1.0");
    let call = content_type.into_iter().fold(call, |call, value| call.header("content-type", value));
    if body.is_empty() { call } else { call.body(Body::Whole(Bytes::from(body.to_owned()))) }
}

fn grpc(path: &str, content_type: &str) -> HttpCall {
    // An empty message: five bytes of length.
    call("POST", path, Some(content_type), "\0\0\0\0\0").header("te", "trailers").over(Protocol::Http2)
}

fn message() -> Value {
    json!({ "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "A flight" }] })
}

fn hostile() -> Vec<Hostile> {
    let send = json!({ "message": message() }).to_string();
    let send = send.as_str();
    let twins = r#"{"message":{"messageId":"m","taskId":"T-1","task_id":"T-oslo","parts":[{"text":"x"}]}}"#;
    let twice =
        r#"{"message":{"messageId":"m","parts":[{"text":"x"}]},"message":{"messageId":"m","parts":[{"url":"x"}]}}"#;
    let abroad = json!({ "message": message(), "configuration": { "taskPushNotificationConfig": { "url": "https://evil.example/" } } });
    let abroad_0_3 =
        json!({ "request": message(), "configuration": { "push_notification": { "url": "https://evil.example/" } } });
    let post = |what, path, body: &str, refused_with| Hostile {
        what,
        call: call("POST", path, Some(REST), body),
        refused_with,
    };
    let get = |what, path, refused_with| Hostile { what, call: call("GET", path, None, ""), refused_with };
    let other = |what, call, refused_with| Hostile { what, call, refused_with };
    vec![
        post("another case", "/message:Send", send, NOTHING),
        post("another case of the path", "/Message:send", send, NOTHING),
        post("a slash at the end", "/message:send/", send, NOTHING),
        post("decoded twice", "/message%253Asend", send, BAD),
        post("a second verb", "/message:send:stream", send, NOTHING),
        post("two tenants", "/a/b/message:send", send, NOTHING),
        post("a version and a tenant", "/v1/acme/message:send", send, NOTHING),
        post("a tenant that is a path", "/tasks/message:send", send, NOTHING),
        post("an escaped slash in the tenant", "/acme%2fx/message:send", send, BAD),
        post("a path parameter", "/message:send;x=y", send, BAD),
        post("another tenant in the body", "/acme/message:send", &send.replacen('{', r#"{"tenant":"other","#, 1), BAD),
        post("a tenant in the body only", "/message:send", &send.replacen('{', r#"{"tenant":"acme","#, 1), BAD),
        post("twins", "/message:send", twins, BAD),
        post("a member twice", "/message:send", twice, BAD),
        post("both names of a message", "/v1/message:send", &send.replacen('{', r#"{"request":{},"#, 1), BAD),
        post("a batch", "/message:send", &format!("[{send}]"), BAD),
        post("a query beside the body", "/message:send?message.taskId=T-oslo", send, BAD),
        post("the method in the query", "/message:send?_method=DELETE", send, BAD),
        post("news to elsewhere", "/message:send", &abroad.to_string(), &[403]),
        post("news to elsewhere, in 0.3", "/v1/message:send", &abroad_0_3.to_string(), &[403]),
        post("another task in the body", "/tasks/T-1:cancel", r#"{"id":"T-oslo"}"#, BAD),
        post("another case of the verb", "/tasks/T-1:Cancel", "{}", NOTHING),
        post("the verb as a segment", "/tasks/T-1/cancel", "{}", NOTHING),
        post("a task of a task", "/tasks/T-1:x:cancel", "{}", NOTHING),
        post("a tenant in a cancellation", "/tasks/T-1:cancel", r#"{"tenant":"acme"}"#, BAD),
        get("another case of tasks", "/Tasks/T-1", NOTHING),
        get("a slash after a task", "/tasks/T-1/", NOTHING),
        get("a verb with GET", "/tasks/T-1:cancel", NOTHING),
        get("a task that is a list", "/tasks/tasks", NOTHING),
        get("twins in the query", "/tasks?contextId=c-lisbon&context_id=c-oslo", BAD),
        get("the other spelling alone", "/tasks?context_id=c-oslo", BAD),
        get("a name twice", "/tasks?contextId=c-lisbon&contextId=c-oslo", BAD),
        get("an escaped name", "/tasks?contextId=c-lisbon&context%49d=c-oslo", BAD),
        get("a value decoded twice", "/tasks?contextId=c%252Doslo", BAD),
        get("a tenant in the query", "/tasks?contextId=c-lisbon&tenant=other", BAD),
        get("another task in the query", "/tasks/T-1?id=T-oslo", BAD),
        get("a token in the query", "/tasks/T-1?access_token=x", BAD),
        get("all tasks", "/tasks", &[403]),
        get("news of tasks", "/tasks/T-lisbon/pushNotificationConfigs", NOTHING),
        other("no type", call("POST", "/message:send", None, send), MEDIA),
        other("a form", call("POST", "/message:send", Some("application/x-www-form-urlencoded"), send), MEDIA),
        other("two types", call("POST", "/message:send", Some(REST), send).header("content-type", "text/plain"), MEDIA),
        other("another charset", call("POST", "/message:send", Some("application/json; charset=utf-16"), send), MEDIA),
        other("compressed", call("POST", "/message:send", Some(REST), send).header("content-encoding", "gzip"), MEDIA),
        other("a body without a type", call("POST", "/tasks/T-1:cancel", None, r#"{"id":"T-oslo"}"#), MEDIA),
        other(
            "JSON-RPC at a path",
            call(
                "POST",
                "/tasks/T-oslo:cancel",
                Some("application/json"),
                r#"{"jsonrpc":"2.0","id":"T-lisbon","method":"GetTask"}"#,
            ),
            BAD,
        ),
        other("another method", call("PUT", "/message:send", Some(REST), send), &[405]),
        other("DELETE of a task", call("DELETE", "/tasks/T-lisbon", None, ""), NOTHING),
        other(
            "a method in a header",
            call("GET", "/tasks/T-lisbon/pushNotificationConfigs/p", None, "")
                .header("x-http-method-override", "DELETE"),
            NOTHING,
        ),
        other("gRPC-Web", grpc("/lf.a2a.v1.A2AService/SendMessage", "application/grpc-web+proto"), NOTHING),
        other(
            "gRPC by JSON",
            call("POST", "/lf.a2a.v1.A2AService/SendMessage", Some("application/json"), send),
            NOTHING,
        ),
    ]
}

async fn asked(world: &AgentsWorld, caller: &Caller, call: HttpCall) -> Result<Answer> {
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;
    Ok(caller.send(call.header("authorization", format!("Bearer {token}"))).await?)
}

fn saw_nothing(world: &AgentsWorld, what: &str) {
    let received = world.received();
    assert!(received.is_empty(), "{what}: no agent should have received anything, but: {received:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_request_in_http_json_reaches_an_agent() -> Result<()> {
    in_both_forms(async |form| {
        let world = AgentsWorld::start_as(form, None, |_| Ok(())).await?;
        let planner = world.caller(Some("planner"))?;
        let all = hostile();
        assert!(all.len() >= 50, "{}", all.len());
        for Hostile { what, call, refused_with } in all {
            let path = call.path.clone();
            let answer = asked(&world, &planner, call).await.with_context(|| what.to_owned())?;
            let told = format!("{what}: {} {}", answer.status, answer.text());
            assert!(refused_with.contains(&answer.status), "{told}");
            // An error of this binding, unless nobody could tell which it is.
            if path.contains(':') && !path.contains([';', '%']) {
                assert_eq!(answer.json()["error"]["code"], answer.status, "{told}");
            }
            saw_nothing(&world, what);
        }
        good_ones_still_succeed(&world, &planner).await?;
        world.envoy().guard_never_failed();
        Ok(())
    })
    .await
}

async fn good_ones_still_succeed(world: &AgentsWorld, planner: &Caller) -> Result<()> {
    let send = json!({ "message": message() }).to_string();
    for (verb, path, body, method) in [
        ("POST", "/message%3Asend", send.as_str(), "SendMessage"),
        ("GET", "/tasks/T-lisbon?historyLength=1", "", "GetTask"),
        ("GET", "/tasks?contextId=c-lisbon&A2A-Version=1.0", "", "ListTasks"),
        ("POST", "/v1/tasks/T-lisbon:cancel", "", "CancelTask"),
    ] {
        let content_type = (!body.is_empty()).then_some(REST);
        let answer = asked(world, planner, call(verb, path, content_type, body)).await?;
        // The agent of these tests has JSON-RPC only; what counts is what it got.
        assert!([404, 405].contains(&answer.status), "{path}: {}", answer.text());
        let got = world.recorder(Colleague::Travel)?.take_one();
        assert_eq!((got.method.as_str(), got.path.as_str()), (verb, path));
        let claims = got.claims().context("no token")?;
        assert_eq!((&claims["tctx"]["method"], &claims["scope"]), (&json!(method), &json!("travel.book")));
    }
    Ok(())
}

/// Status and message in gRPC, and what a client finds in the details.
fn status(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    assert_eq!(answer.header("content-type"), Some("application/grpc"), "{}", answer.text());
    assert!(answer.body.is_empty(), "trailers only: {}", answer.text());
    (answer.status, answer.header("grpc-status"), answer.header("grpc-message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_request_in_grpc_reaches_an_agent() -> Result<()> {
    in_both_forms(async |form| {
        let world = AgentsWorld::start_as(form, None, |config| with_bindings(config, &["GRPC"])).await?;
        let planner = world.caller(Some("planner"))?;
        let send = "/lf.a2a.v1.A2AService/SendMessage";
        for (path, code, message) in [
            // Not there.
            ("/", "12", "the agent has nothing at this path"),
            ("/lf.a2a.v1.A2AService/sendMessage", "12", "the agent has nothing at this path"),
            ("/lf.a2a.v1.A2AService/SendMessage/", "12", "the agent has nothing at this path"),
            ("/lf.a2a.v1.A2AService/SendMessage?x=y", "12", "the agent has nothing at this path"),
            ("/LF.a2a.v1.A2AService/SendMessage", "12", "the agent has nothing at this path"),
            ("/x/lf.a2a.v1.A2AService/SendMessage", "12", "the agent has nothing at this path"),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "12", "the agent has nothing at this path"),
            ("/message:send", "12", "the agent has nothing at this path"),
            // Not allowed.
            ("/lf.a2a.v1.A2AService/ListTasks", "7", "denied by policy"),
            ("/lf.a2a.v1.A2AService/CreateTaskPushNotificationConfig", "5", "Task not found"),
        ] {
            let answer = asked(&world, &planner, grpc(path, "application/grpc")).await?;
            assert_eq!(status(&answer), (200, Some(code), Some(message)), "{path}");
            let details = answer.header("grpc-status-details-bin").is_some();
            assert_eq!(details, code == "5", "{path}");
            saw_nothing(&world, path);
        }
        for content_type in ["application/grpc-web", "application/json", "application/grpc; x=y"] {
            let answer = asked(&world, &planner, grpc(send, content_type)).await?;
            assert_eq!(answer.status, 415, "{content_type}: {}", answer.text());
            saw_nothing(&world, content_type);
        }
        // The other bindings are not named.
        for call in [call("GET", "/tasks/T-lisbon", None, ""), call("POST", "/", Some("application/json"), "{}")] {
            assert_eq!(asked(&world, &planner, call).await?.status, 404);
        }
        let nobody = planner.send(grpc(send, "application/grpc")).await?;
        // Allowed without a token, but only to the scheduler.
        assert_eq!(status(&nobody), (200, Some("7"), Some("denied by policy")));
        let wrong = planner.send(grpc(send, "application/grpc").header("authorization", "Bearer x.y.z")).await?;
        assert_eq!(status(&wrong), (200, Some("16"), Some("invalid token")));
        assert!(wrong.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
        saw_nothing(&world, "no token");
        // A good one, and far more than the guard would hold.
        let large = vec![0; 3_000_000];
        let call = grpc(send, "application/grpc+proto").body(Body::Whole(Bytes::from(large.clone())));
        let _ = asked(&world, &planner, call).await?;
        let got = world.recorder(Colleague::Travel)?.take_one();
        assert_eq!(got.body_bytes, large.len(), "all of it came");
        let claims = got.claims().context("no token")?;
        let context = json!({ "protocol": "a2a", "server": "travel", "method": "SendMessage" });
        assert_eq!(claims["tctx"], context, "nothing is known of its arguments");
        world.envoy().guard_never_failed();
        Ok(())
    })
    .await
}
