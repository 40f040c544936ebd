//! Several servers that look like one: Envoy's own MCP aggregation (`mcp_router`, since 1.40) behind the guard.
//!
//! The guard sees what the caller sees, one server whose tools are `<server>__<tool>` and whose resources are
//! `<server>+<uri>`; policies name them so, and one smaller token is for all that is aggregated. What the router gets
//! wrong is stated here too: an operator has to know it.

#![cfg(test)]

use anyhow::{Context, Result};
use rmcp::model::{CallToolRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, BOB, Body, EnvoyConfig, HttpCall, MARIA, McpCall, Protocol, Revision, SdkRevision, Server, User,
    World, envoy_version, merge,
};

/// The aggregate answers under a host that the gateway's certificate has.
const HOST: &str = "hr.mcp.acme.example";
const AUDIENCE: &str = "https://hr.mcp.acme.example/mcp";

const POLICIES: &str = r#"
@id("connect")
permit (principal in Group::"employees", action == Action::"connect", resource);

@id("read-documents")
@downscope_scope("docs.read")
permit (principal in Group::"employees", action == Action::"resources/read", resource in Group::"documents");

@id("own-time-off")
@downscope_scope("hr.read")
permit (principal in Group::"employees", action == Action::"tools/call", resource == Tool::"company/hr__get_time_off")
when {
  principal.hasTag("employee_id") && context.arguments.string.hasTag("employee_id") &&
  principal.getTag("employee_id").contains(context.arguments.string.getTag("employee_id"))
};

@id("salaries")
@downscope_scope("hr.read")
permit (principal in Group::"managers", action == Action::"tools/call", resource == Tool::"company/hr__query_compensation");
"#;

/// mcp → agent_guard → mcp_router, which is the last: it calls the clusters itself.
fn aggregate(config: &mut EnvoyConfig) -> Result<()> {
    let mcp = json!({
        "name": "envoy.filters.http.mcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
            "traffic_mode": "REJECT_NO_MCP",
            "reject_duplicate_keys": true,
            "max_request_body_size": 1_048_576,
        },
    });
    let server = |server: Server| {
        json!({
            "name": server.name(),
            "mcp_cluster": {
                "cluster": server.name(), "path": "/mcp", "timeout": "5s", "host_rewrite_literal": server.host(),
            },
            // By itself it forwards none of them.
            "header_forwarding": {
                "allowed_headers": { "patterns": [{ "exact": "authorization" }, { "exact": "mcp-protocol-version" }] },
            },
        })
    };
    let router = json!({
        "name": "envoy.filters.http.mcp_router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp_router.v3.McpRouter",
            "servers": [server(Server::Hr), server(Server::Docs)],
        },
    });
    let filters = config.http_filters()?;
    filters.insert(0, mcp);
    *filters.last_mut().context("no filters")? = router;

    // No connection is used twice: what one request leaves on it can't become a part of another.
    let once = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": { "max_requests_per_connection": 1 },
            "explicit_http_config": { "http_protocol_options": {} },
        },
    });
    let clusters = config.value().pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    for cluster in clusters.context("no clusters")? {
        let options = json!({ "typed_extension_protocol_options": once });
        merge(cluster, options.as_object().cloned().unwrap_or_default());
    }
    Ok(())
}

/// The world of the demo, aggregated; `None`, with the reason printed, where Envoy is older.
async fn world() -> Result<Option<World>> {
    let version = envoy_version()?;
    if version < (1, 40) {
        println!("skipped: Envoy {}.{} has no mcp_router that forwards tokens; 1.40 has", version.0, version.1);
        return Ok(None);
    }
    let guarded = json!({
        "servers": [{
            "name": "company", "protocol": "mcp", "match": { "hosts": [HOST], "path_prefix": "/mcp" },
            "audience": AUDIENCE,
            "resources": { "docs+doc://hr/*": { "groups": ["documents"] } },
        }],
        "policy": {
            "cedar": POLICIES,
            "entities": [{
                "uid": { "type": "Group", "id": "managers" }, "parents": [{ "type": "Group", "id": "employees" }],
            }],
        },
    });
    let guard = move |guard: &mut Value| merge(guard, guarded.as_object().cloned().unwrap_or_default());
    Ok(Some(World::builder().guard(guard).envoy(aggregate).start().await?))
}

fn token(world: &World, user: &User) -> Result<String> {
    world.sign(&world.identities().token(user))
}

fn time_off(employee_id: &str) -> McpCall {
    McpCall::tool(HOST, "hr__get_time_off", json!({ "employee_id": employee_id })).revision(Revision::V2025_11_25)
}

fn with_body(world: &World, body: &str) -> Result<HttpCall> {
    let call = time_off(ALICE.employee_id).token(&token(world, &ALICE)?).into_http();
    Ok(call.body(Body::Whole(body.to_owned().into())))
}

