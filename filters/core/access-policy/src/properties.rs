//! What the index leaves out, and what of a question is not built, never changes an answer: random policies, random calls.

use std::rc::Rc;

use access_tokens::VerifiedToken;
use agent_messages::{Operation, Protocol, ServerTaskKind};
use cedar_policy::{Decision as Answer, PolicySet};
use peer_identity::PeerIdentity;
use serde_json::{Map, Value, json};

use crate::decide::Case;
use crate::policies::Source;
use crate::question::{Question, Supposed};
use crate::schema::Vocabulary;
use crate::testing::{NOW, peer, token};
use crate::text::{self, Shadows};
use crate::{Caller, Hints, Policies, ResourceEntry, Server, ToolEntry};

const SETS: usize = 200;
const CALLS: usize = 500;

/// SplitMix64: small, and the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const PRINCIPALS: [&str; 7] = [
    "principal",
    "principal is User",
    "principal == User::\"https://idp.example#u1\"",
    "principal in Group::\"g1\"",
    "principal is User in Role::\"r1\"",
    "principal is Workload in Group::\"g2\"",
    "principal is Workload",
];

/// An action, and resources that it can be about.
const SUBJECTS: [(&str, &[&str]); 6] = [
    ("action", &["resource", "resource in Server::\"s1\"", "resource in Group::\"h1\"", "resource is Tool"]),
    (
        "action == Action::\"tools/call\"",
        &[
            "resource",
            "resource == Tool::\"s1/t1\"",
            "resource == Tool::\"s1/t2\"",
            "resource == Tool::\"s2/t1\"",
            "resource in Server::\"s2\"",
            "resource is Tool in Group::\"h1\"",
            "resource in Group::\"h2\"",
        ],
    ),
    ("action == Action::\"prompts/get\"", &["resource", "resource == Prompt::\"s1/p1\"", "resource in Server::\"s1\""]),
    (
        "action in [Action::\"resources/read\", Action::\"resources/subscribe\"]",
        &["resource", "resource == Resource::\"doc://a/1\"", "resource is Resource in Group::\"h2\""],
    ),
    ("action == Action::\"tasks/get\"", &["resource", "resource is Server", "resource == Agent::\"a1\""]),
    ("action in [Action::\"connect\", Action::\"message/send\"]", &["resource", "resource in Group::\"h1\""]),
];

/// Conditions that mean something for every principal, action and resource.
const CONDITIONS: [&str; 25] = [
    "context.token.scopes.contains(\"a\")",
    "context.token.scopes.containsAny([\"b\", \"c\"])",
    "context.token.present",
    "context.token.acr == \"gold\"",
    "context.token.amr.contains(\"otp\")",
    "context.token.age_seconds < 100",
    "context.token.expires_in_seconds > 200",
    "context.token.client_id like \"c*\"",
    "context.delegation.depth < 2",
    "context.delegation.current_actor_is_peer",
    "context.actor in Group::\"g2\"",
    "context.actor.trust_domain == \"acme.example\"",
    "context.arguments.complete",
    "(context.arguments.long.hasTag(\"k1\") && context.arguments.long.getTag(\"k1\") > 10)",
    "(context.arguments.string.hasTag(\"k2\") && context.arguments.string.getTag(\"k2\") like \"x*\")",
    "(context.arguments.bool.hasTag(\"k3\") && context.arguments.bool.getTag(\"k3\"))",
    "(context.arguments.decimal.hasTag(\"k4.n\") && context.arguments.decimal.getTag(\"k4.n\").greaterThan(decimal(\"1.5\")))",
    "(context.arguments.strings.hasTag(\"k5\") && context.arguments.strings.getTag(\"k5\").contains(\"x\"))",
    "context.now < datetime(\"2030-01-01\")",
    "context.source_ip.isInRange(ip(\"10.0.0.0/8\"))",
    "(principal is User && principal.hasTag(\"department\") && principal.getTag(\"department\").contains(\"eng\"))",
    "principal in Group::\"g1\"",
    "(principal is User && principal.issuer == \"https://idp.example\")",
    "(context.arguments.string.hasTag(context.token.client_id) && context.token.present)",
    // It fails when there is a token.
    "context.token.expires_in_seconds + 9223372036854775800 > 0",
];

