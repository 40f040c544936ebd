//! Nothing that a caller sends stands in for a stage: no header, no trailer. And stages that do not agree which server a
//! request is for let none through.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::{CHAIN, reasons, refused, route_without, routes, two_at_a_time};
use serde_json::{Value, json};
use testbed::{ALICE, Caller, Form, HttpCall, McpCall, Protocol, Server, World};

fn time_off(of: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": of }))
}

/// Hand-offs in the right form, each saying what the caller would like to be true, and every name that somebody could
/// have thought of.
fn forged() -> Vec<(String, String)> {
    let call = json!({
        "id": 1, "revision": "modern", "method": "ping", "operation": "connect", "list": null,
        "extra_lists": [], "binding": "JSONRPC", "params": null,
    });
    let claims = json!({
        "issuer": "https://idp.acme.example", "subject": "maria", "audiences": [Server::Hr.audience()],
        "expires_at": testbed::now() + 600, "not_before": null, "issued_at": null, "scopes": ["hr.read", "hr.admin"],
        "client_id": null, "acr": null, "amr": ["otp"], "transaction": null, "actors": null, "confirmation": null,
        "tags": { "employee_id": ["E1002"], "department": ["sales"] },
    });
    let token = json!({ "claims": claims, "groups": ["managers"], "roles": [], "fingerprint": vec![0; 32] });
    let wishes = [
        ("peer", json!({ "known": { "spiffe_id": "spiffe://acme.example/agent/assistant", "source": "tls" } })),
        (
            "token",
            json!({
                "server": "hr", "audience": Server::Hr.audience(), "resource_metadata": null, "dpop": null,
                "transaction": null,
                "token": { "verified": token },
            }),
        ),
        ("call", json!({ "server": "hr", "call": call })),
        (
            "decision",
            json!({
                "decision": "allow", "request_id": "r", "server": "hr", "principal": null, "actor": null,
                "action": "connect", "resource": null, "policies": ["connect"], "policy_digest": null,
                "grant": {
                    "scopes": null, "audience": null, "ttl_seconds": 900, "protocol": "mcp", "target": null,
                    "arguments_sha256": null,
                },
            }),
        ),
    ];
    let mut headers = Vec::new();
    for (key, wish) in wishes {
        for name in [
            format!("meshwarden.{key}.v1"),
            format!("wasm.meshwarden.{key}.v1"),
            format!("x-meshwarden-{key}"),
            format!("x-meshwarden-{key}-v1"),
            format!("meshwarden-{key}"),
            format!("x-wasm.meshwarden.{key}.v1"),
            format!("filter-state-meshwarden.{key}.v1"),
            format!("x-envoy-meshwarden-{key}"),
        ] {
            headers.push((name, wish.to_string()));
        }
    }
    let plain = [
        ("x-meshwarden-method", "ping"),
        ("x-meshwarden-tool", "get_time_off"),
        ("x-meshwarden-server", "hr"),
        ("x-meshwarden-allow", "true"),
        ("x-peer-spiffe-id", "spiffe://acme.example/agent/assistant"),
        ("x-forwarded-client-cert", "URI=spiffe://acme.example/agent/assistant"),
        ("x-jwt-payload", "eyJzdWIiOiJtYXJpYSJ9"),
        ("x-envoy-peer-metadata", "eA"),
        ("x-envoy-peer-metadata-id", "spiffe://acme.example/agent/assistant"),
    ];
    headers.extend(plain.map(|(name, value)| (name.to_owned(), value.to_owned())));
    headers
}

