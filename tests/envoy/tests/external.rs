//! Agents from outside the mesh, through `envoy-configs/external-agent-to-mcp.yaml`: the way in that an official client
//! finds by itself, how far it leads, and that nothing else leads anywhere.

#![cfg(test)]

use anyhow::{Context, Result};
use rmcp::model::{CallToolRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};
use testbed::{
    ALICE, ASSISTANT, Answer, BOB, ExternalWorld, HttpCall, McpCall, PUBLIC_HOST, Protocol, Revision, Server, Token,
    decode, play_external, public_path, public_url, verify_es256,
};

fn metadata_url(server: Server) -> String {
    format!("https://{PUBLIC_HOST}/.well-known/oauth-protected-resource{}", public_path(server))
}

fn time_off(employee_id: &str) -> CallToolRequestParams {
    let arguments = json!({ "employee_id": employee_id });
    CallToolRequestParams::new("get_time_off").with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// Alice's token, right in every respect, not yet signed.
fn token(world: &ExternalWorld, server: Server, scope: &str) -> Token {
    let token = world.authorization().identity_provider().token(ALICE.name);
    token
        .claim("aud", public_url(server))
        .claim("scope", scope)
        .claim("client_id", ASSISTANT)
        .claim("employee_id", ALICE.employee_id)
        .claim("groups", json!(ALICE.groups))
}

fn at(server: Server, call: McpCall) -> HttpCall {
    call.into_http().path(&public_path(server))
}

fn own_time_off() -> McpCall {
    McpCall::tool(PUBLIC_HOST, "get_time_off", json!({ "employee_id": ALICE.employee_id }))
}

fn saw_nothing(world: &ExternalWorld) {
    let received = world.received();
    assert!(received.is_empty(), "no server should have received anything, but: {received:#?}");
}

async fn refused(world: &ExternalWorld, call: impl Into<HttpCall>, expected: (u16, i64)) -> Result<Answer> {
    let answer = world.caller()?.send(call).await?;
    let codes = (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_default());
    assert_eq!(codes, expected, "{}", answer.text());
    saw_nothing(world);
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_client_finds_its_way_from_a_url_to_an_answer() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let (client, url) = (world.assistant()?, public_url(Server::Hr));

    let challenge = client.knock(&url).await?;
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{}\"", metadata_url(Server::Hr)));
    saw_nothing(&world);
    let agent = client.authorize(&url, &challenge, &[]).await?;
    let way: Vec<_> = client.exchanges().into_iter().map(|step| (step.method, step.url, step.status)).collect();
    let way: Vec<_> = way.iter().map(|(method, url, status)| (method.as_str(), url.path(), *status)).collect();
    assert_eq!(
        way,
        [
            ("GET", "/.well-known/oauth-protected-resource/hr/mcp", 200),
            ("GET", "/.well-known/oauth-authorization-server", 200),
            ("GET", "/authorize", 303),
            ("POST", "/token", 200),
        ]
    );
    let (header, claims) = decode(&agent.token().await?)?;
    assert_eq!((&header["typ"], &claims["aud"], &claims["sub"]), (&json!("at+jwt"), &json!(url), &json!("alice")));

    // It sees what it may call, and calls it.
    let tools = agent.mcp.list_all_tools().await?;
    assert_eq!(tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>(), ["get_time_off"]);
    drop(world.received());
    let own = agent.mcp.call_tool(time_off(ALICE.employee_id)).await?;
    assert!(format!("{own:?}").contains("12 vacation days"), "{own:?}");

    // The server got a token of ours for this call, under its own path; not the client's.
    let got = world.recorder(Server::Hr)?.take_one();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/mcp"));
    let bearer = got.bearer().context("no token")?;
    assert_ne!(bearer, agent.token().await?);
    let (_, minted) = verify_es256(bearer, world.mesh())?;
    for (name, value) in [
        ("iss", json!("https://mesh.acme.example")),
        ("sub", json!("alice")),
        ("aud", json!(url)),
        ("scope", json!("hr.read")),
        ("client_id", json!(ASSISTANT)),
        ("act", Value::Null),
    ] {
        assert_eq!(minted.get(name).cloned().unwrap_or_default(), value, "{name}");
    }
    assert_eq!(minted["tctx"]["tool"], "get_time_off");
    assert_eq!(minted["exp"].as_u64(), minted["iat"].as_u64().map(|issued| issued + 30));

    // Denied calls go nowhere, and the client stays usable.
    for denied in [time_off(BOB.employee_id), CallToolRequestParams::new("delete_everything")] {
        assert!(agent.mcp.call_tool(denied).await.is_err());
        saw_nothing(&world);
    }
    assert!(agent.mcp.call_tool(time_off(ALICE.employee_id)).await.is_ok());
    world.envoy().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_read_with_a_token_of_their_own() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let client = world.assistant()?;
    let reader = client.connect(&public_url(Server::Docs)).await?;
    let resources = reader.mcp.list_all_resources().await?;
    assert_eq!(resources.len(), 1, "{resources:?}");
    drop(world.received());
    reader.mcp.read_resource(ReadResourceRequestParams::new("doc://hr/policies/work-from-home")).await?;
    let got = world.recorder(Server::Docs)?.take_one();
    let claims = got.claims().context("no token")?;
    assert_eq!(
        (got.path.as_str(), &claims["aud"], &claims["scope"]),
        ("/mcp", &json!(public_url(Server::Docs)), &json!("docs.read"))
    );
    let plans = ReadResourceRequestParams::new("doc://exec/reorganization-2027");
    assert!(reader.mcp.read_resource(plans).await.is_err());
    saw_nothing(&world);

    // Each server knows its own tokens only.
    let token = reader.token().await?;
    let error = client.connect_with(&public_url(Server::Hr), &token).await.err().context("let in")?;
    let challenge = error.auth_challenge().context("no challenge")?;
    let expected = format!("Bearer resource_metadata=\"{}\", error=\"invalid_token\"", metadata_url(Server::Hr));
    assert!(challenge.starts_with(&expected), "{challenge}");
    saw_nothing(&world);
    refused(&world, at(Server::Hr, own_time_off().token(&token)), (401, -31_401)).await?;
    world.envoy().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asked_for_too_little_asks_again() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let (client, url) = (world.assistant()?, public_url(Server::Hr));
    let agent = client.authorize(&url, &client.knock(&url).await?, &["profile"]).await?;
    assert_eq!(agent.mcp.list_all_tools().await?.len(), 0, "what it may not call it does not see");
    drop(world.received());
    let error = agent.mcp.call_tool(time_off(ALICE.employee_id)).await.err().context("allowed")?;
    let challenge = error.auth_challenge().context("no challenge")?.to_owned();
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"hr.read\""), "{challenge}");
    saw_nothing(&world);
    // What more scope would not help against is a plain denial.
    let error = agent.mcp.call_tool(time_off(BOB.employee_id)).await.err().context("allowed")?;
    assert_eq!(error.auth_challenge(), None);

    agent.step_up(&challenge).await?;
    let (_, claims) = decode(&agent.token().await?)?;
    assert_eq!(claims["scope"], "profile hr.read");
    agent.mcp.call_tool(time_off(ALICE.employee_id)).await?;
    let got = world.recorder(Server::Hr)?.take_one();
    assert_eq!(got.claims().context("no token")?["scope"], "hr.read", "and no more than the call needs");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_there_is_only_the_way_to_one() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let caller = world.caller()?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for server in [Server::Hr, Server::Docs] {
            let path = format!("/.well-known/oauth-protected-resource{}", public_path(server));
            let answer = caller.send(HttpCall::new("GET", PUBLIC_HOST, &path).over(protocol)).await?;
            let document = answer.json();
            assert_eq!((answer.status, &document["resource"]), (200, &json!(public_url(server))));
            assert_eq!(document["authorization_servers"], json!(["https://idp.acme.example"]));
            assert_eq!(document["scopes_supported"], json!(["hr.read", "docs.read"]));
        }
        // At the root there is room for one: the first.
        let root = HttpCall::new("GET", PUBLIC_HOST, "/.well-known/oauth-protected-resource").over(protocol);
        let answer = caller.send(root).await?;
        assert_eq!((answer.status, &answer.json()["resource"]), (200, &json!(public_url(Server::Hr))));

        for (server, call) in [
            (Server::Hr, own_time_off()),
            (Server::Hr, McpCall::initialize(PUBLIC_HOST)),
            (Server::Hr, McpCall::list(PUBLIC_HOST, "tools").revision(Revision::V2025_11_25)),
            (Server::Docs, McpCall::read(PUBLIC_HOST, "doc://hr/policies/work-from-home")),
        ] {
            // A certificate that is only told about is none, and a workload would not do anyway.
            let call = call.header("x-forwarded-client-cert", "URI=spiffe://acme.example/agent/assistant");
            let answer = refused(&world, at(server, call.over(protocol)), (401, -31_401)).await?;
            let challenge = format!("Bearer resource_metadata=\"{}\"", metadata_url(server));
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
        }
    }
    saw_nothing(&world);
    world.envoy().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_and_known_paths_lead_in() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let idp = world.authorization().identity_provider();
    let good = |server| token(&world, server, "profile hr.read docs.read");
    let hr = idp.sign(&good(Server::Hr))?;
    let answer = world.caller()?.send(at(Server::Hr, own_time_off().token(&hr))).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    drop(world.recorder(Server::Hr)?.take_one());

    for (what, bad) in [
        ("the neighbour's", idp.sign(&good(Server::Docs))?),
        ("the host's as a whole", idp.sign(&good(Server::Hr).claim("aud", format!("https://{PUBLIC_HOST}")))?),
        ("one for ever", idp.sign(&good(Server::Hr).claim("exp", testbed::now() + 86_400))?),
        ("an expired one", idp.sign(&good(Server::Hr).expired(120))?),
        ("an unsigned one", good(Server::Hr).unsigned()),
        (
            "one bound to a workload",
            idp.sign(&good(Server::Hr).claim("act", json!({ "sub": "spiffe://acme.example/a" })))?,
        ),
    ] {
        let call = at(Server::Hr, own_time_off().token(&bad));
        refused(&world, call, (401, -31_401)).await.with_context(|| what.to_owned())?;
    }
    // Somebody whom no policy knows.
    let guest = idp.sign(&good(Server::Hr).claim("groups", json!(["guests"])))?;
    refused(&world, at(Server::Hr, own_time_off().token(&guest)), (403, -31_403)).await?;

    for path in ["/", "/mcp", "/hr", "/hr/mcpx", "/HR/mcp", "/tickets/mcp", "/admin"] {
        refused(&world, own_time_off().token(&hr).into_http().path(path), (403, -31_403)).await?;
    }
    // Spelt otherwise, it is the same path or none: never another server's with this one's token.
    for path in ["/docs/../hr/mcp", "/hr/../docs/mcp", "/hr/mcp/", "/hr/mcp/..%2f..%2fdocs/mcp", "//docs/mcp"] {
        let answer = world.caller()?.send(own_time_off().token(&hr).into_http().path(path)).await?;
        assert_eq!(world.recorder(Server::Docs)?.count(), 0, "{path}: {}", answer.text());
        drop(world.received());
    }
    // Envoy's own header for rewritten paths does not choose the path.
    let call = at(Server::Docs, own_time_off().token(&hr)).header("x-envoy-original-path", "/hr/mcp");
    refused(&world, call, (401, -31_401)).await?;
    world.envoy().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_for_whom_makes_a_difference() -> Result<()> {
    let world = ExternalWorld::start().await?;

    // A client that nobody knows registers, gets a token, and may read; tools are not for it.
    let stranger = world.stranger()?;
    let at_hr = stranger.connect(&public_url(Server::Hr)).await?;
    assert!(stranger.exchanges().iter().any(|step| step.url.path() == "/register" && step.status == 201));
    assert_eq!(at_hr.mcp.list_all_tools().await?.len(), 0);
    drop(world.received());
    assert!(at_hr.mcp.call_tool(time_off(ALICE.employee_id)).await.is_err());
    saw_nothing(&world);
    let at_docs = stranger.connect(&public_url(Server::Docs)).await?;
    at_docs.mcp.read_resource(ReadResourceRequestParams::new("doc://hr/policies/work-from-home")).await?;

    // Nobody who does not consent is spoken for.
    world.authorization().sign_in(None);
    assert!(world.assistant()?.connect(&public_url(Server::Hr)).await.is_err());
    world.authorization().sign_in(Some(BOB));
    let bobs = world.assistant()?.connect(&public_url(Server::Hr)).await?;
    drop(world.received());
    assert!(bobs.mcp.call_tool(time_off(ALICE.employee_id)).await.is_err());
    saw_nothing(&world);
    bobs.mcp.call_tool(time_off(BOB.employee_id)).await?;
    let got = world.recorder(Server::Hr)?.take_one();
    assert_eq!(got.claims().context("no token")?["sub"], "bob");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told() -> Result<()> {
    let world = ExternalWorld::start().await?;
    let steps = play_external(&world).await?;
    assert!(steps.iter().all(|step| !step.sent.is_empty() && !step.came_back.is_empty()), "{steps:#?}");
    let told = format!("{steps:?}");
    assert!(!told.contains("eyJ"), "no token is told: {told}");
    world.envoy().guard_never_failed();
    Ok(())
}
