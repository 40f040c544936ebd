//! What one stage leaves for the next can't be forged from outside, and counts only in exactly the form of this version.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use envoy_tests::{refused, route_without, routes};
use serde_json::{Value, json};
use testbed::{ALICE, BOB, EnvoyConfig, Form, McpCall, Server, World, merge};

/// Each hand-off and its writer.
const WRITERS: [(&str, &str); 4] =
    [("peer", "spiffe_identity"), ("token", "jwt_auth"), ("call", "mcp_parser"), ("decision", "cedar_authz")];

fn time_off(of: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": of }))
}

fn own_time_off() -> McpCall {
    time_off("E1001")
}

/// The four hand-offs of a good call, as an access log shows them.
async fn real_hand_offs() -> Result<Vec<Value>> {
    let world = World::builder()
        .form(Form::Separate)
        .envoy(|config| {
            let line = |(key, _)| format!("{key}=%FILTER_STATE(wasm.meshwarden.{key}.v1:PLAIN)%\n");
            let lines: String = WRITERS.map(line).concat();
            let format = config.http()?.pointer_mut("/access_log/0/typed_config/log_format");
            *format.context("no log format")? = json!({ "text_format_source": { "inline_string": lines + "end\n" } });
            Ok(())
        })
        .start()
        .await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    assert_eq!(world.assistant()?.send(own_time_off().token(&token)).await?.status, 200);
    let written = async {
        loop {
            let log = world.envoy().access_log();
            if log.ends_with("end\n") {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let log = tokio::time::timeout(Duration::from_secs(30), written).await?;
    assert!(!log.contains(token.rsplit('.').next().context("no signature")?), "a token is in filter state");
    let found = |(key, _)| {
        let value = log.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        serde_json::from_str(value.with_context(|| format!("no {key}"))?).with_context(|| log.clone())
    };
    WRITERS.into_iter().map(found).collect()
}

/// One attempt: the filter state and its text, in place of the stage that writes it or before it, and what the audit line
/// says.
#[derive(Clone)]
struct Attempt {
    key: &'static str,
    writer: &'static str,
    object: String,
    text: String,
    in_place: bool,
    reason: Option<String>,
}

fn attempts(real: &[Value]) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for ((key, writer), good) in WRITERS.into_iter().zip(real) {
        let name = format!("meshwarden.{key}.v1");
        let mut put = |object: &str, text: String, reason: Option<&str>| {
            let (object, reason) = (format!("wasm.{object}"), reason.map(str::to_owned));
            attempts.push(Attempt { key, writer, object, text, in_place: true, reason });
        };
        put(&name, good.to_string(), None);
        let missing = format!("`{name}` is missing: put {writer} of this version before this filter");
        put(&format!("meshwarden.{key}.v2"), good.to_string(), Some(&missing));
        put(&format!("x.{name}"), good.to_string(), Some(&missing));
        let malformed = format!("`{name}` is not in the form of this version of {writer}");
        for odd in odd(key, good) {
            put(&name, odd, Some(&malformed));
        }
    }
    attempts
}

/// A hand-off with a member more, with one less, and what is none at all.
fn odd(key: &str, good: &Value) -> Vec<String> {
    let mut odd = vec!["hello".to_owned(), "{}".to_owned(), "[]".to_owned(), "null".to_owned()];
    odd.push(good.to_string().replacen('{', "{{", 1));
    let objects = match key {
        "peer" => vec!["", "/known"],
        "token" => vec!["", "/token", "/token/verified", "/token/verified/claims"],
        "call" => vec!["", "/call", "/call/operation", "/call/operation/call_tool"],
        _ => vec!["", "/grant"],
    };
    for at in objects {
        let mut more = good.clone();
        merge(more.pointer_mut(at).unwrap(), [("surprise".to_owned(), json!(1))].into_iter().collect());
        odd.push(more.to_string());
    }
    let members = match key {
        "peer" => vec!["/known/spiffe_id", "/known/source"],
        "token" => vec!["/server", "/audience", "/token", "/token/verified/groups", "/token/verified/claims/scopes"],
        "call" => vec!["/server", "/call", "/call/method", "/call/operation", "/call/operation/call_tool/arguments"],
        _ => vec!["/decision", "/policies", "/grant", "/grant/protocol", "/grant/scopes"],
    };
    for member in members {
        let mut less = good.clone();
        let (parent, name) = member.rsplit_once('/').unwrap();
        assert!(less.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(name).is_some(), "{member}");
        odd.push(less.to_string());
    }
    odd
}

/// A route on which the attempt is made, by `envoy.filters.http.set_filter_state`.
fn route(at: usize, attempt: &Attempt) -> Result<Value> {
    let in_place_of = if attempt.in_place { vec![attempt.writer] } else { Vec::new() };
    let mut route = route_without(("x-attempt", &at.to_string()), &in_place_of);
    let inject = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{
            "object_key": attempt.object,
            "factory_key": "envoy.string",
            "format_string": { "text_format_source": { "inline_string": attempt.text.replace('%', "%%") } },
        }],
    });
    let filters = route.get_mut("typed_per_filter_config").context("no filters")?;
    merge(filters, [("inject".to_owned(), inject)].into_iter().collect());
    Ok(route)
}

