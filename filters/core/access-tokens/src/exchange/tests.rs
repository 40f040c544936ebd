//! Whole exchanges, without a host: what is sent, what is made of the answers, who waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};

use super::error::{AnswerError, ExchangeError, ServerError};
use super::{
    ActorToken, Arrival, Asked, ClientAuthentication, ExchangeAsk, ExchangeConfig, ExchangeGrant, ExchangedToken,
    Landed, SubjectToken, Ticket, TokenEndpoint, TokenExchange, TokenRequest, TokenType,
};
use crate::fixtures::{HEADER, HR, ISSUER, NOW, alice, alice_with, claims_of, es256_key, signed, verified};
use crate::mint::{Mint, MintConfig};
use crate::token::VerifiedToken;

const STS: &str = "https://sts.acme.example/token";
const IDP: &str = "https://idp.acme.example/token";
const API: &str = "https://api.weather.example";
const PEER: &str = "spiffe://acme.example/agent/assistant";

fn endpoint(uri: &str) -> TokenEndpoint {
    TokenEndpoint {
        uri: uri.to_owned(),
        client_id: "mesh".to_owned(),
        authentication: ClientAuthentication::SecretPost("s3cret".to_owned()),
    }
}

fn config() -> ExchangeConfig {
    ExchangeConfig {
        endpoint: endpoint(STS),
        grant: ExchangeGrant::TokenExchange { requested: None },
        subject: SubjectToken::Presented { kind: TokenType::AccessToken },
        actor_token: ActorToken::None,
        audience: None,
        resources: vec![API.to_owned()],
        scopes: None,
        same_subject: true,
        cache_seconds: 30,
    }
}

fn id_jag() -> ExchangeConfig {
    let audience = "https://as.weather.example".to_owned();
    let grant = ExchangeGrant::IdJag { endpoint: Box::new(endpoint(IDP)), audience };
    ExchangeConfig { grant, ..config() }
}

fn mint() -> Rc<Mint> {
    let issuer = "https://mesh.acme.example".to_owned();
    let config = MintConfig { issuer, key: es256_key("mesh-1"), published_keys: Vec::new(), ttl_seconds: 60 };
    Rc::new(Mint::new(config).unwrap())
}

/// One caller's token, and the exchange.
struct World {
    exchange: TokenExchange,
    subject: Rc<VerifiedToken>,
    text: String,
}

impl World {
    fn new(config: ExchangeConfig) -> Self {
        Self::of(config, &alice())
    }

    fn of(config: ExchangeConfig, claims: &Value) -> Self {
        let text = signed(HEADER, &claims.to_string());
        Self { exchange: TokenExchange::new(config), subject: verified(claims), text }
    }

    fn ask(&self) -> ExchangeAsk<'_> {
        ExchangeAsk {
            subject: &self.subject,
            subject_token: Some(&self.text),
            actor: Some(PEER),
            server: "hr",
            protocol: "mcp",
            server_audience: HR,
            audience: None,
            scopes: None,
            ttl_seconds: None,
        }
    }

    fn token(&self, ticket: &mut Option<Ticket>) -> Result<Rc<ExchangedToken>, ExchangeError> {
        self.token_at(&self.ask(), ticket, NOW)
    }

    fn token_at(
        &self,
        ask: &ExchangeAsk<'_>,
        ticket: &mut Option<Ticket>,
        now: u64,
    ) -> Result<Rc<ExchangedToken>, ExchangeError> {
        self.exchange.token(ask, ticket, now, [7; 16])
    }

    /// Begins, and gives the form that is sent.
    fn sent(&self, ask: &ExchangeAsk<'_>) -> Vec<(String, String)> {
        let mut ticket = None;
        assert!(matches!(self.token_at(ask, &mut ticket, NOW), Err(ExchangeError::Awaited(_))));
        let (_, request) = self.due_one();
        form(&request)
    }

    /// What an answer leads to; `None` is that none came.
    fn answered(&self, flight: u64, answer: Option<(u16, &[u8])>, now: u64) -> Result<Landed, ExchangeError> {
        self.exchange.answered(flight, answer, now).unwrap().outcome
    }

    fn due_one(&self) -> (u64, TokenRequest) {
        let mut due = self.exchange.due();
        assert_eq!(due.len(), 1);
        assert!(self.exchange.due().is_empty(), "nothing is sent twice");
        due.remove(0)
    }
}

fn form(request: &TokenRequest) -> Vec<(String, String)> {
    let header = ("content-type", "application/x-www-form-urlencoded".to_owned());
    assert!(request.headers.contains(&header));
    form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = form.iter().filter(|(other, _)| other == name);
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} repeats");
    value
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const GOOD: &[u8] = br#"{"access_token":"good","token_type":"Bearer","expires_in":60,
    "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;

