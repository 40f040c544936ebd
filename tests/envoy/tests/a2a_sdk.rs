//! The official A2A SDK on both sides of the guard, in all three bindings: its client gets through, its server gets the
//! smaller token, and what is denied is an error that the client understands.

#![cfg(test)]

use std::net::SocketAddr;

use anyhow::{Context, Result};
use envoy_tests::{in_both_forms, speak_grpc, with_bindings};
use serde_json::{Value, json};
use testbed::{
    ALICE, AgentsWorld, Answer, Body, Colleague, Foreign, ForeignProgram, Form, HttpCall, Installed, Protocol, decode,
    send_plain,
};

const ALL: [&str; 3] = ["JSONRPC", "HTTP+JSON", "GRPC"];

struct Played {
    world: AgentsWorld,
    /// What the travel agent received, in order.
    received: Vec<Value>,
    told: Value,
    /// The caller's own token.
    token: String,
    /// Its programs end with it.
    _agent: ForeignProgram,
}

async fn play(python: &Installed, form: Form) -> Result<Played> {
    let agent = python.start("agent.py", &[]).await?;
    let ports: Value = serde_json::from_str(&agent.first_line)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports["port"]).parse()?;
    let world = AgentsWorld::start_as(form, Some(address), |config| {
        with_bindings(config, &ALL)?;
        speak_grpc(config, "travel", &ports["grpc_port"])
    })
    .await?;
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;
    let gateway = world.envoy().listener().port().to_string();
    let folder = world.certificates().display().to_string();
    let told = python.run("ask.py", &[&gateway, &folder, &address.to_string()], &token).await?;
    let received = send_plain(address, HttpCall::new("GET", &address.to_string(), "/received")).await?.json();
    let received = received.as_array().context("no list")?.clone();
    Ok(Played { world, received, told: serde_json::from_str(&told)?, token, _agent: agent })
}

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_and_servers_understand_the_guard() -> Result<()> {
    let Some(python) = Foreign::A2aPython.find().await else { return Ok(()) };
    in_both_forms(async |form| {
        let played = play(&python, form).await?;
        assert_eq!(played.told["cards"], json!(["travel", "payroll"]), "{:#}", played.told);
        for binding in ALL {
            the_client_is_content(&played.told[binding], binding, "1.0");
        }
        for binding in &ALL[1..] {
            the_client_is_content(&played.told[format!("{binding} 0.3")], binding, "0.3");
        }
        the_server_got_smaller_tokens(&played)?;
        a_denied_task_is_answered_as_the_server_answers(&played).await?;
        assert_eq!(played.world.recorder(Colleague::Payroll)?.take().len(), 1, "its card, and nothing else");
        played.world.envoy().guard_never_failed();
        Ok(())
    })
    .await
}

fn the_client_is_content(told: &Value, binding: &str, version: &str) {
    let what = format!("{binding} {version}: {told:#}");
    assert_eq!(told["answer"], "TP 571, Friday, 11:25", "{what}");
    // It came to its end only because its beginning had come through.
    assert_eq!(told["events"], json!(["task", "status_update", "artifact_update", "status_update"]), "{what}");
    assert_eq!(told["same_task"], true, "{what}");
    // A denied task is a task that is not there. The client for 0.3 makes something else of it in HTTP+JSON.
    let denied_task = told["payroll_task"].to_string().replace("T-salary", "T-none");
    assert_eq!(denied_task, told["missing"].to_string(), "{what}");
    if version == "1.0" {
        assert_eq!(told["missing"][0], "TaskNotFoundError", "{what}");
    }
    // The server's own errors come through.
    if version == "1.0" {
        assert_eq!(told["cancel"][0], "TaskNotCancelableError", "{what}");
    }
    let denied = |of: &str, code: &str| {
        assert!(told[of][1].as_str().is_some_and(|text| text.contains(code)), "{of}: {what}");
    };
    let forbidden = if binding == "GRPC" { "PERMISSION_DENIED" } else { "403" };
    denied("payroll", forbidden);
    match (binding, version) {
        // A filter that does not read the message can't see where its news would go, nor of which conversation.
        ("GRPC", "1.0") => {
            assert_eq!(told["notify_abroad"], "allowed", "{what}");
            denied("list", forbidden);
        }
        ("GRPC", _) => assert_eq!(told["notify_abroad"], "allowed", "{what}"),
        (_, "1.0") => {
            denied("notify_abroad", forbidden);
            assert_eq!(told["list"], "allowed", "{what}");
        }
        _ => denied("notify_abroad", forbidden),
    }
    assert_eq!(told["still_usable"], "allowed", "{what}");
}

