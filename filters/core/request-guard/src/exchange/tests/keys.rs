//! Requests whose issuer's keys are still to be fetched.

use std::rc::Rc;

use serde_json::json;

use crate::audit::{Count, Outcome};
use crate::host::{Answered, Awaited, CallOut, Endpoint, Purpose, Taken};
use crate::plugin::{Plugin, Stream};
use crate::stages::agent_guard::Guard;
use crate::step::Step;
use crate::testing::{NOW, call, codes, compiled, configuration, reply, request_end, request_headers};

fn guard() -> Rc<Guard> {
    let mut configuration = configuration();
    configuration["tokens"]["issuers"][0]["jwks"] =
        json!({"cluster": "idp", "uri": "https://idp.acme.example/jwks?v=1"});
    Rc::new(compiled(configuration).unwrap())
}

const KEYS: &[u8] = include_bytes!("../../testing/jwks.json");

fn answered(guard: &Guard, status: Option<u16>) -> Taken {
    let answer = status.map(|status| Answered { status, body: KEYS.to_vec() });
    guard.answered(Purpose::IssuerKeys(0), answer.as_ref(), NOW).unwrap()
}

fn asked(stream: &mut dyn Stream) -> Step {
    request_headers(stream, &[])
}

#[test]
fn a_request_waits_and_is_told_again() {
    let guard = guard();
    let endpoint = Endpoint {
        cluster: "idp".to_owned(),
        scheme: "https",
        authority: "idp.acme.example".to_owned(),
        path: "/jwks?v=1".to_owned(),
        timeout_milliseconds: 5_000,
    };
    let headers = vec![("accept", "application/json".to_owned())];
    let call_out = CallOut { purpose: Purpose::IssuerKeys(0), endpoint, headers, body: None };
    let (mut first, mut second) = (guard.stream(), guard.stream());
    assert!(guard.calls_out());
    assert!(matches!(asked(&mut *first), Step::Wait(Awaited::Keys)));
    assert_eq!(guard.due(NOW), [call_out]);
    assert!(matches!(asked(&mut *second), Step::Wait(Awaited::Keys)));
    assert_eq!(guard.due(NOW), []);
    assert_eq!(answered(&guard, Some(200)), Taken { count: Count::JwksRefreshOk, problem: None });
    for stream in [&mut first, &mut second] {
        // Nothing was decided while it waited.
        assert!(stream.take_record().is_none() && stream.take_counts().is_empty());
        assert!(matches!(asked(&mut **stream), Step::Hold));
        assert!(matches!(request_end(&mut **stream, &call("seen")), Step::Forward(_)));
    }
}

#[test]
fn without_keys_nobody_passes() {
    let guard = guard();
    let mut stream = guard.stream();
    assert!(matches!(asked(&mut *stream), Step::Wait(Awaited::Keys)));
    assert_eq!(guard.due(NOW).len(), 1);
    let problem = "keys of tokens.issuers[0] (https://idp.acme.example/jwks?v=1): the issuer did not answer, or not \
                   with status 200";
    for status in [None, Some(204), Some(404)] {
        let failed = Taken { count: Count::JwksRefreshFailed, problem: Some(problem.to_owned()) };
        assert_eq!(answered(&guard, status), failed);
    }
    let refused = reply(asked(&mut *stream));
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains(&("retry-after".to_owned(), "1".to_owned())), "{refused:?}");
    assert_eq!(stream.take_record().unwrap().outcome(), Outcome::Error);
}

#[test]
fn what_needs_no_key_does_not_wait() {
    let guard = guard();
    let mut stream = guard.stream();
    assert_eq!(codes(request_headers(&mut *stream, &[("authorization", "Bearer a.b.c")])), (401, -31_401));
    let mut stream = guard.stream();
    assert_eq!(codes(request_headers(&mut *stream, &[(":authority", "elsewhere.example")])), (403, -31_403));
}

#[test]
fn written_keys_are_never_fetched() {
    let guard = compiled(configuration()).unwrap();
    assert!(!guard.calls_out() && guard.due(NOW).is_empty());
}