#[test]
fn what_is_asked_is_in_the_words_of_the_standard() {
    let world = World::new(config());
    let scope = "docs.read hr.read tickets.write";
    let expected = pairs(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &world.text),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("resource", API),
        ("scope", scope),
        ("client_id", "mesh"),
        ("client_secret", "s3cret"),
    ]);
    assert_eq!(world.sent(&world.ask()), expected);
    let both = World::new(ExchangeConfig {
        audience: Some("weather".to_owned()),
        resources: vec![API.to_owned(), "https://maps.example".to_owned()],
        grant: ExchangeGrant::TokenExchange { requested: Some(TokenType::Jwt) },
        subject: SubjectToken::Presented { kind: TokenType::Jwt },
        ..config()
    });
    let expected = pairs(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &both.text),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("audience", "weather"),
        ("resource", API),
        ("resource", "https://maps.example"),
        ("scope", scope),
        ("client_id", "mesh"),
        ("client_secret", "s3cret"),
    ]);
    assert_eq!(both.sent(&both.ask()), expected);
    let assertion = World::new(ExchangeConfig { grant: ExchangeGrant::JwtBearer, ..config() });
    let expected = pairs(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion.text),
        ("resource", API),
        ("scope", scope),
        ("client_id", "mesh"),
        ("client_secret", "s3cret"),
    ]);
    assert_eq!(assertion.sent(&assertion.ask()), expected);
}

#[test]
fn policy_narrows_what_is_asked() {
    let granted: BTreeSet<String> = ["hr.read", "payroll.write"].map(str::to_owned).into();
    let asked = |config: ExchangeConfig, audience: Option<&str>| {
        let world = World::new(config);
        let ask = ExchangeAsk { scopes: Some(&granted), audience, ..world.ask() };
        let form: Vec<_> = world.sent(&ask);
        let of = |name: &str| value(&form, name).map(str::to_owned);
        (of("audience"), of("resource"), of("scope"))
    };
    let some = |text: &str| Some(text.to_owned());
    // No scope that the caller's token lacks.
    assert_eq!(asked(config(), None), (None, some(API), some("hr.read")));
    assert_eq!(asked(config(), Some("payroll")), (some("payroll"), None, some("hr.read")));
    let issuer = some("https://as.weather.example");
    assert_eq!(
        asked(id_jag(), Some("https://payroll.example")),
        (issuer.clone(), some("https://payroll.example"), some("hr.read"))
    );
    assert_eq!(asked(id_jag(), None), (issuer, some(API), some("hr.read")));
    // Without any words of the operator's, the server itself.
    let plain = ExchangeConfig { resources: Vec::new(), ..config() };
    assert_eq!(asked(plain, None), (None, some(HR), some("hr.read")));
    let audience = ExchangeConfig { resources: Vec::new(), audience: some("weather"), ..config() };
    assert_eq!(asked(audience, None), (some("weather"), None, some("hr.read")));
    // Scopes of the server's own.
    let own = |scopes: &[&str]| {
        let scopes = Some(scopes.iter().map(|&scope| scope.to_owned()).collect());
        asked(ExchangeConfig { scopes, ..config() }, None).2
    };
    assert_eq!(own(&["payroll.write", "payroll.read"]), some("payroll.write"));
    assert_eq!(own(&["forecast.read"]), None);
}

