//! What was judged is what is executed: thousands of odd calls, through the guard, to servers made with three SDKs.
//!
//! A policy permits all but one tool, one value of an argument, and large amounts. A server that ever does what is
//! forbidden, or anything else than the audit line says, has read the call in another way than the guard. Without the
//! guard, the same calls make the same servers do what is forbidden: that is counted too, or the test could prove
//! nothing.

#![cfg(test)]

mod judged;
mod odd_calls;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::json;
use testbed::{ALICE, Caller, Executed, Form, RecordingServer, Sdk, Server, World, send_plain};

use self::judged::Judged;
use self::odd_calls::{FORBIDDEN_TARGET, FORBIDDEN_TOOL, MOST_AMOUNT, OddCall};

/// To each server.
const CALLS: usize = 800;
/// How long the last audit lines may take to be in the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which server stands where.
const SERVERS: [(Server, Sdk); 3] =
    [(Server::Hr, Sdk::Typescript), (Server::Docs, Sdk::Python), (Server::Tickets, Sdk::Rust)];

const POLICIES: &str = r#"
@id("talk")
permit (principal, action == Action::"connect", resource);
@id("all")
permit (principal, action in [Action::"tools/call", Action::"prompts/get", Action::"resources/read"], resource);
@id("tool-hr")
forbid (principal, action, resource == Tool::"hr/delete_all");
@id("tool-docs")
forbid (principal, action, resource == Tool::"docs/delete_all");
@id("tool-tickets")
forbid (principal, action, resource == Tool::"tickets/delete_all");
@id("target")
forbid (principal, action == Action::"tools/call", resource)
when { context.arguments.string.hasTag("target") && context.arguments.string.getTag("target") == "production" };
@id("amount")
forbid (principal, action == Action::"tools/call", resource)
when { context.arguments.long.hasTag("amount") && context.arguments.long.getTag("amount") > 100 };
@id("fractions")
forbid (principal, action == Action::"tools/call", resource)
when { context.arguments.decimal.hasTag("amount") };
@id("unseen")
forbid (principal, action == Action::"tools/call", resource)
unless { context.arguments.complete };
"#;

/// One call and what came of it.
struct Case {
    call: OddCall,
    sdk: Sdk,
    status: u16,
    /// The names of the requests that arrived.
    arrived: Vec<String>,
    executed: Vec<Executed>,
}

/// How often what happened.
#[derive(Default)]
struct Tally {
    sent: usize,
    arrived: usize,
    executed: usize,
    forbidden: usize,
    directly: usize,
    forbidden_directly: usize,
}

/// To each server others.
fn calls(sdk: Sdk) -> Vec<OddCall> {
    OddCall::many(20_261_125 + sdk as u64, CALLS)
}

fn is_forbidden(executed: &Executed) -> bool {
    let argument = |name| executed.arguments.get(name);
    executed.method == "tools/call"
        && (executed.target == FORBIDDEN_TOOL
            || argument("target").is_some_and(|target| target == FORBIDDEN_TARGET)
            || argument("amount").and_then(serde_json::Value::as_f64).is_some_and(|amount| amount > MOST_AMOUNT as f64))
}

/// Sends every call through the guard, one after the other, and asks the server after each what it did.
async fn through_the_guard(
    world: &World,
    agent: &Caller,
    (server, sdk): (Server, Sdk),
    recording: &RecordingServer,
    token: &str,
) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for call in calls(sdk) {
        let http = call.to(server.host()).header("authorization", format!("Bearer {token}"));
        // Some have headers that break a connection.
        let status = agent.send(http).await.map_or(0, |answer| answer.status);
        let arrived = world.recorder(server)?.take();
        let executed = if arrived.is_empty() { Vec::new() } else { recording.executed().await? };
        let arrived = arrived.iter().filter_map(|got| got.header("x-request-id").map(str::to_owned)).collect();
        cases.push(Case { call, sdk, status, arrived, executed });
    }
    assert_eq!(recording.executed().await?, [], "{sdk:?}: something was executed that did not arrive");
    Ok(cases)
}

/// The same calls without the guard: how many were executed, and how many of these are forbidden.
async fn directly(sdk: Sdk, recording: &RecordingServer) -> Result<(usize, usize)> {
    let (mut all, mut forbidden) = (0, 0);
    for call in calls(sdk) {
        send_plain(recording.address(), call.to("127.0.0.1")).await.ok();
        let executed = recording.executed().await?;
        all += usize::from(!executed.is_empty());
        forbidden += usize::from(executed.iter().any(is_forbidden));
    }
    Ok((all, forbidden))
}

