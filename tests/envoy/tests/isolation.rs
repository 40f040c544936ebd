//! One crash takes no other stage down, and a stage that is down lets nothing through.

#![cfg(test)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::{CHAIN, passes_as_it_should, route_without, routes};
use serde_json::{Value, json};
use testbed::{ALICE, Body, EnvoyConfig, Form, HttpCall, McpCall, Revision, Server, World, merge, workspace_root};
use tokio::sync::Mutex;

/// So many of these do not fit into the gigabyte that Envoy gives a VM, once they are parsed: 62 bytes become 6 KB each.
/// 160,000 still do.
const PIECES: usize = 200_000;
const DEPTH: usize = 30;
/// What Envoy, a VM at its limit and the rest of the tests need.
const NEEDED_MEMORY_KB: u64 = 4 * 1024 * 1024;
/// Who holds it may start an Envoy that takes all this memory.
static MEMORY: Mutex<()> = Mutex::const_new(());

fn own_time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" })).revision(Revision::V2025_11_25)
}

/// A message of 12 MB that is too much for the VM, when nothing limits what is parsed.
fn bomb(token: &str) -> HttpCall {
    let piece = ["[".repeat(DEPTH), "0".to_owned(), "]".repeat(DEPTH), ",".to_owned()].concat();
    let body = format!("[{}0]", piece.repeat(PIECES));
    own_time_off().token(token).into_http().body(Body::Whole(Bytes::from(body)))
}

/// Whether there is memory for the test; says why it is skipped otherwise.
fn enough_memory() -> Result<bool> {
    let memory = fs::read_to_string("/proc/meminfo").context("no /proc/meminfo")?;
    let available = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    let available: u64 = available.context("no MemAvailable")?.parse()?;
    if available < NEEDED_MEMORY_KB {
        writeln!(std::io::stderr(), "skipped: {available} kB of memory are available, {NEEDED_MEMORY_KB} are needed")?;
    }
    Ok(available >= NEEDED_MEMORY_KB)
}

/// Takes all limits away, so that the parser can be brought down; and lets a header choose a route without it.
fn without_limits(config: &mut EnvoyConfig, policy: &[(&str, Value)]) -> Result<()> {
    let listener = config.value().pointer_mut("/static_resources/listeners/0/per_connection_buffer_limit_bytes");
    *listener.context("no limit")? = json!(256 * 1024 * 1024);
    let limits = json!({ "max_body_bytes": 1_000_000_000, "max_json_nodes": 1_000_000_000 });
    merge(config.filter("mcp_parser")?, [("limits".to_owned(), limits)].into_iter().collect());
    let policy = policy.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    merge(config.wasm("mcp_parser")?, policy.collect());
    let off = ["mcp_parser", "cedar_authz", "jwt_downscope"];
    routes(config)?.insert(0, route_without(("x-parser", "off"), &off));
    Ok(())
}

