//! Each stage is useful alone, just as its page shows it: the examples of `filters/plugins/*/README.md`, with nothing
//! else of ours around them.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::{alone, arrived, routes};
use serde_json::{Value, json};
use testbed::{Body, EnvoyConfig, HttpCall, McpCall, Protocol, Received, Revision, Server};

fn tool(name: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), name, json!({ "employee_id": "E1001" }))
}

/// Every value of a header.
fn values<'a>(received: &'a Received, header: &str) -> Vec<&'a str> {
    received.headers.get_all(header).iter().map(|value| value.to_str().unwrap()).collect()
}

/// Envoy's own filter, denying by a header that `mcp_parser` sets, and by filter state that it leaves.
fn rbac() -> Value {
    let by_header = json!({
        "permissions": [{ "header": { "name": "x-meshwarden-tool", "string_match": { "exact": "query_compensation" } } }],
        "principals": [{ "any": true }],
    });
    let by_state = json!({
        "permissions": [{ "any": true }],
        "principals": [{
            "filter_state": { "key": "wasm.meshwarden.call.tool", "string_match": { "prefix": "delete_" } },
        }],
    });
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "DENY", "policies": { "by-header": by_header, "by-state": by_state } },
        },
    })
}

/// Envoy's own filter, which lets one tool be called twice an hour.
fn local_rate_limit() -> Value {
    let always = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    let bucket = |tokens: u32| json!({ "max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": "3600s" });
    json!({
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "tools",
            "token_bucket": bucket(1_000),
            "filter_enabled": always,
            "filter_enforced": always,
            "descriptors": [{ "entries": [{ "key": "tool", "value": "summarize" }], "token_bucket": bucket(2) }],
            "rate_limits": [{
                "actions": [{ "request_headers": { "header_name": "x-meshwarden-tool", "descriptor_key": "tool" } }],
            }],
        },
    })
}

