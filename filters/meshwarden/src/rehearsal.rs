//! Runs the real `agent_guard` on a request whose token nobody has signed.
//!
//! The claims are signed with a key of this program, which stands in the configuration in the place of the issuers' own.
//! Nobody is asked for a token in exchange. Nothing else of the configuration changes, so that whatever the guard refuses
//! is refused here.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};
use request_guard::{
    Connection, Event, Filter, Guard, Header, HeaderEdit, Host, Moment, Plugin as _, Reply, Step, TrustedCrypto,
};
use serde_json::{Map, Value, json};

use crate::configuration::Configuration;
use crate::request::Request;

/// What the guard did.
pub(crate) struct Rehearsed {
    /// The audit line, as JSON.
    pub(crate) audit: Value,
    /// Its own answer, where the request does not go on.
    pub(crate) reply: Option<Reply>,
    /// The claims of the token that goes on.
    pub(crate) token: Option<Value>,
}

/// # Errors
/// The request can't be put: a time that is none, or a configuration of which no guard can be made.
pub(crate) fn rehearse(configuration: &Configuration, request: &Request) -> Result<Rehearsed, String> {
    let now = request.now()?;
    let key = KeyPair::from_seed(Seed::new([7; 32]));
    let config = with_our_key(configuration, request, &key);
    let variable = |name: &str| configuration.variable(name);
    let host = Host { environment: &variable, crypto: TrustedCrypto::none() };
    let guard = Guard::configure(config.clone(), &host);
    let guard = Rc::new(guard.map_err(|error| format!("no guard can be made of this configuration: {error}"))?);
    let audience = audience(&config, request);
    let mut headers: Vec<Header> =
        request.all_headers().into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
    if let Some(claims) = &request.claims {
        let token = signed(&config, claims, audience.as_deref(), now, &key);
        headers.push((b"authorization".to_vec(), format!("Bearer {token}").into_bytes()));
    }
    let body = request.body_text();
    let connection = Connection {
        mtls: request.peer.is_some(),
        uri_san: request.peer.as_deref().map(str::as_bytes),
        certificate_sha256: request.certificate_sha256.as_deref().map(str::as_bytes),
        address: request.source_ip,
        ..Connection::default()
    };
    let moment = Moment { nanoseconds: now.saturating_mul(1_000_000_000), entropy: [0; 16] };
    let mut stream = guard.stream();
    let end_of_stream = body.is_empty();
    let mut steps =
        vec![stream.on(&Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream, moment })];
    if matches!(steps.as_slice(), [Step::Hold | Step::EditRequest(_) | Step::Continue]) && !end_of_stream {
        steps.push(stream.on(&Event::RequestEnd { body: body.as_bytes(), moment }));
    }
    let line = stream.take_record().map(|record| record.line(0)).unwrap_or_default();
    let audit = serde_json::from_str(&line).unwrap_or_default();
    let token = steps.iter().flat_map(edits).find_map(|edit| match edit {
        HeaderEdit::Set("authorization", value) => payload(value),
        _ => None,
    });
    let reply = steps.into_iter().find_map(|step| match step {
        Step::Reply(reply) => Some(reply),
        _ => None,
    });
    Ok(Rehearsed { audit, reply, token })
}

fn edits(step: &Step) -> &[HeaderEdit] {
    match step {
        Step::Forward(forward) => forward.edits(),
        Step::EditRequest(edits) => edits,
        _ => &[],
    }
}