fn the_server_got_smaller_tokens(played: &Played) -> Result<()> {
    let mut asked = Vec::new();
    for request in &played.received {
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str);
        let bearer = text("/headers/authorization").with_context(|| format!("no token: {request:#}"))?;
        let bearer = bearer.strip_prefix("Bearer ").context("another scheme")?;
        assert_ne!(bearer, played.token, "the caller's token stays here");
        let (_, claims) = decode(bearer)?;
        assert_eq!(claims["act"], json!({ "sub": "spiffe://acme.example/agent/planner" }));
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!(Colleague::Travel.audience()), &json!("alice")));
        let (method, path) = (text("/method").unwrap_or_default(), text("/path").unwrap_or_default());
        // What is judged whole is bound whole.
        let bound = claims["tctx"].get("arguments_sha256").is_some();
        assert_eq!(bound, method != "gRPC" && path != "/.well-known/agent-card.json", "{method} {path}");
        asked.push((path.rsplit('/').next().unwrap_or_default().to_owned(), claims["tctx"]["method"].clone()));
    }
    let methods = |of: &[&str]| of.iter().map(|&method| Value::from(method)).collect::<Vec<_>>();
    let all: Vec<Value> = asked.iter().map(|(_, method)| method.clone()).collect();
    let mut expected = methods(&["GET"]);
    // What is left out was denied: `notify_abroad` and, in gRPC, the list.
    let judged = methods(&[
        "SendMessage",
        "SendStreamingMessage",
        "GetTask",
        "CancelTask",
        "ListTasks",
        "GetTask",
        "SendMessage",
    ]);
    expected.extend([judged.clone(), judged].concat());
    let unread = methods(&[
        "SendMessage",
        "SendStreamingMessage",
        "GetTask",
        "CancelTask",
        "GetTask",
        "SendMessage",
        "SendMessage",
    ]);
    expected.extend(unread.clone());
    // 0.3 has no list.
    expected.extend(methods(&[
        "SendMessage",
        "SendStreamingMessage",
        "GetTask",
        "CancelTask",
        "GetTask",
        "SendMessage",
    ]));
    expected.extend(unread);
    assert_eq!(all, expected, "{asked:#?}");
    // In gRPC, the token is for the method that the path has.
    for (last, method) in asked.iter().rev().take(7) {
        assert_eq!(last.as_str(), method.as_str().unwrap_or_default());
    }
    Ok(())
}

/// Of a task that is not there, and of one that the caller may not see.
async fn a_denied_task_is_answered_as_the_server_answers(played: &Played) -> Result<()> {
    let planner = played.world.caller(Some("planner"))?;
    let ask = async |agent: Colleague, call: &dyn Fn(&str) -> HttpCall| -> Result<Answer> {
        let call = call(agent.host()).header("a2a-version", "1.0");
        Ok(planner.send(call.header("authorization", format!("Bearer {}", played.token))).await?)
    };
    let rest = |host: &str| HttpCall::new("GET", host, "/tasks/T-none");
    let rpc = |host: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": { "id": "T-none" } }).to_string();
        HttpCall::new("POST", host, "/").header("content-type", "application/json").body(Body::Whole(body.into()))
    };
    for call in [&rest as &dyn Fn(&str) -> HttpCall, &rpc] {
        let (missing, denied) = (ask(Colleague::Travel, call).await?, ask(Colleague::Payroll, call).await?);
        assert_eq!((denied.status, denied.json()), (missing.status, missing.json()));
        assert_eq!(denied.header("content-type"), missing.header("content-type"));
    }
    let grpc = |host: &str| {
        // `GetTaskRequest { id: "T-none" }`, a field of six bytes.
        let body = Body::Whole("\0\0\0\0\u{8}\u{12}\u{6}T-none".into());
        let call = HttpCall::new("POST", host, "/lf.a2a.v1.A2AService/GetTask").over(Protocol::Http2);
        call.header("content-type", "application/grpc").header("te", "trailers").body(body)
    };
    let (missing, denied) = (ask(Colleague::Travel, &grpc).await?, ask(Colleague::Payroll, &grpc).await?);
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        let trailers = missing.trailers.as_ref().unwrap_or(&missing.headers);
        let said = trailers.get(name).and_then(|value| value.to_str().ok()).map(|value| value.replace("%20", " "));
        assert!(said.is_some(), "{name}: {missing:?}");
        assert_eq!(denied.header(name), said.as_deref(), "{name}");
    }
    assert_eq!((denied.header("grpc-status"), denied.status), (Some("5"), missing.status));
    Ok(())
}
