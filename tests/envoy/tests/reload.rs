//! A new configuration comes while requests do: each request is decided by one of the two, and none is lost.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{ALICE, Caller, Discovery, EnvoyOptions, McpCall, Protocol, RawConnection, Received, Server, World};
use tokio::task::JoinHandle;

const CONNECTIONS: usize = 16;
/// Requests before, and again after each change.
const REQUESTS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a caller saw of one request.
struct Seen {
    id: String,
    /// Of whom it asked: Alice's own days off are allowed, Bob's are not.
    employee: &'static str,
    status: u16,
    code: i64,
}

/// What makes a configuration one to refuse.
type Breakage = fn(&mut Value);

/// Callers that ask without a pause, each on a connection of its own.
struct Load {
    asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Result<Vec<Seen>>>>,
}

/// The same guard in other words: every part of what comes of a request tells which one decided.
fn change(guard: &mut Value) {
    let cedar = guard["policy"]["cedar"].as_str().unwrap_or_default();
    guard["policy"]["cedar"] = cedar.replace("@downscope_ttl_seconds(\"30\")", "@downscope_ttl_seconds(\"20\")").into();
    guard["downscope"]["mint"]["issuer"] = "https://mesh-2.acme.example".into();
    guard["hide_denied"] = true.into();
}

async fn start(held: bool) -> Result<(World, Arc<Discovery>)> {
    let discovery = Arc::new(Discovery::new("agent_guard")?);
    let sent = Arc::clone(&discovery);
    let builder = World::builder().options(EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() });
    let builder = if held { builder } else { builder.unheld() };
    let world = builder.envoy(move |config| config.discover_guard(&sent)).start().await?;
    Ok((world, discovery))
}

fn time_off(employee: &str, token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": employee})).token(token)
}

