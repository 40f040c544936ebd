//! `test`.

#![cfg(test)]

mod run;

use std::fs;

use run::{is_golden, meshwarden};
use serde_json::Value;

#[test]
fn what_differs_is_told_and_who_never_decided() {
    let ran = meshwarden(&["test", "tests/fixtures/failing"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("test-failing.txt", &ran.out);
}

#[test]
fn the_sandboxes_of_this_repository_pass() {
    let ran = meshwarden(&["test", "../../tests/policies"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("acme: ") && ran.out.contains("fail-closed: "), "{}", ran.out);
    assert!(!ran.out.contains('✗'));
}

#[test]
fn build_servers_and_machines_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.xml");
    let ran = meshwarden(&["test", "--json", "--junit", report.to_str().unwrap(), "tests/fixtures/failing"]);
    assert_eq!(ran.code, 1);
    is_golden("test-failing.xml", &fs::read_to_string(report).unwrap());
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let sandbox = &json["sandboxes"][0];
    assert_eq!((&sandbox["name"], &sandbox["failed"]), (&Value::from("failing"), &Value::from(2)));
    assert_eq!(sandbox["policies"][1]["decided"], 0);
}

#[test]
fn a_sandbox_that_can_not_be_read_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    assert_eq!(meshwarden(&["test", at]).code, 2);
    for file in ["policies.cedar", "entities.json", "servers.json", "cases.json"] {
        fs::copy(format!("tests/fixtures/failing/{file}"), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("cases.json"), "{\n  \"callers\": {},\n  \"case\": []\n}").unwrap();
    let ran = meshwarden(&["test", at]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("cases.json:3:"), "{}", ran.err);
}