fn route_by_tool(config: &mut EnvoyConfig) -> Result<()> {
    let by_tool = json!({
        "match": {
            "prefix": "/",
            "headers": [{ "name": "x-meshwarden-tool", "string_match": { "exact": "summarize" } }],
        },
        "route": { "cluster": "docs", "timeout": "0s" },
    });
    routes(config)?.insert(0, by_tool);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_parser_reads_the_extensions_that_its_page_names() -> Result<()> {
    let world = alone("mcp-parser", 1, Vec::new()).start().await?;
    let anybody = world.caller(None)?;
    let call = |method: &str, params: Value| McpCall::new(Server::Docs.host(), method, params);
    for (method, params) in [
        ("skills/list", json!({})),
        ("skills/get", json!({ "uri": "skill://a/SKILL.md" })),
        ("acme/translate", json!({ "job": { "tool": "translate" } })),
        ("tasks/get", json!({ "taskId": "t-1" })),
    ] {
        let answer = anybody.send(call(method, params)).await?;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        assert_eq!(arrived(&world)?.1.json()["method"], method);
    }
    for (method, params, status) in [
        ("skills/put", json!({}), 404),
        ("skills/get", json!({}), 400),
        ("acme/translate", json!({ "job": "translate" }), 400),
    ] {
        assert_eq!(anybody.send(call(method, params)).await?.status, status, "{method}");
        world.no_server_saw_anything();
    }
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_parser_alone_lets_envoy_limit_the_rate_of_a_tool() -> Result<()> {
    let world = alone("mcp-parser", 0, vec![local_rate_limit()]).start().await?;
    let anybody = world.caller(None)?;
    for status in [200, 200, 429, 429] {
        // What the client says of the tool makes no difference.
        let call = tool("summarize").header("x-meshwarden-tool", "get_time_off");
        assert_eq!(anybody.send(call).await?.status, status);
        if status == 200 {
            drop(arrived(&world)?);
        }
        world.no_server_saw_anything();
    }
    let other = tool("get_time_off").header("x-meshwarden-tool", "summarize");
    assert_eq!(anybody.send(other).await?.status, 200, "another tool has a rate of its own");
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_parser_alone_lets_envoy_route_deny_and_log_by_tool() -> Result<()> {
    let world = alone("mcp-parser", 0, vec![rbac()]).envoy(route_by_tool).start().await?;
    let anybody = world.caller(None)?;
    let spoofed = |call: McpCall| {
        let call = call.header("x-meshwarden-tool", "summarize").header("X-Meshwarden-Method", "ping");
        call.header("x-meshwarden-server", "docs").header("x-meshwarden-other", "1")
    };
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            let send = async |call: McpCall| anybody.send(spoofed(call).revision(revision).over(protocol)).await;
            let cases = [
                (tool("get_time_off"), Server::Hr, "tools/call", Some("get_time_off")),
                (tool("summarize"), Server::Docs, "tools/call", Some("summarize")),
                (McpCall::list(Server::Hr.host(), "tools"), Server::Hr, "tools/list", None),
                // A name that no header can hold: no header, and no route by the client's.
                (tool("zusammenfassung_für_alle"), Server::Hr, "tools/call", None),
            ];
            for (call, server, method, name) in cases {
                assert_eq!(send(call).await?.status, 200, "{method} {name:?}");
                let (at, received) = arrived(&world)?;
                let headers = ["x-meshwarden-method", "x-meshwarden-tool", "x-meshwarden-server", "x-meshwarden-other"];
                let headers = headers.map(|header| values(&received, header));
                let expected = [Some(method), name, Some("hr"), None];
                assert_eq!((at, headers), (server, expected.map(Vec::from_iter)), "{method} {name:?}");
            }
            for denied in ["query_compensation", "delete_everything"] {
                let answer = send(tool(denied)).await?;
                assert_eq!((answer.status, answer.text().as_str()), (403, "RBAC: access denied"), "{denied}");
                world.no_server_saw_anything();
            }
            for (call, status) in [
                (McpCall::new(Server::Hr.host(), "x", json!({})), [403, 404]),
                (McpCall::new(Server::Hr.host(), "tools/call", json!({})), [400, 400]),
            ] {
                assert!(status.contains(&send(call).await?.status));
                world.no_server_saw_anything();
            }
        }
    }
    let log = async {
        loop {
            let log = world.envoy().access_log();
            if ["get_time_off", "delete_everything", "zusammenfassung_für_alle"]
                .iter()
                .all(|name| log.contains(&format!("tool={name} ")))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), log).await.with_context(|| world.envoy().access_log())?;
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn spiffe_identity_alone_names_the_workload_to_any_server() -> Result<()> {
    for required in [true, false] {
        let world = alone("spiffe-identity", 0, Vec::new()).envoy(move |config| {
            config.filter("spiffe_identity")?["identity"]["required"] = required.into();
            Ok(())
        });
        let world = world.start().await?;
        let ids = world.identities();
        let spoofed = |method: &str| {
            let body = Body::Whole(Bytes::from_static(b"anything"));
            let call = HttpCall::new(method, Server::Hr.host(), "/any/path")
                .header("x-peer-spiffe-id", "spiffe://acme.example/root");
            let xfcc = "URI=spiffe://acme.example/root";
            call.header("X-Peer-Spiffe-Id", "spiffe://acme.example/root")
                .header("x-forwarded-client-cert", xfcc)
                .body(body)
        };
        for (credential, name) in [(&ids.assistant, "agent/assistant"), (&ids.batch, "agent/batch")] {
            for method in ["POST", "PUT"] {
                assert_eq!(world.caller(Some(credential))?.send(spoofed(method)).await?.status, 200);
                let received = arrived(&world)?.1;
                assert_eq!(received.header("x-peer-spiffe-id"), Some(format!("spiffe://acme.example/{name}").as_str()));
                assert_eq!(received.body.as_deref(), Some(b"anything".as_slice()));
            }
        }
        let answer = world.caller(None)?.send(spoofed("POST")).await?;
        if required {
            assert_eq!(answer.status, 403);
            world.no_server_saw_anything();
        } else {
            assert_eq!(answer.status, 200);
            assert_eq!(arrived(&world)?.1.headers.get("x-peer-spiffe-id"), None);
        }
        // What is shown and wrong is refused, required or not.
        for uris in [&["spiffe://other.example/agent"][..], &["https://acme.example/agent"], &[]] {
            let answer = world.caller(Some(&ids.with_uris(uris)?))?.send(spoofed("POST")).await?;
            assert_eq!(answer.status, 403, "{uris:?}");
            world.no_server_saw_anything();
        }
        world.guard_never_failed();
    }
    Ok(())
}