fn condition(random: &mut Random) -> String {
    let one = *random.one(&CONDITIONS);
    match random.below(4) {
        0 => format!("!({one})"),
        1 => format!("({one} && {})", random.one(&CONDITIONS)),
        2 => format!("({one} || {})", random.one(&CONDITIONS)),
        _ => one.to_owned(),
    }
}

fn policy(random: &mut Random, number: usize) -> String {
    let effect = if random.below(4) == 0 { "forbid" } else { "permit" };
    let (action, resources) = *random.one(&SUBJECTS);
    let (principal, resource) = (random.one(&PRINCIPALS), random.one(resources));
    let when = if random.below(3) == 0 { String::new() } else { format!(" when {{ {} }}", condition(random)) };
    format!("@id(\"p{number}\") {effect} ({principal}, {action}, {resource}){when};\n")
}

/// Policies of which each is valid by itself: a set is refused for the first that is not.
fn policies(random: &mut Random, servers: &[Server], entities: &Value, words: &Vocabulary) -> Policies {
    let wanted = 4 + random.below(20);
    let mut text = String::new();
    for number in 0..wanted {
        let policy = loop {
            let policy = policy(random, number);
            if text::compile(Source::from(&policy), Shadows::LeftOut, words).is_ok() {
                break policy;
            }
        };
        text.push_str(&policy);
    }
    Policies::compile(&text, entities, servers).unwrap()
}

fn servers() -> Vec<Server> {
    let tool = |groups: &[&str], data_class| ToolEntry {
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        hints: Hints { read_only: false, destructive: true, idempotent: false, open_world: true },
        data_class,
    };
    let server = |name: &str, groups: &[&str]| Server {
        name: name.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        tools: [("t1".to_owned(), tool(&["h1"], 1)), ("t2".to_owned(), tool(&["h2"], 3))].into(),
        resources: [("doc://a/*".to_owned(), ResourceEntry { groups: vec!["h2".to_owned()], data_class: 2 })].into(),
        ..Server::default()
    };
    let agent =
        Server { name: "a1".to_owned(), protocol: Protocol::A2a, groups: vec!["h1".to_owned()], ..Server::default() };
    vec![server("s1", &["h1"]), server("s2", &[]), agent]
}

fn entities() -> Value {
    json!([
        {"uid": {"type": "Group", "id": "g0"}, "parents": [{"type": "Group", "id": "g1"}]},
        {"uid": {"type": "Workload", "id": "spiffe://acme.example/agent/2"}, "parents": [{"type": "Group", "id": "g2"}]},
    ])
}

fn tokens(random: &mut Random) -> Vec<Rc<VerifiedToken>> {
    let token = |_| {
        let pick = |random: &mut Random, of: &[&str]| -> Vec<String> {
            of.iter().filter(|_| random.below(2) == 0).map(|&one| one.to_owned()).collect()
        };
        let mut claims = json!({
            "iss": "https://idp.example",
            "sub": *random.one(&["u1", "u2"]),
            "client_id": *random.one(&["c1", "k2", "other"]),
            "scope": pick(random, &["a", "b", "c", "d"]).join(" "),
            "groups": pick(random, &["g0", "g1", "g3"]),
            "roles": pick(random, &["r1", "r2"]),
            "acr": *random.one(&["gold", "silver"]),
            "amr": pick(random, &["otp", "pwd"]),
            "department": pick(random, &["eng", "hr"]),
            "iat": NOW - 50 * u64::try_from(random.below(5)).unwrap(),
        });
        if random.below(2) == 0 {
            claims["act"] = json!({"sub": "spiffe://acme.example/agent/1", "act": {"sub": "spiffe://acme.example/x"}});
        }
        token(&claims, NOW)
    };
    (0..24).map(token).collect()
}

