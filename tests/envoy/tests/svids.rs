//! Workloads that show a JWT-SVID where their certificate does not arrive: who they are then, and that nothing of what is
//! wrong goes on.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::{alone, arrived, in_both_forms};
use serde_json::{Value, json};
use testbed::{
    ALICE, EnvoyConfig, Form, HttpCall, IdentityProvider, KeyServer, McpCall, Server, SigningKey, Token, World,
    WorldBuilder, tampered, verify_es256,
};

const HEADER: &str = "x-jwt-svid";
const ASSISTANT: &str = "spiffe://acme.example/agent/assistant";
const MESH: &str = "https://mesh.acme.example";

/// What SPIRE does: it signs for a trust domain.
fn spire() -> Result<IdentityProvider> {
    Ok(IdentityProvider::new("spire", "svid-1", SigningKey::es256()?))
}

/// The bundle of a trust domain, as SPIRE publishes it.
fn bundle(spire: &IdentityProvider) -> Value {
    let mut set = spire.jwks();
    if let Some(key) = set.pointer_mut("/keys/0").and_then(Value::as_object_mut) {
        key.insert("use".to_owned(), json!("jwt-svid"));
        key.remove("alg");
    }
    set
}

fn svid(spire: &IdentityProvider, id: &str) -> Token {
    let token = spire.token(id).without("iss").header("typ", "JWT").claim("aud", json!([MESH]));
    let soon = testbed::now() + 300;
    token.claim("exp", soon)
}

/// A world whose listener also lets in who has no certificate, and takes a JWT-SVID for one.
fn world(form: Form, sources: &[&str], bundles: Value) -> WorldBuilder {
    let sources = json!(sources);
    World::builder().form(form).certificate_optional().guard(move |guard| {
        guard["identity"] = json!({
            "sources": sources, "trust_domains": ["acme.example", "partner.example"],
            "jwt_svid": {"header": HEADER, "audiences": [MESH], "algorithms": ["ES256"], "bundles": bundles},
        });
    })
}

fn inline(ours: &IdentityProvider, partners: &IdentityProvider) -> Value {
    json!([
        {"trust_domain": "acme.example", "jwks": {"inline": bundle(ours).to_string()}},
        {"trust_domain": "partner.example", "jwks": {"inline": bundle(partners).to_string()}},
    ])
}

/// The cluster `spire`, at this port.
fn reached_at(port: u16) -> impl FnOnce(&mut EnvoyConfig) -> Result<()> + Send + 'static {
    move |config| {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        let clusters = config.value().pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
        clusters.context("no clusters")?.push(json!({
            "name": "spire",
            "load_assignment": {
                "cluster_name": "spire", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }));
        Ok(())
    }
}

