//! Tokens, their parts, keys and secrets are told to nobody: not in a log at any level of the filters' own, not in access
//! logs with all that the filters leave, not in statistics, not in answers.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use envoy_tests::{cluster, eventually, in_both_forms};
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, ClientAuthentication, EnvoyConfig, EnvoyOptions, Fault, HttpCall, Identities, IdentityProvider,
    McpCall, Protocol, SESSION_KEY, Server, ServiceClient, SigningKey, TokenService, TokenServiceOptions, World,
    WorldBuilder, tampered,
};

/// So much of a secret in a row is told by nobody by chance.
const WINDOW: usize = 16;

/// Texts of which no part may be seen.
#[derive(Default)]
struct Secrets(BTreeMap<[u8; WINDOW], String>);

// === impl Secrets ===

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= WINDOW, "{what} is too short to be looked for");
        for window in secret.as_bytes().windows(WINDOW) {
            self.0.entry(window.try_into().unwrap_or_default()).or_insert_with(|| what.to_owned());
        }
    }

    /// A key in PEM, whose lines may be told one by one.
    fn add_pem(&mut self, what: &str, pem: &str) {
        pem.lines().filter(|line| !line.starts_with("-----")).for_each(|line| self.add(what, line));
    }

    /// What is told of them here.
    fn seen_in(&self, text: &str) -> Option<&str> {
        let mut windows = text.as_bytes().windows(WINDOW);
        windows.find_map(|window| self.0.get(window)).map(String::as_str)
    }

    #[track_caller]
    fn nowhere_in(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "there is nothing to look at: {place}");
        for line in text.lines() {
            assert_eq!(self.seen_in(line), None, "{place} tells it: {line}");
        }
    }
}

/// Access logs that show all that the filters leave for each other.
fn tell_all(config: &mut EnvoyConfig) -> Result<()> {
    let left =
        ["peer", "token", "call", "decision"].map(|of| format!("{of}=%FILTER_STATE(wasm.meshwarden.{of}.v1:PLAIN)%"));
    let format = config.http()?.pointer_mut("/access_log/0/typed_config/log_format/text_format_source/inline_string");
    let format = format.context("no access log")?;
    let shipped = format.as_str().context("no format")?.trim_end().to_owned();
    *format = Value::String(format!("{shipped} {}\n", left.join(" ")));
    Ok(())
}

