//! `schema`, `check` and the command line itself.

#![cfg(test)]

mod run;

use std::fs;

use run::{is_golden, meshwarden};
use serde_json::Value;

#[test]
fn the_schema_is_the_filters_own() {
    let ran = meshwarden(&["schema"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, access_policy::SCHEMA));
}

#[test]
fn tools_become_a_catalogue_in_which_claims_are_comments_and_permits() {
    let ran = meshwarden(&["schema", "--tools", "tests/fixtures/tools.json", "--server", "hr"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    is_golden("skeleton.txt", &ran.out);
    // The worst is assumed until somebody has looked, and the policies compile as they are.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hr.yaml");
    fs::write(&file, &ran.out).unwrap();
    let checked = meshwarden(&["check", "--json", file.to_str().unwrap()]);
    let checked: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(checked["refused"], Value::Null, "{checked:#}");
}

#[test]
fn every_lint_finds_what_it_is_there_for() {
    let ran = meshwarden(&["check", "tests/fixtures/odd.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("check-odd.txt", &ran.out);
}

#[test]
fn where_nothing_is_to_be_found_nothing_is() {
    let ran = meshwarden(&["check", "tests/fixtures/sound.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    is_golden("check-sound.txt", &ran.out);
}

#[test]
fn a_configuration_is_found_within_an_envoys_and_its_mistake_in_the_file() {
    let ran = meshwarden(&["check", "tests/fixtures/envoy.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    is_golden("check-envoy.txt", &ran.out);
    // The line of the policy in the file, not in the block.
    let text = fs::read_to_string("tests/fixtures/envoy.yaml").unwrap();
    let line = text.lines().position(|line| line.contains("@id")).unwrap() + 1;
    assert!(ran.out.contains(&format!("envoy.yaml:{line}:17: ")), "{}", ran.out);
}

#[test]
fn the_policies_of_acme_are_sound() {
    let ran =
        meshwarden(&["check", "../../istio/meshwarden.yaml", "--cedar", "../../tests/policies/acme/policies.cedar"]);
    is_golden("check-acme.txt", &ran.out);
}

#[test]
fn the_sandboxes_that_others_may_start_from_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    for sandbox in [
        "acme",
        "delegation-depth",
        "four-eyes",
        "read-only-agents",
        "regional-data",
        "spending-limits",
        "tenant-isolation",
    ] {
        let at = format!("../../tests/policies/{sandbox}");
        let json = |file: &str| fs::read_to_string(format!("{at}/{file}")).unwrap();
        let config = folder.path().join(format!("{sandbox}.json"));
        let text = format!(
            r#"{{"servers": {}, "policy": {{"cedar": "", "entities": {}}}}}"#,
            json("servers.json"),
            json("entities.json")
        );
        fs::write(&config, text).unwrap();
        let ran = meshwarden(&["check", config.to_str().unwrap(), "--cedar", &format!("{at}/policies.cedar")]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        assert!(!ran.out.contains("will warn: policy"), "{}", ran.out);
    }
}

#[test]
fn keys_that_only_the_proxy_has_are_stood_in_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guard.yaml");
    let keys = "sessions: { keys: [{ env: MESHWARDEN_UNSET_KEY }, { env: MESHWARDEN_UNSET_KEY_2 }] }\n";
    let removing = fs::read_to_string("tests/fixtures/sound.yaml").unwrap() + keys;
    let mint = |algorithm: &str, other: &str| {
        format!(
            "downscope: {{ strategy: mint, mint: {{ issuer: m, key_id: a, algorithm: {algorithm}, signing_key_env: \
             MESHWARDEN_UNSET_KEY_3, published_keys: [{{ key_id: b, algorithm: {other}, signing_key_env: \
             MESHWARDEN_UNSET_KEY_4 }}] }} }}"
        )
    };
    for downscope in [mint("ES256", "EdDSA"), mint("EdDSA", "EdDSA"), mint("ES256", "ES256")] {
        fs::write(&file, removing.replace("downscope: { strategy: remove }", &downscope)).unwrap();
        let ran = meshwarden(&["check", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        for key in ["MESHWARDEN_UNSET_KEY_2", "MESHWARDEN_UNSET_KEY_3", "MESHWARDEN_UNSET_KEY_4"] {
            assert!(ran.out.contains(&format!("note: `{key}` is not set here")), "{}", ran.out);
        }
    }
}

#[test]
fn machines_read_the_same() {
    let ran = meshwarden(&["check", "--json", "tests/fixtures/odd.yaml"]);
    assert_eq!(ran.code, 1);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let found = json["findings"].as_array().unwrap();
    assert!(found.iter().any(|one| one["lint"] == "absent-argument-escapes" && one["policy"] == "not-too-much"));
    let text = meshwarden(&["check", "tests/fixtures/odd.yaml"]).out;
    assert!(text.ends_with(&format!("{} findings\n", found.len())), "{text}");
}

#[test]
fn what_can_not_be_read_is_told_apart_from_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let broken = file("broken.yaml", "servers: [\npolicy: }\n");
    for arguments in [
        vec!["check", "no/such/file"],
        vec!["check", &broken],
        vec!["check", "Cargo.toml"],
        vec!["schema", "--tools", "tests/fixtures/tools.json"],
        vec!["nonsense"],
    ] {
        let ran = meshwarden(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.err.is_empty());
    }
    let ran = meshwarden(&["check", &broken]);
    assert!(ran.err.contains("broken.yaml:2:"), "{}", ran.err);
}

#[test]
fn completions_are_there_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = meshwarden(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("meshwarden"));
    }
}

#[test]
fn every_command_says_what_its_exit_codes_mean() {
    let ran = meshwarden(&["--help"]);
    assert_eq!(ran.code, 0);
    is_golden("help.txt", &ran.out);
}
