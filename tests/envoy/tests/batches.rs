//! Batches of 2025-03-26: every message is judged, and either all go on or the upstream sees nothing.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answer, Body, Canned, Form, HttpCall, McpCall, Revision, Script, Server, World};

const FORBIDDEN: (u16, i64) = (403, -31_403);
const INVALID: (u16, i64) = (400, -32_600);

/// What it is, the revision in the header, the body, and the answer.
type Refused = (&'static str, Option<&'static str>, Value, (u16, i64));

fn time_off(id: u64, of: &str) -> Value {
    let params = json!({"name": "get_time_off", "arguments": {"employee_id": of}});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn list(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
}

fn note() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

/// What the server says of both.
fn called(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "12 days"}]}})
}

fn listed(id: u64, tools: &[&str]) -> Value {
    let tools: Vec<Value> = tools.iter().map(|name| json!({ "name": name })).collect();
    json!({"jsonrpc": "2.0", "id": id, "result": {"tools": tools}})
}

async fn world(form: Form, script: &Script, change: impl FnOnce(&mut Value) + Send + 'static) -> Result<World> {
    let allow = move |guard: &mut Value| {
        guard["batches"] = "authorize_each".into();
        change(guard);
    };
    World::builder().form(form).canned(Server::Hr, script).guard(allow).start().await
}

fn batch(world: &World, version: Option<&str>, body: &Value) -> Result<HttpCall> {
    let token = world.sign(&world.identities().token(&ALICE))?;
    let call = McpCall::new(Server::Hr.host(), "ping", json!({})).token(&token).revision(Revision::V2025_11_25);
    let call = call.into_http().without("mcp-protocol-version").body(Body::Whole(body.to_string().into()));
    Ok(version.into_iter().fold(call, |call, version| call.header("mcp-protocol-version", version)))
}

