//! Requests whose token comes from an authorization server: what is sent there, who waits, what goes on.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::audit::{Count, Outcome};
use crate::event::{Event, Moment};
use crate::host::{Answered, Awaited, CallOut, Endpoint, Purpose, Taken};
use crate::plugin::{Plugin, Stream};
use crate::stages::agent_guard::Guard;
use crate::step::{HeaderEdit, Reply, Step};
use crate::testing::{
    ALICE, NOW, call, compiled, configuration, headers, moment, peer, reply, request_end, request_headers,
};

const STS: &str = "https://sts.acme.example/token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn exchange() -> Value {
    json!({"cluster": "sts", "uri": STS, "client_id": "mesh", "client_secret_env": "STS_SECRET"})
}

/// The guard with this change to its exchange; `null` takes a field away.
fn guard_with(change: Value) -> Rc<Guard> {
    let mut configuration = configuration();
    let mut exchange = exchange();
    exchange.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    configuration["downscope"] = json!({"strategy": "exchange", "exchange": exchange});
    Rc::new(compiled(configuration).unwrap())
}

fn guard() -> Rc<Guard> {
    guard_with(json!({}))
}

fn good() -> Value {
    json!({"access_token": "good", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60})
}

fn answer(guard: &Guard, flight: u64, status: u16, body: &Value) -> Option<Taken> {
    let answered = Answered { status, body: body.to_string().into_bytes() };
    guard.answered(Purpose::Exchange(flight), Some(&answered), NOW)
}

/// A stream that waits at the end of its body.
fn waiting(guard: &Rc<Guard>) -> Box<dyn Stream> {
    let mut stream = guard.stream();
    assert!(matches!(request_headers(&mut *stream, &[]), Step::Hold));
    let step = request_end(&mut *stream, &call("scoped"));
    assert!(matches!(step, Step::Wait(Awaited::Exchange(_))), "{step:?}");
    assert!(stream.take_record().is_none(), "nothing is decided while it waits");
    stream
}

#[track_caller]
fn forwarded(step: &Step) -> &[HeaderEdit] {
    match step {
        Step::Forward(forward) => forward.edits(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn goes_on_with(step: &Step, token: &str) {
    let edits = forwarded(step);
    assert!(edits.contains(&HeaderEdit::Remove(b"authorization".to_vec())));
    assert_eq!(edits.last(), Some(&HeaderEdit::Set("authorization", format!("Bearer {token}"))));
}

fn form(call: &CallOut) -> Vec<(String, String)> {
    let body = String::from_utf8(call.body.clone().unwrap()).unwrap();
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'%' => {
                    let hex: String = rest.by_ref().take(2).map(char::from).collect();
                    bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                }
                b'+' => bytes.push(b' '),
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value)));
    body.split('&').filter_map(pair).collect()
}

