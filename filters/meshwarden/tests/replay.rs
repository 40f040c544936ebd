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
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["who"], "https://idp.acme.example#bob");
    assert_eq!(changed[0]["now"], "can't be told");
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
