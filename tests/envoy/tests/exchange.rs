//! Tokens in exchange: what the token service is asked, what of its answers goes on, and that nothing goes on otherwise.

#![cfg(test)]

use std::time::Duration;

use anyhow::{Context, Result};
use envoy_tests::{alone, arrived, cluster, eventually};
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, BOB, Caller, ClientAuthentication, EnvoyOptions, Fault, ForeignTokenService, Form, HttpCall,
    Identities, IdentityProvider, McpCall, Protocol, Revision, SCOPES, Server, ServiceClient, SigningKey, TokenService,
    TokenServiceOptions, User, World, WorldBuilder, decode, filters_of_page, merge, tampered,
};

const ISSUER: &str = "https://sts.acme.example";
const TOKEN_URL: &str = "https://sts.acme.example/token";
const CLIENT: &str = "mesh gateway";
/// Of characters that a header needs encoded.
const SECRET: &str = "s&cret: +%";
const FAILED: &str = "wasmcustom.meshwarden_exchange_failed";
const OK: &str = "wasmcustom.meshwarden_exchange_ok";

fn time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": ALICE.employee_id })).token(token)
}

/// A token service that knows the mesh, its gateway and the company's users.
fn options(identities: &Identities) -> Result<TokenServiceOptions> {
    let issuer = IdentityProvider::new(ISSUER, "sts-1", SigningKey::es256()?);
    let mut options = TokenServiceOptions::new(issuer).trust(&identities.idp);
    let mesh = json!({ "keys": [identities.mesh.public_jwk("mesh-1")] });
    options.clients.push(ServiceClient::new(CLIENT, ClientAuthentication::SecretBasic(SECRET.to_owned())));
    options.trusted.push(("https://mesh.acme.example".to_owned(), mesh));
    options.audiences = Server::ALL.map(Server::audience).to_vec();
    // As long as policy lets tokens for such calls live.
    options.lifetime_seconds = 30;
    Ok(options)
}

fn exchange() -> Value {
    json!({ "cluster": "sts", "uri": TOKEN_URL, "client_id": CLIENT, "client_secret_env": "STS_SECRET" })
}

fn with(mut exchange: Value, change: Value) -> Value {
    merge(&mut exchange, change.as_object().cloned().unwrap_or_default());
    exchange
}

/// The world, whose tokens come from the cluster `sts`.
fn world(identities: Identities, form: Form, exchange: Value) -> WorldBuilder {
    let environment = vec![("STS_SECRET".to_owned(), SECRET.to_owned())];
    let minted = ["subject_token", "actor_token"].iter().any(|name| exchange.get(name) == Some(&json!("minted")));
    World::builder()
        .identities(identities)
        .form(form)
        .options(EnvoyOptions { environment, ..EnvoyOptions::default() })
        .guard(move |guard| {
            let mint = guard["downscope"]["mint"].take();
            guard["downscope"] = json!({ "strategy": "exchange", "exchange": exchange });
            if minted {
                guard["downscope"]["mint"] = mint;
            }
        })
        .envoy(move |config| {
            let plugin = match form {
                Form::Guard => config.plugin()?,
                Form::Separate | Form::Native => config.wasm("jwt_downscope")?,
            };
            let keys = plugin.pointer_mut("/vm_config/environment_variables/host_env_keys");
            keys.and_then(Value::as_array_mut).context("no environment")?.push("STS_SECRET".into());
            Ok(())
        })
}

/// A world with its token service, and whoever calls in it.
struct Place {
    sts: TokenService,
    world: World,
    agent: Caller,
}

async fn place(change: Value) -> Result<Place> {
    place_with(change, |_| {}, |builder| builder).await
}

async fn place_with(
    change: Value,
    service: impl FnOnce(&mut TokenServiceOptions),
    build: impl FnOnce(WorldBuilder) -> WorldBuilder,
) -> Result<Place> {
    let identities = Identities::new()?;
    let mut options = options(&identities)?;
    service(&mut options);
    let sts = TokenService::start(options).await?;
    let builder = world(identities, Form::Guard, with(exchange(), change));
    let world = build(builder.envoy(cluster("sts", vec![sts.address().port()]))).start().await?;
    let agent = world.assistant()?;
    Ok(Place { sts, world, agent })
}

