//! On the way out: whose token may be presented, and what it becomes.

mod exchanged;

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::JwtAuth;
use crate::event::{Connection, Event};
use crate::hand_off::HandOffs;
use crate::plugin::Plugin as _;
use crate::step::{HandOver, HeaderEdit, Step};
use crate::testing::{codes, headers, host, moment, reply};

const ASSISTANTS: &str = include_str!("../../testing/acted-by-assistant.jwt");
const ALICES: &str = include_str!("../../testing/alice.jwt");
const BOUND: &str = include_str!("../../testing/bound.jwt");
const HR: &str = "spiffe://acme.example/mcp/hr";

/// An API that the hr server calls with the tokens that it was called with.
fn configuration() -> Value {
    let mut configuration = crate::testing::configuration();
    let mut of = |name: &str| configuration[name].take();
    let (tokens, mut downscope) = (of("tokens"), of("downscope"));
    downscope["mint"]["audience"] = json!("https://api.weather.example");
    downscope["mint"]["scopes"] = json!(["hr.read", "forecast.read"]);
    let server = json!({
        "name": "weather", "protocol": "http", "audience": "https://hr.mcp.acme.example/mcp", "presenters": [HR],
        "match": {"hosts": ["api.weather.example"]},
    });
    json!({"servers": [server], "tokens": tokens, "downscope": downscope})
}

fn sent(configuration: Value, token: &str, peer: Option<&str>) -> Step {
    let stage = Rc::new(JwtAuth::configure(configuration, &host()).unwrap());
    let bearer = format!("Bearer {token}");
    let headers = headers(&[
        (":method", "GET"),
        (":path", "/v1"),
        (":authority", "api.weather.example"),
        ("authorization", &bearer),
    ]);
    let peer = peer.map(|peer| json!({"known": {"spiffe_id": peer, "source": "tls"}}).to_string());
    let hand_offs = HandOffs { peer: peer.as_deref().map(str::as_bytes), ..HandOffs::default() };
    let connection = Connection { mtls: true, hand_offs, ..Connection::default() };
    stage.stream().on(&Event::RequestHeaders {
        headers: &headers,
        connection: &connection,
        end_of_stream: true,
        moment: moment(),
    })
}

/// The claims of the token that goes on.
#[track_caller]
fn claims(step: Step) -> Value {
    let Step::HandOver(HandOver { edits, .. }) = step else { panic!("{step:?}") };
    assert!(edits.contains(&HeaderEdit::Remove(b"authorization".to_vec())));
    let Some(HeaderEdit::Set("authorization", value)) = edits.last() else { panic!("{edits:?}") };
    let payload = value.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn the_recipient_presents_what_it_was_called_with() {
    let claims = claims(sent(configuration(), ASSISTANTS, Some(HR)));
    let actors = json!({"sub": HR, "act": {"sub": "spiffe://acme.example/agent/assistant"}});
    assert_eq!(claims["act"], actors);
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "https://api.weather.example");
    assert_eq!(claims["scope"], "hr.read");
    assert_eq!(claims["tctx"], json!({"protocol": "http", "server": "weather"}));
}

#[test]
fn nobody_else_does() {
    let others =
        ["spiffe://acme.example/agent/assistant", "spiffe://acme.example/mcp/docs", "spiffe://acme.example/mcp/hr/x"];
    for token in [ASSISTANTS, ALICES] {
        for peer in others.into_iter().map(Some).chain([None]) {
            let reply = reply(sent(configuration(), token, peer));
            assert_eq!(reply.status, 401, "{peer:?}");
            let challenge = ("www-authenticate".to_owned(), challenge(r#"error="invalid_token""#));
            assert!(reply.headers.contains(&challenge), "{:?}", reply.headers);
        }
    }
    // A certificate that a token is bound to is not the recipient's.
    assert_eq!(codes(sent(configuration(), BOUND, Some(HR))), (401, -31_401));
}

#[test]
fn without_presenters_the_actor_presents() {
    let mut configuration = configuration();
    configuration["servers"][0].as_object_mut().unwrap().remove("presenters");
    assert_eq!(codes(sent(configuration.clone(), ASSISTANTS, Some(HR))), (401, -31_401));
    let step = sent(configuration, ASSISTANTS, Some("spiffe://acme.example/agent/assistant"));
    assert_eq!(claims(step)["act"], json!({"sub": "spiffe://acme.example/agent/assistant"}));
}

#[test]
fn a_token_with_none_of_the_scopes_goes_nowhere() {
    let mut configuration = configuration();
    configuration["downscope"]["mint"]["scopes"] = json!(["forecast.read"]);
    let reply = reply(sent(configuration.clone(), ASSISTANTS, Some(HR)));
    let expected = challenge(r#"error="insufficient_scope", scope="forecast.read""#);
    assert_eq!(reply.status, 403);
    assert!(reply.headers.contains(&("www-authenticate".to_owned(), expected)), "{:?}", reply.headers);
    configuration["downscope"]["mint"]["scopes"] = json!([]);
    assert_eq!(claims(sent(configuration, ASSISTANTS, Some(HR))).get("scope"), None, "none were to go on");
}

#[test]
fn presenters_are_for_the_way_out() {
    let refused = |configuration: Value| JwtAuth::configure(configuration, &host()).err().unwrap().to_string();
    let of = |presenters: Value| {
        let mut configuration = configuration();
        configuration["servers"][0]["presenters"] = presenters;
        configuration
    };
    assert!(refused(of(json!([]))).starts_with("`servers[0].presenters`: name the workloads"));
    assert!(refused(of(json!(["hr"]))).starts_with("`servers[0].presenters[0]`: a SPIFFE ID begins with"));
    let mut only_tokens = configuration();
    only_tokens.as_object_mut().unwrap().remove("downscope");
    assert!(refused(only_tokens).starts_with("`servers[0].presenters`: it is for `jwt_auth` with both"));
    let mut guard = crate::testing::configuration();
    guard["servers"][0]["presenters"] = json!([HR]);
    assert_eq!(crate::testing::compiled(guard).err().unwrap().field, "servers[0].presenters");
}

fn challenge(parameters: &str) -> String {
    let metadata = "https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp";
    format!("Bearer resource_metadata=\"{metadata}\", {parameters}")
}