#[test]
fn the_servers_token_goes_on_in_place_of_the_callers() {
    let guard = guard();
    assert!(guard.calls_out() && guard.due(NOW).is_empty());
    let mut stream = waiting(&guard);
    let due = guard.due(NOW);
    let [call_out] = due.as_slice() else { panic!("{due:?}") };
    assert_eq!(guard.due(NOW), []);
    let endpoint = Endpoint {
        cluster: "sts".to_owned(),
        scheme: "https",
        authority: "sts.acme.example".to_owned(),
        path: "/token".to_owned(),
        timeout_milliseconds: 5_000,
    };
    assert_eq!((call_out.purpose, &call_out.endpoint), (Purpose::Exchange(0), &endpoint));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
        // mesh:s3cret
        ("authorization", "Basic bWVzaDpzM2NyZXQ=".to_owned()),
    ];
    assert_eq!(call_out.headers, headers);
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", ALICE.trim_end()),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", "https://hr.mcp.acme.example/mcp"),
        // What policy grants of what Alice has.
        ("scope", "hr.read"),
    ];
    assert_eq!(form(call_out), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let shown = format!("{call_out:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("Basic"), "{shown}");

    assert_eq!(answer(&guard, 0, 200, &good()), Some(Taken { count: Count::ExchangeOk, problem: None }));
    goes_on_with(&request_end(&mut *stream, &call("scoped")), "good");
    let record = stream.take_record().unwrap();
    assert_eq!((record.outcome(), record.minted.as_ref()), (Outcome::Allow, None));
    let line: Value = serde_json::from_str(&record.line(1)).unwrap();
    assert_eq!(line["exchanged"], json!({"scope": "hr.read", "ttl_seconds": 60}));
    assert!(!line.to_string().contains("good"));
    assert_eq!(stream.take_counts().iter().filter(|count| matches!(count, Count::Decision(_))).count(), 1);
}

#[test]
fn requests_that_ask_the_same_share_a_flight() {
    let guard = guard();
    let mut first = waiting(&guard);
    let second = waiting(&guard);
    let mut third = waiting(&guard);
    assert_eq!(guard.due(NOW).len(), 1);
    // A client that leaves takes nothing with it.
    drop(second);
    answer(&guard, 0, 200, &good());
    for stream in [&mut first, &mut third] {
        goes_on_with(&request_end(&mut **stream, &call("scoped")), "good");
    }
    // And who comes later finds the token.
    let mut later = guard.stream();
    request_headers(&mut *later, &[]);
    goes_on_with(&request_end(&mut *later, &call("scoped")), "good");
    // Another tool, with other scopes: another token.
    let mut other = guard.stream();
    request_headers(&mut *other, &[]);
    assert!(matches!(request_end(&mut *other, &call("seen")), Step::Wait(Awaited::Exchange(1))));
    let due = guard.due(NOW);
    let scope = form(&due[0]).into_iter().find(|(name, _)| name == "scope").unwrap().1;
    assert_eq!(scope, "docs.read hr.read");
}

#[test]
fn a_token_is_kept_for_as_long_as_is_configured() {
    let guard = guard_with(json!({"cache_seconds": 5}));
    let mut stream = waiting(&guard);
    guard.due(NOW);
    answer(&guard, 0, 200, &good());
    goes_on_with(&request_end(&mut *stream, &call("scoped")), "good");
    let asked_at = |seconds: u64| {
        let moment = Moment { nanoseconds: seconds * 1_000_000_000, entropy: [8; 16] };
        let (mut stream, headers, connection) = (guard.stream(), headers(&[]), peer());
        stream.on(&Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream: false, moment });
        stream.on(&Event::RequestEnd { body: call("scoped").as_bytes(), moment })
    };
    goes_on_with(&asked_at(NOW + 4), "good");
    assert!(matches!(asked_at(NOW + 5), Step::Wait(Awaited::Exchange(1))));
}

/// What a request gets whose exchange is answered so; nothing is that nobody answers.
fn refused_with(guard: &Rc<Guard>, answered: Option<(u16, &Value)>) -> (Reply, Outcome, Option<String>) {
    let mut stream = waiting(guard);
    let Awaited::Exchange(flight) = guard.due(NOW)[0].purpose.serves() else { panic!("keys") };
    let taken = match answered {
        Some((status, body)) => answer(guard, flight, status, body),
        None => guard.answered(Purpose::Exchange(flight), None, NOW),
    };
    let taken = taken.unwrap();
    assert_eq!(taken.count, Count::ExchangeFailed);
    let refused = reply(request_end(&mut *stream, &call("scoped")));
    let record = stream.take_record().unwrap();
    let line = record.line(1);
    for secret in ["eyJ", "s3cret", "wide"] {
        assert!(!line.contains(secret), "{line}");
        assert!(!taken.problem.as_ref().unwrap().contains(secret), "{taken:?}");
    }
    (refused, record.outcome(), taken.problem)
}