/// The audit lines of all requests that were allowed, by the request's name.
async fn judged(world: &World, cases: &[Case]) -> Result<BTreeMap<String, Judged>> {
    let wanted: Vec<&String> = cases.iter().flat_map(|case| &case.arrived).collect();
    let search = async {
        loop {
            let lines: BTreeMap<String, Judged> = world.audit().iter().filter_map(Judged::allowed).collect();
            if wanted.iter().all(|id| lines.contains_key(*id)) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search).await.context("a request arrived that no audit line allows")
}

fn check(cases: &[Case], judged: &BTreeMap<String, Judged>) -> Result<BTreeMap<Sdk, Tally>> {
    let mut tallies: BTreeMap<Sdk, Tally> = BTreeMap::new();
    let mut wrong = String::new();
    for Case { call, sdk, status, arrived, executed } in cases {
        let tally = tallies.entry(*sdk).or_default();
        tally.sent += 1;
        tally.arrived += usize::from(!arrived.is_empty());
        tally.executed += usize::from(!executed.is_empty());
        tally.forbidden += usize::from(executed.iter().any(is_forbidden));
        let allowed = arrived.iter().filter_map(|id| judged.get(id)).collect::<Vec<_>>();
        let as_judged = match (executed.as_slice(), allowed.as_slice()) {
            ([], [] | [_]) => true,
            ([executed], [judged]) => judged.is(executed) && !is_forbidden(executed),
            _ => false,
        };
        if !as_judged {
            writeln!(
                wrong,
                "{sdk:?}: {}: {status}\n{}\njudged {allowed:?}\nexecuted {executed:?}\n",
                call.what,
                call.text()
            )?;
        }
    }
    assert!(wrong.is_empty(), "otherwise than judged:\n{wrong}");
    Ok(tallies)
}

async fn compare(form: Form, recordings: &BTreeMap<Sdk, RecordingServer>) -> Result<BTreeMap<Sdk, Tally>> {
    let mut builder = World::builder().form(form).guard(|guard| {
        guard["policy"] = json!({ "cedar": POLICIES });
        guard["audit"] = json!({ "log": "all", "arguments": "full" });
        for server in guard["servers"].as_array_mut().into_iter().flatten() {
            for catalogue in ["tools", "resources", "prompts", "groups"] {
                server.as_object_mut().map(|server| server.remove(catalogue));
            }
        }
    });
    let there: Vec<_> = SERVERS.iter().filter_map(|pair| Some((*pair, recordings.get(&pair.1)?))).collect();
    for ((server, _), recording) in &there {
        builder = builder.other(*server, recording.address());
    }
    let world = builder.start().await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let mut cases = Vec::new();
    for (pair, recording) in there {
        cases.extend(through_the_guard(&world, &agent, pair, recording, &token).await?);
    }
    let judged = judged(&world, &cases).await?;
    world.guard_never_failed();
    check(&cases, &judged)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_is_what_is_executed() -> Result<()> {
    let hosts = Server::ALL.map(Server::host);
    let mut recordings = BTreeMap::new();
    for (_, sdk) in SERVERS {
        if let Some(recording) = RecordingServer::start(sdk, &hosts).await? {
            recordings.insert(sdk, recording);
        }
    }
    let mut without = BTreeMap::new();
    for (sdk, recording) in &recordings {
        without.insert(*sdk, directly(*sdk, recording).await?);
    }
    in_both_forms(async |form| {
        let mut tallies = compare(form, &recordings).await?;
        println!(
            "{:<12}{:>8}{:>10}{:>10}{:>11}{:>18}{:>20}",
            "SDK", "sent", "arrived", "executed", "forbidden", "without: executed", "without: forbidden"
        );
        for (sdk, tally) in &mut tallies {
            (tally.directly, tally.forbidden_directly) = without.get(sdk).copied().unwrap_or_default();
            let Tally { sent, arrived, executed, forbidden, directly, forbidden_directly } = tally;
            println!(
                "{:<12}{sent:>8}{arrived:>10}{executed:>10}{forbidden:>11}{directly:>18}{forbidden_directly:>20}",
                format!("{sdk:?}")
            );
            assert_eq!(*forbidden, 0, "{sdk:?}");
            assert!(*forbidden_directly > 0, "{sdk:?} would not have done it anyway");
            assert!(*arrived * 5 >= *sent && *executed * 5 >= *sent, "{sdk:?}: too few are allowed");
            assert!((*sent - *arrived) * 5 >= *sent, "{sdk:?}: too few are refused");
        }
        Ok(())
    })
    .await
}
