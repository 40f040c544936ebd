//! What is read from policies, against what was decided: the cases of every sandbox.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use access_policy::{Policies, Sandbox, SandboxFiles, statements};
use serde_json::{Value, json};

use super::*;

fn known(policies: &Policies, caller: &Value) -> Option<Known> {
    let peer = caller["peer"].as_str().and_then(|id| Thing::described(policies, "Workload", id));
    let claims = &caller["token"];
    if claims.is_null() {
        return Some(Known { principal: Some(peer.clone()?), actor: peer, no_token: true, ..Known::default() });
    }
    let member_of = |name: &str, ty: &'static str| {
        let all = claims[name].as_array().cloned().unwrap_or_default();
        all.into_iter().map(move |id| (ty, id.as_str().unwrap().to_owned()))
    };
    let groups: Vec<_> = member_of("groups", "Group").chain(member_of("roles", "Role")).collect();
    let groups: Vec<(&str, &str)> = groups.iter().map(|(ty, id)| (*ty, id.as_str())).collect();
    let mut user = Thing::user(policies, &groups);
    user.id = Some(format!("{}#{}", claims["iss"].as_str()?, claims["sub"].as_str()?));
    Some(Known { principal: Some(user), actor: peer, ..Known::default() })
}

/// Action and target of a case's call, where a matrix has a row for it.
fn target(policies: &Policies, case: &Value) -> Option<(&'static str, Thing)> {
    let server = case["server"].as_str()?;
    let text = |pointer: &str| case["call"].pointer(pointer).and_then(Value::as_str);
    let (action, ty, item, id) = match text("/method")? {
        "tools/call" => {
            let name = text("/params/name")?;
            ("tools/call", "Tool", ListItem::Tool(name), format!("{server}/{name}"))
        }
        "prompts/get" => {
            let name = text("/params/name")?;
            ("prompts/get", "Prompt", ListItem::Prompt(name), format!("{server}/{name}"))
        }
        "resources/read" => {
            let uri = text("/params/uri")?;
            ("resources/read", "Resource", ListItem::Resource(uri), uri.to_owned())
        }
        _ => return None,
    };
    Some((action, Thing::of(ty, &id, &policies.describe_item(server, item)?)))
}

#[test]
fn what_is_read_from_policies_agrees_with_every_decision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/policies");
    let (mut allowed, mut conditional, mut denied) = (0, 0, 0);
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let [cedar, entities, servers, cases] = ["policies.cedar", "entities.json", "servers.json", "cases.json"]
            .map(|file| fs::read_to_string(folder.join(file)).unwrap());
        let files = SandboxFiles { policies: &cedar, entities: &entities, servers: &servers, cases: &cases };
        let sandbox = Sandbox::read("sandbox", &files).unwrap();
        let written = statements(&cedar).unwrap();
        let cases: Value = serde_json::from_str(&cases).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let caller = &cases["callers"][case["who"].as_str().unwrap()];
            let Some(known) = known(sandbox.policies(), caller) else { continue };
            let Some((action, thing)) = target(sandbox.policies(), case) else { continue };
            let reach = reach(&written, &Known { action: Some(action), resource: Some(thing), ..known });
            let what = format!("{}: {}: {reach:?}", folder.display(), case["name"]);
            let reasons = ["forbidden", "not_permitted"];
            match (&reach, case["decision"].as_str().unwrap()) {
                (Reach::Denied { .. }, decision) => {
                    assert_eq!(decision, "deny", "{what}");
                    denied += 1;
                }
                // What fails, or names two audiences, is not in the conditions.
                (Reach::Allowed, "deny") => assert!(!reasons.contains(&case["reason"].as_str().unwrap()), "{what}"),
                (Reach::Allowed, _) => allowed += 1,
                (Reach::Conditional { ways }, _) => {
                    assert!(ways.iter().all(|way| !way.conditions.is_empty()), "{what}");
                    conditional += 1;
                }
            }
        }
    }
    assert!(allowed > 3 && conditional > 50 && denied > 10, "{allowed}, {conditional}, {denied}");
}

#[test]
fn a_forbid_is_shown_as_what_escapes_it() {
    let text = "@id(\"p\") permit (principal, action, resource) when { context.token.scopes.contains(\"a\") };
        @id(\"f\") forbid (principal, action, resource) when { context.token.present } unless { context.token.amr.contains(\"otp\") };";
    let Reach::Conditional { ways } = reach(&statements(text).unwrap(), &Known::default()) else { panic!() };
    let conditions = ["the token has the scope a", "there is no token or the user authenticated with otp"];
    assert_eq!(ways, [Way { policy: "p".to_owned(), conditions: conditions.map(str::to_owned).into() }]);
}

#[test]
fn groups_of_workloads_are_no_columns() {
    let mut names = BTreeSet::new();
    let policy = "permit (principal in Group::\"g\", action, resource) when { context.actor in Group::\"w\" || principal is User in Role::\"r\" };";
    let one = statements(policy).unwrap().remove(0);
    scope(&one).iter().chain(&conditions(&one)).for_each(|part| principals(part, &mut names));
    assert_eq!(json!(names), json!([["Group", "g"], ["Role", "r"]]));
}