#[test]
fn without_scopes_nothing_is_asked_and_none_is_taken() {
    let world = World::of(config(), &alice_with(json!({ "scope": null })));
    let mut ticket = None;
    assert_eq!(world.token(&mut ticket).unwrap_err(), ExchangeError::Awaited(0));
    let (flight, request) = world.due_one();
    assert_eq!(value(&form(&request), "scope"), None);
    let wider = String::from_utf8(GOOD.to_vec()).unwrap().replace("60,", r#"60,"scope":"all","#);
    let refused = ExchangeError::Answer(AnswerError::Scope);
    assert_eq!(world.answered(flight, Some((200, wider.as_bytes())), NOW), Err(refused.clone()));
    assert_eq!(world.token(&mut ticket).unwrap_err(), refused);
}

#[test]
fn the_workload_is_named_in_a_token_of_its_own() {
    let world = World::new(ExchangeConfig { actor_token: ActorToken::Minted(mint()), ..config() });
    let form = world.sent(&world.ask());
    assert_eq!(value(&form, "actor_token_type"), Some("urn:ietf:params:oauth:token-type:jwt"));
    let mut claims = claims_of(value(&form, "actor_token").unwrap());
    assert!(claims.as_object_mut().unwrap().remove("jti").is_some_and(|jti| jti.is_string()));
    let expected = json!({ "iss": "https://mesh.acme.example", "sub": PEER, "aud": STS, "iat": NOW, "exp": NOW + 60 });
    assert_eq!(claims, expected);
    let nobody = ExchangeAsk { actor: None, ..world.ask() };
    assert_eq!(world.token_at(&nobody, &mut None, NOW).unwrap_err(), ExchangeError::NoActor);
}

#[test]
fn a_token_of_our_own_goes_in_the_place_of_the_callers() {
    let world = World::new(ExchangeConfig { subject: SubjectToken::Minted(mint()), ..config() });
    assert!(!world.exchange.sends_callers_token());
    let granted = BTreeSet::from(["hr.read".to_owned()]);
    let form = world.sent(&ExchangeAsk { subject_token: None, scopes: Some(&granted), ..world.ask() });
    let sent = value(&form, "subject_token").unwrap();
    let claims = claims_of(sent);
    for (name, expected) in [
        ("iss", json!("https://mesh.acme.example")),
        ("sub", json!("alice")),
        ("sub_id", json!({ "format": "iss_sub", "iss": ISSUER, "sub": "alice" })),
        ("aud", json!(STS)),
        ("scope", json!("hr.read")),
        ("act", json!({ "sub": PEER })),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert!(form.iter().all(|(_, value)| *value != world.text));
    // Where the caller's own is to be sent, it has to be there.
    let world = World::new(config());
    for other in [None, Some("another.token.x")] {
        let ask = ExchangeAsk { subject_token: other, ..world.ask() };
        assert_eq!(world.token_at(&ask, &mut None, NOW).unwrap_err(), ExchangeError::NoSubjectToken);
    }
}

#[test]
fn an_assertion_of_the_identity_provider_is_redeemed_at_the_server() {
    let world = World::new(id_jag());
    let mut ticket = None;
    assert_eq!(world.token(&mut ticket).unwrap_err(), ExchangeError::Awaited(0));
    let (flight, request) = world.due_one();
    assert_eq!(request.to, Asked::IdentityProvider);
    let form_1 = form(&request);
    assert_eq!(value(&form_1, "requested_token_type"), Some("urn:ietf:params:oauth:token-type:id-jag"));
    assert_eq!(value(&form_1, "audience"), Some("https://as.weather.example"));
    assert_eq!((value(&form_1, "resource"), value(&form_1, "subject_token")), (Some(API), Some(world.text.as_str())));
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": "https://as.weather.example", "client_id": "mesh", "jti": "1",
        "exp": NOW + 60, "scope": "hr.read",
    });
    let assertion = signed(r#"{"alg":"ES256","typ":"oauth-id-jag+jwt"}"#, &claims.to_string());
    let answer = json!({
        "access_token": assertion, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A",
    });
    let landed = world.answered(flight, Some((200, answer.to_string().as_bytes())), NOW);
    assert_eq!(landed, Ok(Landed::Halfway));
    assert_eq!(world.token(&mut ticket).unwrap_err(), ExchangeError::Awaited(flight), "still under way");
    let (second, request) = world.due_one();
    assert_eq!((second, request.to), (flight, Asked::Server));
    let expected = pairs(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
        ("client_id", "mesh"),
        ("client_secret", "s3cret"),
    ]);
    assert_eq!(form(&request), expected);
    // The assertion is good for less than was asked: so is the token.
    let wider = br#"{"access_token":"x","token_type":"Bearer","expires_in":60,"scope":"hr.read docs.read"}"#;
    let good = br#"{"access_token":"x","token_type":"Bearer","expires_in":60}"#;
    assert_eq!(world.answered(flight, Some((200, good)), NOW), Ok(Landed::Token));
    let token = world.token(&mut ticket).unwrap();
    assert_eq!((token.as_str(), token.scope()), ("x", "hr.read"));
    let other = World::new(id_jag());
    let _ = other.token(&mut ticket);
    let (flight, _) = other.due_one();
    assert!(other.answered(flight, Some((200, answer.to_string().as_bytes())), NOW).is_ok());
    let refused = other.exchange.answered(flight, Some((200, wider)), NOW);
    assert_eq!(refused, Some(Arrival { from: Asked::Server, outcome: Err(AnswerError::Scope.into()) }));
    // Whose answer it was that led to nothing.
    let _ = other.token(&mut None);
    let (flight, _) = other.due_one();
    let refused = other.exchange.answered(flight, None, NOW);
    assert_eq!(refused, Some(Arrival { from: Asked::IdentityProvider, outcome: Err(ExchangeError::Unreachable) }));
}