/// Everything that callers do with tokens, right and wrong: what it is, the call, and the secrets in it.
fn calls(world: &World) -> Result<Vec<(&'static str, HttpCall, Vec<String>)>> {
    let identities = world.identities();
    let token = || identities.token(&ALICE);
    let sign = |token: &testbed::Token| world.sign(token);
    let other = IdentityProvider::new("https://idp.acme.example", "idp-1", SigningKey::es256()?);
    let call = || McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" }));
    let bearer = |token: &str| call().token(token).into_http();
    let shown = |value: &str| call().header("authorization", value).into_http();
    let good = sign(&token().claim("jti", "one"))?;
    let again = sign(&token().claim("jti", "another"))?;
    let mut all = Vec::new();
    for (what, token) in [
        ("a good one", good.clone()),
        ("tampered", tampered(&good)),
        ("expired", sign(&token().expired(90))?),
        ("not yet good", sign(&token().claim("nbf", testbed::now() + 900))?),
        ("for somebody else", sign(&token().claim("aud", "https://elsewhere.example"))?),
        ("of an unknown issuer", sign(&token().claim("iss", "https://nobody.example"))?),
        ("with an unknown key", sign(&token().header("kid", "unheard-of"))?),
        ("of another type", sign(&token().header("typ", "dpop+jwt"))?),
        ("with a strange header", sign(&token().header("crit", json!(["b64"])))?),
        ("with strange claims", sign(&token().claim("exp", "tomorrow").claim("groups", 7))?),
        ("bound to a key", sign(&token().claim("cnf", json!({ "jkt": "A".repeat(43) })))?),
        ("of somebody else's key", other.sign(&token().header("alg", "ES256"))?),
        ("signed with the public key", identities.idp.sign_with_public_key_as_secret(&token())),
        ("unsigned", token().unsigned()),
        ("cut off", good.chars().take(good.len() / 2).collect()),
        ("opaque", "gho_16C7e42F292c6912E7710c838347Ae178B4a".to_owned()),
        ("of three parts that are nothing", "a1b2c3d4e5f6g7h8i9.j1k2l3m4n5o6p7q8r9.s1t2u3v4w5x6y7z8a9".to_owned()),
        ("encrypted", format!("{good}.abcdefghijklmnopqrst.uvwxyzABCDEFGHIJKLMN")),
        ("huge", sign(&token().claim("padding", "padding".repeat(3_000)))?),
    ] {
        all.push((what, bearer(&token), vec![token]));
    }
    for (what, value) in [
        ("as DPoP", format!("DPoP {good}")),
        ("as another scheme's", format!("Token {good}")),
        ("as Basic", format!("Basic {}", "YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5".repeat(2))),
        ("without a scheme", good.clone()),
        ("in small letters", format!("bearer {good}")),
        ("two in one", format!("Bearer {good} {again}")),
        ("two with a comma", format!("Bearer {good}, Bearer {again}")),
        ("in quotes", format!("Bearer \"{good}\"")),
    ] {
        all.push((what, shown(&value), vec![value, again.clone()]));
    }
    let proof = sign(&token().header("typ", "dpop+jwt").claim("htm", "POST").claim("htu", Server::Hr.audience()))?;
    all.push((
        "two headers",
        shown(&format!("Bearer {good}")).header("authorization", format!("Bearer {again}")),
        vec![],
    ));
    all.push(("with a proof", shown(&format!("DPoP {good}")).header("dpop", proof.as_str()), vec![proof]));
    for name in ["access_token", "Access_Token", "token", "accessToken"] {
        let path = format!("/mcp?{name}={again}");
        all.push(("in the query", call().into_http().path(&path), vec![]));
        all.push(("in the query too", bearer(&good).path(&path), vec![]));
    }
    let form = testbed::Body::Whole(format!("access_token={again}").into());
    let posted = HttpCall::new("POST", Server::Hr.host(), "/mcp").body(form);
    all.push(("in a form", posted.header("content-type", "application/x-www-form-urlencoded"), vec![]));
    for name in ["cookie", "x-meshwarden-token", "x-access-token", "proxy-authorization", "txn-token", "x-api-key"] {
        all.push(("in another header", bearer(&good).header(name, format!("token={again}")), vec![]));
    }
    // Right tokens with calls that are not.
    let denied = McpCall::tool(Server::Tickets.host(), "delete_ticket", json!({ "ticket_id": "T-1" }));
    all.push(("denied", denied.token(&good).into_http(), vec![]));
    let list = McpCall::list(Server::Hr.host(), "tools");
    all.push(("a list", list.token(&good).into_http(), vec![]));
    let broken = testbed::Body::Whole("{\"jsonrpc\":".into());
    all.push(("half a message", bearer(&good).body(broken), vec![]));
    all.push(("to no path", bearer(&good).path("/elsewhere"), vec![]));
    Ok(all)
}

fn told(answer: &Answer) -> String {
    let headers =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    headers.collect::<String>() + &answer.text()
}

/// Makes all calls, and gives what must be seen nowhere.
async fn all_is_called(world: &World) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    secrets.add_pem("the signing key", world.identities().mesh.private_pem().context("no key")?);
    secrets.add("the session key", SESSION_KEY);
    let agent = world.assistant()?;
    let mut answers = Vec::new();
    let calls = calls(world)?;
    for (what, call, of_call) in &calls {
        of_call.iter().for_each(|secret| secrets.add(what, secret));
        for protocol in [Protocol::Http1, Protocol::Http2] {
            answers.push((*what, agent.send(call.clone().over(protocol)).await?));
        }
    }
    let statuses: BTreeSet<u16> = answers.iter().map(|(_, answer)| answer.status).collect();
    assert!(statuses.is_superset(&[200, 400, 401, 403].into()), "{statuses:?}");
    let minted: Vec<_> = world.received().iter().filter_map(|(_, got)| got.bearer().map(str::to_owned)).collect();
    assert!(!minted.is_empty());
    minted.iter().for_each(|token| secrets.add("a minted token", token));
    for (what, answer) in &answers {
        secrets.nowhere_in(&format!("the answer to a token {what}"), &told(answer));
    }
    // The last lines are written.
    let last = answers.last().and_then(|(_, answer)| answer.request_id()).context("no id")?;
    world.audit_of(last).await?;
    eventually("the access log", async || Ok(world.envoy().access_log().contains(last))).await?;
    Ok(secrets)
}

