//! The mesh's tokens at servers that check them: each is good for the one call that it was made for, and the key that
//! signs them can change without a failed call.

#![cfg(test)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, Body, Caller, Canned, Discovery, Form, HttpCall, McpCall, MeshTokens, NotThisCall, Protocol,
    Revision, Script, Server, SigningKey, World, decode, now, send_plain,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn time_off(employee: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": employee }))
}

fn keys() -> Arc<RwLock<Value>> {
    Arc::default()
}

/// Sends past the proxy, as somebody would who got hold of the token.
async fn directly(world: &World, server: Server, call: McpCall, token: &str) -> Result<Answer> {
    Ok(send_plain(world.upstream(server)?.address(), call.token(token)).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_token_is_good_for_the_same_call_and_for_no_other() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).checking_mesh_tokens(keys()).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;

        // Whatever the proxy lets through, its servers take.
        let (hr, docs) = (Server::Hr.host(), Server::Docs.host());
        let policy = "doc://hr/policies/work-from-home";
        let odd = json!({ "title": "\u{20ac}\u{1f600}\u{fb33}\r\u{1}\"\\", "description": "ä", "\u{fb33}": 1, "\u{1f600}": 2,
            "ö": [1e21, 0.1, -0.0, 1e-7, 9_007_199_254_740_991_u64, 100.0, null, true], "": {} });
        for call in [
            McpCall::initialize(hr).revision(Revision::V2025_11_25),
            McpCall::list(hr, "tools"),
            McpCall::list(docs, "resources"),
            McpCall::read(docs, policy),
            McpCall::tool(Server::Tickets.host(), "create_ticket", odd),
        ] {
            let what = format!("{call:?}");
            let answer = agent.send(call.token(&token)).await?;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        }
        drop(world.received());

        assert_eq!(agent.send(time_off("E1001").token(&token)).await?.status, 200);
        let captured = world.recorder(Server::Hr)?.take_one().bearer().context("no token")?.to_owned();
        let again = directly(&world, Server::Hr, time_off("E1001"), &captured).await?;
        assert_eq!(again.status, 200, "the same call: {}", again.text());

        let docs_of = |uri: &str| McpCall::read(docs, uri);
        assert_eq!(agent.send(docs_of(policy).token(&token)).await?.status, 200);
        let of_document = world.recorder(Server::Docs)?.take_one().bearer().context("no token")?.to_owned();
        let plan = docs_of("doc://exec/reorganization-2027");
        let salaries = json!({ "department": "engineering", "position": "developer" });
        for (what, server, call, token, reason) in [
            ("other arguments", Server::Hr, time_off("E1002"), &captured, "another call"),
            ("more arguments", Server::Hr, McpCall::tool(hr, "get_time_off", json!({ "employee_id": "E1001", "all": true })),
                &captured, "another call"),
            ("another tool", Server::Hr, McpCall::tool(hr, "query_compensation", salaries), &captured, "another call"),
            ("another method", Server::Hr, McpCall::list(hr, "tools"), &captured, "another call"),
            ("another server", Server::Tickets, time_off("E1001"), &captured, "another audience"),
            ("another document", Server::Docs, plan, &of_document, "another call"),
            ("the caller's own token", Server::Hr, time_off("E1001"), &token, "not signed by the mesh"),
        ] {
            let answer = directly(&world, server, call, token).await?;
            assert_eq!((answer.status, answer.text().as_str()), (401, reason), "{what}");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_call() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::always(Canned::json(&json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }])));
        let allow = |guard: &mut Value| guard["batches"] = "authorize_each".into();
        let world = World::builder().form(form).canned(Server::Hr, &script).guard(allow).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let days = time_off("E1001").revision(Revision::V2025_11_25).body();
        let body = json!([days, { "jsonrpc": "2.0", "method": "notifications/initialized" }]);
        let call = time_off("E1001").token(&token).revision(Revision::V2025_11_25).into_http();
        let call = call.with("mcp-protocol-version", "2025-03-26").body(Body::Whole(body.to_string().into()));
        assert_eq!(world.assistant()?.send(call).await?.status, 200);

        let received = world.recorder(Server::Hr)?.take_one();
        let keys = json!({ "keys": [world.identities().mesh.public_jwk("mesh-1")] });
        let server = MeshTokens {
            issuer: "https://mesh.acme.example".to_owned(),
            audience: Server::Hr.audience(),
            server: "hr".to_owned(),
            keys: Arc::new(RwLock::new(keys)),
        };
        let verify = |body: &Value| {
            let token = received.bearer().unwrap_or_default();
            server.verify(token, "POST", body.to_string().as_bytes(), now()).map(|claims| claims["sub"].clone())
        };
        assert_eq!(verify(&body), Ok("alice".into()));
        let [first, second] = [&body[0], &body[1]];
        for other in [json!([first]), json!([second, first]), first.clone(), json!([first, second, second])] {
            assert_eq!(verify(&other), Err(NotThisCall("another call")), "{other}");
        }
        Ok(())
    })
    .await
}

