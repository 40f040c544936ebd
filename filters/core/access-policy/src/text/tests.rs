use agent_messages::Protocol;
use serde_json::json;

use super::*;
use crate::error::AnnotationProblem;
use crate::{Policies, Server};

fn compile(text: &str) -> Result<Policies, PolicyError> {
    Policies::compile(text, &json!([]), &[Server { name: "s".to_owned(), ..Server::default() }])
}

#[track_caller]
fn refused(text: &str) -> PolicyError {
    compile(text).map(|_| ()).unwrap_err()
}

/// A permit for every tool, with an id and this condition.
#[track_caller]
fn invalid(condition: &str) -> String {
    let text =
        format!("@id(\"p\") permit (principal, action == Action::\"tools/call\", resource) when {{ {condition} }};");
    match refused(&text) {
        PolicyError::Invalid { policy: PolicyName::Id(id), problem } if id == "p" => problem,
        other => panic!("{other:?}"),
    }
}

fn named(id: &str) -> PolicyName {
    PolicyName::Id(id.to_owned())
}

const ANY: &str = "permit (principal, action, resource);";

#[test]
fn a_text_without_an_enforced_policy_is_refused() {
    for text in ["", "   \n// nothing\n", "@id(\"p\") @mode(\"shadow\") permit (principal, action, resource);"] {
        assert_eq!(refused(text), PolicyError::Empty, "{text}");
    }
}

#[test]
fn a_syntax_error_says_where() {
    let text = "@id(\"a\") permit (principal, action, resource);\n  permit (principal, actio, resource);";
    assert!(matches!(refused(text), PolicyError::Syntax { line: 2, column: 22, .. }), "{:?}", refused(text));
    assert!(matches!(refused("permit (principal, action, resource)"), PolicyError::Syntax { line: 1, .. }));
}

#[test]
fn a_policy_without_an_id_is_named_by_its_place() {
    let text = format!("// ä first\n@id(\"a\")\n{ANY}\n\n  {ANY} // ä\n{ANY}");
    assert_eq!(refused(&text), PolicyError::MissingId { policy: PolicyName::At { line: 5, column: 3 } });
    let empty = PolicyError::Annotation {
        policy: PolicyName::At { line: 1, column: 1 },
        annotation: "id",
        problem: AnnotationProblem::Empty,
    };
    assert_eq!(refused(&format!("@id {ANY}")), empty);
}

#[test]
fn ids_are_unique_shadows_among_them() {
    let text = format!("@id(\"a\") {ANY} @id(\"a\") @mode(\"shadow\") {ANY}");
    assert_eq!(refused(&text), PolicyError::DuplicateId { policy: named("a") });
}

#[test]
fn a_template_has_an_id_of_its_own() {
    let template = "permit (principal == ?principal, action, resource);";
    let place = PolicyName::At { line: 2, column: 1 };
    assert_eq!(refused(&format!("@id(\"a\") {ANY}\n{template}")), PolicyError::MissingId { policy: place });
    let twice = format!("@id(\"a\") {ANY} @id(\"t\") {template} @id(\"t\") {template}");
    assert_eq!(refused(&twice), PolicyError::DuplicateId { policy: named("t") });
    assert_eq!(
        refused(&format!("@id(\"a\") {ANY} @id(\"a\") {template}")),
        PolicyError::DuplicateId { policy: named("a") }
    );
}

#[test]
fn what_the_schema_does_not_know_is_refused_by_name() {
    for (condition, unknown) in [
        ("context.argument.complete", "argument"),
        ("context.token.scope.contains(\"a\")", "scope"),
        ("resource.hints.deadly", "hints.deadly"),
        ("principal.department == \"a\"", "department"),
        ("context.actor in Gruop::\"a\"", "Gruop"),
    ] {
        let problem = invalid(condition);
        assert!(problem.contains(&format!("`{unknown}`")), "{problem}");
    }
    let action = "@id(\"p\") permit (principal, action == Action::\"tools/cal\", resource);";
    assert!(matches!(refused(action), PolicyError::Invalid { problem, .. } if problem.contains("tools/cal")));
}

#[test]
fn types_are_checked_strictly() {
    for condition in [
        "context.token.acr",
        "context.token.scopes == \"a\"",
        "context.token.age_seconds < \"60\"",
        "context.arguments.string.getTag(\"x\") == \"a\"",
        "context.arguments.long.hasTag(\"x\") && context.arguments.long.getTag(\"x\") == \"a\"",
        "principal.getTag(\"department\").contains(\"a\")",
        "context.now < \"2026-01-01\"",
    ] {
        invalid(condition);
    }
}