const CLIENT_SECRET: &str = "secret-of-the-gateway-at-the-token-service";
/// `mesh:` and it, in Base64.
const CREDENTIALS: &str = "bWVzaDpzZWNyZXQtb2YtdGhlLWdhdGV3YXktYXQtdGhlLXRva2VuLXNlcnZpY2U=";

/// The same, with tokens of a token service, which refuses and fails too.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_what_is_exchanged() -> Result<()> {
    let issuer = IdentityProvider::new("https://sts.acme.example", "sts-1", SigningKey::es256()?);
    // The company's provider has the same key in every world.
    let mut options = TokenServiceOptions::new(issuer).trust(&Identities::new()?.idp);
    options.clients = vec![ServiceClient::new("mesh", ClientAuthentication::SecretBasic(CLIENT_SECRET.to_owned()))];
    options.audiences = Server::ALL.map(Server::audience).to_vec();
    options.lifetime_seconds = 30;
    let sts = TokenService::start(options).await?;
    let exchange = json!({
        "cluster": "sts", "uri": "https://sts.acme.example/token", "client_id": "mesh", "client_secret_env": "STS_SECRET",
        "cache_seconds": 0,
    });
    let mut options = options_at("info", Some("wasm:trace"));
    options.environment.push(("STS_SECRET".to_owned(), CLIENT_SECRET.to_owned()));
    let world = World::builder()
        .options(options)
        .guard(move |guard| guard["downscope"] = json!({ "strategy": "exchange", "exchange": exchange }))
        .envoy(tell_all)
        .envoy(cluster("sts", vec![sts.address().port()]))
        .envoy(|config| {
            let keys = config.plugin()?.pointer_mut("/vm_config/environment_variables/host_env_keys");
            keys.and_then(Value::as_array_mut).context("no environment")?.push("STS_SECRET".into());
            Ok(())
        })
        .start()
        .await?;
    let mut secrets = all_is_called(&world).await?;
    assert!(!sts.issued().is_empty());
    let (agent, token) = (world.assistant()?, world.sign(&world.identities().token(&ALICE))?);
    secrets.add("the caller's token", &token);
    for fault in [
        Fault::Error { status: 400, error: "invalid_request" },
        Fault::Error { status: 401, error: "invalid_client" },
        Fault::Page(502),
        Fault::Members(json!({ "token_type": "DPoP" })),
        Fault::Members(json!({ "scope": "admin" })),
        Fault::Claims(json!({ "sub": "bob" })),
        Fault::Claims(json!({ "aud": "https://elsewhere.example" })),
        Fault::Twice("access_token", json!("twice-twice-twice-twice")),
        Fault::Half,
        Fault::Echo,
    ] {
        let what = format!("{fault:?}");
        sts.fail(fault);
        let call = McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" }));
        let answer = agent.send(call.token(&token)).await?;
        assert!(answer.status >= 400, "{what}: {}", answer.text());
        world.no_server_saw_anything();
        secrets.nowhere_in(&what, &told(&answer));
        world.audit_of(answer.request_id().context("no id")?).await?;
    }
    let asked = sts.recorder().take();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some(&format!("Basic {CREDENTIALS}"))));
    secrets.add("the client's secret", CLIENT_SECRET);
    secrets.add("the client's credentials", CREDENTIALS);
    secrets.add("what came twice", "twice-twice-twice-twice");
    for issued in sts.issued() {
        secrets.add("an issued token", &issued.token);
    }
    is_told_nowhere(&world, &secrets).await
}

fn options_at(log_level: &str, component_log_level: Option<&str>) -> EnvoyOptions {
    let component_log_level = component_log_level.map(str::to_owned);
    EnvoyOptions { log_level: log_level.to_owned(), component_log_level, ..EnvoyOptions::default() }
}

