//! Tokens that are bound to a key (RFC 9449): whoever proves to have it comes in, once for each proof, and nobody else.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{
    ALICE, Adds, Answer, Caller, EnvoyOptions, Foreign, Form, Hop, HttpCall, McpCall, ProofKey, Revision, Server,
    SigningKey, Token, World, WorldBuilder, now, tampered,
};
use tokio::task::JoinSet;

const NONCE_KEY: &str = "bm9uY2Uta2V5LW9mLXRoZS10ZXN0YmVkLTMyLWJ5dGVzISE=";

/// A world in which proofs are taken, with this beside their algorithms.
fn world(form: Form, more: Value) -> WorldBuilder {
    World::builder().form(form).guard(move |guard| {
        let mut dpop = json!({"algorithms": ["ES256", "RS256", "EdDSA"]});
        if let (Some(dpop), Some(more)) = (dpop.as_object_mut(), more.as_object()) {
            dpop.extend(more.clone());
        }
        guard["tokens"]["dpop"] = dpop;
    })
}

fn time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"}))
}

/// A call with a token of this scheme and these proofs.
fn call(scheme: &str, token: &str, proofs: &[&str]) -> McpCall {
    let call = time_off().header("authorization", format!("{scheme} {token}"));
    proofs.iter().fold(call, |call, proof| call.header("dpop", *proof))
}

/// Alice's token, bound to this key.
fn bound(world: &World, key: &ProofKey) -> Result<String> {
    world.sign(&world.identities().token(&ALICE).claim("cnf", json!({"jkt": key.thumbprint()})))
}

fn challenges(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok()).collect()
}

/// What challenges of this server say, with this error.
fn dpop_challenge(error: &str) -> String {
    let metadata = "https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp";
    format!("DPoP resource_metadata=\"{metadata}\"{error}, algs=\"ES256 RS256 EdDSA\"")
}