#[test]
fn every_failure_has_its_status_and_nothing_goes_on() {
    let of = |answered: Option<(u16, &Value)>| {
        let (reply, outcome, _) = refused_with(&guard(), answered);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let header = |name: &str| reply.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let challenge = header("www-authenticate").and_then(|value| Some(value.split_once("error=")?.1.to_owned()));
        let retry = header("retry-after").is_some();
        (reply.status, body["error"]["message"].as_str().unwrap().to_owned(), challenge, retry, outcome)
    };
    let unavailable = (503, "tokens can't be exchanged at the moment".to_owned(), None, true, Outcome::Error);
    assert_eq!(of(None), unavailable);
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(of(Some((status, &json!({})))), unavailable, "{status}");
    }
    let quoted = |error: &str| Some(format!("\"{error}\""));
    let denied = (403, "denied by policy".to_owned(), None, false, Outcome::Deny);
    let not_good = (401, "invalid token".to_owned(), quoted("invalid_token"), false, Outcome::Refuse);
    let weak = "a stronger authentication is required".to_owned();
    let too_weak = (401, weak, quoted("insufficient_user_authentication"), false, Outcome::Deny);
    let ours = (500, "internal error".to_owned(), None, false, Outcome::Error);
    let theirs = (502, "the token service's answer was refused".to_owned(), None, false, Outcome::Error);
    for (code, expected) in [
        ("invalid_grant", &not_good),
        ("invalid_request", &denied),
        ("invalid_scope", &denied),
        ("invalid_target", &denied),
        ("access_denied", &denied),
        ("interaction_required", &too_weak),
        ("invalid_client", &ours),
        ("unauthorized_client", &ours),
        ("unsupported_grant_type", &ours),
        ("something_else", &theirs),
    ] {
        let body = json!({"error": code, "error_description": "eyJ.wide.s3cret"});
        assert_eq!(of(Some((400, &body))), *expected, "{code}");
    }
    let with = |name: &str, value: Value| {
        let mut answer = good();
        answer[name] = value;
        answer
    };
    for answer in [
        json!([]),
        json!({"access_token": "wide"}),
        with("scope", json!("hr.read hr.wide")),
        with("token_type", json!("DPoP")),
        with("issued_token_type", json!("urn:ietf:params:oauth:token-type:id_token")),
        with("access_token", json!(ALICE.trim_end())),
        with("access_token", json!("wide, Bearer x")),
        with("expires_in", json!(0)),
    ] {
        assert_eq!(of(Some((200, &answer))), theirs, "{answer}");
    }
}

#[test]
fn the_operator_is_told_whom_to_look_at() {
    let (_, _, problem) = refused_with(&guard(), None);
    let expected = "downscope.exchange (https://sts.acme.example/token): the authorization server can't be reached";
    assert_eq!(problem.as_deref(), Some(expected));
    let (_, _, problem) = refused_with(&guard(), Some((401, &json!({"error": "invalid_client"}))));
    let expected =
        "downscope.exchange (https://sts.acme.example/token): the authorization server refused: `invalid_client`";
    assert_eq!(problem.as_deref(), Some(expected));
    // Nobody asked for it.
    assert_eq!(answer(&guard(), 0, 200, &good()), None);
}

#[test]
fn released_headers_wait_for_their_token() {
    let mut configuration = configuration();
    configuration["hold_headers"] = json!(false);
    configuration["downscope"] = json!({"strategy": "exchange", "exchange": exchange()});
    let guard = Rc::new(compiled(configuration).unwrap());
    let mut stream = guard.stream();
    assert!(matches!(request_headers(&mut *stream, &[]), Step::Wait(Awaited::Exchange(0))));
    guard.due(NOW);
    answer(&guard, 0, 200, &good());
    let step = request_headers(&mut *stream, &[]);
    let Step::EditRequest(edits) = step else { panic!("{step:?}") };
    assert_eq!(edits.last(), Some(&HeaderEdit::Set("authorization", "Bearer good".to_owned())));
    assert!(matches!(request_end(&mut *stream, &call("seen")), Step::Forward(_)));
    let line: Value = serde_json::from_str(&stream.take_record().unwrap().line(1)).unwrap();
    assert_eq!(line["exchanged"]["scope"], "docs.read hr.read");
    // A failure keeps everything back.
    let mut stream = guard.stream();
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "scoped")];
    assert!(matches!(request_headers(&mut *stream, &modern), Step::Wait(Awaited::Exchange(1))));
    guard.due(NOW);
    answer(&guard, 1, 400, &json!({"error": "invalid_target"}));
    assert_eq!(reply(request_headers(&mut *stream, &modern)).status, 403);
}

