//! Agents that hand work to each other, through `envoy-configs/agent-to-agent.yaml`: the story in both vocabularies,
//! what an agent gets instead of the caller's token, and what is never let through.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{A2aVersion, AGENTS_STORY, ALICE, AgentsWorld, Answer, Ask, Body, Colleague, HttpCall, verify_es256};

const FLIGHT: Ask = Ask::Send { text: "A flight to Lisbon on Friday", notify: None };

/// As the planner for Alice, with a token that is right in every respect.
async fn asked(world: &AgentsWorld, call: HttpCall) -> Result<Answer> {
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;
    let call = call.header("authorization", format!("Bearer {token}"));
    Ok(world.caller(Some("planner"))?.send(call).await?)
}

fn to_travel(ask: Ask) -> HttpCall {
    ask.http(Colleague::Travel.host(), A2aVersion::V1_0)
}

fn saw_nothing(world: &AgentsWorld) {
    let received = world.received();
    assert!(received.is_empty(), "no agent should have received anything, but: {received:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told() -> Result<()> {
    let world = AgentsWorld::start().await?;
    for scene in AGENTS_STORY {
        for row in scene.rows {
            for version in A2aVersion::ALL {
                let played = world.play(row, version).await?;
                let what = || format!("{version:?} {}: {} {played:#?}", scene.title, row.request);
                played.check(row).with_context(what)?;
            }
        }
    }
    world.envoy().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_goes_on_with_another_token() -> Result<()> {
    let world = AgentsWorld::start().await?;
    an_agent_gets_a_token_for_this_one_call(&world).await?;
    a_stream_comes_through_as_the_agent_sends_it(&world).await?;
    world.envoy().guard_never_failed();
    Ok(())
}

async fn an_agent_gets_a_token_for_this_one_call(world: &AgentsWorld) -> Result<()> {
    let mesh = &world.identities().mesh;
    let answer = asked(world, to_travel(FLIGHT)).await?;
    assert_eq!(answer.json()["result"]["task"]["status"]["state"], "TASK_STATE_COMPLETED");
    let got = world.recorder(Colleague::Travel)?.take_one();
    let (header, claims) = verify_es256(got.bearer().context("no token")?, mesh)?;
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    for (name, value) in [
        ("iss", json!("https://mesh.acme.example")),
        ("sub", json!("alice")),
        ("aud", json!("https://travel.agents.acme.example/")),
        ("scope", json!("travel.book")),
        ("client_id", json!("acme-planner")),
        ("act", json!({ "sub": "spiffe://acme.example/agent/planner" })),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let hash = claims["tctx"]["arguments_sha256"].as_str().context("no hash")?;
    assert_eq!(hash.len(), 64);
    let context = json!({
        "protocol": "a2a", "server": "travel", "method": "SendMessage", "arguments_sha256": hash,
    });
    assert_eq!(claims["tctx"], context);
    assert_eq!(got.header("a2a-version"), Some("1.0"), "what is not ours goes on as it came");

    // Another message, another hash.
    asked(world, to_travel(Ask::Send { text: "A flight to Porto", notify: None })).await?;
    let other = world.recorder(Colleague::Travel)?.take_one().claims().context("no token")?;
    assert_ne!(other["tctx"]["arguments_sha256"], hash);

    // Who passes a request on is named before who did so earlier.
    let token = world.identities().idp.sign(&world.token(&ALICE, &["travel", "planner"]))?;
    let call = FLIGHT.http(Colleague::Payroll.host(), A2aVersion::V1_0);
    let answer = world.caller(Some("travel"))?.send(call.header("authorization", format!("Bearer {token}"))).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claims = world.recorder(Colleague::Payroll)?.take_one().claims().context("no token")?;
    let chain =
        json!({ "sub": "spiffe://acme.example/agent/travel", "act": { "sub": "spiffe://acme.example/agent/planner" } });
    assert_eq!((&claims["act"], &claims["scope"]), (&chain, &json!("expenses.write")));
    Ok(())
}

async fn a_stream_comes_through_as_the_agent_sends_it(world: &AgentsWorld) -> Result<()> {
    let answer = asked(world, to_travel(Ask::Stream { text: "A hotel" })).await?;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(events.len(), 3, "{text}");
    assert_eq!(events[0]["result"]["task"]["status"]["state"], "TASK_STATE_WORKING");
    assert_eq!(events[2]["result"]["statusUpdate"]["status"]["state"], "TASK_STATE_COMPLETED");

    // Its task can be asked for, by whom it is for.
    let id = events[0]["result"]["task"]["id"].as_str().context("no task")?;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": { "id": id } }).to_string();
    let answer = asked(world, to_travel(FLIGHT).body(Body::Whole(body.into()))).await?;
    assert_eq!(answer.json()["result"]["id"], id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_reaches_no_agent() -> Result<()> {
    let world = AgentsWorld::start().await?;
    a_denied_task_looks_like_one_that_is_not_there(&world).await?;
    push_notifications_stay_at_home_however_they_are_set(&world).await?;
    less_scope_is_told_and_a_binding_is_known_by_its_path(&world).await?;
    world.envoy().guard_never_failed();
    Ok(())
}

async fn a_denied_task_looks_like_one_that_is_not_there(world: &AgentsWorld) -> Result<()> {
    let ask = |host, id| Ask::GetTask { id }.http(host, A2aVersion::V1_0);
    // The travel agent itself says so: of a task that is not there, and of Bob's.
    let missing = asked(world, ask(Colleague::Travel.host(), "T-none")).await?;
    assert_eq!(asked(world, ask(Colleague::Travel.host(), "T-oslo")).await?.json(), missing.json());
    assert_eq!(world.received().len(), 2);
    // Payroll is never asked, and the answer is the same.
    for id in ["T-salary", "T-none"] {
        let denied = asked(world, ask(Colleague::Payroll.host(), id)).await?;
        assert_eq!((denied.status, denied.json()), (missing.status, missing.json()), "{id}");
    }
    saw_nothing(world);
    Ok(())
}

async fn push_notifications_stay_at_home_however_they_are_set(world: &AgentsWorld) -> Result<()> {
    for url in [
        "https://evil.example/hook",
        "https://calendar.acme.example.evil.example/",
        "https://calendar.acme.example@evil.example/",
        "http://169.254.169.254/latest/meta-data",
    ] {
        let message = json!({ "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "A flight" }] });
        for configuration in [
            json!({ "taskPushNotificationConfig": { "url": url } }),
            json!({ "task_push_notification_config": { "url": url } }),
            json!({ "pushNotificationConfig": { "url": url } }),
        ] {
            let params = json!({ "message": message, "configuration": configuration });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params }).to_string();
            let answer = asked(world, to_travel(FLIGHT).body(Body::Whole(body.into()))).await?;
            assert!([400, 403].contains(&answer.status), "{configuration}: {}", answer.text());
            saw_nothing(world);
        }
    }
    Ok(())
}

async fn less_scope_is_told_and_a_binding_is_known_by_its_path(world: &AgentsWorld) -> Result<()> {
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]).claim("scope", "expenses.write"))?;
    let call = to_travel(FLIGHT).header("authorization", format!("Bearer {token}"));
    let answer = world.caller(Some("planner"))?.send(call).await?;
    let challenge = answer.header("www-authenticate").context("no challenge")?;
    assert_eq!((answer.status, challenge), (403, "Bearer error=\"insufficient_scope\", scope=\"travel.book\""));
    saw_nothing(world);

    // The body of one binding at the path of another.
    for (path, status) in
        [("/message:send", 400), ("/v1/message%3Asend", 400), ("/tasks/T-oslo:cancel", 400), ("/tasks", 404)]
    {
        let answer = asked(world, to_travel(FLIGHT).path(path)).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let rest = to_travel(FLIGHT).with("content-type", "application/a2a+json");
    assert_eq!(asked(world, rest).await?.status, 415);
    saw_nothing(world);
    Ok(())
}