async fn sent(world: &World, call: impl Into<HttpCall>) -> Result<Answer> {
    Ok(world.assistant()?.send(call).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_look_like_one() -> Result<()> {
    let Some(world) = world().await? else { return Ok(()) };
    let arguments = |id: &str| json!({ "employee_id": id }).as_object().cloned().unwrap_or_default();
    let own = || CallToolRequestParams::new("hr__get_time_off").with_arguments(arguments(ALICE.employee_id));

    // The official client, once for each user: lists hold what she may use, of all servers.
    for (user, expected) in
        [(ALICE, &["hr__get_time_off"][..]), (MARIA, &["hr__get_time_off", "hr__query_compensation"])]
    {
        let company = world.assistant()?.sdk(HOST, Some(&token(&world, &user)?), SdkRevision::Legacy).await?;
        let tools = company.list_all_tools().await?;
        assert_eq!(tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>(), expected, "{}", user.name);
        let resources: Vec<_> = company.list_all_resources().await?.into_iter().map(|item| item.uri.clone()).collect();
        assert_eq!(resources, ["docs+doc://hr/policies/work-from-home"]);
        company.cancel().await?;
    }

    let company = world.assistant()?.sdk(HOST, Some(&token(&world, &ALICE)?), SdkRevision::Legacy).await?;
    assert_eq!(company.peer_info().context("no greeting")?.protocol_version.to_string(), "2025-06-18", "always");
    drop(world.received());
    let answer = company.call_tool(own()).await?;
    assert!(format!("{answer:?}").contains("12 vacation days"), "{answer:?}");
    let got = world.recorder(Server::Hr)?.take_one();
    assert_eq!(got.json()["params"]["name"], "get_time_off", "each server is called in its own words");
    let claims = got.claims().context("no token")?;
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(AUDIENCE), &json!("hr.read")));
    let context = [&claims["tctx"]["server"], &claims["tctx"]["tool"]];
    assert_eq!(context, ["company", "hr__get_time_off"], "and the token has the aggregate's");

    company.read_resource(ReadResourceRequestParams::new("docs+doc://hr/policies/work-from-home")).await?;
    let claims = world.recorder(Server::Docs)?.take_one().claims().context("no token")?;
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(AUDIENCE), &json!("docs.read")));

    // What is denied reaches no server, and the client stays usable.
    let bobs = CallToolRequestParams::new("hr__get_time_off").with_arguments(arguments(BOB.employee_id));
    for denied in
        [bobs, CallToolRequestParams::new("hr__query_compensation"), CallToolRequestParams::new("get_time_off")]
    {
        assert!(company.call_tool(denied).await.is_err());
    }
    for uri in ["docs+doc://exec/reorganization-2027", "doc://hr/policies/work-from-home", "hr+doc://hr/x"] {
        assert!(company.read_resource(ReadResourceRequestParams::new(uri)).await.is_err(), "{uri}");
    }
    world.no_server_saw_anything();
    assert!(company.call_tool(own()).await.is_ok());
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_router_gets_wrong_harms_nobody_else() -> Result<()> {
    let Some(world) = world().await? else { return Ok(()) };
    let alices = token(&world, &ALICE)?;

    // It answers lists with the id 0 where the client's was a string: such an answer is to nothing that was asked.
    let list = McpCall::list(HOST, "tools").revision(Revision::V2025_11_25).token(&alices);
    let answer = sent(&world, list.clone().id(Some(json!("a")))).await?;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (502, &json!(-31_502)), "{}", answer.text());
    assert_eq!(sent(&world, list.id(Some(json!(7)))).await?.json()["id"], 7);
    drop(world.received());

    // It takes a name apart as it is written, not as it is meant. With an escape in it, the server gets a body whose end
    // is missing, and what is missing comes after it on the same connection.
    for escaped in [r"hr__get\u005ftime_off", r"\u0068r__get_time_off", r"hr_\u005fget_time_off"] {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "NAME", "arguments": { "employee_id": ALICE.employee_id } } });
        let answer = sent(&world, with_body(&world, &call.to_string().replace("NAME", escaped))?).await?;
        assert!(answer.json().get("result").is_none(), "{escaped}: {}", answer.text());
        for (_, got) in world.received() {
            assert_eq!(got.json(), Value::Null, "{escaped}: no server can read it: {got:?}");
        }
    }
    // It takes the first `"name"` for the tool's, also among the arguments.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"name":"hr__get_time_off","employee_id":"E1001"},"name":"hr__get_time_off"}}"#;
    let answer = sent(&world, with_body(&world, body)?).await?;
    assert_eq!(answer.json()["error"]["message"], "Unknown tool: hr__get_time_off");
    drop(world.received());

    // Whoever comes after is served as ever, by servers that get whole requests.
    let mut calls = 0;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for user in [&ALICE, &BOB, &MARIA] {
            let answer = sent(&world, time_off(user.employee_id).token(&token(&world, user)?).over(protocol)).await?;
            let text = format!("Employee {} has 12 vacation days left.", user.employee_id);
            assert_eq!(answer.json()["result"]["content"][0]["text"], text, "{}", answer.text());
            calls += 1;
        }
    }
    assert_eq!(world.received().len(), calls);
    let (connections, requests) = (
        world.envoy().stat("cluster.hr.upstream_cx_total").await?,
        world.envoy().stat("cluster.hr.upstream_rq_total").await?,
    );
    assert_eq!(connections, requests, "no connection was used twice");
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_does_not_speak_leads_nowhere() -> Result<()> {
    let Some(world) = world().await? else { return Ok(()) };
    let bearer = format!("Bearer {}", token(&world, &ALICE)?);
    // Of 2026-07-28 it forwards neither `Mcp-Method` nor a fitting `Mcp-Name`: servers of that revision refuse.
    let newer = McpCall::tool(HOST, "hr__get_time_off", json!({ "employee_id": ALICE.employee_id }));
    for (what, call, status) in [
        ("a call", newer.into_http(), 500),
        ("discovery", McpCall::new(HOST, "server/discover", json!({})).into_http(), 400),
        ("a session's stream", HttpCall::new("GET", HOST, "/mcp").header("accept", "text/event-stream"), 405),
        ("a session's end", HttpCall::new("DELETE", HOST, "/mcp"), 400),
    ] {
        let answer = sent(&world, call.header("authorization", bearer.as_str())).await?;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    let list = sent(&world, McpCall::list(HOST, "tools").header("authorization", bearer.as_str())).await?;
    assert_eq!((list.status, &list.json()["result"]["tools"]), (200, &json!([])), "{}", list.text());
    world.guard_never_failed();
    Ok(())
}