/// A caller that asks without a pause.
struct Load {
    asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Load {
    fn start(agent: &Caller, token: &str) -> Self {
        let (asked, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (agent, token) = (agent.clone(), token.to_owned());
        let (count, end) = (Arc::clone(&asked), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let mut connection = agent.connect(Server::Hr.host(), Protocol::Http2).await?;
            while !end.load(Ordering::Relaxed) {
                let answer = connection.send(time_off("E1001").token(&token).over(Protocol::Http2)).await?;
                assert_eq!(answer.status, 200, "{}", answer.text());
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { asked, over, task }
    }

    async fn go_on(&self) -> Result<()> {
        let until = self.asked.load(Ordering::Relaxed) + 20;
        let reached = async {
            while self.asked.load(Ordering::Relaxed) < until && !self.task.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.context("the load stands still")
    }

    async fn end(self) -> Result<usize> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.asked.load(Ordering::Relaxed))
    }
}

/// Waits until the proxy publishes these keys.
async fn published(caller: &Caller, names: &[&str]) -> Result<Value> {
    let found = async {
        loop {
            let call = HttpCall::new("GET", Server::Hr.host(), "/.well-known/meshwarden/jwks.json");
            let jwks = caller.send(call).await?.json();
            let found: Vec<_> = jwks["keys"].as_array().into_iter().flatten().map(|key| &key["kid"]).collect();
            if found == names {
                return anyhow::Ok(jwks);
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.with_context(|| format!("{names:?} are never published"))?
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_changes_without_a_failed_call_where_the_next_one_was_published_before() -> Result<()> {
    in_both_forms(async |form| {
        let filter = if form == Form::Guard { "agent_guard" } else { "jwt_downscope" };
        let discovery = Arc::new(Discovery::new(filter)?);
        let sent = Arc::clone(&discovery);
        let cached = keys();
        let builder = World::builder().form(form).checking_mesh_tokens(Arc::clone(&cached));
        let world = builder.envoy(move |config| config.discover_guard(&sent)).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let next = SigningKey::eddsa()?;
        let pem = next.private_pem().context("no key")?.to_owned();
        let keep = |jwks: &Value| *cached.write().unwrap_or_else(PoisonError::into_inner) = jwks.clone();

        let before = published(&agent, &["mesh-1"]).await?;
        keep(&before);
        let load = Load::start(&agent, &token);
        load.go_on().await?;

        // First the next key is published, and servers fetch the set before it is used.
        let announced = json!([{ "key_id": "mesh-2", "algorithm": "EdDSA", "signing_key": pem }]);
        discovery.change(|filter| filter["downscope"]["mint"]["published_keys"] = announced)?;
        let both = published(&agent, &["mesh-1", "mesh-2"]).await?;
        assert_eq!(both["keys"][1], next.public_jwk("mesh-2"));
        keep(&both);
        load.go_on().await?;

        // Then it signs, and the last one stays as long as there are tokens of it. Nobody fetches anything.
        discovery.change(|filter| {
            filter["downscope"]["mint"] = json!({
                "issuer": "https://mesh.acme.example", "key_id": "mesh-2", "algorithm": "EdDSA", "signing_key": pem,
                "published_keys": [
                    { "key_id": "mesh-1", "algorithm": "ES256", "signing_key_env": "MESHWARDEN_SIGNING_KEY" },
                ],
            });
        })?;
        published(&agent, &["mesh-2", "mesh-1"]).await?;
        load.go_on().await?;
        let count = load.end().await?;
        println!("{count} calls while the key changed, none failed");
        let signers: Vec<Value> = world
            .recorder(Server::Hr)?
            .take()
            .iter()
            .filter_map(|got| Some(decode(got.bearer()?).ok()?.0["kid"].clone()))
            .collect();
        assert_eq!((signers.first(), signers.last()), (Some(&json!("mesh-1")), Some(&json!("mesh-2"))));

        // A server that never fetched the next key would have refused it.
        keep(&before);
        let answer = agent.send(time_off("E1001").token(&token)).await?;
        assert_eq!((answer.status, answer.text().as_str()), (401, "not signed by the mesh"));
        assert!(world.envoy().log().contains("the configuration holds a secret"), "it is said loudly");
        world.guard_never_failed();
        Ok(())
    })
    .await
}