fn codes(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_batch_goes_on_whole_with_one_small_token() -> Result<()> {
    in_both_forms(async |form| {
        let all = ["get_time_off", "query_compensation"];
        let script = Script::always(Canned::json(&json!([called(1), listed(2, &all)])));
        let world = world(form, &script, |guard| guard["audit"] = json!({"log": "all"})).await?;
        let agent = world.assistant()?;
        let body = json!([time_off(1, "E1001"), note(), list(2)]);
        for version in [None, Some("2025-03-26")] {
            let answer = agent.send(batch(&world, version, &body)?).await?;
            assert_eq!(answer.json(), json!([called(1), listed(2, &all[..1])]), "{}", answer.text());
            let received = world.recorder(Server::Hr)?.take_one();
            assert_eq!(received.json(), body, "what was judged is what goes on");
            let claims = received.claims().context("no token")?;
            // The list may use all that the caller has; the lifetime is that of the shortest permit.
            assert_eq!(claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp - iat), Some(30));
            assert_eq!(
                (&claims["tctx"]["method"], &claims["tctx"]["tool"]),
                (&json!("batch"), &Value::Null),
                "{claims}"
            );
            assert_eq!(claims["tctx"]["arguments_sha256"].as_str().map(str::len), Some(64), "{claims}");
            let audit = world.audit_of(answer.request_id().context("no id")?).await?;
            assert_eq!((&audit["decision"], &audit["action"]), (&json!("allow"), &json!("batch")), "{audit}");
            let actions: Vec<&Value> =
                audit["batch"].as_array().into_iter().flatten().map(|one| &one["action"]).collect();
            assert_eq!(actions, ["tools/call", "notifications/initialized", "tools/list"], "{audit}");
            assert_eq!(audit["policies"], json!(["connect", "own-time-off"]), "{audit}");
        }
        assert_eq!(world.envoy().stat("wasmcustom.meshwarden_decisions_total.outcome.allow").await?, 6);
        // Of calls alone, the token is as narrow as that of a call.
        let answer = agent.send(batch(&world, None, &json!([time_off(1, "E1001"), time_off(2, "E1001")]))?).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let claims = world.recorder(Server::Hr)?.take_one().claims().context("no token")?;
        assert_eq!(claims["scope"], "hr.read", "{claims}");
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_that_may_not_go_on_refuses_all() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::always(Canned::json(&json!([])));
        let world = world(form, &script, |_| {}).await?;
        let agent = world.assistant()?;
        let own = |id| time_off(id, "E1001");
        let with = |odd: Value| json!([own(1), odd, own(3)]);
        let initialize = json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {}});
        let unknown = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/delete"});
        let nameless = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "get_time_off"}});
        let many: Vec<Value> = (0..51).map(own).collect();
        let cases: [Refused; 16] = [
            ("somebody else's days off", None, with(time_off(2, "E1002")), FORBIDDEN),
            ("the first denied", None, json!([time_off(1, "E1002"), own(2)]), FORBIDDEN),
            ("the last denied", None, json!([own(1), time_off(2, "E1002")]), FORBIDDEN),
            ("a batch of one, denied", None, json!([time_off(1, "E1002")]), FORBIDDEN),
            ("an unknown method", None, with(unknown), (403, -32_601)),
            ("a call without id", None, with(nameless), INVALID),
            ("initialize", None, with(initialize), INVALID),
            ("two equal ids", None, json!([own(1), own(1)]), INVALID),
            ("nothing", None, json!([]), INVALID),
            ("more than can be judged", None, json!(many), INVALID),
            ("a batch in a batch", None, json!([own(1), [own(2)]]), INVALID),
            ("requests and responses", None, with(json!({"jsonrpc": "2.0", "id": 2, "result": {}})), INVALID),
            ("a revision before batches", Some("2024-11-05"), with(own(2)), INVALID),
            ("a revision after batches", Some("2025-06-18"), with(own(2)), INVALID),
            ("the last legacy revision", Some("2025-11-25"), with(own(2)), INVALID),
            ("the modern revision", Some("2026-07-28"), with(own(2)), INVALID),
        ];
        for (what, version, body, expected) in cases {
            let answer = agent.send(batch(&world, version, &body)?).await?;
            assert_eq!(codes(&answer), expected, "{what}: {}", answer.text());
            assert_eq!(answer.json().get("id"), None, "{what}: the refusal is of all of them");
            world.no_server_saw_anything();
        }
        let mirrored = batch(&world, None, &with(own(2)))?.header("mcp-method", "tools/call");
        assert_eq!(codes(&agent.send(mirrored).await?), (400, -32_020));
        world.no_server_saw_anything();

        // A batch of responses is like a response.
        let responses = json!([{"jsonrpc": "2.0", "id": 1, "result": {}}, {"jsonrpc": "2.0", "id": 2, "error": {}}]);
        let answer = agent.send(batch(&world, None, &responses)?).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(world.recorder(Server::Hr)?.take_one().json(), responses);
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_belongs_to_a_request_of_the_batch() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = world(form, &script, |_| {}).await?;
        let agent = world.assistant()?;
        let all = ["get_time_off", "query_compensation"];
        let (full, seen) = (listed(2, &all), listed(2, &all[..1]));
        let body = json!([time_off(1, "E1001"), list(2)]);
        let json = |message: Value| Canned::json(&message);
        let stream = |events: &[Value]| {
            let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            Canned::sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
        };
        for (good, shown) in [
            (json(json!([full, called(1)])), json!([seen, called(1)])),
            (json(called(1)), called(1)),
            (stream(&[json!([called(1), full])]), json!([called(1), seen])),
            (stream(&[called(1), full.clone()]), seen.clone()),
        ] {
            script.play([good]);
            let answer = agent.send(batch(&world, None, &body)?).await?;
            assert_eq!((answer.status, answer.json()), (200, shown));
            assert!(!answer.text().contains("query_compensation"), "{}", answer.text());
            drop(world.recorder(Server::Hr)?.take_one());
        }
        for odd in [
            json!([called(1), listed(3, &all)]),
            json!([full, full]),
            json!([called(1), called(2)]),
            json!([called(1), "x"]),
            json!("x"),
        ] {
            script.play([json(odd.clone())]);
            let answer = agent.send(batch(&world, None, &body)?).await?;
            assert_eq!(codes(&answer), (502, -31_502), "{odd}: {}", answer.text());
            drop(world.recorder(Server::Hr)?.take_one());
            script.play([stream(std::slice::from_ref(&odd))]);
            let answer = agent.send(batch(&world, None, &body)?).await;
            let shown = answer.map(|answer| answer.text()).unwrap_or_default();
            assert!(!shown.contains("tools") && !shown.contains("12 days"), "{odd}: {shown}");
            drop(world.recorder(Server::Hr)?.take_one());
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_held_headers_a_batch_is_judged_before_its_body_goes_on() -> Result<()> {
    let script = Script::always(Canned::json(&json!([called(1), called(2)])));
    let allow = |guard: &mut Value| guard["batches"] = "authorize_each".into();
    let world = World::builder().canned(Server::Hr, &script).guard(allow).unheld().start().await?;
    let agent = world.assistant()?;
    let good = json!([time_off(1, "E1001"), time_off(2, "E1001")]);
    let answer = agent.send(batch(&world, None, &good)?).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(world.recorder(Server::Hr)?.take_one().json(), good);
    let bad = json!([time_off(1, "E1001"), time_off(2, "E1002")]);
    assert_eq!(codes(&agent.send(batch(&world, None, &bad)?).await?), FORBIDDEN);
    for (_, received) in world.received() {
        assert_eq!(received.body_bytes, 0, "{received:?}");
    }
    world.guard_never_failed();
    Ok(())
}
