//! Where Envoy can't hold headers: what they alone decide, before anything goes on.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{ALICE, Caller, HttpCall, McpCall, RawConnection, Revision, Server, World};

const FORBIDDEN: (u16, i64) = (403, -31_403);

fn time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token)
}

/// Sends headers alone, as a server that acts on them would get them, and checks that none did.
async fn refused(world: &World, caller: &Caller, what: &str, call: HttpCall, expected: (u16, i64)) -> Result<String> {
    let mut connection = caller.begin(call, 10).await?;
    let answer = connection.read().await.with_context(|| what.to_owned())?;
    let body = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
    let code = body.unwrap_or_default()["error"]["code"].as_i64().unwrap_or_default();
    assert_eq!((RawConnection::status(&answer).unwrap_or_default(), code), expected, "{what}: {answer}");
    world.no_server_saw_anything();
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_headers_alone_tell_is_refused_before_anything_goes_on() -> Result<()> {
    let world = World::builder().unheld().start().await?;
    let (agent, batch) = (world.assistant()?, world.caller(Some(&world.identities().batch))?);
    let token = world.sign(&world.identities().token(&ALICE))?;
    let narrow = world.sign(&world.identities().token(&ALICE).claim("scope", "docs.read"))?;
    let host = Server::Hr.host();
    let modern = || time_off(&token).into_http();
    let tool = |name: &str| McpCall::tool(host, name, json!({"department": "engineering"})).token(&token).into_http();
    let session = |verb: &str| HttpCall::new(verb, host, "/mcp").header("authorization", format!("Bearer {token}"));
    let at_headers: [(&str, &Caller, HttpCall, (u16, i64)); 13] = [
        ("a tool for managers", &agent, tool("query_compensation"), FORBIDDEN),
        ("a tool that nobody knows", &agent, tool("drop_tables"), FORBIDDEN),
        ("an agent that may not act", &batch, modern(), FORBIDDEN),
        ("its list", &batch, McpCall::list(host, "tools").token(&token).into(), FORBIDDEN),
        ("its session", &batch, session("GET"), FORBIDDEN),
        ("the end of its session", &batch, session("DELETE"), FORBIDDEN),
        ("a session that nobody gave it", &agent, session("GET").header("mcp-session-id", "s-1"), (404, -31_404)),
        ("a token without the scope", &agent, time_off(&narrow).into(), FORBIDDEN),
        ("no token", &agent, modern().without("authorization"), (401, -31_401)),
        ("no name header", &agent, modern().without("mcp-name"), (400, -32_020)),
        ("a revision of the future", &agent, modern().with("mcp-protocol-version", "2099-01-01"), (400, -32_022)),
        ("an unknown method", &agent, modern().with("mcp-method", "tools/drop"), (404, -32_601)),
        ("plain text", &agent, modern().with("content-type", "text/plain"), (415, -31_415)),
    ];
    for (what, caller, call, expected) in at_headers {
        let answer = refused(&world, caller, what, call, expected).await?;
        if what.contains("scope") {
            assert!(answer.contains("error=\"insufficient_scope\", scope=\"hr.read\""), "{answer}");
        }
        let line = world.audit_of(RawConnection::header(&answer, "x-request-id").context("no id")?).await?;
        assert_eq!(line["minted"], Value::Null, "{what}: {line}");
    }
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_binding_of_an_agent_never_goes_on() -> Result<()> {
    let as_agent = |guard: &mut Value| {
        guard["servers"][0]["protocol"] = "a2a".into();
        guard["servers"][0]["bindings"] = json!(["JSONRPC"]);
        guard["servers"][0]["match"] = json!({"hosts": [Server::Hr.host()]});
        guard["servers"][0]["tools"] = json!({});
        guard["policy"]["cedar"] = r#"@id("any") permit (principal, action, resource);"#.into();
    };
    let world = World::builder().guard(as_agent).unheld().start().await?;
    let (agent, token) = (world.assistant()?, world.sign(&world.identities().token(&ALICE))?);
    let call = |verb: &str, path: &str| {
        let call = HttpCall::new(verb, Server::Hr.host(), path).header("authorization", format!("Bearer {token}"));
        call.header("content-type", "application/json")
    };
    // Each in the words of the binding that it looks like.
    for (verb, path, code) in [
        ("POST", "/tasks/1:cancel", 404),
        ("POST", "/v1/message:send", 404),
        ("GET", "/tasks/1", 404),
        ("DELETE", "/x", -32_601),
    ] {
        refused(&world, &agent, path, call(verb, path), (404, code)).await?;
    }
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}).to_string();
    agent.send(call("POST", "/mcp").body(testbed::Body::Whole(message.into()))).await?;
    let got = world.recorder(Server::Hr)?.take_one();
    let claims = got.claims().context("no token")?;
    assert_eq!(claims["tctx"], json!({"protocol": "a2a", "server": "hr"}));
    world.guard_never_failed();
    Ok(())
}

/// No token could be right for both, and it is made before it is known for which of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_could_be_for_two_audiences_is_refused() -> Result<()> {
    let permit = |id: &str, audience: &str, employee: &str| {
        format!(
            "@id(\"{id}\") {audience} permit (principal, action == Action::\"tools/call\", resource == Tool::\"hr/get_time_off\") \
             when {{ context.arguments.string.hasTag(\"employee_id\") && context.arguments.string.getTag(\"employee_id\") == \"{employee}\" }};"
        )
    };
    let here = permit("here", "", "E1001");
    let there = permit("there", "@downscope_audience(\"https://payroll.acme.example\")", "E1002");
    let start = async |policies: String| {
        World::builder()
            .guard(move |guard| {
                guard["policy"]["cedar"] = policies.into();
                guard["hide_denied"] = true.into();
            })
            .unheld()
            .start()
            .await
    };
    let world = start(format!("{here}{there}")).await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let answer = refused(&world, &world.assistant()?, "two audiences", time_off(&token).into(), FORBIDDEN).await?;
    let line = world.audit_of(RawConnection::header(&answer, "x-request-id").context("no id")?).await?;
    assert_eq!(
        (&line["reason"], &line["policies"]),
        (&json!("the permits name different audiences"), &json!(["here", "there"]))
    );
    // Older headers don't say which call it is.
    let legacy = time_off(&token).revision(Revision::V2025_11_25);
    assert_eq!(world.assistant()?.send(legacy).await?.status, 200);
    drop(world);

    let world = start(there).await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let bobs = McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1002"})).token(&token);
    assert_eq!(world.assistant()?.send(bobs).await?.status, 200);
    let claims = world.recorder(Server::Hr)?.take_one().claims().context("no token")?;
    assert_eq!(claims["aud"], "https://payroll.acme.example");
    Ok(())
}

/// The flag got lost, as with an Envoy that doesn't know it, and the configuration was not told: nothing goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_means_to_hold_headers_and_can_not_lets_nothing_through() -> Result<()> {
    let world = World::builder()
        .envoy(|config| {
            config.do_not_hold_headers()?;
            config.http()?["request_timeout"] = "1s".into();
            Ok(())
        })
        .start()
        .await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let answer = world.assistant()?.send(time_off(&token).revision(revision)).await?;
        assert!([408, 504].contains(&answer.status), "{}: {}", answer.status, answer.text());
        world.no_server_saw_anything();
    }
    Ok(())
}
