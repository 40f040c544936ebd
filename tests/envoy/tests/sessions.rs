//! A session is its caller's: who gets hold of somebody else's id is told that there is none, and the server sees nothing.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, Answers, BOB, Caller, Form, HttpCall, MARIA, McpCall, Received, Revision, Server, World,
    WorldBuilder,
};

const SESSION: &str = "mcp-session-id";
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn sessions(builder: WorldBuilder) -> WorldBuilder {
    builder.answers(Answers::Sessions)
}

/// Begins a session: its id as the caller sees it, and as the server does.
async fn begin(world: &World, agent: &Caller, token: &str) -> Result<(String, String)> {
    let answer = agent.send(McpCall::initialize(Server::Hr.host()).token(token)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pinned = answer.header(SESSION).context("no session")?.to_owned();
    let (tag, id) = pinned.split_once('.').with_context(|| pinned.clone())?;
    assert_eq!(tag.len(), 43, "{pinned}");
    let id = id.to_owned();
    let initialized = McpCall::new(Server::Hr.host(), "notifications/initialized", json!({})).id(None);
    let initialized = initialized.revision(Revision::V2025_11_25).token(token).header(SESSION, pinned.as_str());
    assert_eq!(agent.send(initialized).await?.status, 202);
    let received = world.received();
    assert_eq!(received.len(), 2, "{received:?}");
    assert_eq!(received.last().and_then(|(_, got)| got.header(SESSION)), Some(id.as_str()));
    Ok((pinned, id))
}

fn list(server: Server, token: &str) -> McpCall {
    McpCall::list(server.host(), "tools").token(token).revision(Revision::V2025_11_25)
}

fn of_session(method: &str, token: &str) -> HttpCall {
    let call = HttpCall::new(method, Server::Hr.host(), "/mcp").header("accept", "text/event-stream");
    call.header("authorization", format!("Bearer {token}")).header("mcp-protocol-version", "2025-11-25")
}

#[track_caller]
fn not_found(world: &World, what: &str, answer: &Answer) {
    let code = answer.json()["error"]["code"].clone();
    assert_eq!((answer.status, code), (404, json!(-31_404)), "{what}: {}", answer.text());
    world.no_server_saw_anything();
}

fn one(received: Vec<(Server, Received)>) -> Result<Received> {
    assert_eq!(received.len(), 1, "{received:?}");
    Ok(received.into_iter().next().context("nothing")?.1)
}

async fn is_the_callers_alone(world: &World) -> Result<()> {
    let identities = world.identities();
    let alice = world.sign(&identities.token(&ALICE))?;
    let bob = world.sign(&identities.token(&BOB))?;
    let assistant = world.assistant()?;
    let batch = world.caller(Some(&identities.batch))?;
    let (pinned, id) = begin(world, &assistant, &alice).await?;

    let answer = assistant.send(list(Server::Hr, &alice).header(SESSION, pinned.as_str())).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["result"]["tools"][0]["name"], "get_time_off", "{}", answer.text());
    assert_eq!(one(world.received())?.header(SESSION), Some(id.as_str()), "the server knows its own id");

    let altered = format!("{pinned}0");
    let used = |call: McpCall, id: &str| call.header(SESSION, id);
    for (what, agent, call) in [
        ("by Bob", &assistant, used(list(Server::Hr, &bob), &pinned)),
        ("by another workload, with Alice's token", &batch, used(list(Server::Hr, &alice), &pinned)),
        ("at another server", &assistant, used(list(Server::Tickets, &alice), &pinned)),
        ("as the server has it", &assistant, used(list(Server::Hr, &alice), &id)),
        ("altered", &assistant, used(list(Server::Hr, &alice), &altered)),
        ("twice", &assistant, used(used(list(Server::Hr, &alice), &pinned), &pinned)),
        ("empty", &assistant, used(list(Server::Hr, &alice), "")),
        ("in the query", &assistant, list(Server::Hr, &alice)),
    ] {
        let mut call = call.into_http();
        if what == "in the query" {
            call = call.path(&format!("/mcp?sessionId={id}"));
        }
        not_found(world, what, &agent.send(call).await?);
    }
    for method in ["GET", "DELETE"] {
        let answer = assistant.send(of_session(method, &bob).header(SESSION, pinned.as_str())).await?;
        not_found(world, method, &answer);
    }

    let listening = assistant.listen(of_session("GET", &alice).header(SESSION, pinned.as_str())).await?;
    assert_eq!(listening.status, 200);
    assert_eq!(one(world.received())?.header(SESSION), Some(id.as_str()));
    drop(listening);
    let answer = assistant.send(of_session("DELETE", &alice).header(SESSION, pinned.as_str())).await?;
    assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
    assert_eq!(one(world.received())?.header(SESSION), Some(id.as_str()));
    // Now it has ended, and the server itself says so.
    let answer = assistant.send(list(Server::Hr, &alice).header(SESSION, pinned.as_str())).await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(one(world.received())?.header(SESSION), Some(id.as_str()));

    // Of 2026-07-28, which has no sessions.
    let modern = McpCall::list(Server::Hr.host(), "tools").token(&alice).header(SESSION, id.as_str());
    assert_eq!(assistant.send(modern).await?.status, 200);
    assert_eq!(one(world.received())?.header(SESSION), None);
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_caller_s_alone() -> Result<()> {
    in_both_forms(async |form| {
        let world = sessions(World::builder()).form(form).start().await?;
        is_the_callers_alone(&world).await
    })
    .await?;
    // Where the headers go on before the body is judged.
    let world = sessions(World::builder()).unheld().start().await?;
    is_the_callers_alone(&world).await
}

fn keys(keys: &Value) -> WorldBuilder {
    let keys = keys.clone();
    sessions(World::builder()).guard(move |guard| guard["sessions"] = json!({ "keys": keys }))
}

/// What comes of a session at a world in which it did not begin: of its server, which does not have it, or of the guard.
async fn known(world: &World, pinned: &str) -> Result<bool> {
    let alice = world.sign(&world.identities().token(&ALICE))?;
    let answer = world.assistant()?.send(list(Server::Hr, &alice).header(SESSION, pinned)).await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    let received = world.received();
    let refused = answer.json()["error"]["code"] == json!(-31_404);
    assert_eq!(received.is_empty(), refused, "{received:?}");
    Ok(received.iter().any(|(_, got)| got.header(SESSION).is_some_and(|id| pinned.ends_with(&format!(".{id}")))))
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_the_same_key_know_each_other_s_sessions() -> Result<()> {
    let (from_environment, inline) = (json!({ "env": "MESHWARDEN_SESSION_KEY" }), json!({ "inline": KEY }));
    let first = keys(&json!([from_environment])).start().await?;
    let alice = first.sign(&first.identities().token(&ALICE))?;
    let (old, _) = begin(&first, &first.assistant()?, &alice).await?;

    let second = sessions(World::builder()).form(Form::Separate).start().await?;
    assert!(known(&second, &old).await?, "a chain with the same key");
    let other = keys(&json!([inline])).start().await?;
    assert!(!known(&other, &old).await?, "another key");
    let alice = other.sign(&other.identities().token(&ALICE))?;
    let (new, _) = begin(&other, &other.assistant()?, &alice).await?;
    let rotating = keys(&json!([inline, from_environment])).start().await?;
    assert!(known(&rotating, &old).await? && known(&rotating, &new).await?, "both keys verify");
    let alice = rotating.sign(&rotating.identities().token(&ALICE))?;
    let (fresh, _) = begin(&rotating, &rotating.assistant()?, &alice).await?;
    assert!(known(&other, &fresh).await? && !known(&first, &fresh).await?, "the first key pins");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_ids_pass_and_the_log_says_so() -> Result<()> {
    let world = sessions(World::builder())
        .guard(|guard| {
            if let Some(guard) = guard.as_object_mut() {
                guard.remove("sessions");
            }
        })
        .start()
        .await?;
    assert!(world.envoy().log().contains("without `sessions`"), "{}", world.envoy().log());
    let maria = world.sign(&world.identities().token(&MARIA))?;
    let answer = world.assistant()?.send(McpCall::initialize(Server::Hr.host()).token(&maria)).await?;
    assert!(answer.header(SESSION).is_some_and(|id| !id.contains('.')), "{:?}", answer.headers);
    Ok(())
}
