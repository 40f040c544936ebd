//! `replay`.

#![cfg(test)]

mod run;

use std::fs;

use run::{Ran, is_golden, meshwarden};
use serde_json::Value;

const ACME: &str = "../../tests/policies/acme/policies.cedar";

/// A day at Acme, whose policies stand in the configuration, under others.
fn replay(candidate: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("guard.yaml");
    let cedar = fs::read_to_string(ACME).unwrap();
    let block: String = cedar.lines().map(|line| format!("    {line}\n")).collect();
    let yaml = fs::read_to_string("../../istio/meshwarden.yaml").unwrap();
    fs::write(&config, yaml.replacen("policy:\n", &format!("policy:\n  cedar: |\n{block}"), 1)).unwrap();
    let arguments = ["replay", config.to_str().unwrap(), "tests/fixtures/day.log", "--cedar", candidate];
    meshwarden(&[&arguments[..], more].concat())
}

#[test]
fn what_would_change_is_told_apart_from_what_can_not_be_told() {
    let ran = replay("tests/fixtures/candidate.cedar", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("replay.txt", &ran.out);
}

#[test]
fn claims_settle_what_depends_on_them() {
    let ran = replay("tests/fixtures/candidate.cedar", &["--claims", "tests/fixtures/users.json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("replay-claims.txt", &ran.out);
}

#[test]
fn under_the_same_policies_nothing_changes_where_the_digest_says_that_they_are() {
    let json = |candidate: &str| -> Value { serde_json::from_str(&replay(candidate, &["--json"]).out).unwrap() };
    let same = json(ACME);
    assert_eq!((&same["same"], &same["of_other_policies"]), (&Value::from(7), &Value::from(1)), "{same:#}");
    let changed = same["changed"].as_array().unwrap();
    // Of bob's line the digest is another, and of a batch the line does not tell every call.
    let told: Vec<_> = changed.iter().map(|one| (one["who"].as_str(), one["now"].as_str())).collect();
    let open = |who| (Some(who), Some("can't be told"));
    assert_eq!(told, [open("https://idp.acme.example#alice"), open("https://idp.acme.example#bob")], "{same:#}");
}

#[test]
fn a_line_that_is_broken_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("day.log");
    fs::write(&log, "something else\n{\"audit\":\"meshwarden.v1\",\"time\":1}\n").unwrap();
    let config = ["replay", "tests/fixtures/sound.yaml", log.to_str().unwrap()];
    let ran = meshwarden(&config);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("day.log:2: no audit line"), "{}", ran.err);
}