/// Sends, and checks the error, its reason in the audit line, and that nothing went on.
async fn refused(world: &World, agent: &Caller, what: &str, call: HttpCall, error: &str, reason: &str) -> Result<()> {
    let answer = agent.send(call).await.with_context(|| what.to_owned())?;
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    assert_eq!(challenges(&answer), [dpop_challenge(&format!(", error=\"{error}\""))], "{what}");
    let line = world.audit_of(answer.request_id().context("no id")?).await?;
    assert_eq!(line["reason"], reason, "{what}");
    world.no_server_saw_anything();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_key_comes_in_and_the_proof_stays_behind() -> Result<()> {
    in_both_forms(async |form| {
        let world = world(form, json!({})).guard(|guard| {
            let cedar = guard["policy"]["cedar"].as_str().unwrap_or_default();
            let only_bound = "@id(\"only-bound\") forbid (principal, action == Action::\"tools/call\", resource) \
                              unless { context.token.sender_constrained };";
            guard["policy"]["cedar"] = format!("{cedar}\n{only_bound}").into();
        });
        let world = world.start().await?;
        let agent = world.assistant()?;
        let url = Server::Hr.audience();
        let rs256 = SigningKey::rs256(include_str!("../../testbed/src/keys/idp-other.pem"))?;
        for key in [SigningKey::es256()?, rs256, SigningKey::eddsa()?] {
            let algorithm = key.algorithm();
            let key = ProofKey::new(key);
            let token = bound(&world, &key)?;
            let proof = key.sign(&key.proof(&token, &url))?;
            let answer = agent.send(call("DPoP", &token, &[&proof])).await?;
            assert_eq!(answer.status, 200, "{algorithm}: {}", answer.text());
            let received = world.recorder(Server::Hr)?.take_one();
            assert!(!received.headers.contains_key("dpop"), "the proof is for the guard alone");
            let claims = received.claims().context("no token")?;
            assert_eq!((&claims["sub"], &claims["iss"]), (&json!("alice"), &json!("https://mesh.acme.example")));
            assert_ne!(received.bearer(), Some(token.as_str()));
            let log = world.envoy().log() + &world.envoy().access_log();
            for secret in [&token, &proof] {
                let signature = secret.rsplit('.').next().context("no signature")?;
                assert!(!log.contains(signature), "{algorithm}: it is in a log");
            }
        }
        // The same without a key is known to policy as what it is.
        let unbound = world.sign(&world.identities().token(&ALICE))?;
        let answer = agent.send(call("Bearer", &unbound, &[])).await?;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!(-31_403)));
        world.no_server_saw_anything();
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proven_goes_nowhere() -> Result<()> {
    in_both_forms(async |form| {
        let world = world(form, json!({})).start().await?;
        let (agent, url) = (world.assistant()?, Server::Hr.audience());
        let (key, other) = (ProofKey::new(SigningKey::es256()?), ProofKey::new(SigningKey::es256()?));
        let token = bound(&world, &key)?;
        let good = || key.proof(&token, &url);
        let sign = |proof: Token| key.sign(&proof);
        let docs = Server::Docs.audience();
        let not_here = format!("the proof is not for `{url}`");
        let twice = "there is more than one `dpop` header";
        let good_one = sign(good())?;
        let mut private = key.jwk();
        private["d"] = "AAAA".into();
        let secret = "the proof's `jwk`: key `keys[0]` holds secret material: replace the key, and publish its public \
                      part only";

        let table: Vec<(&str, Vec<String>, &str)> = vec![
            ("no proof", vec![], "there is no `dpop` header"),
            ("two proofs", vec![sign(good())?, sign(good())?], twice),
            ("two in one", vec![format!("{},{}", sign(good())?, sign(good())?)], twice),
            ("another URL", vec![sign(good().claim("htu", docs))?], &not_here),
            ("another path", vec![sign(good().claim("htu", format!("{url}/x")))?], &not_here),
            (
                "another method",
                vec![sign(good().claim("htm", "GET"))?],
                "the proof is not for the method of this request",
            ),
            (
                "another key than the token's",
                vec![other.sign(&other.proof(&token, &url))?],
                "the token is bound to another key than the proof's",
            ),
            ("another key than its own", vec![other.sign(&good())?], "the proof's signature is wrong"),
            ("a changed signature", vec![tampered(&sign(good())?)], "the proof's signature is wrong"),
            ("another token", vec![sign(key.proof("another", &url))?], "the proof is for another token"),
            ("no hash of the token", vec![sign(good().without("ath"))?], "the proof has no claim `ath`"),
            ("no name", vec![sign(good().without("jti"))?], "the proof has no claim `jti`"),
            ("no time", vec![sign(good().without("iat"))?], "the proof has no claim `iat`"),
            ("a private key in it", vec![sign(good().header("jwk", private))?], secret),
            ("no key in it", vec![sign(good().without_header("jwk"))?], "the proof's header has no proper `jwk`"),
            ("another type", vec![sign(good().header("typ", "at+jwt"))?], "the proof's type is not `dpop+jwt`"),
            (
                "a shared secret",
                vec![key.sign_with_public_key_as_secret(&good())],
                "the proof's algorithm: `HS256` is never accepted: it uses a shared secret",
            ),
            (
                "no signature",
                vec![good().unsigned()],
                "the proof's algorithm: `none` is never accepted: it means no signature",
            ),
            (
                "an algorithm that is not configured",
                vec![sign(good().header("alg", "ES384"))?],
                "`ES384` is not one of `tokens.dpop.algorithms`",
            ),
            ("no proof at all", vec!["x".to_owned()], "the proof, as a token: the token is not a JWS in compact form"),
        ];
        for (what, proofs, reason) in &table {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            // What is bound to another key is the token's fault.
            let error = if reason.contains("bound to another") { "invalid_token" } else { "invalid_dpop_proof" };
            refused(&world, &agent, what, call("DPoP", &token, &proofs).into(), error, reason).await?;
        }
        for (what, seconds, reason) in
            [("a stale one", -600_i64, "now is "), ("one of the future", 600, "now is only ")]
        {
            let issued_at = now().saturating_add_signed(seconds);
            let proof = sign(good().claim("iat", issued_at))?;
            let answer = agent.send(call("DPoP", &token, &[&proof])).await?;
            assert_eq!(challenges(&answer), [dpop_challenge(", error=\"invalid_dpop_proof\"")], "{what}");
            let line = world.audit_of(answer.request_id().context("no id")?).await?;
            let expected = format!("the proof is of {issued_at}, ");
            let said = line["reason"].as_str().unwrap_or_default();
            assert!(said.starts_with(&expected) && said.contains(reason), "{what}: {line}");
            world.no_server_saw_anything();
        }

        // The scheme that is not the token's.
        let unbound = world.sign(&world.identities().token(&ALICE))?;
        let for_unbound = sign(key.proof(&unbound, &url))?;
        for (what, call, reason) in [
            (
                "a bound token without a proof",
                call("Bearer", &token, &[]),
                "the token is bound to a key, and is presented as `Bearer`",
            ),
            (
                "a bound token as bearer",
                call("Bearer", &token, &[&good_one]),
                "the token is bound to a key, and is presented as `Bearer`",
            ),
            (
                "an unbound token with a proof",
                call("DPoP", &unbound, &[&for_unbound]),
                "the token is presented as `DPoP`, and is not bound to a key",
            ),
        ] {
            refused(&world, &agent, what, call.into(), "invalid_token", reason).await?;
        }

        // All that was refused has not used the good one up; the host of the request has no part in it.
        let renamed = call("DPoP", &token, &[&good_one]).into_http().with("host", "hr.mcp.acme.example:443");
        let answer = agent.send(renamed).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        drop(world.recorder(Server::Hr)?.take_one());
        let again = call("DPoP", &token, &[&good_one]).into();
        refused(&world, &agent, "a used one", again, "invalid_dpop_proof", "the proof was used before").await?;

        // A bearer that is bound to nothing needs no proof, and is told of both ways where it is wrong.
        assert_eq!(agent.send(call("Bearer", &unbound, &["x"])).await?.status, 200);
        drop(world.recorder(Server::Hr)?.take_one());
        let answer = agent.send(time_off()).await?;
        let metadata = "https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp";
        let both = [format!("Bearer resource_metadata=\"{metadata}\""), dpop_challenge("")];
        assert_eq!((answer.status, challenges(&answer)), (401, both.iter().map(String::as_str).collect()));
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// Each worker has a VM of its own; what they remember is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_counts_once_over_all_workers() -> Result<()> {
    in_both_forms(async |form| {
        let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
        let world = world(form, json!({})).options(options).start().await?;
        let (agent, url) = (world.assistant()?, Server::Hr.audience());
        let key = ProofKey::new(SigningKey::es256()?);
        let token = bound(&world, &key)?;
        for _ in 0..5 {
            let proof = key.sign(&key.proof(&token, &url))?;
            // Each on a connection of its own, all at once.
            let mut sent = JoinSet::new();
            for _ in 0..16 {
                let (agent, call) = (agent.clone(), call("DPoP", &token, &[&proof]));
                sent.spawn(async move { agent.send(call).await.map(|answer| answer.status) });
            }
            let mut statuses = sent.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
            statuses.sort_unstable();
            assert_eq!(statuses, [&[200][..], &[401; 15]].concat());
            drop(world.recorder(Server::Hr)?.take_one());
        }
        let stats = world.envoy().stats().await?;
        for worker in ["worker_0", "worker_1"] {
            let served = stats
                .lines()
                .find(|line| line.starts_with("listener.") && line.contains(&format!("{worker}.downstream_cx_total")));
            let served = served.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).context(worker)?;
            assert!(served > 0, "{worker} had nothing to do");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_asked_for_and_known_by_every_worker() -> Result<()> {
    in_both_forms(async |form| {
        let nonce = json!({"keys": [{"inline": NONCE_KEY}]});
        let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
        let world = world(form, json!({"nonce": nonce})).options(options).start().await?;
        let (agent, url) = (world.assistant()?, Server::Hr.audience());
        let key = ProofKey::new(SigningKey::es256()?);
        let token = bound(&world, &key)?;
        let answer = agent.send(call("DPoP", &token, &[&key.sign(&key.proof(&token, &url))?])).await?;
        assert_eq!((answer.status, challenges(&answer)), (401, vec![&*dpop_challenge(", error=\"use_dpop_nonce\"")]));
        world.no_server_saw_anything();
        let nonce = answer.header("dpop-nonce").context("no nonce")?.to_owned();
        for _ in 0..8 {
            let proof = key.sign(&key.proof(&token, &url).claim("nonce", nonce.as_str()))?;
            let answer = agent.send(call("DPoP", &token, &[&proof])).await?;
            assert_eq!(answer.status, 200, "{}", answer.text());
            drop(world.recorder(Server::Hr)?.take_one());
        }
        let reason = "the proof has no nonce that is good now";
        let other = key.sign(&key.proof(&token, &url).claim("nonce", "A".repeat(43)))?;
        let other = call("DPoP", &token, &[&other]).into();
        refused(&world, &agent, "another nonce", other, "use_dpop_nonce", reason).await?;
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_required_bearers_stay_out_and_the_metadata_says_so() -> Result<()> {
    in_both_forms(async |form| {
        let world = world(form, json!({"required": true})).start().await?;
        let (agent, url) = (world.assistant()?, Server::Hr.audience());
        let unbound = world.sign(&world.identities().token(&ALICE))?;
        let reason = "the token is not bound to a key, as `tokens.dpop.required` demands";
        let bearer = call("Bearer", &unbound, &[]).into();
        refused(&world, &agent, "a bearer", bearer, "invalid_token", reason).await?;
        let answer = agent.send(time_off()).await?;
        assert_eq!((answer.status, challenges(&answer)), (401, vec![&*dpop_challenge("")]));

        let path = "/.well-known/oauth-protected-resource/mcp";
        let document = agent.send(HttpCall::new("GET", Server::Hr.host(), path)).await?.json();
        assert_eq!(document["dpop_signing_alg_values_supported"], json!(["ES256", "RS256", "EdDSA"]));
        assert_eq!(document["dpop_bound_access_tokens_required"], json!(true));

        let key = ProofKey::new(SigningKey::es256()?);
        let token = bound(&world, &key)?;
        // To the certificate of the connection too.
        let thumbprint = world.identities().assistant.thumbprint();
        let both = json!({"jkt": key.thumbprint(), "x5t#S256": thumbprint});
        let both = world.sign(&world.identities().token(&ALICE).claim("cnf", both))?;
        let elsewhere = json!({"jkt": key.thumbprint(), "x5t#S256": "A".repeat(43)});
        let elsewhere = world.sign(&world.identities().token(&ALICE).claim("cnf", elsewhere))?;
        for (token, status) in [(token, 200), (both, 200), (elsewhere, 401)] {
            let proof = key.sign(&key.proof(&token, &url))?;
            let answer = agent.send(call("DPoP", &token, &[&proof])).await?;
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(world.received().len(), usize::from(status == 200));
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// A client that others made: it proves, understands that a nonce is wanted, and reads the challenges.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_others_proves_and_understands() -> Result<()> {
    let Some(client) = Foreign::Oauth4webapi.find().await else { return Ok(()) };
    let nonce = json!({"keys": [{"inline": NONCE_KEY}]});
    let world = world(Form::Guard, json!({"nonce": nonce})).start().await?;
    let hop = Hop::start(&world, Server::Hr, Adds::Certificate).await?;
    let (url, gateway) = (Server::Hr.audience(), format!("http://{}/mcp", hop.address()));
    let key: Value = serde_json::from_str(&client.run("ask.mjs", &["key"], "").await?)?;
    let bound = json!({"jkt": key["thumbprint"]});
    let token = world.sign(&world.identities().token(&ALICE).claim("cnf", bound))?;
    let message = time_off().revision(Revision::V2025_11_25).body();
    let input = json!({"key": key["key"], "token": token, "message": message}).to_string();

    let told: Value = serde_json::from_str(&client.run("ask.mjs", &["ask", &url, &gateway], &input).await?)?;
    assert_eq!((&told["status"], &told["sent"]), (&json!(200), &json!(2)), "once more, with a nonce: {told}");
    let received = world.recorder(Server::Hr)?.take_one();
    assert!(!received.headers.contains_key("dpop"));

    let told: Value = serde_json::from_str(&client.run("ask.mjs", &["bearer", &url, &gateway], &input).await?)?;
    let metadata = "https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp";
    let parameters = json!({"resource_metadata": metadata, "error": "invalid_token", "algs": "ES256 RS256 EdDSA"});
    assert_eq!(told["challenges"], json!([{"scheme": "dpop", "parameters": parameters}]), "{told}");
    world.no_server_saw_anything();
    world.guard_never_failed();
    Ok(())
}

/// Where Envoy's `jwt_authn` checks tokens, nobody could check a proof.
#[tokio::test(flavor = "multi_thread")]
async fn behind_jwt_authn_bound_tokens_stay_out() -> Result<()> {
    let world = World::builder().form(Form::Native).start().await?;
    let (agent, url) = (world.assistant()?, Server::Hr.audience());
    let key = ProofKey::new(SigningKey::es256()?);
    let token = bound(&world, &key)?;
    let proof = key.sign(&key.proof(&token, &url))?;
    for scheme in ["Bearer", "DPoP"] {
        let answer = agent.send(call(scheme, &token, &[&proof])).await?;
        assert_eq!(answer.status, 401, "{scheme}: {}", answer.text());
        world.no_server_saw_anything();
    }
    world.guard_never_failed();
    Ok(())
}
