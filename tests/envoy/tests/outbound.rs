//! An MCP server calls an API outside the mesh, through `envoy-configs/mcp-to-external-api.yaml` and
//! `mcp-to-partner-api.yaml`, with a token that it was really called with through `agent-to-mcp.yaml`.

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{
    Fault, HttpCall, OUTBOUND_STORY, Outbound, OutboundToken, OutboundWorld, Protocol, WEATHER_HOST, decode,
    verify_es256,
};

async fn asked(world: &OutboundWorld, path: &str, token: &str) -> Result<testbed::Answer> {
    let call = HttpCall::new("GET", WEATHER_HOST, path).header("authorization", format!("Bearer {token}"));
    Ok(world.caller(Outbound::Hr)?.send(call).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told() -> Result<()> {
    played(&OutboundWorld::start().await?).await
}

async fn played(world: &OutboundWorld) -> Result<()> {
    for scene in OUTBOUND_STORY {
        for row in scene.rows {
            let played = world.play(row).await?;
            played.check(row).with_context(|| format!("{}: {} {played:#?}", scene.title, row.request))?;
        }
    }
    world.inside().guard_never_failed();
    world.egress().guard_never_failed();
    Ok(())
}

/// The story is the same where the partner issues the tokens; what goes out is his.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_gives_his_own_token_for_the_meshs() -> Result<()> {
    let world = OutboundWorld::exchanging().await?;
    played(&world).await?;
    let partner = world.issuer().context("nobody issues tokens")?;
    let mesh_token = world.token(OutboundToken::Hrs).await?.context("no token")?;
    drop(world.weather().take());
    for _ in 0..2 {
        assert_eq!(asked(&world, "/v1/forecast", &mesh_token).await?.status, 200);
        let got = world.weather().take_one();
        let issued = partner.issued().pop().context("nothing was issued")?;
        assert_eq!(got.bearer(), Some(issued.token.as_str()));
        for (name, value) in [
            ("iss", json!("https://sts.weather.example")),
            ("sub", json!("alice")),
            ("aud", json!("https://api.weather.example")),
            ("scope", json!("forecast.read")),
            ("client_id", json!("acme-egress")),
        ] {
            assert_eq!(issued.claims[name], value, "{name}");
        }
    }
    // He was asked once, when hr called out by itself, and the answer was used again.
    let presented = ("subject_token".to_owned(), mesh_token.clone());
    let asked_for = partner.recorder().take().into_iter().filter(|got| got.form().contains(&presented)).count();
    assert_eq!(asked_for, 1);
    // What he does not give, nobody gets.
    for (fault, status) in [
        (Fault::Error { status: 400, error: "invalid_target" }, 403),
        (Fault::Claims(json!({ "scope": "forecast.read forecast.write" })), 502),
        (Fault::Claims(json!({ "aud": "https://elsewhere.example" })), 502),
        (Fault::Echo, 502),
    ] {
        let shown = format!("{fault:?}");
        partner.fail(fault);
        let fresh = world.token(OutboundToken::Hrs).await?.context("no token")?;
        drop(world.weather().take());
        assert_eq!(asked(&world, "/v1/forecast", &fresh).await?.status, status, "{shown}");
        world.weather().saw_nothing();
    }
    let log = world.egress().log();
    assert!(!log.contains(&mesh_token) && partner.issued().iter().all(|issued| !log.contains(&issued.token)));
    world.egress().guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_and_what_does_not() -> Result<()> {
    let world = OutboundWorld::start().await?;
    the_api_gets_a_token_of_its_own(&world).await?;
    only_the_recipient_presents_it_and_only_there(&world).await?;
    world.egress().guard_never_failed();
    Ok(())
}

async fn the_api_gets_a_token_of_its_own(world: &OutboundWorld) -> Result<()> {
    let mesh_token = world.token(OutboundToken::Hrs).await?.context("no token")?;
    drop(world.weather().take());
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let call = HttpCall::new("GET", WEATHER_HOST, "/v1/forecast?place=lisbon").over(protocol);
        let call = call.header("authorization", format!("Bearer {mesh_token}"));
        let answer = world.caller(Outbound::Hr)?.send(call).await?;
        assert_eq!((answer.status, &answer.json()["friday"]), (200, &json!("sunny")));
        let got = world.weather().take_one();
        assert_eq!(got.path, "/v1/forecast?place=lisbon");
        let bearer = got.bearer().context("no token")?;
        assert_ne!(bearer, mesh_token, "hr's token stays inside");
        let (_, claims) = verify_es256(bearer, &world.inside().identities().mesh)?;
        let actors =
            json!({ "sub": "spiffe://acme.example/mcp/hr", "act": { "sub": "spiffe://acme.example/agent/assistant" } });
        for (name, value) in [
            ("iss", json!("https://mesh.acme.example")),
            ("sub", json!("alice")),
            ("aud", json!("https://api.weather.example")),
            ("scope", json!("forecast.read")),
            ("client_id", json!("acme-assistant")),
            ("act", actors),
            ("tctx", json!({ "protocol": "http", "server": "weather" })),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
        // The same transaction, and no longer than the call that it serves.
        let (_, presented) = decode(&mesh_token)?;
        assert_eq!((&claims["txn"], presented["txn"].is_string()), (&presented["txn"], true));
        assert!(claims["exp"].as_u64() <= presented["exp"].as_u64());
        assert!(claims["exp"].as_u64() <= claims["iat"].as_u64().map(|issued| issued + 30));
    }
    Ok(())
}

async fn only_the_recipient_presents_it_and_only_there(world: &OutboundWorld) -> Result<()> {
    let token = world.token(OutboundToken::Hrs).await?.context("no token")?;
    drop(world.weather().take());
    for (caller, reason) in [
        (Outbound::Docs, "the peer is not who was called with the token"),
        (Outbound::Assistant, "the peer is not who was called with the token"),
    ] {
        let call =
            HttpCall::new("GET", WEATHER_HOST, "/v1/forecast").header("authorization", format!("Bearer {token}"));
        let answer = world.caller(caller)?.send(call).await?;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer error=\"invalid_token\"")));
        let audit = world.egress().audit_of(answer.request_id().context("no id")?).await?;
        assert_eq!((&audit["reason"], &audit["decision"]), (&json!(reason), &json!("refuse")));
    }
    for path in ["/", "/v2/forecast", "/v1/../admin", "/v1/%2e%2e/admin", "/v1x"] {
        let answer = asked(world, path, &token).await?;
        assert!([400, 403, 404].contains(&answer.status), "{path}: {}", answer.text());
    }
    world.weather().saw_nothing();
    assert_eq!(asked(world, "/v1/forecast", &token).await?.status, 200, "and it is still good where it should be");
    Ok(())
}
