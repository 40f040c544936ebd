//! A token in exchange: on the way out, and at the end of a chain.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{ASSISTANTS, HR, configuration};
use crate::event::{Connection, Event};
use crate::hand_off::HandOffs;
use crate::host::{Answered, Awaited, CallOut, Purpose};
use crate::plugin::{Plugin as _, Stream};
use crate::stages::jwt_auth::JwtAuth;
use crate::step::{HandOver, HeaderEdit, Step};
use crate::testing::{NOW, headers, host, moment};

const GOOD: &[u8] = br#"{"access_token":"good","token_type":"Bearer","expires_in":60,"scope":"forecast.read",
    "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;

fn exchange(change: Value) -> Value {
    let mut exchange = json!({
        "cluster": "sts", "uri": "https://sts.weather.example/token", "client_id": "mesh",
        "client_secret_env": "STS_SECRET", "token_endpoint_auth_method": "client_secret_post",
    });
    exchange.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    exchange
}

/// The API that hr calls, which takes tokens of its own authorization server.
fn way_out() -> Value {
    let mut configuration = configuration();
    let exchange = exchange(json!({
        "resource": "https://api.weather.example", "scope": ["forecast.read"], "subject": "other",
    }));
    configuration["downscope"] = json!({"strategy": "exchange", "exchange": exchange});
    configuration
}

fn stage(configuration: Value) -> Rc<JwtAuth> {
    Rc::new(JwtAuth::configure(configuration, &host()).unwrap())
}

fn sent(stream: &mut dyn Stream, hand_offs: HandOffs<'_>, token: Option<&str>) -> Step {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut pairs = vec![(":method", "GET"), (":path", "/v1"), (":authority", "api.weather.example")];
    pairs.push(("authorization", bearer.as_deref().unwrap_or("Bearer left-behind")));
    let headers = headers(&pairs);
    let connection = Connection { mtls: true, hand_offs, ..Connection::default() };
    stream.on(&Event::RequestHeaders {
        headers: &headers,
        connection: &connection,
        end_of_stream: true,
        moment: moment(),
    })
}

fn form(call: &CallOut) -> String {
    String::from_utf8(call.body.clone().unwrap()).unwrap()
}

fn answered(stage: &JwtAuth, flight: u64) {
    let answer = Answered { status: 200, body: GOOD.to_vec() };
    assert!(stage.answered(Purpose::Exchange(flight), Some(&answer), NOW).unwrap().problem.is_none());
}

#[track_caller]
fn goes_on(step: &Step) {
    let Step::HandOver(HandOver { edits, .. }) = step else { panic!("{step:?}") };
    assert_eq!(edits.first(), Some(&HeaderEdit::Remove(b"authorization".to_vec())));
    assert_eq!(edits.last(), Some(&HeaderEdit::Set("authorization", "Bearer good".to_owned())));
}

#[test]
fn what_goes_out_is_the_token_of_the_other_side() {
    let stage = stage(way_out());
    let peer = json!({"known": {"spiffe_id": HR, "source": "tls"}}).to_string();
    let hand_offs = HandOffs { peer: Some(peer.as_bytes()), ..HandOffs::default() };
    let mut stream = stage.stream();
    assert!(matches!(sent(&mut *stream, hand_offs, Some(ASSISTANTS)), Step::Wait(Awaited::Exchange(0))));
    let due = stage.due(NOW);
    let body = form(&due[0]);
    assert!(body.contains(&format!("&subject_token={}&", ASSISTANTS.trim_end())), "{body}");
    assert!(body.contains("&resource=https%3A%2F%2Fapi.weather.example&scope=forecast.read&"), "{body}");
    answered(&stage, 0);
    goes_on(&sent(&mut *stream, hand_offs, Some(ASSISTANTS)));
    let line: Value = serde_json::from_str(&stream.take_record().unwrap().line(1)).unwrap();
    assert_eq!(line["exchanged"], json!({"scope": "forecast.read", "ttl_seconds": 60}));
    // Nobody else's request even asks for one.
    let refused = sent(&mut *stage.stream(), HandOffs::default(), Some(ASSISTANTS));
    assert_eq!(crate::testing::codes(refused), (401, -31_401));
    assert!(stage.due(NOW).is_empty());
}

/// The last stage of a chain, with this change to its exchange.
fn last(change: Value, mint: Option<Value>) -> Value {
    let mut downscope = json!({"strategy": "exchange", "exchange": exchange(change)});
    if let Some(mint) = mint {
        downscope["mint"] = mint;
    }
    json!({"downscope": downscope})
}

fn mint() -> Value {
    json!({
        "issuer": "https://mesh.acme.example", "algorithm": "ES256", "key_id": "mesh-1",
        "signing_key_env": "MESHWARDEN_SIGNING_KEY",
    })
}

