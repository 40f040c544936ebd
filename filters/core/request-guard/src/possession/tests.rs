//! Tokens that are bound to a key, with proofs and without, at the guard and at the stages that check tokens.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use access_tokens::{ReplayError, ReplayStore, TrustedCrypto};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_compact::{KeyPair, Seed};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::audit::Outcome;
use crate::compile::ConfigurationError;
use crate::event::{Connection, Event, Moment};
use crate::hand_off::{HandOff, HandOffs};
use crate::host::{Answered, Host, Purpose};
use crate::plugin::{Plugin, Stream};
use crate::stages::agent_guard::Guard;
use crate::stages::cedar_authz::CedarAuthz;
use crate::stages::jwt_auth::JwtAuth;
use crate::step::{HandOver, HeaderEdit, Reply, Step};
use crate::testing::{self, NOW, call, headers, peer, reply, request_end};

const METADATA: &str = "resource_metadata=\"https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp\"";
const CERTIFICATE: [u8; 32] = [0xab; 32];

/// Of the issuer.
fn issuer() -> KeyPair {
    KeyPair::from_seed(Seed::new([1; 32]))
}

/// Of the caller.
fn caller() -> KeyPair {
    KeyPair::from_seed(Seed::new([2; 32]))
}

fn jwk(key: &KeyPair) -> Value {
    json!({"crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(*key.pk)})
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

fn signed(header: &Value, claims: &Value, key: &KeyPair) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(*key.sk.sign(text.as_bytes(), None));
    format!("{text}.{signature}")
}

/// A token of Alice's with this `cnf`.
fn token(cnf: Value) -> String {
    let mut claims = json!({
        "iss": "https://idp.acme.example", "sub": "alice", "aud": "https://hr.mcp.acme.example/mcp", "iat": NOW,
        "exp": NOW + 300, "scope": "hr.read",
    });
    if !cnf.is_null() {
        claims["cnf"] = cnf;
    }
    signed(&json!({"alg": "EdDSA", "typ": "at+jwt"}), &claims, &issuer())
}

/// Bound to the caller's key.
fn bound() -> String {
    token(json!({"jkt": hash(&jwk(&caller()).to_string())}))
}

/// A proof that goes with this token, with these changes of its claims.
fn proof(token: &str, changes: &Value) -> String {
    let mut claims = json!({
        "jti": "1", "htm": "POST", "htu": "https://hr.mcp.acme.example/mcp", "iat": NOW, "ath": hash(token),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    signed(&json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk(&caller())}), &claims, &caller())
}

#[derive(Default)]
struct Memory(RefCell<BTreeSet<[u8; 32]>>);

impl ReplayStore for Memory {
    fn seen(&self, id: &[u8; 32], until: u64, now: u64) -> Result<bool, ReplayError> {
        assert_eq!((until, now), (NOW + 90, NOW));
        Ok(!self.0.borrow_mut().insert(*id))
    }
}

struct Full;

impl ReplayStore for Full {
    fn seen(&self, _: &[u8; 32], _: u64, _: u64) -> Result<bool, ReplayError> {
        Err(ReplayError::Full)
    }
}

fn configuration(dpop: Value) -> Value {
    let mut configuration = testing::configuration();
    let keys = json!({"keys": [jwk(&issuer())]}).to_string();
    configuration["tokens"]["issuers"][0]["jwks"] = json!({"inline": keys});
    if !dpop.is_null() {
        configuration["tokens"]["dpop"] = dpop;
    }
    configuration
}

fn rules() -> Value {
    json!({"algorithms": ["ES256", "EdDSA"]})
}

fn configured<P: Plugin>(configuration: Value, store: Rc<dyn ReplayStore>) -> Result<Rc<P>, ConfigurationError> {
    let environment = |name: &str| match name {
        "MESHWARDEN_SIGNING_KEY" => Some(include_str!("../testing/signing-key.pem").to_owned()),
        "NONCE_KEY" => Some("bm9uY2Uta2V5LW9mLXRoZS10ZXN0cy0zMi1ieXRlcy4=".to_owned()),
        _ => None,
    };
    let replays = || Ok(Rc::clone(&store));
    P::configure(configuration, &Host { environment: &environment, crypto: TrustedCrypto::none(), replays: &replays })
        .map(Rc::new)
}

fn guard(dpop: Value) -> Rc<Guard> {
    configured(configuration(dpop), Rc::new(Memory::default())).unwrap()
}

fn moment() -> Moment {
    testing::moment()
}

fn told(stream: &mut dyn Stream, authorization: &str, others: &[(&str, &str)]) -> Step {
    let headers = headers(&[&[("authorization", authorization)], others].concat());
    stream.on(&Event::RequestHeaders { headers: &headers, connection: &peer(), end_of_stream: false, moment: moment() })
}

/// The reply to a request that is refused.
#[track_caller]
fn refused(guard: &Rc<Guard>, authorization: &str, proofs: &[&str]) -> Reply {
    let mut stream = guard.stream();
    let proofs: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    let reply = reply(told(&mut *stream, authorization, &proofs));
    assert_eq!(stream.take_record().unwrap().outcome(), Outcome::Refuse);
    reply
}

fn challenges(reply: &Reply) -> Vec<&str> {
    let mut all = Vec::new();
    for (name, value) in &reply.headers {
        if name == "www-authenticate" {
            all.push(value.as_str());
        }
    }
    all
}

#[track_caller]
fn is_challenged(reply: &Reply, expected: &[&str]) {
    assert_eq!(reply.status, 401);
    assert_eq!(challenges(reply), expected);
}

fn dpop_error(error: &str) -> String {
    format!("DPoP {METADATA}, error=\"{error}\", algs=\"ES256 EdDSA\"")
}

#[test]
fn whoever_has_the_key_comes_in_and_the_proof_goes_no_further() {
    let guard = guard(rules());
    let mut stream = guard.stream();
    let token = bound();
    let proof = proof(&token, &json!({}));
    assert!(matches!(told(&mut *stream, &format!("DPoP {token}"), &[("dpop", &proof)]), Step::Hold));
    let Step::Forward(forward) = request_end(&mut *stream, &call("scoped")) else { panic!("refused") };
    for name in ["authorization", "dpop"] {
        assert!(forward.edits().contains(&HeaderEdit::Remove(name.into())), "{name}");
    }
    assert!(
        matches!(forward.edits().last(), Some(HeaderEdit::Set("authorization", value)) if value.starts_with("Bearer "))
    );
}

#[test]
fn a_proof_counts_once_and_not_against_a_request_that_has_to_wait() {
    let guard = guard(rules());
    let token = bound();
    let (presented, proof) = (format!("DPoP {token}"), proof(&token, &json!({})));
    let mut stream = guard.stream();
    assert!(matches!(told(&mut *stream, &presented, &[("dpop", &proof)]), Step::Hold));
    is_challenged(&refused(&guard, &presented, &[&proof]), &[&dpop_error("invalid_dpop_proof")]);
    assert!(matches!(request_end(&mut *stream, &call("seen")), Step::Forward(_)));

    // Its issuer's keys are still to be fetched.
    let mut configuration = configuration(rules());
    configuration["tokens"]["issuers"][0]["jwks"] = json!({"cluster": "idp", "uri": "https://idp.acme.example/jwks"});
    let guard: Rc<Guard> = configured(configuration, Rc::new(Memory::default())).unwrap();
    let keys = json!({"keys": [jwk(&issuer())]}).to_string();
    let (mut first, mut second) = (guard.stream(), guard.stream());
    for stream in [&mut first, &mut second] {
        assert!(matches!(told(&mut **stream, &presented, &[("dpop", &proof)]), Step::Wait(_)));
    }
    assert_eq!(guard.due(NOW).len(), 1);
    let answer = Answered { status: 200, body: keys.into_bytes() };
    assert!(guard.answered(Purpose::IssuerKeys(0), Some(&answer), NOW).is_some());
    assert!(matches!(told(&mut *first, &presented, &[("dpop", &proof)]), Step::Hold));
    assert_eq!(reply(told(&mut *second, &presented, &[("dpop", &proof)])).status, 401);
}

#[test]
fn a_stream_that_is_judged_anew_does_not_replay_its_own_proof() {
    let guard = guard(rules());
    let possession = guard.tokens.possession.as_ref().unwrap();
    let token = bound();
    let authorization = format!("DPoP {token}").into_bytes();
    let proof = proof(&token, &json!({}));
    let headers = headers(&[("dpop", &proof)]);
    let headers = crate::headers::Headers::new(&headers);
    let presented = access_tokens::BearerToken::from_authorization(&[&authorization], 16_384).unwrap().unwrap();
    let server = guard.servers.named("hr").unwrap();
    let verified = guard.tokens.verifier.verify(&presented, &server.audience, NOW).unwrap().token;
    let journal = || crate::journal::Journal::new(guard.audit, None);
    let mut own = journal();
    for _ in 0..2 {
        assert_eq!(possession.check(&mut own, &headers, server, &presented, &verified, NOW), Ok(()));
    }
    let anothers = possession.check(&mut journal(), &headers, server, &presented, &verified, NOW);
    assert_eq!(anothers, Err(crate::rejection::Rejection::Possession(access_tokens::DpopError::Replayed)));
}

#[test]
fn what_is_wrong_is_said_of_the_way_that_was_taken() {
    let guard = guard(rules());
    let (bound, unbound) = (bound(), token(json!(null)));
    let good = proof(&bound, &json!({}));
    let both = |error: &str| [format!("Bearer {METADATA}{error}"), format!("DPoP {METADATA}, algs=\"ES256 EdDSA\"")];
    // Without a token, and with a bad one of either kind.
    let mut without = headers(&[]);
    without.retain(|(name, _)| name != b"authorization");
    let event =
        Event::RequestHeaders { headers: &without, connection: &peer(), end_of_stream: false, moment: moment() };
    let reply = reply(guard.stream().on(&event));
    is_challenged(&reply, &both("").each_ref().map(String::as_str));
    let reply = refused(&guard, "Bearer a.b.c", &[]);
    is_challenged(&reply, &both(", error=\"invalid_token\"").each_ref().map(String::as_str));
    let reply = refused(&guard, "Basic YTpi", &[]);
    is_challenged(&reply, &both(", error=\"invalid_request\"").each_ref().map(String::as_str));
    is_challenged(&refused(&guard, "DPoP a.b.c", &[&good]), &[&dpop_error("invalid_token")]);
    // The scheme that is not the token's.
    is_challenged(&refused(&guard, &format!("Bearer {bound}"), &[&good]), &[&dpop_error("invalid_token")]);
    is_challenged(&refused(&guard, &format!("Bearer {bound}"), &[]), &[&dpop_error("invalid_token")]);
    let for_unbound = proof(&unbound, &json!({}));
    is_challenged(&refused(&guard, &format!("DPoP {unbound}"), &[&for_unbound]), &[&dpop_error("invalid_token")]);
    // Proofs that are none.
    let presented = format!("DPoP {bound}");
    let elsewhere = proof(&bound, &json!({"htu": "https://docs.mcp.acme.example/mcp"}));
    let proofs: [&[&str]; 6] = [&[], &[&good, &good], &[""], &["a.b.c"], &[&elsewhere], &[&for_unbound]];
    for proofs in proofs {
        is_challenged(&refused(&guard, &presented, proofs), &[&dpop_error("invalid_dpop_proof")]);
    }
    // Nothing of these has used the good one up.
    assert!(matches!(told(&mut *guard.stream(), &presented, &[("dpop", &good)]), Step::Hold));
}

#[test]
fn the_url_is_the_one_that_callers_know() {
    let token = bound();
    let presented = format!("DPoP {token}");
    let guard = guard(rules());
    let mut tried = 0;
    let mut goes_on = |path: &str, htu: &str| {
        tried += 1;
        let proof = proof(&token, &json!({"htu": htu, "jti": tried.to_string()}));
        let others = [("dpop", proof.as_str()), (":path", path)];
        matches!(told(&mut *guard.stream(), &presented, &others), Step::Hold)
    };
    assert!(goes_on("/mcp?session=1", "https://hr.mcp.acme.example/mcp"));
    assert!(goes_on("/mcp/v1", "https://HR.mcp.acme.example:443/mcp/v1?x#y"));
    assert!(!goes_on("/mcp/v1", "https://hr.mcp.acme.example/mcp"));
    // The host that the request names, with its port, is not asked.
    let proof = proof(&token, &json!({"htu": "https://hr.mcp.acme.example:8443/mcp", "jti": "host"}));
    let others = [("dpop", proof.as_str()), (":authority", "hr.mcp.acme.example:8443")];
    assert_eq!(reply(told(&mut *guard.stream(), &presented, &others)).status, 401);
}

#[test]
fn with_a_certificate_beside_the_key_both_are_needed() {
    let thumbprint = URL_SAFE_NO_PAD.encode(CERTIFICATE);
    let token = token(json!({"jkt": hash(&jwk(&caller()).to_string()), "x5t#S256": thumbprint}));
    let guard = guard(rules());
    let status = |certificate: Option<&str>, scheme: &str, jti: &str| {
        let proof = proof(&token, &json!({"jti": jti}));
        let headers = headers(&[("authorization", &format!("{scheme} {token}")), ("dpop", &proof)]);
        let connection = Connection { certificate_sha256: certificate.map(str::as_bytes), ..peer() };
        let event = Event::RequestHeaders {
            headers: &headers,
            connection: &connection,
            end_of_stream: false,
            moment: moment(),
        };
        match guard.stream().on(&event) {
            Step::Hold => 200,
            step => reply(step).status,
        }
    };
    let right = "ab".repeat(32);
    assert_eq!(status(Some(&right), "DPoP", "1"), 200);
    assert_eq!(status(None, "DPoP", "2"), 401);
    assert_eq!(status(Some(&"ac".repeat(32)), "DPoP", "3"), 401);
    assert_eq!(status(Some(&right), "Bearer", "4"), 401);
}

#[test]
fn where_it_is_required_nothing_else_comes_in() {
    let guard = guard(json!({"algorithms": ["ES256", "EdDSA"], "required": true}));
    let unbound = token(json!(null));
    is_challenged(&refused(&guard, &format!("Bearer {unbound}"), &[]), &[&dpop_error("invalid_token")]);
    is_challenged(&refused(&guard, "Bearer a.b.c", &[]), &[&dpop_error("invalid_token")]);
    let bound = bound();
    let proof = proof(&bound, &json!({}));
    assert!(matches!(told(&mut *guard.stream(), &format!("DPoP {bound}"), &[("dpop", &proof)]), Step::Hold));
    // Where it is not, a bearer of an unbound token does, whatever it sends beside.
    let guard = self::guard(rules());
    assert!(matches!(told(&mut *guard.stream(), &format!("Bearer {unbound}"), &[("dpop", "x")]), Step::Hold));
}

#[test]
fn without_the_section_what_is_bound_to_a_key_stays_out() {
    let guard = guard(json!(null));
    let bound = bound();
    let proof = proof(&bound, &json!({}));
    let bearer = |error: &str| format!("Bearer {METADATA}, error=\"{error}\"");
    is_challenged(&refused(&guard, &format!("Bearer {bound}"), &[&proof]), &[&bearer("invalid_token")]);
    is_challenged(&refused(&guard, &format!("DPoP {bound}"), &[&proof]), &[&bearer("invalid_request")]);
}

#[test]
fn a_nonce_is_asked_for_and_given() {
    let nonce = json!({"keys": [{"env": "NONCE_KEY"}], "lifetime_seconds": 60});
    let guard = guard(json!({"algorithms": ["ES256", "EdDSA"], "nonce": nonce}));
    let token = bound();
    let presented = format!("DPoP {token}");
    let reply = refused(&guard, &presented, &[&proof(&token, &json!({}))]);
    is_challenged(&reply, &[&dpop_error("use_dpop_nonce")]);
    let fresh = reply.headers.iter().find(|(name, _)| name == "dpop-nonce").map(|(_, value)| value.clone()).unwrap();
    let proof = proof(&token, &json!({"nonce": fresh}));
    assert!(matches!(told(&mut *guard.stream(), &presented, &[("dpop", &proof)]), Step::Hold));
}

#[test]
fn where_nothing_can_be_remembered_no_proof_counts() {
    let guard: Rc<Guard> = configured(configuration(rules()), Rc::new(Full)).unwrap();
    let token = bound();
    let proof = proof(&token, &json!({}));
    let mut stream = guard.stream();
    let reply = reply(told(&mut *stream, &format!("DPoP {token}"), &[("dpop", &proof)]));
    assert_eq!((reply.status, challenges(&reply)), (503, vec![]));
    assert!(reply.headers.contains(&("retry-after".to_owned(), "1".to_owned())));
    assert_eq!(stream.take_record().unwrap().outcome(), Outcome::Error);
}

#[test]
fn the_metadata_says_what_proofs_are_taken() {
    let document = |dpop: Value| {
        let path = "/.well-known/oauth-protected-resource/mcp";
        let reply = reply(told(&mut *guard(dpop).stream(), "", &[(":method", "GET"), (":path", path)]));
        let document: Value = serde_json::from_slice(&reply.body).unwrap();
        (document["dpop_signing_alg_values_supported"].clone(), document["dpop_bound_access_tokens_required"].clone())
    };
    assert_eq!(document(rules()), (json!(["ES256", "EdDSA"]), json!(false)));
    assert_eq!(document(json!({"algorithms": ["ES256"], "required": true})), (json!(["ES256"]), json!(true)));
    assert_eq!(document(json!(null)), (json!(null), json!(null)));
}

#[test]
fn jwt_auth_checks_the_same_and_tells_later_stages_how_the_caller_came() {
    let whole = configuration(rules());
    let stage: Rc<JwtAuth> =
        configured(json!({"servers": whole["servers"], "tokens": whole["tokens"]}), Rc::new(Memory::default()))
            .unwrap();
    let token = bound();
    let (presented, good) = (format!("DPoP {token}"), proof(&token, &json!({})));
    let Step::HandOver(HandOver { edits, state }) = told(&mut *stage.stream(), &presented, &[("dpop", &good)]) else {
        panic!("refused")
    };
    assert!(edits.contains(&HeaderEdit::Remove(b"dpop".to_vec())));
    assert_eq!(state.len(), 1);
    let left: Value = serde_json::from_slice(&state.first().unwrap().1).unwrap();
    assert_eq!(left["dpop"], json!({"algorithms": "ES256 EdDSA", "required": false, "presented": true}));
    let again = reply(told(&mut *stage.stream(), &presented, &[("dpop", &good)]));
    is_challenged(&again, &[&dpop_error("invalid_dpop_proof")]);

    // Policy would allow it to a token with another scope, and says so in the scheme that was used.
    let sections = ["servers", "policy", "audit"].map(|name| (name.to_owned(), whole[name].clone()));
    let last: Rc<CedarAuthz> =
        configured(Value::Object(sections.into_iter().collect()), Rc::new(Memory::default())).unwrap();
    let call = json!({
        "server": "hr",
        "call": {
            "id": 1, "revision": "legacy", "method": "tools/call", "params": null, "binding": "JSONRPC", "list": null,
            "operation": {"call_tool": {"name": "write", "arguments": {}}}, "extra_lists": [],
        },
    });
    let peer = json!({"known": {"spiffe_id": "spiffe://acme.example/agent/assistant", "source": "tls"}}).to_string();
    let call = call.to_string();
    let hand_offs = HandOffs {
        peer: Some(peer.as_bytes()),
        token: Some(&state.first().unwrap().1),
        call: Some(call.as_bytes()),
        decision: None,
    };
    assert_eq!(state.first().unwrap().0, HandOff::Token.key());
    let connection = Connection { mtls: true, hand_offs, ..Connection::default() };
    let headers = headers(&[]);
    let event =
        Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream: false, moment: moment() };
    let reply = reply(last.stream().on(&event));
    let challenge = format!("DPoP {METADATA}, error=\"insufficient_scope\", scope=\"hr.write\", algs=\"ES256 EdDSA\"");
    assert_eq!((reply.status, challenges(&reply)), (403, vec![challenge.as_str()]));
}

/// Envoy's own `jwt_authn` has taken the token off: no proof could be checked against it.
#[test]
fn behind_jwt_authn_what_is_bound_to_a_key_stays_out() {
    let whole = configuration(json!(null));
    let tokens = json!({
        "payload_in_metadata": "claims", "issuers": [{"issuer": "https://idp.acme.example"}],
        "resource_metadata": whole["tokens"]["resource_metadata"],
    });
    let configuration = json!({"servers": whole["servers"], "policy": whole["policy"], "tokens": tokens});
    let stage: Rc<CedarAuthz> = configured(configuration, Rc::new(Memory::default())).unwrap();
    let status = |cnf: Value| {
        let mut claims = json!({
            "iss": "https://idp.acme.example", "sub": "alice", "aud": "https://hr.mcp.acme.example/mcp", "iat": NOW,
            "exp": NOW + 300,
        });
        if !cnf.is_null() {
            claims["cnf"] = cnf;
        }
        let call = json!({
            "server": "hr",
            "call": {
                "id": 1, "revision": "legacy", "method": "tools/call", "params": null, "binding": "JSONRPC",
                "list": null, "operation": {"call_tool": {"name": "seen", "arguments": {}}}, "extra_lists": [],
            },
        });
        let peer = json!({"known": {"spiffe_id": "spiffe://acme.example/agent/assistant", "source": "tls"}});
        let (call, peer) = (call.to_string(), peer.to_string());
        let hand_offs = HandOffs { peer: Some(peer.as_bytes()), call: Some(call.as_bytes()), ..HandOffs::default() };
        let claims = claims.as_object();
        let connection = Connection { mtls: true, hand_offs, claims, ..Connection::default() };
        let headers = headers(&[("dpop", "x")]);
        let event = Event::RequestHeaders {
            headers: &headers,
            connection: &connection,
            end_of_stream: false,
            moment: moment(),
        };
        match stage.stream().on(&event) {
            Step::Forward(_) => 200,
            step => reply(step).status,
        }
    };
    assert_eq!(status(json!(null)), 200);
    assert_eq!(status(json!({"jkt": hash(&jwk(&caller()).to_string())})), 401);
}

#[test]
fn a_section_that_is_not_wholly_right_is_refused() {
    let refused = |dpop: Value| {
        let found = configured::<Guard>(configuration(dpop), Rc::new(Memory::default()));
        found.err().map(|error| (error.field, error.problem)).unwrap()
    };
    let field = |dpop: Value| refused(dpop).0;
    assert_eq!(field(json!({"algorithms": []})), "tokens.dpop.algorithms");
    assert_eq!(field(json!({"algorithms": ["ES256", "HS256"]})), "tokens.dpop.algorithms[1]");
    assert_eq!(field(json!({"algorithms": ["none"]})), "tokens.dpop.algorithms[0]");
    assert_eq!(field(json!({})), "tokens.dpop");
    assert_eq!(field(json!({"algorithms": ["ES256"], "max_age": 1})), "tokens.dpop.max_age");
    for seconds in [0, 301] {
        let problem = refused(json!({"algorithms": ["ES256"], "max_age_seconds": seconds}));
        assert_eq!(problem, ("tokens.dpop.max_age_seconds".to_owned(), "write from 1 to 300 seconds".to_owned()));
    }
    let nonce = |nonce: Value| refused(json!({"algorithms": ["ES256"], "nonce": nonce}));
    let key = || json!({"env": "NONCE_KEY"});
    assert_eq!(nonce(json!({"keys": []})).0, "tokens.dpop.nonce.keys");
    assert_eq!(nonce(json!({"keys": [key()], "lifetime_seconds": 0})).0, "tokens.dpop.nonce.lifetime_seconds");
    assert_eq!(nonce(json!({"keys": [key(), key()]})).0, "tokens.dpop.nonce.keys[1]");
    assert_eq!(nonce(json!({"keys": [{"env": "OTHER"}]})).0, "tokens.dpop.nonce.keys[0].env");
    assert_eq!(nonce(json!({"keys": [{"inline": "c2hvcnQ="}]})).0, "tokens.dpop.nonce.keys[0].inline");
    // The host has no memory.
    let environment = |_: &str| Some(include_str!("../testing/signing-key.pem").to_owned());
    let replays = || Err("no memory".to_owned());
    let host = Host { environment: &environment, crypto: TrustedCrypto::none(), replays: &replays };
    let found = Guard::configure(configuration(rules()), &host).err().unwrap();
    assert_eq!((found.field.as_str(), found.problem.as_str()), ("tokens.dpop", "no memory"));
    assert!(Guard::configure(configuration(json!(null)), &host).is_ok(), "and is asked for none");
}
