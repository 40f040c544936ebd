//! What is foreseen of a call before its arguments are known, against what is decided once they are.

use std::collections::BTreeSet;

use agent_messages::Operation;
use serde_json::{Map, Value, json};

use super::tests::sandboxes;
use super::{Sandbox, Somebody};
use crate::testing::{NOW, peer, token};
use crate::{Decision, DenialReason, Grant, Grounds, Policies, Server};

/// Every tool, prompt and resource that is called in the cases, by server.
fn targets(sandbox: &Sandbox) -> BTreeSet<(String, String, String)> {
    let target = |case: &super::Case| {
        let text = |pointer: &str| case.call.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let method = text("/method")?;
        let name = match method.as_str() {
            "tools/call" | "prompts/get" => text("/params/name")?,
            "resources/read" => text("/params/uri")?,
            _ => return None,
        };
        Some((case.server.clone(), method, name))
    };
    sandbox.file.cases.iter().filter_map(target).collect()
}

/// All arguments that the target has in the cases, each set also without each of its members.
fn arguments(sandbox: &Sandbox, target: &str) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    let of_target = |case: &&super::Case| case.call.pointer("/params/name").is_some_and(|name| name == target);
    let cases = sandbox.file.cases.iter().filter(of_target);
    for arguments in cases.filter_map(|case| case.call.pointer("/params/arguments")?.as_object()) {
        all.push(arguments.clone());
        for name in arguments.keys() {
            let mut fewer = arguments.clone();
            fewer.remove(name);
            all.push(fewer);
        }
    }
    all
}

fn operation(method: &str, name: &str, arguments: Map<String, Value>) -> Operation {
    let name = name.to_owned();
    match method {
        "tools/call" => Operation::CallTool { name, arguments },
        "prompts/get" => Operation::GetPrompt { name, arguments },
        _ => Operation::ReadResource { uri: name },
    }
}

/// What was granted in advance lets nobody do more than what is granted in the end.
#[track_caller]
fn is_no_wider(early: &Grant, late: &Grant, what: &str) {
    match (&early.scopes, &late.scopes) {
        (None, Some(late)) => panic!("{what}: all scopes, then {late:?}"),
        (Some(early), Some(late)) => assert!(early.is_subset(late), "{what}: {early:?}, then {late:?}"),
        (_, None) => {}
    }
    let lifetime = |grant: &Grant| grant.ttl_seconds.unwrap_or(u64::MAX);
    assert!(lifetime(early) <= lifetime(late), "{what}: {early:?}, then {late:?}");
    assert_eq!(early.audience, late.audience, "{what}");
}

#[test]
fn what_is_foreseen_is_never_wider_than_what_is_decided() {
    let (mut granted, mut denied) = (0, 0);
    for sandbox in sandboxes() {
        for who in sandbox.file.callers.keys() {
            let somebody = sandbox.somebody(who, None, "10.0.0.7".parse().ok()).unwrap();
            let caller = somebody.caller();
            for (server, method, name) in targets(&sandbox) {
                let foreseen = sandbox.policies.foresee(&caller, &server, &operation(&method, &name, Map::new()));
                let mut allowed = 0;
                for arguments in arguments(&sandbox, &name) {
                    let what = format!("{}: {who} {method} {server}/{name} {arguments:?}", sandbox.name);
                    let decided = sandbox.policies.judge(&caller, &server, &operation(&method, &name, arguments));
                    if let Ok((_, late)) = &decided {
                        allowed += 1;
                        match &foreseen {
                            Ok(early) => is_no_wider(early, late, &what),
                            // Whatever token had gone on, it could have been the wrong one.
                            Err(Grounds { reason: DenialReason::ConflictingAudiences, .. }) => {}
                            Err(grounds) => panic!("{what}: allowed, but foreseen was {grounds:?}"),
                        }
                    }
                }
                granted += allowed;
                denied += usize::from(foreseen.is_err());
            }
        }
    }
    assert!(granted > 100 && denied > 20, "{granted} granted, {denied} denied in advance");
}

#[test]
fn a_denial_in_advance_says_what_the_denial_itself_would() {
    let mut told = 0;
    for sandbox in sandboxes() {
        for case in sandbox.file.cases.iter().filter(|case| case.call.is_object()) {
            let call = sandbox.call(case).unwrap();
            if !matches!(call.operation(), Operation::CallTool { .. } | Operation::ReadResource { .. }) {
                continue;
            }
            let somebody = sandbox.somebody(&case.who, case.now.as_deref(), case.source_ip).unwrap();
            let Err(grounds) = sandbox.policies.foresee(&somebody.caller(), &case.server, call.operation()) else {
                continue;
            };
            let what = format!("{}: {}", sandbox.name, case.name);
            let Decision::Deny(denial) = sandbox.policies.decide(&somebody.caller(), &case.server, call) else {
                panic!("{what}: {grounds:?}")
            };
            assert_eq!((grounds.reason, &grounds.policies), (denial.reason, &denial.policies), "{what}");
            // What would help one set of arguments need not help another.
            match (grounds.step_up, denial.step_up) {
                (_, None) => {}
                (early, late) => assert_eq!(early, late, "{what}"),
            }
            told += 1;
        }
    }
    assert!(told > 20, "{told}");
}

#[test]
fn permits_for_different_audiences_are_one_too_many() {
    let permit = |id: &str, more: &str, condition: &str| {
        format!(
            "@id(\"{id}\") {more} permit (principal, action == Action::\"tools/call\", resource == Tool::\"s/t\") {condition};"
        )
    };
    let there = "@downscope_audience(\"https://there.example/\")";
    let elsewhere = "@downscope_audience(\"https://elsewhere.example/\")";
    let asked = |name: &str| {
        format!(
            "when {{ context.arguments.string.hasTag(\"{name}\") && context.arguments.string.getTag(\"{name}\") == \"x\" }}"
        )
    };
    let foreseen = |policies: &[String]| {
        let servers = [Server { name: "s".to_owned(), ..Server::default() }];
        let policies = Policies::compile(&policies.join("\n"), &json!([]), &servers).unwrap();
        let claims = json!({"iss": "https://idp.example", "sub": "u", "scope": "a b"});
        let somebody = Somebody {
            token: Some(token(&claims, NOW)),
            peer: Some(peer("spiffe://mesh.example/a")),
            now: NOW,
            source_ip: None,
        };
        let grant = policies.foresee(&somebody.caller(), "s", &operation("tools/call", "t", Map::new()));
        grant.map(|grant| grant.audience).map_err(|grounds| grounds.reason)
    };
    let one = |more, condition: &str| permit("one", more, condition);
    let two = |more, condition: &str| permit("two", more, condition);
    assert_eq!(foreseen(&[one("", ""), two("", &asked("a"))]), Ok(None));
    let settled = Ok(Some("https://there.example/".to_owned()));
    assert_eq!(foreseen(&[one(there, &asked("a")), two(there, &asked("b"))]), settled);
    // The first applies whatever comes, so that its audience stands.
    assert_eq!(foreseen(&[one(there, ""), two("", &asked("b"))]), settled);
    let open = Err(DenialReason::ConflictingAudiences);
    assert_eq!(foreseen(&[one(there, &asked("a")), two("", &asked("b"))]), open);
    assert_eq!(foreseen(&[one("", ""), two(there, &asked("b"))]), open);
    assert_eq!(foreseen(&[one(there, &asked("a")), two(elsewhere, &asked("b"))]), open);
}
