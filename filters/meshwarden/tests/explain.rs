//! `explain`.

#![cfg(test)]

mod run;

use std::fs;

use run::{Ran, is_golden, meshwarden};
use serde_json::Value;

fn explain(request: &str, more: &[&str]) -> Ran {
    let file = format!("tests/fixtures/{request}");
    let cedar = "../../tests/policies/acme/policies.cedar";
    meshwarden(&[&["explain", "../../istio/meshwarden.yaml", &file, "--cedar", cedar][..], more].concat())
}

#[test]
fn a_call_that_goes_on_is_explained_with_its_policies_and_its_token() {
    let ran = explain("own-time-off.json", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    is_golden("explain-allowed.txt", &ran.out);
}

#[test]
fn a_denial_names_the_condition_that_does_not_hold() {
    let ran = explain("others-time-off.json", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("explain-denied.txt", &ran.out);
}

#[test]
fn a_scope_that_would_help_is_named_as_the_caller_hears_it() {
    let ran = explain("without-scope.json", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("explain-scope.txt", &ran.out);
    let json: Value = serde_json::from_str(&explain("without-scope.json", &["--json"]).out).unwrap();
    assert_eq!(json["reply"]["status"], 403);
    assert_eq!(json["policies"][0]["lacks"][0], "the token has the scope hr.read");
}

#[test]
fn who_is_refused_before_policy_hears_of_no_policy() {
    let ran = explain("stranger.json", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("explain-stranger.txt", &ran.out);
}

#[test]
fn an_audit_line_lacks_claims_and_says_so() {
    let ran = explain("audit.jsonl", &[]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("explain-audit.txt", &ran.out);
    // With the claims it is the decision of that day.
    let ran = explain("audit.jsonl", &["--claims", "tests/fixtures/alice.json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("answer  allowed: employees see their own time off"), "{}", ran.out);
}

#[test]
fn the_guard_is_asked_also_for_a_stage_that_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let policy = "@id(\"w\") permit (principal == Workload::\"spiffe://d.example/w\", action, resource);";
    let config = format!(
        "servers: [{{name: s, protocol: mcp, audience: 'https://s.example/'}}]\npolicy: {{cedar: '{policy}'}}\n"
    );
    let config = file("cedar_authz.yaml", &config);
    let call = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}}"#;
    for (peer, code) in [("w", 0), ("v", 1)] {
        let request = format!(
            r#"{{"peer": "spiffe://d.example/{peer}", "headers": {{":authority": "s.example"}}, "body": {call}}}"#
        );
        let ran = meshwarden(&["explain", &config, &file("request.json", &request)]);
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{}", ran.out);
    }
}

#[test]
fn nobody_is_asked_for_a_token_in_exchange() {
    let config = fs::read_to_string("../../istio/meshwarden.yaml").unwrap();
    let (before, _) = config.split_once("\ndownscope:\n").unwrap();
    let exchange = "cluster: sts, uri: 'https://sts.acme.example/token', client_id: mesh, client_secret_env: NOT_SET";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exchange.yaml");
    fs::write(&file, format!("{before}\ndownscope: {{strategy: exchange, exchange: {{{exchange}}}}}\n")).unwrap();
    let cedar = "../../tests/policies/acme/policies.cedar";
    let explain = ["explain", file.to_str().unwrap(), "tests/fixtures/own-time-off.json", "--cedar", cedar];
    let ran = meshwarden(&explain);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("answer  allowed: employees see their own time off"), "{}", ran.out);
}

#[test]
fn what_is_no_request_is_refused() {
    let ran = explain("tools.json", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("no request: unknown field `jsonrpc`"), "{}", ran.err);
}
