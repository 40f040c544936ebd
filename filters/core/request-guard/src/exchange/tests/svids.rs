//! Workloads that show a JWT-SVID, with a certificate and without, in the guard and in the stage alone.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::audit::{Count, Outcome};
use crate::event::{Connection, Event};
use crate::host::{Answered, Awaited, Purpose, Taken};
use crate::plugin::{Plugin, Stream};
use crate::stages::agent_guard::Guard;
use crate::stages::spiffe_identity::SpiffeIdentity;
use crate::step::{HandOver, HeaderEdit, Step};
use crate::testing::{NOW, call, codes, compiled, configuration, headers, host, moment, peer, request_end};

const ASSISTANT: &str = include_str!("../../testing/assistant.svid");
const OTHER: &str = include_str!("../../testing/other.svid");
const EXPIRED: &str = include_str!("../../testing/expired.svid");
/// Signed with the key of `partner.example`.
const FORGED: &str = include_str!("../../testing/forged.svid");
const PARTNER: &str = include_str!("../../testing/partner.svid");
const BUNDLE: &str = include_str!("../../testing/bundle.json");
const PARTNER_BUNDLE: &str = include_str!("../../testing/partner-bundle.json");

fn identity(sources: &[&str]) -> Value {
    json!({
        "sources": sources, "trust_domains": ["acme.example", "partner.example"],
        "jwt_svid": {
            "header": "x-jwt-svid", "audiences": ["https://hr.mcp.acme.example/mcp"], "algorithms": ["ES256"],
            "bundles": [
                {"trust_domain": "acme.example", "jwks": {"inline": BUNDLE}},
                {"trust_domain": "partner.example", "jwks": {"inline": PARTNER_BUNDLE}},
            ],
        },
    })
}

fn guard(identity: Value) -> Rc<Guard> {
    let mut configuration = configuration();
    configuration["identity"] = identity;
    Rc::new(compiled(configuration).unwrap())
}

fn stage(identity: Value) -> Rc<SpiffeIdentity> {
    let configuration = json!({"identity": identity, "audit": {"log": "all"}});
    Rc::new(SpiffeIdentity::configure(configuration, &host()).unwrap())
}

fn nobody() -> Connection<'static> {
    Connection::default()
}

fn told(stream: &mut dyn Stream, svids: &[&str], connection: &Connection<'_>) -> Step {
    let shown: Vec<(&str, &str)> = svids.iter().map(|svid| ("X-Jwt-Svid", *svid)).collect();
    let headers = headers(&shown);
    stream.on(&Event::RequestHeaders { headers: &headers, connection, end_of_stream: false, moment: moment() })
}

/// Who the guard takes the peer for, or how it refuses, and why.
fn judged(identity: Value, svids: &[&str], connection: &Connection<'_>) -> Result<String, (u16, String)> {
    let (guard, alone) = (guard(identity.clone()), stage(identity));
    let mut stream = guard.stream();
    let step = told(&mut *stream, svids, connection);
    let mut single = alone.stream();
    let single = told(&mut *single, svids, connection);
    if !matches!(step, Step::Hold) {
        // The stage alone says the same.
        assert_eq!(codes(single), codes(step_again(&guard, svids, connection)));
        let record = stream.take_record().unwrap();
        assert_eq!(record.outcome(), Outcome::Refuse);
        return Err((codes(step).0, record.reason.unwrap()));
    }
    let Step::Forward(forward) = request_end(&mut *stream, &call("seen")) else { panic!("not forwarded") };
    assert!(svids.is_empty() || forward.edits().contains(&HeaderEdit::Remove(b"X-Jwt-Svid".to_vec())));
    let record = stream.take_record().unwrap();
    let Step::HandOver(HandOver { edits, .. }) = single else { panic!("{single:?}") };
    assert!(svids.is_empty() || edits.contains(&HeaderEdit::Remove(b"X-Jwt-Svid".to_vec())));
    let named = HeaderEdit::Set("x-peer-spiffe-id", record.actor.clone().unwrap());
    assert!(edits.contains(&named), "{edits:?}");
    Ok(record.actor.unwrap())
}

fn step_again(guard: &Rc<Guard>, svids: &[&str], connection: &Connection<'_>) -> Step {
    told(&mut *guard.stream(), svids, connection)
}