#[test]
fn all_who_ask_the_same_wait_for_one_flight() {
    let world = World::new(config());
    let mut tickets = [None, None, None];
    for ticket in &mut tickets {
        assert_eq!(world.token(ticket).unwrap_err(), ExchangeError::Awaited(0));
    }
    let (flight, _) = world.due_one();
    // One of them has gone meanwhile.
    tickets[0] = None;
    assert_eq!(world.answered(flight, Some((200, GOOD)), NOW), Ok(Landed::Token));
    for ticket in &mut tickets {
        assert_eq!(world.token(ticket).unwrap().as_str(), "good");
    }
    assert!(world.exchange.due().is_empty());
}

#[test]
fn a_failure_is_for_those_who_waited_and_for_nobody_else() {
    let world = World::new(config());
    let mut tickets = [None, None];
    for ticket in &mut tickets {
        let _ = world.token(ticket);
    }
    let (flight, _) = world.due_one();
    let refused = ExchangeError::Refused(ServerError::InvalidGrant);
    let body = br#"{"error":"invalid_grant"}"#;
    assert_eq!(world.answered(flight, Some((400, body)), NOW), Err(refused.clone()));
    for ticket in &mut tickets {
        assert_eq!(world.token(ticket).unwrap_err(), refused);
        // Told once.
        assert!(ticket.is_none());
    }
    assert_eq!(world.token(&mut None).unwrap_err(), ExchangeError::Awaited(1), "whoever comes later asks again");
    // An answer that nobody waits for.
    assert_eq!(world.exchange.answered(7, Some((200, GOOD)), NOW), None);
}

