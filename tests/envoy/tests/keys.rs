//! Keys that the issuer publishes: fetched through the proxy, waited for, rotated, lost and found again.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::{cluster, eventually, in_both_forms};
use serde_json::json;
use testbed::{
    ALICE, Answer, Caller, Form, IdentityProvider, KeyServer, McpCall, Protocol, Server, SigningKey, World,
    WorldBuilder,
};

fn time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token)
}

fn delete(token: &str) -> McpCall {
    McpCall::tool(Server::Tickets.host(), "delete_ticket", json!({"ticket_id": "T-1"})).token(token)
}

/// The world, whose keys are asked of the cluster `idp`.
fn world(form: Form, refresh_seconds: u64) -> WorldBuilder {
    World::builder().form(form).guard(move |guard| {
        let uri = "http://idp.acme.example/jwks";
        guard["tokens"]["issuers"][0]["algorithms"] = json!(["RS256", "ES256"]);
        guard["tokens"]["issuers"][0]["jwks"] =
            json!({"cluster": "idp", "uri": uri, "refresh_seconds": refresh_seconds});
    })
}

/// A world that waits for keys, and what Alice needs to call in it.
struct Held {
    server: KeyServer,
    world: World,
    agent: Caller,
    token: String,
}

async fn held(builder: WorldBuilder) -> Result<Held> {
    let server = KeyServer::start("").await?;
    server.hold(true);
    let world = builder.envoy(cluster("idp", vec![server.address().port()])).start().await?;
    server.answer(200, world.identities().idp.jwks());
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    Ok(Held { server, world, agent, token })
}

