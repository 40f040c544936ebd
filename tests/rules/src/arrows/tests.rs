use super::*;

const MEMBERS: [&str; 10] = [
    "filters/core/agent-messages",
    "filters/core/peer-identity",
    "filters/core/access-tokens",
    "filters/core/access-policy",
    "filters/core/request-guard",
    "filters/envoy-host",
    "filters/meshwarden",
    "filters/plugins/agent-guard",
    "filters/plugins/mcp-parser",
    "tests/testbed",
];

const ALLOWED: [(&str, &[&str]); 6] = [
    (
        "filters/core/access-policy",
        &["filters/core/agent-messages", "filters/core/peer-identity", "filters/core/access-tokens"],
    ),
    (
        "filters/core/request-guard",
        &[
            "filters/core/agent-messages",
            "filters/core/peer-identity",
            "filters/core/access-tokens",
            "filters/core/access-policy",
        ],
    ),
    ("filters/envoy-host", &["filters/core/request-guard"]),
    (
        "filters/meshwarden",
        &[
            "filters/core/agent-messages",
            "filters/core/peer-identity",
            "filters/core/access-tokens",
            "filters/core/access-policy",
            "filters/core/request-guard",
        ],
    ),
    ("filters/plugins/agent-guard", &["filters/envoy-host", "filters/core/request-guard"]),
    ("filters/plugins/mcp-parser", &["filters/envoy-host", "filters/core/request-guard"]),
];

fn member(from: &str, to: &str) -> Arrow {
    let name = to.rsplit('/').next().unwrap();
    Arrow { from: from.to_owned(), to: name.to_owned(), to_folder: Some(to.to_owned()) }
}

fn library(from: &str, to: &str) -> Arrow {
    Arrow { from: from.to_owned(), to: to.to_owned(), to_folder: None }
}

#[track_caller]
fn refused(arrow: Arrow, reason: Reason) {
    assert_eq!(forbidden(std::slice::from_ref(&arrow)), [ForbiddenArrow { arrow, reason }]);
}

#[track_caller]
fn accepted(arrow: Arrow) {
    assert_eq!(forbidden(std::slice::from_ref(&arrow)), []);
}

#[test]
fn every_pair_of_members_is_judged_by_the_list_of_allowed_arrows_alone() {
    for from in MEMBERS {
        for to in MEMBERS {
            let listed = ALLOWED.iter().any(|(source, targets)| *source == from && targets.contains(&to));
            match (from, to) {
                ("tests/testbed", _) => accepted(member(from, to)),
                (_, "tests/testbed") => refused(member(from, to), Reason::OnTests),
                _ if listed => accepted(member(from, to)),
                _ => refused(member(from, to), Reason::AgainstTheLayers),
            }
        }
    }
}

#[test]
fn only_the_host_crate_and_the_plugins_may_name_the_host() {
    for from in MEMBERS {
        if from == "filters/envoy-host" || from.starts_with("filters/plugins/") {
            accepted(library(from, "proxy-wasm"));
        } else {
            refused(library(from, "proxy-wasm"), Reason::ProxyWasm);
            refused(library(from, "proxy-wasm-types"), Reason::ProxyWasm);
        }
    }
}

#[test]
fn only_access_policy_may_name_cedar_and_its_inner_crates() {
    for from in MEMBERS {
        for name in ["cedar-policy", "cedar-policy-core", "cedar-policy-symcc"] {
            if from == "filters/core/access-policy" {
                accepted(library(from, name));
            } else {
                refused(library(from, name), Reason::Cedar);
            }
        }
    }
}

#[test]
fn only_access_tokens_may_name_the_token_library() {
    for from in MEMBERS {
        if from == "filters/core/access-tokens" {
            accepted(library(from, "jwt-simple"));
        } else {
            refused(library(from, "jwt-simple"), Reason::JwtSimple);
        }
    }
}

#[test]
fn other_libraries_are_everybodys() {
    for from in MEMBERS {
        accepted(library(from, "serde_json"));
    }
}

#[test]
fn a_member_in_an_unknown_folder_is_refused_on_either_side() {
    refused(library("filters/core/shortcuts", "serde"), Reason::UnknownFolder);
    refused(member("tools", "filters/core/access-policy"), Reason::UnknownFolder);
    refused(member("tests/testbed", "filters/core/shortcuts"), Reason::UnknownFolder);
    refused(member("filters/plugins/a/b", "filters/envoy-host"), Reason::UnknownFolder);
}

#[test]
fn the_message_names_both_ends_and_the_rule() {
    let arrow = library("filters/core/request-guard", "cedar-policy");
    let message = forbidden(&[arrow])[0].to_string();
    assert_eq!(message, "`filters/core/request-guard` -> `cedar-policy`: only access-policy may depend on it");
}