#[test]
fn a_policy_that_can_never_apply_is_refused() {
    assert!(invalid("false").contains("evaluates to false"), "{}", invalid("false"));
    let never = "@id(\"p\") permit (principal, action == Action::\"tools/call\", resource is Server);";
    assert!(matches!(refused(never), PolicyError::Invalid { .. }), "{:?}", refused(never));
}

#[test]
fn a_text_that_reads_in_another_order_than_it_is_written_is_refused() {
    let problem = invalid("context.token.acr == \"user\u{202e}nimda\"");
    assert!(problem.contains("BIDI"), "{problem}");
}

#[test]
fn a_shadow_is_validated_like_any_other() {
    let text = format!(
        "@id(\"a\") {ANY} @id(\"b\") @mode(\"shadow\") permit (principal, action, resource) when {{ context.x }};"
    );
    assert!(matches!(refused(&text), PolicyError::Invalid { policy, .. } if policy == named("b")));
}

#[test]
fn a_server_is_not_an_agent_and_an_agent_no_server() {
    let server = |name: &str, protocol| Server { name: name.to_owned(), protocol, ..Server::default() };
    let servers = [server("s", Protocol::Mcp), server("a", Protocol::A2a)];
    let compile = |text: &str| Policies::compile(text, &json!([]), &servers).map(|_| ());
    let no_agent = "an MCP server is a `Server`";
    let no_server = "an A2A server is an `Agent`, without tools and prompts";
    for (entity, rule) in [
        ("Agent::\"s\"", no_agent),
        ("Server::\"a\"", no_server),
        ("Tool::\"a/t\"", no_server),
        ("Prompt::\"a/p\"", no_server),
    ] {
        let expected = PolicyError::ImpossibleEntity { policy: named("p"), entity: entity.to_owned(), rule };
        for annotation in ["", "@mode(\"shadow\")"] {
            let text =
                format!("@id(\"q\") {ANY} @id(\"p\") {annotation} forbid (principal, action, resource in {entity});");
            assert_eq!(compile(&text), Err(expected.clone()), "{text}");
        }
        let condition = format!("@id(\"p\") permit (principal, action, resource) unless {{ resource == {entity} }};");
        assert_eq!(compile(&condition), Err(expected));
    }
    // What the catalogue does not know may be behind another listener.
    for entity in ["Agent::\"a\"", "Server::\"s\"", "Tool::\"s/t\"", "Agent::\"elsewhere\"", "Server::\"elsewhere\""] {
        let text = format!("@id(\"p\") permit (principal, action, resource == {entity});");
        assert_eq!(compile(&text), Ok(()), "{entity}");
    }
}

#[test]
fn policies_about_agents_are_of_the_schema() {
    let policy = |action: &str, resource: &str| {
        format!("@id(\"p\") permit (principal, action == Action::\"{action}\", {resource});")
    };
    for action in ["message/send", "push-notifications/set", "agent-card/get"] {
        assert!(compile(&policy(action, "resource is Agent")).is_ok(), "{action}");
        assert!(matches!(refused(&policy(action, "resource is Server")), PolicyError::Invalid { .. }), "{action}");
    }
    // MCP servers have tasks too.
    for action in ["tasks/get", "tasks/list", "tasks/cancel"] {
        for resource in ["resource is Agent", "resource is Server"] {
            assert!(compile(&policy(action, resource)).is_ok(), "{action}");
        }
        assert!(matches!(refused(&policy(action, "resource is Tool")), PolicyError::Invalid { .. }), "{action}");
    }
    assert!(compile(&policy("tasks/update", "resource is Server")).is_ok());
    for action in ["connect", "tools/call", "tasks/update"] {
        let policy = format!("@id(\"p\") permit (principal, action == Action::\"{action}\", resource is Agent);");
        assert!(matches!(refused(&policy), PolicyError::Invalid { .. }), "{action}");
    }
    let subscribe = "@id(\"p\") permit (principal, action == Action::\"tasks/subscribe\", resource);";
    assert!(matches!(refused(subscribe), PolicyError::Invalid { .. }));
}

#[test]
fn entities_that_cannot_exist_are_refused() {
    for (entity, rule) in [
        ("Workload::\"spiffe://acme.example\"", "a workload is named by its SPIFFE ID"),
        ("Workload::\"assistant\"", "a workload is named by its SPIFFE ID"),
        ("User::\"alice\"", "a user is named `<issuer>#<subject>`"),
        ("User::\"#alice\"", "a user is named `<issuer>#<subject>`"),
    ] {
        let text = format!("@id(\"p\") permit (principal == {entity}, action, resource);");
        assert_eq!(
            refused(&text),
            PolicyError::ImpossibleEntity { policy: named("p"), entity: entity.to_owned(), rule }
        );
    }
    for (entity, rule) in [
        ("Tool::\"get_time_off\"", "a tool or prompt is named `<server>/<name>`"),
        ("Prompt::\"s/\"", "a tool or prompt is named `<server>/<name>`"),
        ("Resource::\"doc://a/../b\"", "a resource is named by its URI, in the normal form of RFC 3986"),
    ] {
        let text = format!("@id(\"p\") forbid (principal, action, resource == {entity});");
        assert_eq!(
            refused(&text),
            PolicyError::ImpossibleEntity { policy: named("p"), entity: entity.to_owned(), rule }
        );
    }
    let text = "@id(\"p\") permit (principal, action, resource) when { Token::\"call\".present };";
    assert!(matches!(refused(text), PolicyError::ImpossibleEntity { rule, .. } if rule.contains("context")));
    assert!(compile("@id(\"p\") permit (principal == Workload::\"unidentified\", action, resource);").is_ok());
}

