//! Transactions through the guard, and through the two ends of a chain.

use std::rc::Rc;

use access_tokens::{Algorithm, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::event::{Connection, Event};
use crate::hand_off::HandOffs;
use crate::plugin::{Plugin as _, Stream as _};
use crate::stages::jwt_auth::JwtAuth;
use crate::step::{HandOver, HeaderEdit, Step};
use crate::testing::{
    AGENT, NOW, call, codes, configuration, exchange_with, headers, host, moment, peer, request_end, request_headers,
};

const OTHER: &str = include_str!("../testing/other-audience.jwt");

/// Transactions of this trust domain are taken up, and go on.
fn with_transactions(configuration: &mut Value) {
    configuration["tokens"]["transaction_tokens"] = json!({"audience": "acme.example"});
    configuration["downscope"]["transaction_token"] = json!({"audience": "acme.example", "ttl_seconds": 20});
}

fn signed(claims: &Value) -> String {
    let pem = include_str!("../testing/signing-key.pem");
    let key = SigningKey::from_pem(Algorithm::ES256, "2026-11".to_owned(), pem).unwrap();
    key.sign("txntoken+jwt", &claims.to_string()).unwrap()
}

/// What began at another server a moment ago.
fn begun() -> Value {
    json!({
        "iat": NOW - 10, "exp": NOW + 15, "aud": "acme.example", "txn": "t-1", "sub": "alice", "scope": "hr.read",
        "req_wl": "spiffe://acme.example/agent/first", "act": {"sub": "spiffe://acme.example/agent/first"},
        "tctx": {"tool": "first"}, "rctx": {"req_ip": "198.51.100.1"},
    })
}

fn begun_with(name: &str, value: Value) -> Value {
    let mut claims = begun();
    claims[name] = value;
    claims
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// What a call with this header goes on with.
#[track_caller]
fn edits(change: impl FnOnce(&mut Value), header: Option<&str>) -> Vec<HeaderEdit> {
    let mut exchange = exchange_with(change);
    let header: Vec<_> = header.map(|value| ("txn-token", value)).into_iter().collect();
    assert!(matches!(request_headers(&mut exchange, &header), Step::Hold));
    match request_end(&mut exchange, &call("scoped")) {
        Step::Forward(forward) => forward.edits().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// The claims of the one token that a header is set to; nothing when it is not set.
fn set(edits: &[HeaderEdit], header: &str) -> Option<Value> {
    let mut values = edits.iter().filter_map(|edit| match edit {
        HeaderEdit::Set(name, value) if *name == header => Some(claims_of(value.trim_start_matches("Bearer "))),
        _ => None,
    });
    let value = values.next();
    assert!(values.next().is_none(), "once at most");
    value
}

#[test]
fn a_transaction_begins_beside_the_smaller_token() {
    let edits = edits(with_transactions, None);
    let (smaller, transaction) = (set(&edits, "authorization").unwrap(), set(&edits, "txn-token").unwrap());
    let agent = std::str::from_utf8(AGENT).unwrap();
    assert_eq!(transaction["txn"], smaller["txn"]);
    assert_eq!(transaction["tctx"], smaller["tctx"]);
    assert_eq!((&transaction["aud"], &transaction["scope"]), (&json!("acme.example"), &json!("hr.read")));
    assert_eq!((&transaction["exp"], &transaction["req_wl"]), (&json!(NOW + 20), &json!(agent)));
    assert_eq!(transaction["rctx"]["peer"], agent);
}

#[test]
fn one_that_came_is_taken_up() {
    let edits = edits(with_transactions, Some(&signed(&begun())));
    let removed = edits.iter().position(|edit| *edit == HeaderEdit::Remove(b"txn-token".to_vec())).unwrap();
    let set_at = edits.iter().position(|edit| matches!(edit, HeaderEdit::Set("txn-token", _))).unwrap();
    assert!(removed < set_at, "what came goes first");
    let transaction = set(&edits, "txn-token").unwrap();
    for same in ["txn", "sub", "aud", "tctx", "rctx"] {
        assert_eq!(transaction[same], begun()[same], "{same}");
    }
    assert_eq!((&transaction["scope"], &transaction["exp"]), (&json!("hr.read"), &json!(NOW + 15)));
    let agent = std::str::from_utf8(AGENT).unwrap();
    assert_eq!(transaction["act"], json!({"sub": agent, "act": {"sub": "spiffe://acme.example/agent/first"}}));
    assert_eq!(set(&edits, "authorization").unwrap()["txn"], "t-1");
    let wider = edits_scope(&begun_with("scope", json!("docs.read")));
    assert_eq!(wider, "", "what neither has is in neither");
}

fn edits_scope(claims: &Value) -> Value {
    set(&edits(with_transactions, Some(&signed(claims))), "txn-token").unwrap()["scope"].clone()
}

#[test]
fn without_a_word_about_them_none_is_looked_at_and_none_goes_on() {
    let edits = edits(|_| {}, Some("whatever"));
    assert!(edits.contains(&HeaderEdit::Remove(b"txn-token".to_vec())));
    assert_eq!(set(&edits, "txn-token"), None);
    // Those that are only begun are not taken up either.
    let only_begun = |configuration: &mut Value| {
        configuration["downscope"]["transaction_token"] = json!({"audience": "acme.example"});
    };
    assert_ne!(set(&self::edits(only_begun, Some(&signed(&begun()))), "txn-token").unwrap()["txn"], "t-1");
}

#[test]
fn one_that_is_not_good_is_refused_and_the_line_says_why() {
    let tampered = signed(&begun()).replacen('.', ".e", 1);
    for (what, token, reason) in [
        ("expired", signed(&begun_with("exp", json!(NOW - 30))), "the token expired at"),
        ("another domain", signed(&begun_with("aud", json!("partner.example"))), "not for audience `acme.example`"),
        ("another user", signed(&begun_with("sub", json!("bob"))), "about another user than the caller's token"),
        ("tampered", tampered, "Txn-Token: the token's payload"),
        ("no token", "x".to_owned(), "not a JWS in compact form"),
        ("another kind", OTHER.trim().to_owned(), "the token's algorithm"),
    ] {
        let mut exchange = exchange_with(with_transactions);
        let step = request_headers(&mut exchange, &[("txn-token", &token)]);
        assert_eq!(codes(step), (403, -31_403), "{what}");
        let line = exchange.take_record().unwrap().line(0);
        assert!(what == "another kind" || line.contains(reason), "{what}: {line}");
        assert!(!line.contains(&token) || token == "x", "{what}");
    }
    let mut exchange = exchange_with(with_transactions);
    let good = signed(&begun());
    let twice = request_headers(&mut exchange, &[("txn-token", &good), ("Txn-Token", &good)]);
    assert_eq!(codes(twice), (400, -32_600));
}

#[test]
fn it_goes_on_where_no_token_does_and_its_keys_are_public() {
    let removing = |configuration: &mut Value| {
        with_transactions(configuration);
        configuration["downscope"]["strategy"] = json!("remove");
    };
    let edits = edits(removing, None);
    assert_eq!((set(&edits, "authorization"), set(&edits, "txn-token").is_some()), (None, true));
    let mut exchange = exchange_with(removing);
    let path = [(":method", "GET"), (":path", "/.well-known/meshwarden/jwks.json")];
    let Step::Reply(reply) = request_headers(&mut exchange, &path) else { panic!("no document") };
    let keys: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &keys["keys"][0]["kid"]), (200, &json!("2026-11")));
}

#[test]
fn who_calls_for_nobody_takes_part_in_no_transaction() {
    let optional = |configuration: &mut Value| {
        with_transactions(configuration);
        configuration["tokens"]["required"] = json!(false);
    };
    let anonymous = |header: &str, value: &str| {
        let mut exchange = exchange_with(optional);
        let mut headers = headers(&[(header, value)]);
        headers.retain(|(name, _)| name != b"authorization");
        let (connection, moment) = (peer(), moment());
        let step = exchange.on(&Event::RequestHeaders {
            headers: &headers,
            connection: &connection,
            end_of_stream: false,
            moment,
        });
        (exchange, step)
    };
    assert_eq!(codes(anonymous("txn-token", &signed(&begun())).1), (403, -31_403));
    let (mut exchange, step) = anonymous("x-other", "1");
    assert!(matches!(step, Step::Hold));
    let Step::Forward(forward) = request_end(&mut exchange, &call("seen")) else { panic!("refused") };
    assert_eq!(set(forward.edits(), "txn-token"), None);
}

fn stage(configuration: Value, others: &[(&str, &str)], hand_offs: HandOffs<'_>) -> Step {
    let stage = Rc::new(JwtAuth::configure(configuration, &host()).unwrap());
    let headers = headers(others);
    let connection = Connection { hand_offs, ..peer() };
    let moment = moment();
    stage.stream().on(&Event::RequestHeaders {
        headers: &headers,
        connection: &connection,
        end_of_stream: true,
        moment,
    })
}

#[test]
fn in_a_chain_the_first_stage_takes_it_up_and_the_last_lets_one_go_on() {
    let whole = configuration();
    let jwks = json!({"keys": [public_key()]}).to_string();
    let mut first = json!({"servers": whole["servers"], "tokens": whole["tokens"]});
    first["tokens"]["transaction_tokens"] =
        json!({"audience": "acme.example", "algorithms": ["ES256"], "jwks": {"inline": jwks}});
    let mut last = json!({"downscope": whole["downscope"]});
    last["downscope"]["transaction_token"] = json!({"audience": "acme.example"});
    let known = json!({"known": {"spiffe_id": std::str::from_utf8(AGENT).unwrap(), "source": "tls"}}).to_string();
    let of_peer = HandOffs { peer: Some(known.as_bytes()), ..HandOffs::default() };

    let twice = [("txn-token", "a.b.c"), ("txn-token", "a.b.c")];
    assert_eq!(codes(stage(first.clone(), &twice, of_peer)), (400, -32_600));
    let of_bob = signed(&begun_with("sub", json!("bob")));
    assert_eq!(codes(stage(first.clone(), &[("txn-token", &of_bob)], of_peer)), (403, -31_403));

    let Step::HandOver(HandOver { edits, state }) = stage(first, &[("txn-token", &signed(&begun()))], of_peer) else {
        panic!("refused")
    };
    assert!(edits.contains(&HeaderEdit::Remove(b"txn-token".to_vec())));
    assert_eq!(set(&edits, "txn-token"), None);
    let (_, token) = &state[0];
    let grant = json!({
        "scopes": ["hr.read"], "audience": null, "ttl_seconds": null, "protocol": "mcp", "tool": "scoped",
        "arguments_sha256": null,
    });
    let decision = json!({
        "decision": "allow", "request_id": "r", "server": "hr", "principal": null, "actor": null,
        "action": "tools/call", "resource": null, "policies": [], "policy_digest": null, "grant": grant,
    });
    let decision = decision.to_string();
    let all = HandOffs { token: Some(token), decision: Some(decision.as_bytes()), ..of_peer };
    let Step::HandOver(HandOver { edits, .. }) = stage(last.clone(), &[], all) else { panic!("refused") };
    let transaction = set(&edits, "txn-token").unwrap();
    assert_eq!((&transaction["txn"], &transaction["exp"]), (&json!("t-1"), &json!(NOW + 15)));
    assert_eq!(set(&edits, "authorization").unwrap()["txn"], "t-1");

    // The two ends must mean the same trust domain.
    last["downscope"]["transaction_token"] = json!({"audience": "partner.example"});
    assert_eq!(codes(stage(last, &[], all)), (500, -31_500));
    let mut keyless = json!({"servers": whole["servers"], "tokens": whole["tokens"]});
    keyless["tokens"]["transaction_tokens"] = json!({"audience": "acme.example"});
    let error = JwtAuth::configure(keyless, &host()).err().unwrap();
    assert_eq!(error.field, "tokens.transaction_tokens.jwks");
}

fn public_key() -> Value {
    let pem = include_str!("../testing/signing-key.pem");
    SigningKey::from_pem(Algorithm::ES256, "2026-11".to_owned(), pem).unwrap().public().jwk()
}
