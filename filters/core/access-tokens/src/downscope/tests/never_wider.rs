//! Whatever a subject token says and whatever is asked for, the token in its place is no wider in any claim.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::mint;
use crate::actors::MAX_ACTORS;
use crate::downscope::{CallBinding, DownscopedToken, MintError, Target};
use crate::fixtures::{DOCS, HR, ISSUER, MESH, NOW, alice_with, call, claims_of, verified};

const SCOPES: [&str; 6] = ["hr.read", "hr", "docs.read", "tickets.write", "admin", "*"];
const ACTORS: [&str; 3] = ["spiffe://acme.example/a", "spiffe://acme.example/b", "spiffe://acme.example/c"];

/// Numbers that look random and never change (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn often(&mut self) -> bool {
        self.below(3) > 0
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }

    fn some_of(&mut self, words: &[&str]) -> BTreeSet<String> {
        words.iter().filter(|_| self.below(2) == 0).map(|&word| word.to_owned()).collect()
    }
}

/// A chain of so many actors, the current one outside.
fn chain(numbers: &mut Numbers, length: u64) -> Value {
    (0..length).fold(Value::Null, |earlier, _| match earlier {
        Value::Null => json!({ "sub": numbers.of(&ACTORS), "iss": "https://idp.example" }),
        earlier => json!({ "sub": numbers.of(&ACTORS), "act": earlier }),
    })
}

/// The claims of a subject token that is good, and says more or less of everything.
fn subject(numbers: &mut Numbers) -> Value {
    let length = numbers.below(MAX_ACTORS as u64 + 1);
    let mut optional = |value: Value| if numbers.often() { value } else { Value::Null };
    let mut changes = json!({
        "client_id": optional(json!("acme-assistant")),
        "txn": optional(json!("t-1")),
        "acr": optional(json!("gold")),
        "amr": optional(json!(["otp"])),
        "may_act": optional(json!({ "sub": "spiffe://evil.example/agent" })),
        "authorization_details": optional(json!([{ "type": "payment" }])),
        "realm_access": optional(json!({ "roles": ["admin"] })),
        "cnf": optional(json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
        "tctx": optional(json!({ "server": "payroll" })),
        "email": optional(json!("alice@acme.example")),
    });
    changes["scope"] = json!(Vec::from_iter(numbers.some_of(&SCOPES)).join(" "));
    changes["exp"] = json!(NOW + 1 + numbers.below(120));
    changes["sub"] = json!(numbers.of(&["alice", "bob", "spiffe://acme.example/service"]));
    changes["act"] = chain(numbers, length);
    alice_with(changes)
}

fn words(claim: &Value) -> BTreeSet<String> {
    claim.as_str().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// How many links there are, and what is in the first.
fn links(act: &Value) -> usize {
    std::iter::successors(act.as_object(), |link| link.get("act").and_then(Value::as_object)).count()
}

#[test]
fn in_any_claim() {
    let mut numbers = Numbers(7);
    let mut refused = 0;
    for round in 0..500 {
        let said = subject(&mut numbers);
        let token = verified(&said);
        let asked = numbers.some_of(&SCOPES);
        let scopes = numbers.often().then_some(&asked);
        let ttl_seconds = numbers.often().then(|| 1 + numbers.below(200));
        let actor = numbers.often().then(|| numbers.of(&ACTORS));
        let audience = numbers.of(&[HR, DOCS, "https://api.example"]);
        let target = numbers.often().then_some(Target::Tool("get_time_off"));
        let binding = CallBinding { audience, scopes, ttl_seconds, actor, target, ..call() };
        let minted = DownscopedToken::mint(&mint(), &token, &binding, NOW, [round as u8; 16]);
        let grows = actor.is_some_and(|actor| said["act"]["sub"] != actor);
        if links(&said["act"]) == MAX_ACTORS && grows {
            assert_eq!(minted.err(), Some(MintError::TooManyActors));
            refused += 1;
            continue;
        }
        let smaller = claims_of(minted.unwrap().as_str());
        never_wider(&said, &binding, &smaller);
    }
    assert!((1..250).contains(&refused), "{refused}");
}

fn never_wider(said: &Value, asked: &CallBinding<'_>, smaller: &Value) {
    let claims: &Map<String, Value> = smaller.as_object().unwrap();
    // Nothing else appears, whatever the subject token had.
    let known = ["iss", "sub", "sub_id", "aud", "scope", "iat", "exp", "jti", "client_id", "act", "txn", "tctx"];
    assert!(claims.keys().all(|name| known.contains(&name.as_str())), "{smaller}");
    let (own, granted) = (words(&said["scope"]), words(&smaller["scope"]));
    let most: BTreeSet<String> =
        own.iter().filter(|word| asked.scopes.is_none_or(|asked| asked.contains(*word))).cloned().collect();
    assert_eq!(granted, most);
    assert!(granted.is_subset(&own));
    let exp = smaller["exp"].as_u64().unwrap();
    assert!(exp > NOW && exp <= said["exp"].as_u64().unwrap() && exp <= NOW + asked.ttl_seconds.unwrap_or(60).min(60));
    assert_eq!(smaller["iat"], NOW);
    assert_eq!((&smaller["iss"], &smaller["aud"]), (&json!(MESH), &json!(asked.audience)));
    assert_eq!(smaller["sub"], said["sub"]);
    assert_eq!(smaller["sub_id"], json!({ "format": "iss_sub", "iss": ISSUER, "sub": said["sub"] }));
    assert_eq!(claims.get("client_id"), said.get("client_id"));
    assert!(
        said.get("txn").is_none_or(|txn| *txn == smaller["txn"])
            && smaller["txn"].as_str().is_some_and(|txn| !txn.is_empty())
    );
    // The peer before all that acted earlier, none of whom is lost or changed.
    let expected = match (asked.actor, said.get("act")) {
        (Some(actor), Some(earlier)) if earlier["sub"] == actor => Some(earlier.clone()),
        (Some(actor), Some(earlier)) => Some(json!({ "sub": actor, "act": earlier })),
        (Some(actor), None) => Some(json!({ "sub": actor })),
        (None, earlier) => earlier.cloned(),
    };
    assert_eq!(claims.get("act"), expected.as_ref());
    assert!(links(&smaller["act"]) <= MAX_ACTORS);
    let context = smaller["tctx"].as_object().unwrap();
    assert_eq!((&context["server"], &context["method"]), (&json!(asked.server), &json!(asked.method)));
    let tool = context.get("tool").and_then(Value::as_str);
    assert_eq!(tool.map(Target::Tool), asked.target);
}