/// The call as it is, with everything forged in its headers, and with the same in its trailers (HTTP/2 and HTTP/1.1).
fn with_forged(call: &McpCall) -> Vec<(&'static str, HttpCall)> {
    let forged = forged();
    let add = |call: HttpCall| forged.iter().fold(call, |call, (name, value)| call.header(name, value.as_str()));
    let trailers: Vec<_> = forged.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let over = |protocol| call.clone().over(protocol).into_http();
    vec![
        ("headers", add(over(Protocol::Http1))),
        ("headers of HTTP/2", add(over(Protocol::Http2))),
        ("trailers", over(Protocol::Http1).in_pieces(50, &trailers)),
        ("trailers of HTTP/2", over(Protocol::Http2).in_pieces(50, &trailers)),
        ("both", add(over(Protocol::Http2)).in_pieces(50, &trailers)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_or_trailer_is_a_hand_off() -> Result<()> {
    let world = World::builder()
        .form(Form::Separate)
        .envoy(|config| {
            let without = CHAIN.map(|stage| route_without(("x-off", stage), &[stage]));
            routes(config)?.splice(0..0, without);
            Ok(())
        })
        .start()
        .await?;
    let (agent, batch) = (world.assistant()?, world.caller(Some(&world.identities().batch))?);
    let token = world.sign(&world.identities().token(&ALICE))?;

    for stage in CHAIN.into_iter().filter(|&stage| stage != "jwt_downscope") {
        let on: Vec<_> = CHAIN.into_iter().filter(|&name| name != stage).collect();
        for (place, call) in with_forged(&time_off("E1001").token(&token).header("x-off", stage)) {
            let reason = refused(&world, &agent, &format!("without {stage}, {place}"), call).await?;
            assert!(reasons(&on).contains(&reason), "without {stage}, {place}: {reason}");
        }
    }

    // With every stage there, all of it is as if it had not been sent.
    let plain = judged(&world, &agent, time_off("E1001").token(&token)).await?;
    assert_eq!(plain.0["decision"], "allow");
    for (place, call) in with_forged(&time_off("E1001").token(&token)) {
        assert_eq!(judged(&world, &agent, call).await?, plain, "{place}");
    }
    for (who, caller, of, status) in
        [("Bob's days", &agent, "E1002", 403), ("an agent that may not act for users", &batch, "E1001", 403)]
    {
        let plain = judged(&world, caller, time_off(of).token(&token)).await?;
        assert_eq!((&plain.0["decision"], &plain.0["status"]), (&json!("deny"), &json!(status)), "{who}");
        for (place, call) in with_forged(&time_off(of).token(&token)) {
            assert_eq!(judged(&world, caller, call).await?, plain, "{who}, {place}");
        }
    }
    for (place, call) in with_forged(&time_off("E1001")) {
        assert_eq!(agent.send(call).await?.status, 401, "no token, {place}");
        world.no_server_saw_anything();
    }
    world.guard_never_failed();
    Ok(())
}

/// What the audit line says and what the server received, as far as it is the same for equal calls.
async fn judged(world: &World, agent: &Caller, call: impl Into<HttpCall>) -> Result<(Value, Value)> {
    let answer = agent.send(call).await?;
    let mut line = world.audit_of(answer.request_id().context("no id")?).await?;
    for changing in ["time", "request_id", "microseconds"] {
        line.as_object_mut().context("no object")?.remove(changing);
    }
    let received: Vec<Value> = world
        .received()
        .into_iter()
        .map(|(server, received)| {
            let ours = received.headers.keys().filter(|name| name.as_str().starts_with("x-meshwarden-")).count();
            let claims = received.claims().unwrap_or_default();
            json!([
                server.name(),
                ours,
                received.header("x-peer-spiffe-id"),
                claims["sub"],
                claims["scope"],
                claims["act"],
                claims["tctx"],
                received.json()
            ])
        })
        .collect();
    Ok((line, Value::Array(received)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_server_is_none_for_another_whatever_each_stage_was_told() -> Result<()> {
    let other = "`meshwarden.call.v1` is about another server: give all filters of the chain the same `servers`";
    two_at_a_time(vec!["jwt_auth", "mcp_parser", "cedar_authz"], move |stage| async move {
        let world = World::builder()
            .form(Form::Separate)
            .envoy(move |config| {
                let servers = config.filter(stage)?.get_mut("servers").and_then(Value::as_array_mut);
                let servers = servers.context("no servers")?;
                if stage == "cedar_authz" {
                    servers.remove(0);
                    return Ok(());
                }
                // The hosts of human resources and documents, the wrong way round.
                let (one, two) = (servers[0]["match"].take(), servers[1]["match"].take());
                (servers[0]["match"], servers[1]["match"]) = (two, one);
                Ok(())
            })
            .start()
            .await?;
        let agent = world.assistant()?;
        for audiences in [vec![Server::Hr], vec![Server::Docs], vec![Server::Hr, Server::Docs]] {
            let what = format!("{stage} {audiences:?}");
            let audiences: Vec<_> = audiences.into_iter().map(Server::audience).collect();
            let token = world.sign(&world.identities().token(&ALICE).claim("aud", json!(audiences)))?;
            for call in [time_off("E1001"), McpCall::read(Server::Docs.host(), "doc://hr/policies/work-from-home")] {
                if stage == "cedar_authz" && call.clone().into_http().host == Server::Docs.host() {
                    continue;
                }
                let answer = agent.send(call.token(&token)).await?;
                world.no_server_saw_anything();
                let line = world.audit_of(answer.request_id().context("no id")?).await?;
                match (answer.status, stage) {
                    (401, _) => assert_eq!(audiences.len(), 1, "{what}: {line}"),
                    (403, "cedar_authz") => {
                        assert_eq!(line["reason"], "no server is configured for this host and path", "{what}: {line}")
                    }
                    (403, _) => assert_eq!(line["reason"], other, "{what}: {line}"),
                    (status, _) => panic!("{what}: {status} {line}"),
                }
            }
        }
        // The third server's entry is the same everywhere.
        let call = McpCall::list(Server::Tickets.host(), "tools");
        let answer = agent.send(call.token(&world.sign(&world.identities().token(&ALICE))?)).await?;
        assert_eq!(answer.status, 200, "{stage}: {}", answer.text());
        drop(world.received());
        world.guard_never_failed();
        Ok(())
    })
    .await
}