/// The configuration of the guard, with a key that we have in the place of each issuer's.
fn with_our_key(configuration: &Configuration, request: &Request, key: &KeyPair) -> Value {
    let mut config = match configuration.filter {
        Filter::AgentGuard => configuration.value.clone(),
        Filter::CedarAuthz => around(&configuration.value, request),
    };
    let x = URL_SAFE_NO_PAD.encode(key.pk.as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k", "x": x}]}).to_string();
    let issuers = config.pointer_mut("/tokens/issuers").and_then(Value::as_array_mut);
    for issuer in issuers.into_iter().flatten().filter_map(Value::as_object_mut) {
        issuer.insert("jwks".to_owned(), json!({ "inline": jwks }));
        issuer.insert("algorithms".to_owned(), json!(["EdDSA"]));
    }
    if let Some(downscope) = config.get_mut("downscope").and_then(Value::as_object_mut)
        && downscope.get("strategy") == Some(&json!("exchange"))
    {
        downscope.insert("strategy".to_owned(), json!("remove"));
        downscope.remove("exchange");
        // It may still sign something else.
        if !downscope.contains_key("transaction_token") {
            downscope.remove("mint");
        }
    }
    config
}

/// A guard around a `cedar_authz`: the stages before it are taken to let the peer and the claims through.
fn around(value: &Value, request: &Request) -> Value {
    let domain = request.peer.as_deref().and_then(|peer| peer.strip_prefix("spiffe://")?.split('/').next());
    let named = value.pointer("/tokens/issuers").cloned();
    let issuers = named.unwrap_or_else(|| {
        let issuer = request.claims.as_ref().and_then(|claims| claims.get("iss")).cloned();
        let issuer = issuer.unwrap_or_else(|| "https://issuer.example".into());
        json!([{"issuer": issuer, "claims": {"groups": "groups", "roles": "roles"}}])
    });
    let mut guard = json!({
        "identity": {"sources": ["tls"], "trust_domains": [domain.unwrap_or("unknown.example")], "required": false},
        "tokens": {"required": false, "issuers": issuers},
        "downscope": {"strategy": "remove"},
    });
    if let (Some(all), Some(own)) = (guard.as_object_mut(), value.as_object()) {
        all.extend(own.iter().filter(|(name, _)| *name != "tokens").map(|(name, part)| (name.clone(), part.clone())));
    }
    guard
}

/// What the token must be for: the audience of the server that the headers choose.
fn audience(config: &Value, request: &Request) -> Option<String> {
    let headers = request.all_headers();
    let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
    let host = header(":authority").split(':').next().unwrap_or_default();
    let chosen = config.get("servers")?.as_array()?.iter().find(|server| {
        let hosts = server.pointer("/match/hosts").and_then(Value::as_array);
        let prefix = server.pointer("/match/path_prefix").and_then(Value::as_str).unwrap_or("/");
        hosts.is_none_or(|hosts| hosts.iter().any(|one| one.as_str() == Some(host)))
            && header(":path").starts_with(prefix)
    });
    chosen?.get("audience")?.as_str().map(str::to_owned)
}

/// The claims as a token, with what every good token has.
fn signed(config: &Value, claims: &Map<String, Value>, audience: Option<&str>, now: u64, key: &KeyPair) -> String {
    let mut all: Map<String, Value> = Map::from_iter([
        ("aud".to_owned(), audience.unwrap_or("https://nobody.example/").into()),
        ("iat".to_owned(), now.saturating_sub(60).into()),
        ("exp".to_owned(), now.saturating_add(300).into()),
    ]);
    all.extend(claims.clone());
    let issuers = config.pointer("/tokens/issuers").and_then(Value::as_array);
    let issuer = issuers.into_iter().flatten().find(|one| one.get("issuer") == all.get("iss"));
    let ty = issuer.and_then(|one| one.pointer("/token_types/0")).and_then(Value::as_str).unwrap_or("at+jwt");
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(json!({"alg": "EdDSA", "typ": ty, "kid": "k"})), encoded(Value::Object(all)));
    let signature = URL_SAFE_NO_PAD.encode(key.sk.sign(&text, None).as_ref());
    format!("{text}.{signature}")
}

/// The claims of a token that the guard has made.
fn payload(authorization: &str) -> Option<Value> {
    let payload = authorization.strip_prefix("Bearer ")?.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