#[test]
fn the_scopes_that_a_permit_tests_for_are_known_in_the_order_of_its_text() {
    let text = "@id(\"p\") permit (principal, action, resource)
        when { context.token.scopes.contains(\"z\") || principal in Group::\"g\" && context.token.scopes.contains(\"a\") }
        unless { !context.token.scopes.containsAll([\"m\", \"z\"]) || [\"x\"].contains(\"x\") }
        when { context.token.scopes.containsAny([\"b\"]) && !context.token.amr.contains(\"otp\") };";
    let policies = compile(text).unwrap();
    assert_eq!(policies.rules["p"].scopes, ["z", "a", "m", "b"]);
}

#[test]
fn only_entities_of_conditions_are_carried_into_every_question() {
    let entities = json!([
        {"uid": {"type": "Group", "id": "in"}, "parents": [{"type": "Group", "id": "out"}]},
        {"uid": {"type": "Group", "id": "scope"}, "parents": [{"type": "Group", "id": "out"}]},
    ]);
    let servers = [Server { name: "s".to_owned(), ..Server::default() }];
    let text = "@id(\"p\") permit (principal in Group::\"scope\", action, resource == Tool::\"s/t\")
        when { Group::\"in\" in Group::\"out\" && !Tool::\"s/u\".hints.read_only && principal in Group::\"out\" };";
    let policies = Policies::compile(text, &entities, &servers).unwrap();
    let carried: Vec<String> = policies.world().named.iter().map(|entity| entity.uid().to_string()).collect();
    assert_eq!(carried, ["Group::\"in\"", "Tool::\"s/u\""]);
}

#[test]
fn the_digest_is_that_of_the_text() {
    let policies = compile(&format!("@id(\"a\") {ANY}")).unwrap();
    assert_eq!(policies.digest().len(), 64);
    assert_ne!(policies.digest(), compile(&format!("@id(\"a\")  {ANY}")).unwrap().digest());
    assert!(policies.shadows().is_empty());
}

#[test]
fn a_forbid_that_can_be_escaped_by_hiding_an_argument_is_warned_of() {
    let warnings = |effect: &str, condition: &str| {
        let scope = "principal, action == Action::\"tools/call\", resource";
        let text = format!("@id(\"a\") {ANY} @id(\"p\") {effect} ({scope}) when {{ {condition} }};");
        compile(&text).unwrap().warnings().to_vec()
    };
    let large = "context.arguments.long.hasTag(\"x\") && context.arguments.long.getTag(\"x\") > 5";
    let warning = "policy `p`: it does not apply to arguments that it can't see; let it apply where \
                   `!context.arguments.complete` too";
    assert_eq!(warnings("forbid", large), [warning]);
    assert!(warnings("forbid", &format!("{large} || !context.arguments.complete")).is_empty());
    assert!(warnings("permit", large).is_empty());
    assert!(warnings("forbid", "context.token.acr == \"x\"").is_empty());
}

#[test]
fn the_reason_of_a_policy_is_there_for_the_audit() {
    let policies = compile(&format!("@id(\"a\") @reason(\"because\") {ANY} @id(\"b\") {ANY}")).unwrap();
    assert_eq!([policies.reason("a"), policies.reason("b"), policies.reason("c")], [Some("because"), None, None]);
}

#[test]
fn errors_say_where_in_the_configuration_they_are() {
    assert_eq!(refused("").field(), "policy.cedar");
    let text = format!("@id(\"a\") {ANY}");
    let entities = Policies::compile(&text, &json!([1]), &[]).unwrap_err();
    assert_eq!(
        (entities.field(), entities.to_string()),
        ("policy.entities[0]".to_owned(), "not an entity: not an object".to_owned())
    );
    let servers = Policies::compile(&text, &json!([]), &[Server::default()]).unwrap_err();
    assert_eq!(
        (servers.field(), servers.to_string()),
        ("servers".to_owned(), "server ``: its name is empty or holds `/`".to_owned())
    );
}