impl Place {
    fn token_of(&self, user: &User) -> Result<String> {
        self.world.sign(&self.world.identities().token(user))
    }

    /// The answer, which has to be a success.
    async fn sends(&self, call: McpCall) -> Result<Answer> {
        let answer = self.agent.send(call).await?;
        assert_eq!(answer.status, 200, "{} {:?}", answer.text(), self.world.audit());
        Ok(answer)
    }

    fn alices(&self) -> Result<String> {
        self.token_of(&ALICE)
    }

    /// The one token that hr received, which has to be one that the service issued.
    #[track_caller]
    fn arrived(&self) -> Result<Value> {
        let got = self.world.recorder(Server::Hr)?.take_one();
        let bearer = got.bearer().context("no token")?;
        let issued = self.sts.issued();
        let issued = issued.iter().find(|issued| issued.token == bearer).context("nobody issued it")?;
        Ok(issued.claims.clone())
    }
}

#[track_caller]
fn unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], -31_503);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_gets_the_token_services_token_and_not_the_callers() -> Result<()> {
    let place = place(json!({})).await?;
    let token = place.alices()?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = place.sends(time_off(&token).over(protocol)).await?;
        let claims = place.arrived()?;
        for (name, value) in [("iss", json!(ISSUER)), ("sub", json!("alice")), ("aud", json!(Server::Hr.audience()))] {
            assert_eq!(claims[name], value, "{name}");
        }
        let audit = place.world.audit_of(answer.request_id().context("no id")?).await?;
        assert_eq!((&audit["decision"], audit.get("minted")), (&json!("allow"), None));
        assert_eq!(audit["exchanged"]["scope"], claims["scope"]);
        assert!(audit["exchanged"]["ttl_seconds"].as_u64().is_some_and(|seconds| seconds <= 30));
    }
    // Asked once: the second call found the token.
    let asked = place.sts.recorder().take_one();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("resource", &Server::Hr.audience()),
        ("scope", "hr.read"),
    ];
    assert_eq!(asked.form(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(place.world.envoy().stat(OK).await?, 1);
    // Nothing of it is in any log.
    let issued = place.sts.issued().remove(0).token;
    let logs = format!("{}{}", place.world.envoy().log(), place.world.envoy().access_log());
    let basic = asked.header("authorization").context("no secret")?.to_owned();
    for secret in [token.as_str(), &issued, SECRET, basic.strip_prefix("Basic ").context("not Basic")?] {
        assert!(!logs.contains(secret), "{secret}");
    }
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn guard_and_chain_exchange_a_token_of_the_mesh() -> Result<()> {
    envoy_tests::in_both_forms(async |form| {
        let identities = Identities::new()?;
        let sts = TokenService::start(options(&identities)?).await?;
        let minted = with(exchange(), json!({ "subject_token": "minted", "actor_token": "minted" }));
        let world = world(identities, form, minted).envoy(cluster("sts", vec![sts.address().port()])).start().await?;
        let place = Place { agent: world.assistant()?, sts, world };
        let token = place.alices()?;
        place.sends(time_off(&token)).await?;
        let claims = place.arrived()?;
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!(Server::Hr.audience())));
        assert_eq!(claims["act"]["sub"], "spiffe://acme.example/agent/assistant");
        // The service never sees the caller's token.
        let form = place.sts.recorder().take_one().form();
        assert!(form.iter().all(|(_, value)| *value != token));
        let of = |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| decode(value));
        let (_, subject) = of("subject_token").context("no subject")??;
        assert_eq!((&subject["iss"], &subject["aud"]), (&json!("https://mesh.acme.example"), &json!(TOKEN_URL)));
        let (_, actor) = of("actor_token").context("no actor")??;
        assert_eq!(actor["sub"], "spiffe://acme.example/agent/assistant");
        // What policy denies is never asked for.
        let call = McpCall::tool(Server::Tickets.host(), "delete_ticket", json!({ "ticket_id": "T-1" }));
        assert_eq!(place.agent.send(call.token(&token)).await?.status, 403);
        assert_eq!(place.sts.recorder().count(), 0);
        place.sts.fail(Fault::Error { status: 400, error: "invalid_request" });
        let bobs = McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": BOB.employee_id }));
        assert_eq!(place.agent.send(bobs.token(&place.token_of(&BOB)?)).await?.status, 403);
        place.world.no_server_saw_anything();
        place.world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn released_headers_wait_for_their_token() -> Result<()> {
    let place = place_with(json!({}), |options| options.lifetime_seconds = 300, WorldBuilder::unheld).await?;
    let token = place.alices()?;
    place.sends(time_off(&token).revision(Revision::V2025_11_25)).await?;
    assert_eq!(place.arrived()?["aud"], Server::Hr.audience());
    place.sts.fail(Fault::Error { status: 400, error: "invalid_grant" });
    assert_eq!(place.agent.send(time_off(&place.token_of(&BOB)?).revision(Revision::V2025_11_25)).await?.status, 401);
    // Where the headers name the tool, policy says how long a token may live.
    place.sts.fail(None);
    let answer = place.agent.send(time_off(&token)).await?;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (502, &json!(-31_502)), "{}", answer.text());
    let audit = place.world.audit_of(answer.request_id().context("no id")?).await?;
    assert!(audit["reason"].as_str().is_some_and(|reason| reason.contains("more than 30 seconds")), "{audit}");
    place.world.no_server_saw_anything();
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_nothing_goes_on() -> Result<()> {
    let place = place(json!({ "cache_seconds": 0 })).await?;
    let token = place.alices()?;
    let refusal = |error| Fault::Error { status: 400, error };
    let stolen = tampered(&token);
    let faults = [
        (refusal("invalid_grant"), 401, -31_401),
        (refusal("invalid_request"), 403, -31_403),
        (refusal("invalid_target"), 403, -31_403),
        (refusal("invalid_scope"), 403, -31_403),
        (Fault::Error { status: 403, error: "access_denied" }, 403, -31_403),
        (refusal("interaction_required"), 401, -31_401),
        (Fault::Error { status: 401, error: "invalid_client" }, 500, -31_500),
        (refusal("unauthorized_client"), 500, -31_500),
        (refusal("unsupported_grant_type"), 500, -31_500),
        (refusal("novel"), 502, -31_502),
        (Fault::Page(404), 502, -31_502),
        (Fault::Page(200), 502, -31_502),
        (Fault::Page(500), 503, -31_503),
        (Fault::Error { status: 429, error: "slow_down" }, 503, -31_503),
        (Fault::Text("{".to_owned()), 502, -31_502),
        (Fault::Half, 502, -31_502),
        (Fault::Padding(100_000), 502, -31_502),
        (Fault::Padding(2 << 20), 503, -31_503),
        (Fault::Redirect(TOKEN_URL.to_owned()), 502, -31_502),
        (Fault::Echo, 502, -31_502),
        (Fault::Twice("scope", json!("admin")), 502, -31_502),
        (Fault::Twice("access_token", json!(stolen)), 502, -31_502),
        (Fault::Members(json!({ "access_token": null })), 502, -31_502),
        (Fault::Members(json!({ "access_token": "a b" })), 502, -31_502),
        (Fault::Members(json!({ "access_token": "a\r\nx-evil: 1" })), 502, -31_502),
        (Fault::Members(json!({ "token_type": "DPoP" })), 502, -31_502),
        (Fault::Members(json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:id_token" })), 502, -31_502),
        (Fault::Members(json!({ "expires_in": 0 })), 502, -31_502),
        (Fault::Members(json!({ "scope": format!("{SCOPES} admin") })), 502, -31_502),
        (Fault::Claims(json!({ "scope": format!("{SCOPES} admin") })), 502, -31_502),
        (Fault::Claims(json!({ "sub": "bob" })), 502, -31_502),
        (Fault::Claims(json!({ "sub": null })), 502, -31_502),
        (Fault::Claims(json!({ "aud": Server::Docs.audience() })), 502, -31_502),
        (Fault::Claims(json!({ "aud": [Server::Hr.audience(), Server::Docs.audience()] })), 502, -31_502),
        (Fault::Claims(json!({ "exp": 1_000_000_000 })), 502, -31_502),
    ];
    for (fault, status, code) in faults {
        // The pause after a service that could not be reached.
        let answer = loop {
            place.sts.fail(fault.clone());
            let before = place.sts.recorder().count();
            let answer = place.agent.send(time_off(&token)).await?;
            if place.sts.recorder().count() > before {
                break answer;
            }
            unavailable(&answer);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (status, &json!(code)), "{fault:?}: {}", answer.text());
        place.world.no_server_saw_anything();
        assert!(!answer.text().contains("eyJ"), "{}", answer.text());
    }
    let challenge = |answer: &Answer| answer.header("www-authenticate").map(str::to_owned);
    place.sts.fail(refusal("interaction_required"));
    let answer = place.agent.send(time_off(&token)).await?;
    assert!(challenge(&answer).is_some_and(|text| text.contains("error=\"insufficient_user_authentication\"")));
    place.sts.fail(refusal("invalid_grant"));
    let answer = place.agent.send(time_off(&token)).await?;
    assert!(challenge(&answer).is_some_and(|text| text.contains("error=\"invalid_token\"")));
    assert!(place.world.envoy().stat(FAILED).await? >= 37);
    place.sts.fail(None);
    place.sends(time_off(&token)).await?;
    assert!(!place.world.envoy().log().contains(&token));
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_is_503_and_found_again() -> Result<()> {
    let place = place(json!({ "timeout_milliseconds": 200 })).await?;
    let token = place.alices()?;
    for fault in [Fault::Silence, Fault::Delay(Duration::from_secs(5)), Fault::Page(503)] {
        place.sts.fail(fault);
        unavailable(&place.agent.send(time_off(&token)).await?);
    }
    place.world.no_server_saw_anything();
    place.sts.fail(None);
    let works = async || Ok(place.agent.send(time_off(&token)).await?.status == 200);
    eventually("the service is there again", works).await?;
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_503() -> Result<()> {
    let identities = Identities::new()?;
    let nowhere = json!({ "cluster": "nowhere" });
    // A cluster that does not exist, and one whose only port nobody listens at.
    let world = world(identities, Form::Guard, with(exchange(), nowhere)).start().await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    unavailable(&world.assistant()?.send(time_off(&token)).await?);
    world.no_server_saw_anything();
    world.guard_never_failed();
    let Place { sts, world, agent } = place(json!({})).await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    drop(sts);
    unavailable(&agent.send(time_off(&token)).await?);
    world.no_server_saw_anything();
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_ask_the_same_wait_for_one_answer() -> Result<()> {
    let place = place(json!({})).await?;
    let token = place.alices()?;
    place.sts.hold(true);
    let leaving = tokio::spawn({
        let (agent, call) = (place.agent.clone(), time_off(&token));
        async move { agent.send(call).await }
    });
    eventually("a token is asked for", async || Ok(place.sts.recorder().count() == 1)).await?;
    leaving.abort();
    let begun: Vec<_> = (0..20)
        .map(|at| {
            let protocol = if at % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
            let (agent, call) = (place.agent.clone(), time_off(&token).over(protocol));
            tokio::spawn(async move { agent.send(call).await })
        })
        .collect();
    let waiting = "http.agents.downstream_rq_active";
    eventually("all wait", async || Ok(place.world.envoy().stat(waiting).await? >= 20)).await?;
    place.world.no_server_saw_anything();
    place.sts.hold(false);
    for answer in begun {
        assert_eq!(answer.await??.status, 200);
    }
    assert_eq!(place.sts.recorder().take().len(), 1);
    let issued = place.sts.issued().remove(0).token;
    let received = place.world.recorder(Server::Hr)?.take();
    assert_eq!(received.len(), 20);
    assert!(received.iter().all(|got| got.bearer() == Some(&issued)));
    // Another user, another token.
    let bobs = McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": BOB.employee_id }));
    place.sends(bobs.token(&place.token_of(&BOB)?)).await?;
    assert_eq!(place.arrived()?["sub"], "bob");
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_used_again_for_a_while() -> Result<()> {
    let place = place(json!({ "cache_seconds": 2 })).await?;
    let token = place.alices()?;
    let calls = async || -> Result<usize> {
        place.sends(time_off(&token)).await?;
        Ok(place.sts.recorder().count())
    };
    assert_eq!(calls().await?, 1);
    eventually("it is asked for again", async || Ok(calls().await? == 2)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_sign_in_the_place_of_a_secret() -> Result<()> {
    let signing = json!({
        "client_secret_env": null, "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256", "client_key_id": "mesh-1",
        "client_key_env": "MESHWARDEN_SIGNING_KEY", "cache_seconds": 0,
    });
    for audience in [None, Some(ISSUER)] {
        let identities = Identities::new()?;
        let mut options = options(&identities)?;
        let keys = json!({ "keys": [identities.mesh.public_jwk("mesh-1")] });
        options.clients = vec![ServiceClient::new(CLIENT, ClientAuthentication::PrivateKeyJwt(keys))];
        let sts = TokenService::start(options).await?;
        let mut exchange = with(exchange(), signing.clone());
        exchange.as_object_mut().context("no object")?.retain(|_, value| !value.is_null());
        if let Some(audience) = audience {
            exchange = with(exchange, json!({ "client_assertion_audience": audience }));
        }
        let world =
            world(identities, Form::Guard, exchange).envoy(cluster("sts", vec![sts.address().port()])).start().await?;
        let place = Place { agent: world.assistant()?, sts, world };
        // Twice: no assertion is used again.
        for _ in 0..2 {
            place.sends(time_off(&place.alices()?)).await?;
            assert_eq!(place.arrived()?["client_id"], CLIENT);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_vouches_at_the_servers_own() -> Result<()> {
    let identities = Identities::new()?;
    let mut at_idp = options(&identities)?;
    at_idp.issuer = IdentityProvider::new("https://idp2.acme.example", "idp2", SigningKey::es256()?);
    at_idp.audiences.push(ISSUER.to_owned());
    let idp = TokenService::start(at_idp).await?;
    let mut at_server = options(&identities)?.trust(idp.issuer());
    at_server.clients = vec![ServiceClient::new(CLIENT, ClientAuthentication::SecretPost(SECRET.to_owned()))];
    let sts = TokenService::start(at_server).await?;
    let id_jag = json!({
        "cluster": "idp2", "uri": "https://idp2.acme.example/token", "client_id": CLIENT,
        "client_secret_env": "STS_SECRET", "audience": ISSUER,
    });
    let both = with(exchange(), json!({ "token_endpoint_auth_method": "client_secret_post", "id_jag": id_jag }));
    let world = world(identities, Form::Guard, both)
        .envoy(cluster("sts", vec![sts.address().port()]))
        .envoy(cluster("idp2", vec![idp.address().port()]))
        .start()
        .await?;
    let place = Place { agent: world.assistant()?, sts, world };
    let token = place.alices()?;
    place.sends(time_off(&token)).await?;
    assert_eq!(place.arrived()?["aud"], Server::Hr.audience());
    let assertion = idp.issued().remove(0);
    assert_eq!(
        (&assertion.claims["aud"], &assertion.claims["resource"]),
        (&json!(ISSUER), &json!(Server::Hr.audience()))
    );
    let form = place.sts.recorder().take_one().form();
    assert!(form.contains(&("assertion".to_owned(), assertion.token)), "{form:?}");
    assert!(form.iter().all(|(_, value)| *value != token), "the server never sees the caller's token");
    assert_eq!(place.world.envoy().stat(OK).await?, 1);
    // Each of them may refuse.
    let bobs = place.token_of(&BOB)?;
    let of_bob = || McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": BOB.employee_id }));
    for (at_idp, fault, status) in [
        (true, Fault::Error { status: 400, error: "invalid_target" }, 403),
        (true, Fault::Members(json!({ "token_type": "Bearer" })), 502),
        (true, Fault::Claims(json!({ "aud": "https://elsewhere.example" })), 502),
        (true, Fault::Claims(json!({ "sub": "alice" })), 502),
        (false, Fault::Error { status: 400, error: "invalid_grant" }, 401),
        (false, Fault::Claims(json!({ "sub": "alice" })), 502),
        (false, Fault::Claims(json!({ "aud": Server::Docs.audience() })), 502),
    ] {
        let shown = format!("{fault:?}");
        let (faulty, other) = if at_idp { (&idp, &place.sts) } else { (&place.sts, &idp) };
        faulty.fail(fault);
        other.fail(None);
        let answer = place.agent.send(of_bob().token(&bobs)).await?;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        place.world.no_server_saw_anything();
    }
    place.world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_works() -> Result<()> {
    let identities = Identities::new()?;
    let mut options = options(&identities)?;
    options.clients = vec![ServiceClient::new("mesh", ClientAuthentication::SecretBasic(SECRET.to_owned()))];
    options.audiences = vec!["https://payroll.example".to_owned()];
    let sts = TokenService::start(options).await?;
    let exchanges = |filter: &Value| {
        filter.pointer("/typed_config/config/configuration/value/downscope/strategy") == Some(&json!("exchange"))
    };
    let example = filters_of_page("jwt-auth", "{}")?.iter().position(exchanges).context("no example")?;
    let environment = vec![("STS_SECRET".to_owned(), SECRET.to_owned())];
    let world = alone("jwt-auth", example, Vec::new())
        .options(EnvoyOptions { environment, ..EnvoyOptions::default() })
        .envoy(cluster("sts", vec![sts.address().port()]))
        .start()
        .await?;
    let token = world.sign(&world.identities().token(&ALICE).claim("aud", Server::Hr.audience()))?;
    let get = || {
        let call = HttpCall::new("GET", Server::Hr.host(), "/v1/payslips");
        call.header("authorization", format!("Bearer {token}"))
    };
    assert_eq!(world.caller(None)?.send(get()).await?.status, 200);
    let (_, received) = arrived(&world)?;
    let issued = sts.issued().remove(0);
    assert_eq!(received.bearer(), Some(issued.token.as_str()));
    let (aud, scope) = (&issued.claims["aud"], &issued.claims["scope"]);
    assert_eq!((aud, scope), (&json!("https://payroll.example"), &json!("hr.read")));
    world.guard_never_failed();
    Ok(())
}

/// A token service that other people made understands what it is asked, and is understood.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_others_made_gives_its_token() -> Result<()> {
    let identities = Identities::new()?;
    let Some(sts) = ForeignTokenService::start(&Server::Docs.audience(), &[&identities.idp]).await? else {
        return Ok(());
    };
    let theirs = json!({
        "uri": format!("{}/oauth/token", ForeignTokenService::ISSUER), "client_id": ForeignTokenService::CLIENT_ID,
        "audience": Server::Docs.audience(),
    });
    let environment = vec![("STS_SECRET".to_owned(), ForeignTokenService::CLIENT_SECRET.to_owned())];
    let world = world(identities, Form::Guard, with(exchange(), theirs))
        .options(EnvoyOptions { environment, ..EnvoyOptions::default() })
        .envoy(cluster("sts", vec![sts.address().port()]))
        .start()
        .await?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let read = McpCall::read(Server::Docs.host(), "doc://hr/policies/work-from-home").token(&token);
    let answer = world.assistant()?.send(read).await?;
    assert_eq!(
        answer.status,
        200,
        "{} {}",
        answer.text(),
        world.audit().last().map(Value::to_string).unwrap_or_default()
    );
    let got = world.recorder(Server::Docs)?.take_one();
    let (_, claims) = decode(got.bearer().context("no token")?)?;
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ForeignTokenService::ISSUER), &json!("alice")));
    world.guard_never_failed();
    Ok(())
}