fn arguments(random: &mut Random) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, values) in [
        ("k1", json!([1, 11, "11", null])),
        ("k2", json!(["x1", "y", 5])),
        ("k3", json!([true, false])),
        ("k4", json!([{"n": 1.25}, {"n": 2.5}, {"n": "2.5"}])),
        ("k5", json!([["x", "y"], [], [1]])),
        ("c1", json!(["x"])),
    ] {
        if random.below(2) == 0 {
            all.insert(key.to_owned(), random.one(values.as_array().unwrap()).clone());
        }
    }
    all
}

fn operation(random: &mut Random) -> (&'static str, Operation) {
    let (server, arguments) = (*random.one(&["s1", "s2"]), arguments(random));
    let uri = (*random.one(&["doc://a/1", "doc://a/2", "doc://b/1"])).to_owned();
    match random.below(8) {
        0..=2 => (server, Operation::CallTool { name: (*random.one(&["t1", "t2", "t3"])).to_owned(), arguments }),
        3 => (server, Operation::GetPrompt { name: (*random.one(&["p1", "p2"])).to_owned(), arguments }),
        4 => (server, Operation::ReadResource { uri }),
        5 => (server, Operation::Connect),
        6 => (server, Operation::server_task(ServerTaskKind::Get, "7")),
        _ => ("a1", Operation::SendMessage { arguments }),
    }
}

/// Decision, determining policies and failing ones.
fn answer(policies: &Policies, set: &PolicySet, question: &Question) -> (bool, Vec<String>, Vec<String>) {
    let response = policies.authorizer.is_authorized(&question.request, set, &question.entities);
    let mut reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    let mut errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
    reasons.sort();
    errors.sort();
    (response.decision() == Answer::Allow, reasons, errors)
}

#[test]
fn a_slice_and_what_it_reads_answer_like_all_policies_and_everything() {
    let mut random = Random(2026);
    let (servers, entities, words) = (servers(), entities(), Vocabulary::new().unwrap());
    let tokens = tokens(&mut random);
    let peers: Vec<PeerIdentity> =
        ["1", "2"].map(|name| peer(&format!("spiffe://acme.example/agent/{name}"))).into_iter().collect();
    let (mut allowed, mut failed, mut sliced, mut whole) = (0_usize, 0_usize, 0_usize, 0_usize);
    for _ in 0..SETS {
        let policies = policies(&mut random, &servers, &entities, &words);
        let all = policies.index.whole();
        for _ in 0..CALLS {
            let (server, operation) = operation(&mut random);
            let token = (random.below(4) > 0).then(|| random.one(&tokens).as_ref());
            let actor = (token.is_none() || random.below(4) > 0).then(|| random.one(&peers));
            let source_ip = (random.below(2) == 0).then(|| "10.1.2.3".parse().unwrap());
            let caller = Caller { token, actor, now: NOW, source_ip };
            let server = policies.catalogue.server(server).unwrap();
            let (action, thing, shown) = policies.subject(server, &operation).unwrap();
            let case: Case<'_> = policies.case(&caller, action, thing, shown).unwrap();
            let (narrow, wide) = (policies.question(&case, &Supposed::NOTHING), policies.whole_question(&case));
            let got = answer(&policies, &case.policies, &narrow.unwrap());
            assert_eq!(got, answer(&policies, &all, &wide.unwrap()), "{operation:?}");
            allowed += usize::from(got.0);
            failed += usize::from(!got.2.is_empty());
            sliced += case.policies.policies().count();
            whole += all.policies().count();
        }
    }
    // That it could have failed: every kind of answer came, and much was left out.
    let calls = SETS * CALLS;
    assert!(allowed > calls / 10 && allowed < calls * 9 / 10, "{allowed} of {calls} are allowed");
    assert!(failed > calls / 200, "{failed} of {calls} fail");
    assert!(sliced < whole / 2, "{sliced} of {whole} policies are asked");
}
