//! The chain of separate stages, put together rightly and wrongly.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use testbed::{ALICE, Caller, EnvoyConfig, HttpCall, McpCall, Server, World};

/// The filters of `separate-filters.yaml`, in their order.
pub const CHAIN: [&str; 5] = ["spiffe_identity", "jwt_auth", "mcp_parser", "cedar_authz", "jwt_downscope"];

/// What each stage needs, in the order in which it looks; and what it leaves.
const HAND_OFFS: [(&str, &[&str], &str); 5] = [
    ("spiffe_identity", &[], "peer"),
    ("jwt_auth", &[], "token"),
    ("mcp_parser", &[], "call"),
    ("cedar_authz", &["peer", "token", "call"], "decision"),
    ("jwt_downscope", &["decision", "token", "peer"], ""),
];

/// Makes these the HTTP filters, in this order, before the router.
///
/// # Errors
/// One of them is not there.
pub fn arrange(config: &mut EnvoyConfig, order: &[&str]) -> Result<()> {
    let filters = config.http_filters()?;
    let router = filters.pop().context("no router")?;
    let find = |name: &str| {
        let found = filters.iter().find(|filter| filter.get("name").is_some_and(|own| own == name)).cloned();
        found.with_context(|| format!("no filter {name}"))
    };
    let mut arranged = order.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    arranged.push(router);
    *filters = arranged;
    Ok(())
}

/// The routes of the server for human resources; the first that matches counts.
///
/// # Errors
/// There are none.
pub fn routes(config: &mut EnvoyConfig) -> Result<&mut Vec<Value>> {
    let routes = config.http()?.pointer_mut("/route_config/virtual_hosts/0/routes");
    routes.and_then(Value::as_array_mut).context("no routes")
}

/// A route to the server for human resources, for requests with this header, on which these filters do not run.
#[must_use]
pub fn route_without(header: (&str, &str), filters: &[&str]) -> Value {
    let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
    let off: Map<String, Value> = filters.iter().map(|&filter| (filter.to_owned(), off.clone())).collect();
    json!({
        "match": { "prefix": "/", "headers": [{ "name": header.0, "string_match": { "exact": header.1 } }] },
        "route": { "cluster": "hr", "timeout": "0s" },
        "typed_per_filter_config": off,
    })
}

/// Why filters in this order refuse every call: the first stage that looks for something in vain may give any of these
/// reasons. None, and they do not refuse.
#[must_use]
pub fn reasons(order: &[&str]) -> Vec<String> {
    let mut left = Vec::new();
    for stage in order {
        let Some((_, needed, leaves)) = HAND_OFFS.iter().find(|(name, ..)| name == stage) else { continue };
        let missing = needed.iter().filter(|needed| !left.contains(needed));
        let reasons: Vec<_> = missing.filter_map(|what| reason(what)).collect();
        if !reasons.is_empty() {
            return reasons;
        }
        left.push(leaves);
    }
    Vec::new()
}

fn reason(missing: &str) -> Option<String> {
    let (writer, ..) = HAND_OFFS.iter().find(|(.., leaves)| *leaves == missing)?;
    Some(format!("`meshwarden.{missing}.v1` is missing: put {writer} of this version before this filter"))
}

/// Sends, and checks that the chain itself refused: the answer tells nothing, no server saw anything. Gives the reason
/// in the audit line.
///
/// # Errors
/// There was no answer; or there is no audit line.
///
/// # Panics
/// It was not refused so.
pub async fn refused(world: &World, agent: &Caller, what: &str, call: impl Into<HttpCall>) -> Result<String> {
    let answer = agent.send(call).await.with_context(|| what.to_owned())?;
    let error = answer.json().get("error").cloned().unwrap_or_default();
    let said = (error.get("code").and_then(Value::as_i64), error.get("message").and_then(Value::as_str));
    assert_eq!((answer.status, said), (403, (Some(-31_403), Some("denied by policy"))), "{what}: {}", answer.text());
    world.no_server_saw_anything();
    let line = world.audit_of(answer.request_id().context("no id")?).await.with_context(|| what.to_owned())?;
    assert_eq!(line.get("decision"), Some(&json!("refuse")), "{what}: {line}");
    Ok(line.get("reason").and_then(Value::as_str).context("no reason")?.to_owned())
}

/// The chain lets a good call through, with a smaller token, and nothing else.
///
/// # Errors
/// There was no answer.
///
/// # Panics
/// It does not.
pub async fn passes_as_it_should(world: &World) -> Result<()> {
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let time_off = |of: &str| McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": of }));
    let answer = agent.send(time_off("E1001").token(&token)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claims = world.recorder(Server::Hr)?.take_one().claims().context("no token")?;
    let of_token = |name: &str| claims.get(name).cloned().unwrap_or_default();
    assert_eq!(of_token("iss"), "https://mesh.acme.example", "{claims}");
    assert_eq!((of_token("scope"), of_token("aud")), (json!("hr.read"), json!(Server::Hr.audience())), "{claims}");
    for (what, call, status) in [
        ("somebody else's days off", time_off("E1002").token(&token), 403),
        ("no token", time_off("E1001"), 401),
        ("no message", McpCall::new(Server::Hr.host(), "x", json!({})).token(&token), 404),
    ] {
        let answer = agent.send(call).await?;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        world.no_server_saw_anything();
    }
    Ok(())
}

/// Runs a test for each of these, two at a time: every start of an Envoy compiles all modules.
///
/// # Errors
/// The test's own, or it panicked.
pub async fn two_at_a_time<T, F>(all: Vec<T>, test: impl Fn(T) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    ensure!(!all.is_empty(), "there is nothing to test");
    let mut all = all.into_iter();
    loop {
        let pair: Vec<_> = all.by_ref().take(2).map(|one| tokio::spawn(test(one))).collect();
        if pair.is_empty() {
            return Ok(());
        }
        for one in pair {
            one.await??;
        }
    }
}
