//! Runs `tests/policies`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use agent_messages::ListItem;
use cedar_policy::Entities;
use serde_json::Value;

use super::{Outcome, Sandbox, SandboxError, SandboxFiles};

#[test]
fn every_case_and_every_list_of_every_sandbox_comes_out_as_it_says() {
    for sandbox in sandboxes() {
        let verdicts = sandbox.run();
        assert!(verdicts.len() >= sandbox.file.cases.len());
        for verdict in verdicts {
            assert_eq!(verdict.differences, [], "{}: {}", sandbox.name, verdict.name);
        }
    }
}

#[test]
fn every_call_that_is_allowed_is_listed_before() {
    for sandbox in sandboxes() {
        for case in sandbox.file.cases.iter().filter(|case| case.decision == Outcome::Allow) {
            let params = |name: &str| case.call.get("params").and_then(|params| params.get(name)?.as_str());
            let item = match case.call.get("method").and_then(Value::as_str) {
                Some("tools/call") => ListItem::Tool(params("name").unwrap()),
                Some("prompts/get") => ListItem::Prompt(params("name").unwrap()),
                Some("resources/read") => ListItem::Resource(params("uri").unwrap()),
                // An agent's tasks go by `id`.
                Some("tasks/get" | "tasks/result") if params("taskId").is_some() => {
                    ListItem::Task(params("taskId").unwrap())
                }
                _ => continue,
            };
            let somebody = sandbox.somebody(&case.who, case.now.as_deref(), case.source_ip).unwrap();
            let shown = sandbox.policies.lists(&somebody.caller(), &case.server, item);
            assert!(shown, "{}: {} hides {item:?}", sandbox.name, case.name);
        }
    }
}

#[test]
fn every_policy_of_every_sandbox_decides_something() {
    for sandbox in sandboxes() {
        let decisive: BTreeSet<&String> = sandbox.file.cases.iter().flat_map(|case| &case.policies).collect();
        // Permits for lists only, and those whose overflow or whose step-up is what is tested.
        let idle: Vec<_> = sandbox.policies.rules.keys().filter(|id| !decisive.contains(id)).collect();
        let expected: &[&str] = match sandbox.name.as_str() {
            "fail-closed" => &["edit", "ordered", "publish"],
            _ => &[],
        };
        assert_eq!(idle.iter().map(|id| id.as_str()).collect::<BTreeSet<_>>(), expected.iter().copied().collect());
    }
}

#[test]
fn every_question_conforms_to_the_schema() {
    for sandbox in sandboxes() {
        let policies = &sandbox.policies;
        for case in &sandbox.file.cases {
            let somebody = sandbox.somebody(&case.who, None, case.source_ip).unwrap();
            let caller = somebody.caller();
            let call = sandbox.call(case).unwrap();
            let Some(server) = policies.catalogue.server(&case.server) else { continue };
            let Ok((action, thing, shown)) = policies.subject(server, call.operation()) else { continue };
            let Some(asked) = policies.case(&caller, action, thing, shown) else { continue };
            let question = policies.whole_question(&asked).unwrap();
            let strict = Entities::from_entities(question.entities.iter().cloned(), Some(&policies.words.schema));
            assert_eq!(strict.err().map(|error| error.to_string()), None, "{}: {}", sandbox.name, case.name);
            let context = question.request.context().unwrap().clone();
            let action = policies.words.action(asked.action);
            let strict = context.validate(&policies.words.schema, action);
            assert_eq!(strict.err().map(|error| error.to_string()), None, "{}: {}", sandbox.name, case.name);
        }
    }
}

pub(super) fn sandboxes() -> Vec<Sandbox> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/policies");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let all: Vec<Sandbox> = folders.iter().filter(|path| path.is_dir()).map(|path| sandbox(path)).collect();
    assert!(all.len() >= 2);
    all
}

fn sandbox(folder: &Path) -> Sandbox {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let text =
        |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
    let [policies, entities, servers, cases] =
        ["policies.cedar", "entities.json", "servers.json", "cases.json"].map(text);
    let files = SandboxFiles { policies: &policies, entities: &entities, servers: &servers, cases: &cases };
    Sandbox::read(name, &files).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const POLICIES: &str = "@id(\"all\") permit (principal, action, resource);";
const SERVERS: &str = r#"[{"name": "s", "protocol": "mcp", "match": {}, "audience": ""}]"#;

fn small(cases: &str) -> Result<Sandbox, SandboxError> {
    Sandbox::read("small", &SandboxFiles { policies: POLICIES, entities: "[]", servers: SERVERS, cases })
}

#[test]
fn a_case_that_comes_out_otherwise_says_in_what() {
    let cases = r#"{"callers": {"w": {"token": null, "peer": "spiffe://d/w"}}, "cases": [
        {"name": "wrong", "who": "w", "server": "s", "decision": "deny", "policies": [], "reason": "not_permitted",
         "call": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}}},
        {"name": "who?", "who": "x", "server": "s", "decision": "deny", "policies": [], "reason": "not_permitted", "call": "GET"}
    ], "lists": [{"who": "w", "server": "s", "tools": {"t": false}}]}"#;
    let verdicts = small(cases).unwrap().run();
    let told: Vec<Vec<(&str, &str, &str)>> = verdicts
        .iter()
        .map(|one| one.differences.iter().map(|d| (d.what, d.expected.as_str(), d.found.as_str())).collect())
        .collect();
    assert_eq!(
        told,
        [
            vec![("decision", "deny", "allow"), ("policies", "none", "all")],
            vec![("case", "can be put", "there is no caller `x`")],
            vec![("list", "hidden", "shown")],
        ]
    );
    assert_eq!(verdicts.first().unwrap().policies, ["all"]);
}

#[test]
fn a_file_that_is_not_what_it_must_be_says_where() {
    let error = small("{\n  \"callers\": 1}").err();
    assert!(matches!(error, Some(SandboxError::Json { file: "cases.json", line: 2, .. })), "{error:?}");
    assert_eq!(small(r#"{"callers": {}, "cases": []}"#).err(), Some(SandboxError::Empty));
}
