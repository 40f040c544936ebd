//! `matrix`.

#![cfg(test)]

mod run;

use std::fs;

use run::{is_golden, meshwarden};
use serde_json::Value;

const ACME: [&str; 3] = ["../../istio/meshwarden.yaml", "--cedar", "../../tests/policies/acme/policies.cedar"];

fn matrix(more: &[&str]) -> run::Ran {
    meshwarden(&[&["matrix"][..], &ACME, more].concat())
}

#[test]
fn a_table_says_who_can_call_what_and_under_which_conditions() {
    let ran = matrix(&[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    is_golden("matrix-acme.txt", &ran.out);
}

#[test]
fn a_page_says_the_same_and_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("matrix.html");
    let ran = matrix(&["--html", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
    let page = fs::read_to_string(file).unwrap();
    for external in ["http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(external), "{external}");
    }
    for part in ["group employees", "get_time_off", "the agent is in group user-agents", "<li>"] {
        assert!(page.contains(part), "{part}");
    }
    // Names go into the page as text.
    let odd = folder.path().join("odd.yaml");
    let policy = "@id(\"<b>\") permit (principal in Group::\"<script>\", action, resource);";
    let yaml = format!(
        "servers: [{{name: s, protocol: mcp, audience: 'https://s.example/'}}]\npolicy: {{cedar: '{policy}'}}\n"
    );
    fs::write(&odd, yaml).unwrap();
    let file = folder.path().join("odd.html");
    let ran = meshwarden(&["matrix", odd.to_str().unwrap(), "--html", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let page = fs::read_to_string(file).unwrap();
    assert!(page.contains("group &lt;script&gt;") && !page.contains("<script>"));
}

#[test]
fn machines_read_every_cell() {
    let ran = matrix(&["--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let row = json["rows"].as_array().unwrap().iter().find(|row| row["what"] == "query_compensation").unwrap();
    let cell = |who: &str| row["cells"].as_array().unwrap().iter().find(|cell| cell["who"] == who).unwrap();
    assert_eq!(cell("group employees")["answer"], "denied");
    assert_eq!(cell("group managers")["answer"], "conditional");
    assert_eq!(cell("group managers")["ways"][0]["policy"], "compensation-of-own-department");
}

#[test]
fn a_configuration_that_is_refused_has_no_matrix() {
    let ran = meshwarden(&["matrix", "tests/fixtures/envoy.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("envoy.yaml:15:17: the filter would refuse it"), "{}", ran.err);
}
