//! Transaction tokens: what goes on in `Txn-Token`, what becomes of one that comes, and which are refused.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, BOB, McpCall, Received, Server, SigningKey, World, decode, now, verify_es256};

const ASSISTANT: &str = "spiffe://acme.example/agent/assistant";
const HEADER: &str = "txn-token";

fn time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" }))
}

fn ticket() -> McpCall {
    McpCall::tool(Server::Tickets.host(), "create_ticket", json!({ "title": "a", "description": "b" }))
}

/// What a server received in the header, checked: exactly one token, of the mesh.
fn transaction(world: &World, received: &Received) -> Result<(Value, String)> {
    let token = received.header(HEADER).context("not one transaction token")?;
    let (header, claims) = verify_es256(token, &world.identities().mesh)?;
    assert_eq!(header, json!({ "alg": "ES256", "kid": "mesh-1", "typ": "txntoken+jwt" }));
    Ok((claims, token.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_begins_and_goes_on_through_every_hop() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).transactions().start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        assert_eq!(agent.send(time_off().token(&token)).await?.status, 200);
        let received = world.recorder(Server::Hr)?.take_one();
        let smaller = received.claims().context("no token")?;
        let (claims, first) = transaction(&world, &received)?;
        let expected = json!({
            "iss": "https://mesh.acme.example", "iat": claims["iat"], "aud": "acme.example",
            // The policy's own time to live is shorter than that of transactions.
            "exp": claims["iat"].as_u64().context("iat")? + 30,
            "txn": smaller["txn"], "sub": "alice",
            "sub_id": { "format": "iss_sub", "iss": "https://idp.acme.example", "sub": "alice" },
            "scope": "hr.read", "req_wl": ASSISTANT, "tctx": smaller["tctx"],
            "rctx": { "req_ip": "127.0.0.1", "peer": ASSISTANT, "client_id": "acme-assistant" },
            "act": { "sub": ASSISTANT },
        });
        assert_eq!(claims, expected);
        assert_ne!(received.bearer(), Some(first.as_str()), "never in `authorization`");

        // On the next hop it is taken up: the transaction stays, and its scope can't grow.
        assert_eq!(agent.send(ticket().token(&token).header(HEADER, first.as_str())).await?.status, 200);
        let received = world.recorder(Server::Tickets)?.take_one();
        let (next, _) = transaction(&world, &received)?;
        for same in ["txn", "sub", "sub_id", "aud", "tctx", "rctx"] {
            assert_eq!(next[same], claims[same], "{same}");
        }
        assert_eq!(next["scope"], "", "`tickets.write` was not in it");
        assert!(next["exp"].as_u64() <= claims["exp"].as_u64(), "{next}");
        let smaller = received.claims().context("no token")?;
        assert_eq!((&smaller["txn"], &smaller["scope"]), (&claims["txn"], &json!("tickets.write")));
        assert_eq!(smaller["tctx"]["tool"], "create_ticket", "the smaller token is about this call");
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transaction_of_this_user_here_and_now_is_refused() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).transactions().start().await?;
        let agent = world.assistant()?;
        let mesh = &world.identities().mesh;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let header = json!({ "alg": "ES256", "kid": "mesh-1", "typ": "txntoken+jwt" });
        let claims = json!({
            "iat": now(), "exp": now() + 60, "aud": "acme.example", "txn": "t-1", "sub": "alice", "scope": "hr.read",
            "req_wl": ASSISTANT,
        });
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            mesh.jws(&header, &claims)
        };
        let good = mesh.jws(&header, &claims)?;
        assert_eq!(agent.send(time_off().token(&token).header(HEADER, good.as_str())).await?.status, 200);
        let (taken_up, _) = transaction(&world, &world.recorder(Server::Hr)?.take_one())?;
        assert_eq!(taken_up["txn"], "t-1");

        let typed = |typ: &str| mesh.jws(&json!({ "alg": "ES256", "kid": "mesh-1", "typ": typ }), &claims);
        for (what, value, reason) in [
            ("forged", SigningKey::es256()?.jws(&header, &claims)?, "signature is wrong"),
            ("expired", with("exp", json!(now() - 60))?, "expired at"),
            ("another user's", with("sub", json!(BOB.name))?, "about another user than the caller's token"),
            ("another trust domain's", with("aud", json!("partner.example"))?, "not for audience `acme.example`"),
            ("without a transaction", with("txn", json!(""))?, "claim `txn` is malformed"),
            ("an access token", typed("at+jwt")?, "type `at+jwt` is not"),
            ("of no type", typed("JWT")?, "type `JWT` is not"),
            ("the caller's own token", token.clone(), "type `at+jwt` is not"),
            ("two in one", format!("{good},{good}"), "more than one"),
            ("with a scheme", format!("Bearer {good}"), "not a JWS in compact form"),
            ("empty", String::new(), "not a JWS in compact form"),
        ] {
            let answer = agent.send(time_off().token(&token).header(HEADER, value.as_str())).await?;
            let said = (answer.status, answer.json()["error"]["code"].as_i64());
            assert_eq!(said, (403, Some(-31_403)), "{what}: {}", answer.text());
            assert_eq!(answer.json()["error"]["message"], "transaction not accepted", "{what}");
            world.no_server_saw_anything();
            let line = world.audit_of(answer.request_id().context("no id")?).await?;
            let told = line["reason"].as_str().unwrap_or_default();
            assert!(told.starts_with("Txn-Token: ") && told.contains(reason), "{what}: {line}");
        }
        let twice = time_off().token(&token).header(HEADER, good.as_str()).header(HEADER, good.as_str());
        let answer = agent.send(twice).await?;
        // HTTP/1.1 keeps them apart or joins them: neither goes on.
        assert!([400, 403].contains(&answer.status), "{}", answer.text());
        world.no_server_saw_anything();
        // It authenticates nobody.
        let answer = agent.send(time_off().token(&good)).await?;
        assert_eq!(answer.status, 401, "{}", answer.text());
        world.no_server_saw_anything();
        assert!(!world.envoy().log().contains(good.rsplit_once('.').context("no token")?.1), "no token is in the log");
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_none_goes_on() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let call = time_off().token(&token).header(HEADER, "a.b.c").header(HEADER, "d.e.f");
        assert_eq!(world.assistant()?.send(call).await?.status, 200);
        let received = world.recorder(Server::Hr)?.take_one();
        assert_eq!(received.headers.get(HEADER), None);
        assert_eq!(decode(received.bearer().context("no token")?)?.0["typ"], "at+jwt");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_the_token_is_removed_and_where_headers_are_not_held() -> Result<()> {
    let removing = |guard: &mut Value| guard["downscope"]["strategy"] = "remove".into();
    for builder in [World::builder().transactions().guard(removing), World::builder().transactions().unheld()] {
        let world = builder.start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        assert_eq!(agent.send(time_off().token(&token)).await?.status, 200);
        let received = world.recorder(Server::Hr)?.take_one();
        let (claims, _) = transaction(&world, &received)?;
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("alice"), &json!("hr.read")));
        match received.claims() {
            None => assert_eq!(received.headers.get("authorization"), None),
            Some(smaller) => assert_eq!(smaller["txn"], claims["txn"]),
        }
        let keys = testbed::HttpCall::new("GET", Server::Hr.host(), "/.well-known/meshwarden/jwks.json");
        assert_eq!(agent.send(keys).await?.json()["keys"], json!([world.identities().mesh.public_jwk("mesh-1")]));
    }
    Ok(())
}