#[test]
fn what_is_denied_is_never_asked_for() {
    let guard = guard();
    let mut stream = guard.stream();
    request_headers(&mut *stream, &[]);
    assert_eq!(reply(request_end(&mut *stream, &call("unseen"))).status, 403);
    assert_eq!(reply(request_headers(&mut *guard.stream(), &[("authorization", "Bearer a.b.c")])).status, 401);
    assert_eq!(guard.due(NOW), []);
}

#[test]
fn without_a_user_there_is_nothing_to_exchange() {
    let mut configuration = configuration();
    configuration["tokens"]["required"] = json!(false);
    configuration["downscope"] = json!({"strategy": "exchange", "exchange": exchange()});
    let guard = Rc::new(compiled(configuration).unwrap());
    let mut stream = guard.stream();
    let (mut headers, connection) = (headers(&[]), peer());
    headers.retain(|(name, _)| name != b"authorization");
    let event =
        Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream: false, moment: moment() };
    assert!(matches!(stream.on(&event), Step::Hold));
    let step = request_end(&mut *stream, &call("seen"));
    assert!(!forwarded(&step).iter().any(|edit| matches!(edit, HeaderEdit::Set(..))));
    assert_eq!(guard.due(NOW), []);
}

#[test]
fn an_assertion_goes_before_the_token() {
    let id_jag = json!({
        "cluster": "idp", "uri": "https://idp.acme.example/token", "client_id": "mesh-at-idp",
        "client_secret_env": "STS_SECRET", "token_endpoint_auth_method": "client_secret_post",
        "timeout_milliseconds": 1_000, "audience": "https://sts.acme.example",
    });
    let guard = guard_with(json!({"id_jag": id_jag, "subject": "other"}));
    let mut stream = waiting(&guard);
    let first = guard.due(NOW).remove(0);
    assert_eq!((first.endpoint.cluster.as_str(), first.endpoint.timeout_milliseconds), ("idp", 1_000));
    let sent = form(&first);
    for (name, value) in [
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", "https://sts.acme.example"),
        ("client_id", "mesh-at-idp"),
        ("client_secret", "s3cret"),
    ] {
        assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{name}: {sent:?}");
    }
    // {"alg":"ES256","typ":"oauth-id-jag+jwt"} and {"aud":"https://sts.acme.example","sub":"00u1"}
    let assertion = "eyJhbGciOiJFUzI1NiIsInR5cCI6Im9hdXRoLWlkLWphZytqd3QifQ.\
                     eyJhdWQiOiJodHRwczovL3N0cy5hY21lLmV4YW1wbGUiLCJzdWIiOiIwMHUxIn0.AA";
    let body = json!({
        "access_token": assertion, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A",
    });
    assert_eq!(answer(&guard, 0, 200, &body), None, "half of it is nothing to count");
    assert!(matches!(request_end(&mut *stream, &call("scoped")), Step::Wait(Awaited::Exchange(0))));
    let second = guard.due(NOW).remove(0);
    assert_eq!(second.endpoint.cluster, "sts");
    assert!(form(&second).contains(&("assertion".to_owned(), assertion.to_owned())));
    let token = json!({"access_token": "good", "token_type": "Bearer", "expires_in": 60});
    assert_eq!(answer(&guard, 0, 200, &token), Some(Taken { count: Count::ExchangeOk, problem: None }));
    goes_on_with(&request_end(&mut *stream, &call("scoped")), "good");
}