fn refused_for_want_of_keys(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], -31_503);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_the_first_keys_and_one_fetch_serves_all() -> Result<()> {
    in_both_forms(async |form| {
        let Held { server, world, agent, token } = held(world(form, 300)).await?;
        let begun = |call: McpCall| {
            let agent = agent.clone();
            tokio::spawn(async move { agent.send(call).await })
        };
        let allowed: Vec<_> = [Protocol::Http1, Protocol::Http2, Protocol::Http1, Protocol::Http2]
            .map(|protocol| begun(time_off(&token).over(protocol)))
            .into();
        let denied = begun(delete(&token));
        eventually("no key was asked for", async || Ok(server.asked() > 0)).await?;
        let pieces = begun(time_off(&token));
        world.no_server_saw_anything();
        server.hold(false);
        for answer in allowed {
            assert_eq!(answer.await??.status, 200);
        }
        assert_eq!(pieces.await??.status, 200);
        assert_eq!(denied.await??.status, 403);
        assert_eq!(world.recorder(Server::Hr)?.take().len(), 5);
        world.no_server_saw_anything();
        // Once for each VM: the worker's, and the one of the main thread.
        assert!(server.asked() <= 2, "{}", server.asked());
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_came_meanwhile_is_judged_and_arrives_whole() -> Result<()> {
    in_both_forms(async |form| {
        let Held { server, world, agent, token } = held(world(form, 300)).await?;
        let mut begun = Vec::new();
        for trailers in [&[][..], &[("x-late", "1")][..]] {
            for call in [time_off(&token), delete(&token)] {
                let (agent, call) = (agent.clone(), call.into_http().in_pieces(7, trailers));
                begun.push(tokio::spawn(async move { agent.send(call).await }));
            }
        }
        eventually("no key was asked for", async || Ok(server.asked() > 0)).await?;
        world.no_server_saw_anything();
        server.hold(false);
        let mut statuses = Vec::new();
        for answer in begun {
            statuses.push(answer.await??.status);
        }
        assert_eq!(statuses, [200, 403, 200, 403]);
        for received in world.recorder(Server::Hr)?.take() {
            assert_eq!(received.json()["params"]["arguments"]["employee_id"], "E1001");
        }
        world.no_server_saw_anything();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_waits_harms_nobody() -> Result<()> {
    let Held { server, world, agent, token } = held(world(Form::Guard, 300)).await?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (agent, call) = (agent.clone(), time_off(&token).over(protocol));
        let leaving = tokio::spawn(async move { agent.send(call).await });
        eventually("no key was asked for", async || Ok(server.asked() > 0)).await?;
        leaving.abort();
    }
    server.hold(false);
    assert_eq!(agent.send(time_off(&token)).await?.status, 200);
    assert_eq!(world.recorder(Server::Hr)?.take().len(), 1);
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_a_failed_request() -> Result<()> {
    let server = KeyServer::start("").await?;
    let world = world(Form::Guard, 300).envoy(cluster("idp", vec![server.address().port()])).start().await?;
    let idp = &world.identities().idp;
    let next = IdentityProvider::new(idp.issuer(), "next", SigningKey::es256()?);
    server.answer(200, idp.jwks());
    let agent = world.assistant()?;
    let (old, new) = (world.identities().token(&ALICE), world.identities().token(&ALICE));
    let new = new.header("kid", "next").header("alg", "ES256");
    eventually("the first keys", async || Ok(agent.send(time_off(&idp.sign(&old)?)).await?.status == 200)).await?;
    let both = [idp.jwks()["keys"][0].clone(), next.jwks()["keys"][0].clone()];
    server.answer(200, json!({"keys": both}));
    let before = world.recorder(Server::Hr)?.take().len();
    assert!(before > 0);
    let mut sent = Vec::new();
    for round in 0..40_u32 {
        // Each token is another one, so that no memory helps.
        let signed = if round % 2 == 0 {
            idp.sign(&old.clone().claim("jti", format!("old-{round}")))?
        } else {
            next.sign(&new.clone().claim("jti", format!("new-{round}")))?
        };
        let (agent, call) = (agent.clone(), time_off(&signed));
        sent.push(tokio::spawn(async move { agent.send(call).await }));
    }
    for answer in sent {
        assert_eq!(answer.await??.status, 200);
    }
    assert_eq!(world.recorder(Server::Hr)?.take().len(), 40);
    assert!(server.asked() <= 3, "{}", server.asked());
    // An unknown key is looked for no more than once in ten seconds.
    for _ in 0..5 {
        let unknown = idp.sign(&old.clone().header("kid", "unheard-of"))?;
        assert_eq!(agent.send(time_off(&unknown)).await?.status, 401);
    }
    world.no_server_saw_anything();
    assert!(server.asked() <= 3, "{}", server.asked());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_stay_when_the_issuer_is_lost() -> Result<()> {
    let server = KeyServer::start("").await?;
    let world = world(Form::Guard, 10).envoy(cluster("idp", vec![server.address().port()])).start().await?;
    let idp = &world.identities().idp;
    server.answer(200, idp.jwks());
    let agent = world.assistant()?;
    let token = || idp.sign(&world.identities().token(&ALICE));
    eventually("the first keys", async || Ok(agent.send(time_off(&token()?)).await?.status == 200)).await?;
    for (status, text) in [(500, String::new()), (200, "<html>".to_owned()), (200, json!({"keys": []}).to_string())] {
        let asked = server.asked();
        server.answer(status, text);
        eventually("a refresh", async || Ok(server.asked() > asked)).await?;
        assert_eq!(agent.send(time_off(&token()?)).await?.status, 200);
    }
    let log = world.envoy().log();
    assert!(log.contains("keys of tokens.issuers[0] (http://idp.acme.example/jwks)"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_every_token_is_refused_until_there_are_some() -> Result<()> {
    in_both_forms(async |form| {
        let server = KeyServer::start("").await?;
        server.answer(404, "");
        let world = world(form, 300).envoy(cluster("idp", vec![server.address().port()])).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        for _ in 0..3 {
            refused_for_want_of_keys(&agent.send(time_off(&token)).await?);
        }
        // What is wrong whatever the keys are does not wait.
        assert_eq!(agent.send(time_off("a.b.c")).await?.status, 401);
        world.no_server_saw_anything();
        server.answer(200, world.identities().idp.jwks());
        eventually("the keys", async || Ok(agent.send(time_off(&token)).await?.status == 200)).await?;
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_can_not_be_reached_ends_no_vm() -> Result<()> {
    // Nobody listens there; nobody is there at all; and there is no such cluster.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    for ports in [Some(vec![closed]), Some(vec![]), None] {
        let what = format!("{ports:?}");
        let builder = world(Form::Guard, 300);
        let builder = match ports {
            Some(ports) => builder.envoy(cluster("idp", ports)),
            None => builder,
        };
        let world = builder.start().await.context(what.clone())?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        for _ in 0..3 {
            refused_for_want_of_keys(&agent.send(time_off(&token)).await.context(what.clone())?);
        }
        world.no_server_saw_anything();
        world.guard_never_failed();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_not_held_wait_too() -> Result<()> {
    let Held { server, world, agent, token } = held(world(Form::Guard, 300).unheld()).await?;
    let mut begun = Vec::new();
    for call in [time_off(&token), delete(&token)] {
        let agent = agent.clone();
        begun.push(tokio::spawn(async move { agent.send(call).await }));
    }
    eventually("no key was asked for", async || Ok(server.asked() > 0)).await?;
    world.no_server_saw_anything();
    server.hold(false);
    let mut statuses = Vec::new();
    for answer in begun {
        statuses.push(answer.await??.status);
    }
    assert_eq!(statuses, [200, 403]);
    let bodies: Vec<String> =
        world.received().iter().map(|(_, got)| got.json()["params"]["name"].to_string()).collect();
    assert!(!bodies.contains(&"\"delete_ticket\"".to_owned()), "{bodies:?}");
    Ok(())
}