const ASSISTANTS: &str = "spiffe://acme.example/agent/assistant";
const OTHERS: &str = "spiffe://acme.example/agent/other";

#[test]
fn a_good_one_names_the_peer_and_goes_no_further() {
    assert_eq!(judged(identity(&["jwt_svid"]), &[ASSISTANT], &nobody()), Ok(ASSISTANTS.to_owned()));
    let partner = "spiffe://partner.example/agent/assistant".to_owned();
    assert_eq!(judged(identity(&["tls", "jwt_svid"]), &[PARTNER], &nobody()), Ok(partner));
}

#[test]
fn with_a_certificate_too_the_order_decides_and_what_is_wrong_is_refused() {
    assert_eq!(judged(identity(&["tls", "jwt_svid"]), &[OTHER], &peer()), Ok(ASSISTANTS.to_owned()));
    assert_eq!(judged(identity(&["jwt_svid", "tls"]), &[OTHER], &peer()), Ok(OTHERS.to_owned()));
    assert_eq!(judged(identity(&["jwt_svid", "tls"]), &[], &peer()), Ok(ASSISTANTS.to_owned()));
    for sources in [["tls", "jwt_svid"], ["jwt_svid", "tls"]] {
        let (status, reason) = judged(identity(&sources), &[FORGED], &peer()).unwrap_err();
        assert_eq!((status, reason.as_str()), (403, "the JWT-SVID: the token's signature is wrong"));
    }
}

#[test]
fn every_other_is_refused() {
    let refused = |svids: &[&str]| judged(identity(&["jwt_svid"]), svids, &nobody()).unwrap_err();
    let (unsigned, _) = ASSISTANT.rsplit_once('.').unwrap();
    let twice = format!("{ASSISTANT},{ASSISTANT}");
    let cases: [(&[&str], u16, &str); 9] = [
        (&[], 403, "the peer showed no identity"),
        (&[""], 403, "the JWT-SVID: the token is not a JWS in compact form"),
        (&["Bearer a.b.c"], 403, "the JWT-SVID: the token is not a JWS in compact form"),
        (&[&format!("{unsigned}.")], 403, "the JWT-SVID: the token's signature is wrong"),
        (&[FORGED], 403, "the JWT-SVID: the token's signature is wrong"),
        (&[EXPIRED], 403, "the JWT-SVID: the token expired at 1794999969, now is 1795000000"),
        (&[crate::testing::ALICE], 403, "the JWT-SVID: its type `at+jwt` is not `JWT`"),
        (&[ASSISTANT, ASSISTANT], 400, "a header that may not repeat does"),
        (&[&twice], 400, "a header that may not repeat does"),
    ];
    for (svids, status, reason) in cases {
        assert_eq!(refused(svids), (status, reason.to_owned()));
    }
    // What is wrong is refused even where nothing is required; a certificate that is not a source does not count.
    let mut optional = identity(&["jwt_svid"]);
    optional["required"] = json!(false);
    assert_eq!(judged(optional, &[EXPIRED], &peer()).unwrap_err().0, 403);
    let mut elsewhere = identity(&["jwt_svid"]);
    elsewhere["jwt_svid"]["audiences"] = json!(["https://docs.mcp.acme.example/mcp"]);
    let audience = "the JWT-SVID: it is for another audience".to_owned();
    assert_eq!(judged(elsewhere, &[ASSISTANT], &nobody()), Err((403, audience)));
    let mut one = identity(&["jwt_svid"]);
    one["jwt_svid"]["bundles"].as_array_mut().unwrap().pop();
    let domain = "the JWT-SVID: there is no bundle of trust domain `partner.example`".to_owned();
    assert_eq!(judged(one, &[PARTNER], &nobody()), Err((403, domain)));
}