fn inject(config: &mut EnvoyConfig, attempts: &[Attempt]) -> Result<()> {
    let nothing = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config" });
    config.http_filters()?.insert(0, json!({ "name": "inject", "typed_config": nothing }));
    let made = attempts.iter().enumerate().map(|(at, attempt)| route(at, attempt)).collect::<Result<Vec<_>>>()?;
    routes(config)?.splice(0..0, made);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_off_counts_only_under_its_name_and_in_its_form() -> Result<()> {
    let attempts = attempts(&real_hand_offs().await?);
    let made = attempts.clone();
    let world = World::builder().form(Form::Separate).envoy(move |config| inject(config, &made)).start().await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    for (at, attempt) in attempts.iter().enumerate() {
        let what = format!("{}: {}", attempt.object, attempt.text);
        let call = own_time_off().token(&token).header("x-attempt", at.to_string());
        match &attempt.reason {
            Some(reason) => assert_eq!(refused(&world, &agent, &what, call).await?, *reason, "{what}"),
            // The attempts are no proof unless the same one in the right form succeeds.
            None => {
                let answer = agent.send(call).await?;
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                let received = world.recorder(Server::Hr)?.take_one();
                assert_ne!(received.bearer(), Some(token.as_str()), "{}: the caller's token", attempt.key);
            }
        }
    }
    world.guard_never_failed();
    Ok(())
}

/// A filter that writes a hand-off before the stage that has to write it: the stage's own counts, or nothing does.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_does_not_leave_standing_what_another_filter_wrote_under_its_name() -> Result<()> {
    let mut attempts = attempts(&real_hand_offs().await?);
    attempts.retain(|attempt| attempt.reason.is_none());
    attempts.iter_mut().for_each(|attempt| attempt.in_place = false);
    let made = attempts.clone();
    let world = World::builder().form(Form::Separate).envoy(move |config| inject(config, &made)).start().await?;
    let ids = world.identities();
    let (alice, bob) = (world.sign(&ids.token(&ALICE))?, world.sign(&ids.token(&BOB))?);
    let (assistant, batch) = (world.assistant()?, world.caller(Some(&ids.batch))?);
    for (at, attempt) in attempts.iter().enumerate() {
        for (agent, call) in [
            (&batch, own_time_off().token(&alice)),
            (&assistant, own_time_off().token(&bob)),
            (&assistant, time_off("E1002").token(&alice)),
        ] {
            let answer = agent.send(call.header("x-attempt", at.to_string())).await?;
            assert_eq!(answer.status, 403, "{}: {}", attempt.key, answer.text());
            world.no_server_saw_anything();
        }
    }
    Ok(())
}