fn world(log_level: &str, component_log_level: Option<&str>) -> WorldBuilder {
    World::builder().options(options_at(log_level, component_log_level)).envoy(tell_all)
}

async fn nobody_is_told(builder: WorldBuilder) -> Result<()> {
    let world = builder.start().await?;
    let secrets = all_is_called(&world).await?;
    is_told_nowhere(&world, &secrets).await
}

async fn is_told_nowhere(world: &World, secrets: &Secrets) -> Result<()> {
    let envoy = world.envoy();
    secrets.nowhere_in("Envoy's log", &envoy.log());
    let access = envoy.access_log();
    assert!(access.contains(r#"guard={"#) || access.contains(r#"decision={"#), "{access}");
    secrets.nowhere_in("the access log", &access);
    for page in ["/stats", "/stats/prometheus", "/config_dump?include_eds", "/clusters", "/listeners?format=json"] {
        secrets.nowhere_in(page, &envoy.ask_admin(page).await?);
    }
    world.guard_never_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_a_secret() -> Result<()> {
    in_both_forms(async |form| nobody_is_told(world("info", Some("wasm:trace")).form(form)).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_when_headers_are_not_held() -> Result<()> {
    nobody_is_told(world("info", Some("wasm:trace")).unheld()).await
}

/// Envoy itself writes all headers of all requests when it is told to write that much: who has it do so must keep the log
/// like the tokens. The filters add nothing to that.
#[tokio::test(flavor = "multi_thread")]
async fn what_envoy_tells_itself_is_not_the_filters() -> Result<()> {
    let world = world("trace", None).start().await?;
    let secrets = all_is_called(&world).await?;
    let (mut tellers, mut component) = (BTreeSet::new(), String::new());
    for line in world.envoy().log().lines() {
        // As in `[2026-11-25 12:00:00.000][7][debug][http] [source/…] …`; what has no such beginning goes on from before.
        if let Some(named) = line.strip_prefix("[20").and_then(|rest| rest.split(['[', ']']).nth(6)) {
            named.clone_into(&mut component);
        }
        if secrets.seen_in(line).is_some() {
            tellers.insert(component.clone());
        }
    }
    println!("at `trace`, tokens are told by these parts of Envoy: {tellers:?}");
    assert!(tellers.contains("http"), "the lines can't be told apart");
    assert!(!tellers.contains("wasm"), "{tellers:?}");
    Ok(())
}

type Change = Box<dyn FnOnce(&mut Value) + Send>;

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_refused_without_a_word_of_what_is_secret() -> Result<()> {
    let private = "ya_RgSjhfS3vvXYc9sXM5UyT4_tC0V-FkHDI-jVtfGs";
    let jwks = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "d": private,
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    }] });
    let changes: [(&str, &str, Change); 3] = [
        (
            "a signing key that is none",
            "`downscope.mint.signing_key_env`",
            Box::new(|guard| guard["downscope"]["mint"]["signing_key_env"] = json!("MESHWARDEN_SESSION_KEY")),
        ),
        (
            "a session key that is none",
            "`sessions.keys[0].env`",
            Box::new(|guard| guard["sessions"]["keys"] = json!([{ "env": "MESHWARDEN_SIGNING_KEY" }])),
        ),
        (
            "a private key among the public ones",
            "jwks",
            Box::new(move |guard| guard["tokens"]["issuers"][0]["jwks"] = json!({ "inline": jwks.to_string() })),
        ),
    ];
    for (what, says, change) in changes {
        let refusal = World::builder().guard(change).expect_refused().await.context(what)?;
        assert!(!refusal.serves && refusal.log.contains(says), "{what}: {refusal}");
        let mut secrets = Secrets::default();
        secrets.add("the session key", SESSION_KEY);
        secrets.add("the private key", private);
        // The beginning of every P-256 key in PEM.
        secrets.add("the signing key", "MIGHAgEAMBMGByqGSM49");
        secrets.nowhere_in(what, &refusal.log);
        assert!(!refusal.log.contains("PRIVATE KEY"), "{what}: {refusal}");
    }
    Ok(())
}