#[test]
fn a_bundle_that_is_fetched_is_waited_for() {
    let mut remote = identity(&["jwt_svid"]);
    remote["jwt_svid"]["bundles"][0]["jwks"] = json!({"cluster": "spire", "uri": "https://spire.acme.example/bundle"});
    fn waits<P: Plugin>(plugin: &Rc<P>, goes_on: impl Fn(Step) -> bool) {
        let answered = |status: u16| {
            let answer = Answered { status, body: BUNDLE.as_bytes().to_vec() };
            plugin.answered(Purpose::BundleKeys(0), Some(&answer), NOW).unwrap()
        };
        let tried = || told(&mut *plugin.stream(), &[ASSISTANT], &nobody());
        assert!(plugin.calls_out());
        assert!(matches!(tried(), Step::Wait(Awaited::Keys)));
        let due = plugin.due(NOW);
        assert_eq!(due.iter().map(|call| call.purpose).collect::<Vec<_>>(), [Purpose::BundleKeys(0)]);
        let problem = "keys of identity.jwt_svid.bundles[0] (https://spire.acme.example/bundle): the issuer did not \
                       answer, or not with status 200";
        assert_eq!(answered(503), Taken { count: Count::JwksRefreshFailed, problem: Some(problem.to_owned()) });
        assert_eq!(codes(tried()), (503, -31_503));
        assert_eq!(answered(200), Taken { count: Count::JwksRefreshOk, problem: None });
        assert!(goes_on(tried()));
        assert_eq!(plugin.answered(Purpose::Exchange(0), None, NOW), None);
    }
    waits(&guard(remote.clone()), |step| matches!(step, Step::Hold));
    waits(&stage(remote), |step| matches!(step, Step::HandOver(_)));
}

#[test]
fn a_section_that_could_not_be_kept_is_refused() {
    let names = |change: fn(&mut Value), field: &str| {
        let mut identity = identity(&["jwt_svid"]);
        change(&mut identity);
        let mut whole = configuration();
        whole["identity"] = identity.clone();
        let error = compiled(whole).err().unwrap();
        assert_eq!(error.field, field, "{}", error.problem);
        let alone = SpiffeIdentity::configure(json!({"identity": identity}), &host());
        assert_eq!(alone.err(), Some(error));
    };
    names(|identity| identity["sources"] = json!(["tls"]), "identity.sources");
    names(|identity| drop(identity.as_object_mut().unwrap().remove("jwt_svid")), "identity.jwt_svid");
    for header in [
        "",
        "X-Jwt-Svid",
        "a b",
        ":path",
        "authorization",
        "dpop",
        "txn-token",
        "cookie",
        "x-forwarded-client-cert",
        "x-meshwarden-svid",
        "x-peer-spiffe-id",
        "mcp-session-id",
        "content-type",
        "workload-identity-token",
    ] {
        let mut whole = configuration();
        whole["identity"] = identity(&["jwt_svid"]);
        whole["identity"]["jwt_svid"]["header"] = json!(header);
        assert_eq!(compiled(whole).err().unwrap().field, "identity.jwt_svid.header", "{header}");
    }
    names(|identity| identity["jwt_svid"]["audiences"] = json!([]), "identity.jwt_svid");
    names(|identity| identity["jwt_svid"]["algorithms"] = json!([]), "identity.jwt_svid");
    names(|identity| identity["jwt_svid"]["algorithms"] = json!(["EdDSA"]), "identity.jwt_svid");
    names(|identity| identity["jwt_svid"]["algorithms"] = json!(["HS256"]), "identity.jwt_svid.algorithms[0]");
    names(|identity| identity["jwt_svid"]["bundles"] = json!([]), "identity.jwt_svid");
    names(
        |identity| identity["jwt_svid"]["bundles"][1]["trust_domain"] = json!("evil.example"),
        "identity.jwt_svid.bundles[1].trust_domain",
    );
    names(|identity| identity["jwt_svid"]["bundles"][1]["trust_domain"] = json!("acme.example"), "identity.jwt_svid");
    names(|identity| identity["jwt_svid"]["bundles"][0]["jwks"] = json!({}), "identity.jwt_svid.bundles[0].jwks");
    names(
        |identity| identity["jwt_svid"]["bundles"][0]["jwks"] = json!({"cluster": "spire", "uri": "x"}),
        "identity.jwt_svid.bundles[0].jwks.uri",
    );
    names(|identity| identity["jwt_svid"]["bundles"][0]["jwks"] = json!({"inline": "{}"}), "identity.jwt_svid");
    names(|identity| identity["jwt_svid"]["clock_skew_seconds"] = json!(301), "identity.jwt_svid.clock_skew_seconds");
    names(|identity| identity["jwt_svid"]["max_lifetime_seconds"] = json!(0), "identity.jwt_svid.max_lifetime_seconds");
    names(|identity| identity["jwt_svid"]["subject"] = json!("x"), "identity.jwt_svid.subject");
}