/// The crashes that were meant are in the log, and no others.
#[track_caller]
fn only_the_parser_crashed(world: &World, times: usize) {
    let log = world.envoy().log();
    let traps: Vec<_> = log.lines().filter(|line| line.contains("RuntimeError")).collect();
    assert_eq!(traps.len(), times, "{traps:#?}");
    let said = |line: &&str| line.contains("[error][wasm]") && line.contains("wasm log");
    let said: Vec<_> = log.lines().filter(said).collect();
    assert!(said.iter().any(|line| line.contains("memory allocation of")), "{said:#?}");
    assert!(said.iter().all(|line| line.contains("wasm log mcp_parser")), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parser_that_crashed_refuses_and_all_other_stages_go_on() -> Result<()> {
    let _one_at_a_time = MEMORY.lock().await;
    if !enough_memory()? {
        return Ok(());
    }
    let world = World::builder().form(Form::Separate).federated();
    let world = world.envoy(|config| without_limits(config, &[])).start().await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    passes_as_it_should(&world).await?;
    let refusals = "wasmcustom.meshwarden_decisions_total.outcome.refuse";
    let before = world.envoy().stat(refusals).await?;

    assert_eq!(agent.send(bomb(&token)).await?.status, 503);
    only_the_parser_crashed(&world, 1);
    for call in [own_time_off(), McpCall::list(Server::Hr.host(), "tools"), McpCall::initialize(Server::Docs.host())] {
        let answer = agent.send(call.token(&token)).await?;
        assert_eq!((answer.status, answer.text().as_str()), (503, ""));
    }
    world.no_server_saw_anything();

    // The stages before it answer as always, each with its line and its count.
    let stranger = world.caller(Some(&world.identities().stranger))?;
    let expired = world.sign(&world.identities().token(&ALICE).expired(120))?;
    let cases = [
        (&agent, own_time_off(), 401, "no token"),
        (&agent, own_time_off().token(&expired), 401, "expired"),
        (&stranger, own_time_off().token(&token), 403, "trust domain"),
    ];
    for (caller, call, status, reason) in cases {
        let answer = caller.send(call).await?;
        assert_eq!(answer.status, status, "{}", answer.text());
        let line = world.audit_of(answer.request_id().context("no id")?).await?;
        assert!(line["reason"].as_str().context("no reason")?.contains(reason), "{line}");
    }
    world.no_server_saw_anything();
    assert_eq!(world.envoy().stat(refusals).await?, before + 3);

    // So they do on a route without it, all the way to the server.
    let off = || own_time_off().header("x-parser", "off");
    assert_eq!(agent.send(off()).await?.status, 401);
    world.no_server_saw_anything();
    let spoofed = off().token(&token).header("x-peer-spiffe-id", "spiffe://acme.example/agent/other");
    assert_eq!(agent.send(spoofed).await?.status, 200);
    let received = world.recorder(Server::Hr)?.take_one();
    assert_eq!(received.header("x-peer-spiffe-id"), Some("spiffe://acme.example/agent/assistant"));
    assert_eq!(received.headers.get("authorization"), None);

    // Nothing brings it back but a new start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(agent.send(own_time_off().token(&token)).await?.status, 503);
    world.no_server_saw_anything();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parser_that_may_be_reloaded_refuses_until_it_is_back() -> Result<()> {
    let _one_at_a_time = MEMORY.lock().await;
    if !enough_memory()? {
        return Ok(());
    }
    let world = World::builder()
        .form(Form::Separate)
        .envoy(|config| {
            let backoff = json!({ "backoff": { "base_interval": "5s", "max_interval": "6s" } });
            without_limits(config, &[("failure_policy", json!("FAIL_RELOAD")), ("reload_config", backoff)])
        })
        .start()
        .await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    passes_as_it_should(&world).await?;

    // Envoy counts from the last time that it loaded the VM: the first crash may be long after, the second is not.
    let mut refused = 0;
    for crash in 1..=2 {
        assert_eq!(agent.send(bomb(&token)).await?.status, 503);
        only_the_parser_crashed(&world, crash);
        world.no_server_saw_anything();
        let crashed = Instant::now();
        refused = 0;
        while agent.send(own_time_off().token(&token)).await?.status == 503 {
            world.no_server_saw_anything();
            refused += 1;
            assert!(crashed.elapsed() < Duration::from_secs(30), "it does not come back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("crash {crash}: {refused} calls refused in {:?}", crashed.elapsed());
        drop(world.received());
        if crash == 1 {
            passes_as_it_should(&world).await?;
        }
    }
    assert!(refused > 0, "nothing was refused while the parser was down");
    passes_as_it_should(&world).await?;
    assert_eq!(world.envoy().stat("wasm.mcp_parser.vm_reload_success").await?, 2);
    for other in CHAIN.into_iter().filter(|&stage| stage != "mcp_parser") {
        assert_eq!(world.envoy().stat(&format!("wasm.{other}.vm_reload")).await?, 0, "{other}");
    }
    only_the_parser_crashed(&world, 2);
    Ok(())
}

/// A filter that fails open lets everything through once it has crashed.
#[test]
fn no_configuration_fails_open() {
    let mut seen = (0, 0);
    for folder in ["envoy-configs", "istio"] {
        for path in files(&workspace_root().join(folder)) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let settings = settings(&path, &text);
            seen =
                (seen.0 + 1, seen.1 + settings.matches("FAIL_CLOSED").count() + settings.matches("FAIL_CLOSE").count());
            assert!(!settings.contains("FAIL_OPEN"), "{} fails open", path.display());
        }
    }
    assert!(seen.0 > 20 && seen.1 > 10, "{seen:?}");
    assert!(settings(Path::new("a.yaml"), "a: 1 # never FAIL_OPEN\nfailure_policy: FAIL_OPEN\n").contains("FAIL_OPEN"));
    assert!(settings(Path::new("a.md"), "Never FAIL_OPEN.\n```yaml\na: FAIL_OPEN\n```\n").contains("FAIL_OPEN"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What a file sets, without what it says about it: comments, prose around the examples of a page, and the program that
/// writes manifests (what it writes is here too).
fn settings(path: &Path, text: &str) -> String {
    let kind = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let mut in_example = kind != "md";
    let mut settings = String::new();
    for line in text.lines() {
        if kind == "md" && line.trim_start().starts_with("```") {
            in_example = !in_example;
        } else if in_example && kind != "rs" {
            settings.push_str(line.split_once('#').map_or(line, |(setting, _)| setting));
            settings.push('\n');
        }
    }
    settings
}