fn time_off(token: &str) -> HttpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token).into_http()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_without_a_certificate_is_known_by_its_token() -> Result<()> {
    in_both_forms(async |form| {
        let (ours, partners) = (spire()?, spire()?);
        let world = world(form, &["tls", "jwt_svid"], inline(&ours, &partners)).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.caller(None)?;
        let good = ours.sign(&svid(&ours, ASSISTANT))?;
        let answer = agent.send(time_off(&token).with(HEADER, good.as_str())).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [received] = &world.recorder(Server::Hr)?.take()[..] else { anyhow::bail!("not one call") };
        assert_eq!(received.header(HEADER), None);
        let (_, claims) = verify_es256(received.bearer().context("no token")?, &world.identities().mesh)?;
        assert_eq!(claims["act"], json!({"sub": ASSISTANT}));
        let line = world.audit_of(answer.request_id().context("no id")?).await?;
        assert_eq!(line["actor"], ASSISTANT);
        // Known, but not one that may act for users.
        let batch = ours.sign(&svid(&ours, "spiffe://acme.example/agent/batch"))?;
        let denied = agent.send(time_off(&token).with(HEADER, batch.as_str())).await?;
        assert_eq!((denied.status, denied.json()["error"]["code"].as_i64()), (403, Some(-31_403)));
        world.no_server_saw_anything();
        let log = world.envoy().log();
        let signature = good.rsplit('.').next().context("no signature")?;
        assert!(!log.contains(signature), "a JWT-SVID is in the log");
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_lets_nothing_through() -> Result<()> {
    in_both_forms(async |form| {
        let (ours, partners, evil) = (spire()?, spire()?, spire()?);
        let eddsa = IdentityProvider::new("spire", "svid-1", SigningKey::eddsa()?);
        let world = world(form, &["tls", "jwt_svid"], inline(&ours, &partners)).start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let good = svid(&ours, ASSISTANT);
        let signed = ours.sign(&good)?;
        let wrong = |change: fn(Token) -> Token| ours.sign(&change(good.clone()));
        let (nobody, assistant) = (world.caller(None)?, world.assistant()?);
        for (what, value) in [
            ("expired", wrong(|svid| svid.expired(60))?),
            ("for another audience", wrong(|svid| svid.claim("aud", json!(["https://docs.example"])))?),
            ("without an audience", wrong(|svid| svid.without("aud"))?),
            ("without an expiry", wrong(|svid| svid.without("exp"))?),
            ("good for a day", wrong(|svid| svid.claim("exp", testbed::now() + 86_400))?),
            ("with the key of another trust domain", partners.sign(&good)?),
            ("with nobody's key", evil.sign(&good)?),
            ("of a trust domain without a bundle", wrong(|svid| svid.claim("sub", "spiffe://other.example/agent"))?),
            ("of a trust domain itself", wrong(|svid| svid.claim("sub", "spiffe://acme.example"))?),
            ("of a path that is none", wrong(|svid| svid.claim("sub", "spiffe://acme.example/a/../agent"))?),
            ("of a user", wrong(|svid| svid.claim("sub", "alice"))?),
            ("signed with EdDSA", eddsa.sign(&svid(&eddsa, ASSISTANT))?),
            ("unsigned", good.unsigned()),
            ("signed with the public key as a secret", ours.sign_with_public_key_as_secret(&good)),
            ("tampered with", tampered(&signed)),
            ("a WIT-SVID", wrong(|svid| svid.header("typ", "wit+jwt"))?),
            ("with a key of its own", wrong(|svid| svid.header("jku", "https://evil.example/"))?),
            ("the user's token", token.clone()),
            ("with a scheme", format!("Bearer {signed}")),
            ("nothing", String::new()),
        ] {
            // A certificate that is good does not mend it.
            for agent in [&nobody, &assistant] {
                let answer = agent.send(time_off(&token).with(HEADER, value.as_str())).await?;
                assert_eq!(answer.status, 403, "{what}: {}", answer.text());
                assert_eq!(answer.json()["error"]["code"], -31_403, "{what}");
                world.no_server_saw_anything();
            }
        }
        let twice = time_off(&token).header(HEADER, signed.as_str()).header(HEADER, signed.as_str());
        assert_eq!(nobody.send(twice).await?.status, 400);
        let joined = time_off(&token).with(HEADER, format!("{signed},{signed}"));
        assert_eq!(nobody.send(joined).await?.status, 400);
        // It is no bearer token, and neither header stands for the other.
        assert_eq!(nobody.send(time_off(&signed).with(HEADER, signed.as_str())).await?.status, 401);
        assert_eq!(nobody.send(time_off(&token)).await?.status, 403);
        world.no_server_saw_anything();
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_too_the_order_of_sources_decides() -> Result<()> {
    in_both_forms(async |form| {
        let batch = "spiffe://acme.example/agent/batch";
        for (sources, status) in [(["tls", "jwt_svid"], 200), (["jwt_svid", "tls"], 403)] {
            let (ours, partners) = (spire()?, spire()?);
            let world = world(form, &sources, inline(&ours, &partners)).start().await?;
            let token = world.sign(&world.identities().token(&ALICE))?;
            let shown = ours.sign(&svid(&ours, batch))?;
            let answer = world.assistant()?.send(time_off(&token).with(HEADER, shown.as_str())).await?;
            assert_eq!(answer.status, status, "{sources:?}");
            let actor = if status == 200 { ASSISTANT } else { batch };
            assert_eq!(world.audit_of(answer.request_id().context("no id")?).await?["actor"], actor);
            assert_eq!(world.recorder(Server::Hr)?.take().len(), usize::from(status == 200));
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_fetched_and_waited_for() -> Result<()> {
    in_both_forms(async |form| {
        let (ours, server) = (spire()?, KeyServer::start("").await?);
        server.answer(503, "");
        let bundles = json!([
            {"trust_domain": "acme.example", "jwks": {"cluster": "spire", "uri": "http://spire.acme.example/jwks"}},
        ]);
        let world = world(form, &["jwt_svid"], bundles).envoy(reached_at(server.address().port()));
        let world = world.start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let agent = world.caller(None)?;
        let signed = ours.sign(&svid(&ours, ASSISTANT))?;
        let call = || time_off(&token).with(HEADER, signed.as_str());
        let refused = agent.send(call()).await?;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
        world.no_server_saw_anything();
        server.answer(200, bundle(&ours));
        let comes = async {
            while agent.send(call()).await?.status != 200 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), comes).await.context("the bundle never came")??;
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// The page's own example, with nothing else of ours around it.
#[tokio::test(flavor = "multi_thread")]
async fn the_stage_alone_names_the_workload_to_any_upstream() -> Result<()> {
    let (ours, server) = (spire()?, KeyServer::start("").await?);
    server.answer(200, bundle(&ours));
    let port = server.address().port();
    let world = alone("spiffe-identity", 1, vec![]).envoy(reached_at(port)).start().await?;
    let agent = world.caller(None)?;
    let call = |svid: &str| HttpCall::new("GET", Server::Hr.host(), "/any/path").with(HEADER, svid);
    let forged = spire()?.sign(&svid(&ours, ASSISTANT))?;
    assert_eq!(agent.send(call(&forged)).await?.status, 403);
    world.no_server_saw_anything();
    let good = ours.sign(&svid(&ours, ASSISTANT))?;
    assert_eq!(agent.send(call(&good).header("x-peer-spiffe-id", "spiffe://acme.example/root")).await?.status, 200);
    let (_, received) = arrived(&world)?;
    assert_eq!((received.header("x-peer-spiffe-id"), received.header(HEADER)), (Some(ASSISTANT), None));
    Ok(())
}