#[test]
fn other_questions_have_flights_of_their_own() {
    let world = World::new(config());
    let one = BTreeSet::from(["hr.read".to_owned()]);
    let none = BTreeSet::new();
    let ask = world.ask();
    let other = World::of(config(), &alice_with(json!({ "jti": "2" })));
    let questions = [
        ask,
        ExchangeAsk { actor: Some("spiffe://acme.example/other"), ..ask },
        ExchangeAsk { actor: None, ..ask },
        ExchangeAsk { server: "docs", ..ask },
        ExchangeAsk { protocol: "a2a", ..ask },
        ExchangeAsk { audience: Some(API), ..ask },
        ExchangeAsk { scopes: Some(&one), ..ask },
        ExchangeAsk { scopes: Some(&none), ..ask },
        ExchangeAsk { ttl_seconds: Some(30), ..ask },
        ExchangeAsk { subject: &other.subject, subject_token: Some(&other.text), ..ask },
    ];
    let flights: BTreeMap<u64, usize> = questions
        .iter()
        .enumerate()
        .map(|(at, question)| match world.token_at(question, &mut None, NOW) {
            Err(ExchangeError::Awaited(flight)) => (flight, at),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(flights.len(), questions.len());
}

/// Asks, has it answered, and says until when the token is used again.
fn kept_until(config: ExchangeConfig, claims: &Value, answer: &[u8]) -> u64 {
    let world = World::of(config, claims);
    let mut ticket = None;
    let _ = world.token(&mut ticket);
    let (flight, _) = world.due_one();
    world.answered(flight, Some((200, answer)), NOW).unwrap();
    world.token(&mut ticket).unwrap();
    (NOW..NOW + 10_000).find(|&now| world.token_at(&world.ask(), &mut None, now).is_err()).unwrap()
}

#[test]
fn a_token_is_used_again_while_all_agree_that_it_is_good() {
    let answer =
        |expires_in: &str| String::from_utf8(GOOD.to_vec()).unwrap().replace(r#""expires_in":60,"#, expires_in);
    let until = |cache_seconds, expires_in: &str, exp: u64| {
        let claims = alice_with(json!({ "exp": NOW + exp }));
        kept_until(ExchangeConfig { cache_seconds, ..config() }, &claims, answer(expires_in).as_bytes()) - NOW
    };
    assert_eq!(until(30, r#""expires_in":60,"#, 200), 30, "as configured");
    assert_eq!(until(300, r#""expires_in":60,"#, 200), 50, "it has to arrive while it is good");
    assert_eq!(until(300, r#""expires_in":3600,"#, 200), 200, "no longer than the caller's");
    assert_eq!(until(0, r#""expires_in":60,"#, 200), 0);
    assert_eq!(until(300, r#""expires_in":9,"#, 200), 0);
    assert_eq!(until(300, "", 200), 0, "nobody says how long it lives");
}

#[test]
fn a_server_that_cannot_be_reached_is_left_alone_for_a_moment() {
    let world = World::new(config());
    let mut ticket = None;
    let _ = world.token(&mut ticket);
    let (flight, _) = world.due_one();
    assert_eq!(world.answered(flight, None, NOW), Err(ExchangeError::Unreachable));
    assert_eq!(world.token(&mut ticket).unwrap_err(), ExchangeError::Unreachable);
    assert_eq!(world.token(&mut None).unwrap_err(), ExchangeError::Paused);
    let again = world.token_at(&world.ask(), &mut None, NOW + 1);
    assert_eq!(again.unwrap_err(), ExchangeError::Awaited(1));
    // Whoever refuses, or fails, was reached.
    let (flight, _) = world.due_one();
    assert!(world.answered(flight, Some((500, b"")), NOW + 1).is_err());
    assert_eq!(world.token_at(&world.ask(), &mut None, NOW + 1).unwrap_err(), ExchangeError::Awaited(2));
}

#[test]
fn a_clock_that_is_set_back_prolongs_nothing() {
    let world = World::new(config());
    let earlier = |ticket: &mut Option<Ticket>| world.token_at(&world.ask(), ticket, NOW - 50);
    let _ = world.token(&mut None);
    let (flight, _) = world.due_one();
    assert_eq!(world.answered(flight, None, NOW), Err(ExchangeError::Unreachable));
    assert_eq!(world.token(&mut None).unwrap_err(), ExchangeError::Paused);
    assert_eq!(earlier(&mut None).unwrap_err(), ExchangeError::Awaited(1));
    let (flight, _) = world.due_one();
    world.answered(flight, Some((200, GOOD)), NOW).unwrap();
    assert!(world.token(&mut None).is_ok());
    assert_eq!(earlier(&mut None).unwrap_err(), ExchangeError::Awaited(2));
}

#[test]
fn flights_are_bounded() {
    let world = World::new(config());
    for ttl in 1..=1_024 {
        let ask = ExchangeAsk { ttl_seconds: Some(ttl), ..world.ask() };
        assert_eq!(world.token_at(&ask, &mut None, NOW).unwrap_err(), ExchangeError::Awaited(ttl - 1));
    }
    assert_eq!(world.token(&mut None).unwrap_err(), ExchangeError::Busy { limit: 1_024 });
    assert_eq!(world.exchange.due().len(), 1_024);
    // Whoever asks what is being asked waits all the same.
    let known = ExchangeAsk { ttl_seconds: Some(1), ..world.ask() };
    assert_eq!(world.token_at(&known, &mut None, NOW).unwrap_err(), ExchangeError::Awaited(0));
}

#[test]
fn tokens_are_kept_in_a_bounded_number() {
    let world = World::new(ExchangeConfig { cache_seconds: 200, ..config() });
    let long = String::from_utf8(GOOD.to_vec()).unwrap().replace("60", "20");
    for ttl in 0..4_097_u64 {
        let ask = ExchangeAsk { ttl_seconds: Some(1_000 + ttl), ..world.ask() };
        let _ = world.token_at(&ask, &mut None, NOW);
        for (flight, _) in world.exchange.due() {
            world.answered(flight, Some((200, long.as_bytes())), NOW).unwrap();
        }
    }
    let of = |ttl: u64| world.token_at(&ExchangeAsk { ttl_seconds: Some(1_000 + ttl), ..world.ask() }, &mut None, NOW);
    assert!(of(4_096).is_ok() && of(1).is_ok());
    assert!(of(0).is_err(), "the oldest is forgotten");
}

#[test]
fn a_token_within_the_skew_only_is_not_exchanged() {
    let world = World::of(config(), &alice_with(json!({ "exp": NOW - 5 })));
    let expired = ExchangeError::SubjectExpired { expired_at: NOW - 5, now: NOW };
    assert_eq!(world.token(&mut None).unwrap_err(), expired);
    assert!(world.exchange.due().is_empty());
}

#[test]
fn nothing_that_can_be_logged_holds_a_token_or_a_secret() {
    let world = World::new(config());
    let mut ticket = None;
    let _ = world.token(&mut ticket);
    let during = format!("{:?} {ticket:?} {:?}", world.exchange, world.ask());
    let (flight, request) = world.due_one();
    world.answered(flight, Some((200, GOOD)), NOW).unwrap();
    let token = world.token(&mut ticket).unwrap();
    let shown = format!("{during} {:?} {request:?} {token:?}", world.exchange);
    for secret in ["s3cret", "\"good\"", world.text.as_str()] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
