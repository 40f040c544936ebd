//! What goes through as it is, and what goes on early: an agent's signed card, and headers that can't be held.

#![cfg(test)]

use anyhow::{Context, Result};
use bytes::Bytes;
use envoy_tests::in_both_forms;
use serde_json::json;
use testbed::{ALICE, AgentsWorld, Body, Canned, Colleague, Form, HttpCall, Script, Upstream, merge};

/// With members out of order, numbers and spaces as nobody would write them again: whoever parses and writes it breaks the
/// signature.
const SIGNED: &str = "{ \"version\":1.0,\"name\" : \"tr\\u0061vel\", \"skills\": [ ],\r\n\t\"signatures\": [{\"protected\":\"eyJhbGciOiJFUzI1NiJ9\",\"signature\":\"QUJD\"}] , \"name2\": 1e0 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_public_card_comes_as_it_was_signed_and_without_a_token() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::always(Canned::new(200, "application/json", vec![Bytes::from_static(SIGNED.as_bytes())]));
        let travel = Upstream::canned(script).await?;
        for public in [true, false] {
            let world = AgentsWorld::start_as(form, Some(travel.address()), |config| {
                let guard = config.guard()?;
                let tokens = guard.get_mut("tokens").context("no tokens")?;
                merge(tokens, [("required".to_owned(), json!(true))].into_iter().collect());
                let server = guard.pointer_mut("/servers/0").context("no server")?;
                merge(server, [("public_card".to_owned(), json!(public))].into_iter().collect());
                Ok(())
            })
            .await?;
            let host = Colleague::Travel.host();
            let planner = world.caller(Some("planner"))?;
            let card = planner.send(HttpCall::new("GET", host, "/.well-known/agent-card.json")).await?;
            if public {
                assert_eq!((card.status, card.text().as_str()), (200, SIGNED));
                assert_eq!(card.header("content-length"), Some(SIGNED.len().to_string().as_str()));
                assert_eq!(travel.recorder().take_one().header("authorization"), None);
            } else {
                assert_eq!(card.status, 401);
            }
            // Nothing else is asked for without a token.
            for (verb, path) in [("GET", "/extendedAgentCard"), ("GET", "/tasks/T-1"), ("POST", "/tasks/T-1:cancel")] {
                let answer = planner.send(HttpCall::new(verb, host, path)).await?;
                assert_eq!(
                    (answer.status, &answer.json()["error"]["status"]),
                    (401, &json!("UNAUTHENTICATED")),
                    "{path}"
                );
            }
            assert_eq!(
                planner.send(HttpCall::new("POST", host, "/").header("content-type", "application/json")).await?.status,
                401
            );
            travel.recorder().saw_nothing();
            world.envoy().guard_never_failed();
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_can_not_be_held_carry_a_token_for_what_the_path_says() -> Result<()> {
    let world = AgentsWorld::start_as(Form::Guard, None, |config| {
        config.do_not_hold_headers()?;
        merge(config.guard()?, [("hold_headers".to_owned(), json!(false))].into_iter().collect());
        Ok(())
    })
    .await?;
    let planner = world.caller(Some("planner"))?;
    let token = world.identities().idp.sign(&world.token(&ALICE, &[]))?;
    let ask = async |verb: &str, path: &str, body: String| {
        let call =
            HttpCall::new(verb, Colleague::Travel.host(), path).header("authorization", format!("Bearer {token}"));
        let call = call.header("content-type", "application/a2a+json");
        let call = if body.is_empty() { call } else { call.body(Body::Whole(body.into())) };
        anyhow::Ok(planner.send(call).await?)
    };
    let message = json!({ "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "A flight" }] });
    let _ = ask("POST", "/message:send", json!({ "message": message }).to_string()).await?;
    let got = world.recorder(Colleague::Travel)?.take_one();
    assert_eq!(got.json()["message"], message);
    let context = json!({ "protocol": "a2a", "server": "travel", "method": "SendMessage" });
    assert_eq!(got.claims().context("no token")?["tctx"], context);
    // The path alone tells that it will be denied.
    let answer = ask("GET", "/tasks", String::new()).await?;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    let answer =
        ask("POST", "/tasks/T-lisbon/pushNotificationConfigs", json!({ "url": "https://a.acme.example" }).to_string())
            .await?;
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    assert!(world.received().is_empty());
    // The body tells: not a byte of it goes on.
    for body in [
        json!({ "message": message, "configuration": { "taskPushNotificationConfig": { "url": "https://evil.example/" } } }),
        json!({ "message": message, "tenant": "acme" }),
    ] {
        let answer = ask("POST", "/message:send", body.to_string()).await?;
        assert!([400, 403].contains(&answer.status), "{}", answer.text());
        assert!(answer.json()["error"]["status"].is_string(), "{}", answer.text());
        let bytes: usize = world.received().iter().map(|received| received.body_bytes).sum();
        assert_eq!(bytes, 0, "{body}");
    }
    world.envoy().guard_never_failed();
    Ok(())
}