async fn digest(world: &World, agent: &Caller, token: &str) -> Result<Value> {
    let answer = agent.send(time_off("E1001", token)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = world.audit_of(answer.request_id().context("no id")?).await?;
    Ok(line["policy_digest"].clone())
}

/// Waits until another configuration decides.
async fn other_than(old: &Value, world: &World, agent: &Caller, token: &str) -> Result<()> {
    let changed = async {
        while digest(world, agent, token).await? == *old {}
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, changed).await.context("the new configuration never decides")?
}

// === impl Load ===

impl Load {
    fn start(agent: &Caller, token: &str) -> Self {
        let (asked, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let callers = (0..CONNECTIONS).map(|_| {
            let (agent, token) = (agent.clone(), token.to_owned());
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            tokio::spawn(async move {
                let mut connection = agent.connect(Server::Hr.host(), Protocol::Http2).await?;
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let employee = if seen.len() % 3 == 2 { "E1002" } else { "E1001" };
                    let answer = connection.send(time_off(employee, &token).over(Protocol::Http2)).await?;
                    let id = answer.request_id().with_context(|| format!("no id: {answer:?}"))?.to_owned();
                    let code = answer.json()["error"]["code"].as_i64().unwrap_or_default();
                    seen.push(Seen { id, employee, status: answer.status, code });
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                Ok(seen)
            })
        });
        Self { callers: callers.collect(), asked, over }
    }

    /// Waits for so many more answers.
    async fn go_on(&self) -> Result<()> {
        let until = self.asked.load(Ordering::Relaxed) + REQUESTS;
        let reached = async {
            while self.asked.load(Ordering::Relaxed) < until && self.callers.iter().all(|caller| !caller.is_finished())
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.context("the load stands still")
    }

    /// What each connection saw, in its order. A request without an answer is an error.
    async fn end(self) -> Result<Vec<Vec<Seen>>> {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for caller in self.callers {
            all.push(caller.await?.context("a request was lost")?);
        }
        Ok(all)
    }
}

/// Everything in the log about these requests, by id.
async fn lines(world: &World, seen: &[Vec<Seen>]) -> Result<BTreeMap<String, Value>> {
    // The last line is the last to be written.
    for last in seen.iter().filter_map(|connection| connection.last()) {
        world.audit_of(&last.id).await?;
    }
    let id = |line: &Value| line["request_id"].as_str().unwrap_or_default().to_owned();
    Ok(world.audit().into_iter().map(|line| (id(&line), line)).collect())
}

/// The digest that decided a request, after everything else was found to fit it.
fn decided_by<'a>(seen: &Seen, line: &'a Value, got: Option<&Received>, old: &Value, held: bool) -> &'a Value {
    let digest = &line["policy_digest"];
    let (issuer, seconds, denied) = if digest == old {
        ("https://mesh.acme.example", 30, (403, -31_403))
    } else {
        ("https://mesh-2.acme.example", 20, (200, -32_602))
    };
    if seen.employee == "E1001" {
        assert_eq!((seen.status, seen.code, &line["decision"]), (200, 0, &json!("allow")), "{line}");
    } else {
        assert_eq!(((seen.status, seen.code), &line["decision"]), (denied, &json!("deny")), "{line}");
        assert!(got.is_none_or(|got| !held && got.body.is_none()), "{got:?}");
    }
    let went_on = seen.employee == "E1001";
    if let Some(claims) = got.and_then(Received::claims) {
        let lifetime = claims["exp"].as_u64().unwrap_or_default() - claims["iat"].as_u64().unwrap_or_default();
        assert_eq!((&claims["iss"], lifetime), (&json!(issuer), seconds), "{claims}");
    } else {
        assert!(!went_on, "nothing arrived: {line}");
    }
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_or_decided_by_half_a_configuration() -> Result<()> {
    for held in [true, false] {
        let (world, discovery) = start(held).await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let old = digest(&world, &agent, &token).await?;

        let load = Load::start(&agent, &token);
        load.go_on().await?;
        discovery.change(change)?;
        discovery.wait(world.envoy(), "update_success", 2).await?;
        load.go_on().await?;
        let seen = load.end().await?;
        let new = digest(&world, &agent, &token).await?;
        assert_ne!(old, new);

        let lines = lines(&world, &seen).await?;
        let received = world.recorder(Server::Hr)?.take();
        let by_id: BTreeMap<&str, &Received> =
            received.iter().filter_map(|got| Some((got.header("x-request-id")?, got))).collect();
        let mut count = 0;
        for connection in &seen {
            let mut switched = false;
            for seen in connection {
                let line = lines.get(&seen.id).with_context(|| format!("no line for {}", seen.id))?;
                let digest = decided_by(seen, line, by_id.get(seen.id.as_str()).copied(), &old, held);
                assert!([&old, &new].contains(&digest), "{line}");
                // A connection belongs to one worker, and a worker never goes back.
                assert!(!switched || *digest == new, "the old configuration after the new one: {line}");
                switched = *digest == new;
                count += 1;
            }
            assert!(switched, "a connection never saw the new configuration");
        }
        assert!(count >= 2 * REQUESTS, "{count}");
        let ids: BTreeSet<&str> = seen.iter().flatten().map(|seen| seen.id.as_str()).collect();
        assert_eq!(ids.len(), count, "each answer is that of one request");
        println!("held: {held}; {count} requests on {CONNECTIONS} connections, none lost");
        world.guard_never_failed();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_refused_changes_nothing_and_is_seen() -> Result<()> {
    let (world, discovery) = start(true).await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let agent = world.assistant()?;
    let old = digest(&world, &agent, &token).await?;
    let load = Load::start(&agent, &token);
    load.go_on().await?;
    let whole = discovery.sent();
    let bad: [(&str, Breakage); 3] = [
        ("`policy.cedar`", |guard| guard["policy"]["cedar"] = "@id(\"a\") permit (principal, action);".into()),
        ("`tokens.issuers[0].algorithms[0]`", |guard| guard["tokens"]["issuers"][0]["algorithms"] = json!(["none"])),
        ("`surprise`", |guard| guard["surprise"] = json!(1)),
    ];
    for (count, (field, break_it)) in (1..).zip(bad) {
        discovery.send(&whole)?;
        discovery.change(break_it)?;
        discovery.wait(world.envoy(), "update_rejected", count).await?;
        assert!(discovery.stat(world.envoy(), "config_fail").await? >= count);
        let log = world.envoy().log();
        let line = log.lines().find(|line| line.contains("configuration refused") && line.contains(field));
        assert!(line.is_some(), "{field} is not named in the log:\n{log}");
        load.go_on().await?;
    }
    let seen = load.end().await?;
    let lines = lines(&world, &seen).await?;
    for seen in seen.iter().flatten() {
        let line = lines.get(&seen.id).with_context(|| format!("no line for {}", seen.id))?;
        assert_eq!(line["policy_digest"], old, "{line}");
        assert_eq!(seen.status, if seen.employee == "E1001" { 200 } else { 403 }, "{line}");
    }
    // And it is no dead end.
    let before = discovery.stat(world.envoy(), "update_success").await?;
    discovery.send(&whole)?;
    discovery.change(change)?;
    discovery.wait(world.envoy(), "update_success", before + 1).await?;
    other_than(&old, &world, &agent, &token).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_its_body_is_finished_by_the_configuration_it_began_with() -> Result<()> {
    for held in [true, false] {
        let (world, discovery) = start(held).await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.assistant()?;
        let old = digest(&world, &agent, &token).await?;
        let mut waiting = Vec::new();
        for employee in ["E1001", "E1002"] {
            let call = time_off(employee, &token);
            let body = call.body().to_string();
            let (first, rest) = body.split_at(body.len() / 2);
            let mut connection = agent.begin(call, body.len()).await?;
            connection.write(first.as_bytes()).await?;
            waiting.push((connection, rest.to_owned()));
        }
        let begun = async {
            while world.envoy().stat("http.agents.downstream_rq_active").await? < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, begun).await.context("the requests never began")??;

        discovery.change(change)?;
        discovery.wait(world.envoy(), "update_success", 2).await?;
        other_than(&old, &world, &agent, &token).await?;
        drop(world.received());

        for ((mut connection, rest), status) in waiting.into_iter().zip(["200", "403"]) {
            connection.write(rest.as_bytes()).await?;
            let answer = connection.read().await?;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let id = RawConnection::header(&answer, "x-request-id").context("no id")?;
            let line = world.audit_of(id).await?;
            assert_eq!(line["policy_digest"], old, "{line}");
        }
        let whole: Vec<_> = world.recorder(Server::Hr)?.take().into_iter().filter(|got| got.body.is_some()).collect();
        if held {
            assert_eq!(
                whole.iter().map(|got| got.claims().unwrap_or_default()["iss"].clone()).collect::<Vec<_>>(),
                ["https://mesh.acme.example"]
            );
        }
        world.guard_never_failed();
    }
    Ok(())
}
