//! Keys of an authorization server that others made: rotated while it is in use, and beside those of another issuer.

#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use envoy_tests::{cluster, eventually, in_both_forms};
use serde_json::{Value, json};
use testbed::{
    ALICE, Caller, ForeignIssuer, Form, IdentityProvider, McpCall, Server, SigningKey, World, WorldBuilder, decode,
};

const CLIENTS: usize = 4;

fn time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" })).token(token)
}

/// The server, which vouches for somebody who may see her own days off.
async fn issuer(keys: &[&str]) -> Result<Option<ForeignIssuer>> {
    let claims = json!({ "employee_id": "E1001", "department": "engineering", "groups": ["employees"] });
    ForeignIssuer::start(&Server::Hr.audience(), "hr.read", &claims, keys).await
}

/// It, as the guard knows it.
fn trusted() -> Value {
    json!({
        "issuer": ForeignIssuer::ISSUER,
        "jwks": { "cluster": "login", "uri": "https://login.acme.example/jwks", "refresh_seconds": 10 },
        "algorithms": ["ES256"],
        "token_types": ["at+jwt"],
        "claims": { "groups": "groups" },
    })
}

fn world(form: Form, issuer: &ForeignIssuer) -> WorldBuilder {
    World::builder().form(form).envoy(cluster("login", vec![issuer.address().port()]))
}

async fn status(agent: &Caller, token: &str) -> Result<u16> {
    Ok(agent.send(time_off(token)).await?.status)
}

/// Clients that call again and again, each time with a new token.
struct Load {
    ends: Arc<AtomicBool>,
    called: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Result<()>>>,
}

// === impl Load ===

impl Load {
    fn start(agent: &Caller, issuer: &Arc<ForeignIssuer>) -> Self {
        let (ends, called) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (agent, issuer, ends, called) =
                (agent.clone(), Arc::clone(issuer), Arc::clone(&ends), Arc::clone(&called));
            tokio::spawn(async move {
                while !ends.load(Ordering::SeqCst) {
                    let token = issuer.token().await?;
                    let answer = agent.send(time_off(&token)).await?;
                    assert_eq!(answer.status, 200, "{:?}: {}", decode(&token)?.0, answer.text());
                    called.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { ends, called, clients }
    }

    /// Until so many more calls have been answered.
    async fn goes_on(&self, calls: usize) -> Result<()> {
        let until = self.called.load(Ordering::SeqCst) + calls;
        let all_run = || self.clients.iter().all(|client| !client.is_finished());
        eventually("calls go on", async || Ok(!all_run() || self.called.load(Ordering::SeqCst) >= until)).await?;
        anyhow::ensure!(all_run(), "a client has ended");
        Ok(())
    }

    async fn end(self) -> Result<usize> {
        self.ends.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await??;
        }
        Ok(self.called.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_real_server_rotate_twice_under_load() -> Result<()> {
    let Some(issuer) = issuer(&["first"]).await?.map(Arc::new) else { return Ok(()) };
    let only = |guard: &mut Value| guard["tokens"]["issuers"] = json!([trusted()]);
    let world = world(Form::Guard, &issuer).guard(only).start().await?;
    let agent = world.assistant()?;
    let of_first = issuer.token().await?;
    assert_eq!(status(&agent, &of_first).await?, 200);
    let load = Load::start(&agent, &issuer);
    load.goes_on(50).await?;

    // Unannounced: the new key is used as soon as it is there, and looked for when a token names it.
    issuer.keys(&["second", "first"]).await?;
    load.goes_on(50).await?;
    let of_second = issuer.token().await?;
    assert_eq!(decode(&of_second)?.0["kid"], "second");
    assert_eq!((status(&agent, &of_first).await?, status(&agent, &of_second).await?), (200, 200));
    issuer.keys(&["second"]).await?;
    eventually("the first key is forgotten", async || Ok(status(&agent, &of_first).await? == 401)).await?;

    // Announced: it is fetched with the next refresh, by the VM of the worker and by that of the main thread.
    let asked = issuer.asked();
    issuer.keys(&["second", "third"]).await?;
    eventually("a refresh by all", async || Ok(issuer.asked() >= asked + 2)).await?;
    issuer.keys(&["third", "second"]).await?;
    load.goes_on(50).await?;
    let of_third = issuer.token().await?;
    assert_eq!(decode(&of_third)?.0["kid"], "third");
    assert_eq!((status(&agent, &of_second).await?, status(&agent, &of_third).await?), (200, 200));
    issuer.keys(&["third"]).await?;
    eventually("the second key is forgotten", async || Ok(status(&agent, &of_second).await? == 401)).await?;

    load.goes_on(50).await?;
    let calls = load.end().await?;
    println!("{calls} calls, each with a token of its own; the keys were asked for {} times", issuer.asked());
    drop(world.received());
    for old in [&of_first, &of_second] {
        assert_eq!(status(&agent, old).await?, 401);
    }
    world.no_server_saw_anything();
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_their_issuer() -> Result<()> {
    in_both_forms(async |form| {
        // Named like the key of the other.
        let Some(issuer) = issuer(&["idp-1"]).await? else { return Ok(()) };
        let both = |guard: &mut Value| {
            if let Some(issuers) = guard["tokens"]["issuers"].as_array_mut() {
                issuers.push(trusted());
            }
            // Of several issuers, each has groups of its own.
            let employees = |of: &str| {
                let group = |id: String| json!({ "type": "Group", "id": id });
                json!({ "uid": group(format!("{of}#employees")), "parents": [group("employees".to_owned())] })
            };
            if let Some(entities) = guard["policy"]["entities"].as_array_mut() {
                entities.extend(["https://idp.acme.example", ForeignIssuer::ISSUER].map(employees));
            }
        };
        let world = world(form, &issuer).guard(both).start().await?;
        let (agent, identities) = (world.assistant()?, world.identities());
        let theirs = issuer.token().await?;
        let ours = world.sign(&identities.token(&ALICE))?;
        for (token, iss) in [(&theirs, ForeignIssuer::ISSUER), (&ours, "https://idp.acme.example")] {
            assert_eq!((&decode(token)?.0["kid"], &decode(token)?.1["iss"]), (&json!("idp-1"), &json!(iss)));
            assert_eq!(status(&agent, token).await?, 200, "{iss}");
            let got = world.recorder(Server::Hr)?.take_one();
            assert_eq!(got.claims().context("no token")?["sub_id"]["iss"], iss);
        }

        let named_so = |iss: &str| identities.token(&ALICE).claim("iss", iss);
        // With an algorithm of theirs, under the name of their key, by one who has neither.
        let stranger = IdentityProvider::new(ForeignIssuer::ISSUER, "idp-1", SigningKey::es256()?);
        let es256 = |iss: &str| stranger.sign(&named_so(iss).header("alg", "ES256"));
        let [header, claims, _] = theirs.split('.').collect::<Vec<_>>()[..] else { anyhow::bail!("not three parts") };
        let our_signature = ours.rsplit('.').next().context("no signature")?;
        for (what, forged) in [
            ("ours, that says it is theirs", identities.idp.sign(&named_so(ForeignIssuer::ISSUER))?),
            ("a stranger's, that says it is theirs", es256(ForeignIssuer::ISSUER)?),
            ("a stranger's, that says it is ours", es256("https://idp.acme.example")?),
            ("theirs, with our signature", format!("{header}.{claims}.{our_signature}")),
            ("of an issuer that nobody knows", identities.idp.sign(&named_so("https://login.acme.example/"))?),
        ] {
            let answer = agent.send(time_off(&forged)).await?;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            world.no_server_saw_anything();
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}