/// What the stages before the last leave for an allowed call of Alice's.
fn handed_over() -> (String, String, String) {
    let decision = json!({
        "decision": "allow", "request_id": "r-1", "server": "weather", "principal": null, "actor": null,
        "action": "tools/call", "resource": null, "policies": ["seen"], "policy_digest": null,
        "grant": {
            "scopes": ["hr.read"], "audience": "weather-api", "ttl_seconds": null, "protocol": "mcp",
            "target": {"tool": "seen"}, "arguments_sha256": null,
        },
    });
    let mut validate = configuration();
    validate.as_object_mut().unwrap().remove("downscope");
    validate["servers"][0].as_object_mut().unwrap().remove("presenters");
    let validate = stage(validate);
    let peer = json!({"known": {"spiffe_id": "spiffe://acme.example/agent/assistant", "source": "tls"}}).to_string();
    let hand_offs = HandOffs { peer: Some(peer.as_bytes()), ..HandOffs::default() };
    let step = sent(&mut *validate.stream(), hand_offs, Some(ASSISTANTS));
    let Step::HandOver(HandOver { state, .. }) = step else { panic!("{step:?}") };
    let token = state.into_iter().find(|(key, _)| *key == "meshwarden.token.v1").unwrap().1;
    (decision.to_string(), String::from_utf8(token).unwrap(), peer)
}

#[test]
fn at_the_end_of_a_chain_a_token_of_our_own_is_exchanged() {
    let stage = stage(last(json!({"subject_token": "minted", "actor_token": "minted"}), Some(mint())));
    let (decision, token, peer) = handed_over();
    let hand_offs = HandOffs {
        peer: Some(peer.as_bytes()),
        token: Some(token.as_bytes()),
        decision: Some(decision.as_bytes()),
        ..HandOffs::default()
    };
    let mut stream = stage.stream();
    assert!(matches!(sent(&mut *stream, hand_offs, None), Step::Wait(Awaited::Exchange(0))));
    let body = form(&stage.due(NOW)[0]);
    let value = |name: &str| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
    };
    let claims = |name: &str| -> Value {
        let payload = value(name).unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    };
    let subject = claims("subject_token");
    for (name, expected) in [
        ("iss", "https://mesh.acme.example"),
        ("sub", "alice"),
        ("aud", "https://sts.weather.example/token"),
        ("scope", "hr.read"),
    ] {
        assert_eq!(subject[name], expected, "{name}");
    }
    assert_eq!(claims("actor_token")["sub"], "spiffe://acme.example/agent/assistant");
    // Policy says for whom.
    assert_eq!((value("audience"), value("resource"), value("scope")), (Some("weather-api"), None, Some("hr.read")));
    assert!(!body.contains(ASSISTANTS.trim_end()));
    // The answer says more than was asked.
    let answer = Answered { status: 200, body: GOOD.to_vec() };
    let taken = stage.answered(Purpose::Exchange(0), Some(&answer), NOW).unwrap();
    assert!(taken.problem.unwrap().ends_with("it has scopes that were not asked for"));
    assert_eq!(crate::testing::codes(sent(&mut *stream, hand_offs, None)), (502, -31_502));
    let mut stream = stage.stream();
    assert!(matches!(sent(&mut *stream, hand_offs, None), Step::Wait(Awaited::Exchange(1))));
    let good = String::from_utf8(GOOD.to_vec()).unwrap().replace("forecast.read", "hr.read");
    stage.answered(Purpose::Exchange(1), Some(&Answered { status: 200, body: good.into_bytes() }), NOW);
    goes_on(&sent(&mut *stream, hand_offs, None));
}

#[test]
fn at_the_end_of_a_chain_there_is_no_callers_token() {
    let error = JwtAuth::configure(last(json!({}), None), &host()).err().unwrap();
    assert_eq!(error.field, "downscope.exchange.subject_token");
    assert!(error.problem.contains("write `minted`"), "{error}");
}

#[test]
fn whoever_exchanges_minted_tokens_publishes_the_keys() {
    let stage = stage(last(json!({"subject_token": "minted"}), Some(mint())));
    let mut stream = stage.stream();
    let headers = headers(&[(":method", "GET"), (":path", "/.well-known/meshwarden/jwks.json")]);
    let step = stream.on(&Event::RequestHeaders {
        headers: &headers,
        connection: &Connection::default(),
        end_of_stream: true,
        moment: moment(),
    });
    let keys: Value = serde_json::from_slice(&crate::testing::reply(step).body).unwrap();
    assert_eq!(keys["keys"][0]["kid"], "mesh-1");
}
