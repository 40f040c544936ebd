use access_policy::statements;

use super::*;

fn rest(known: &Known, text: &str) -> Rest {
    let statement = statements(text).unwrap().remove(0);
    known.rest(&statement)
}

fn tool() -> Known {
    let hints = json!({"hints": {"destructive": true, "read_only": false}, "data_class": 2, "name": "t"});
    let above = BTreeSet::from([("Server".to_owned(), "s".to_owned())]);
    let resource =
        Thing { ty: "Tool".to_owned(), id: Some("s/t".to_owned()), above, may_be_in_more: false, attributes: hints };
    Known { action: Some("tools/call"), resource: Some(resource), ..Known::default() }
}

#[track_caller]
fn left(condition: &str, expected: Rest) {
    assert_eq!(rest(&tool(), &format!("permit (principal, action, resource) {condition};")), expected, "{condition}");
}

#[test]
fn what_is_known_is_settled() {
    left("", Rest::Applies);
    for holds in [
        "resource.hints.destructive",
        "resource.data_class >= 2",
        "resource in Server::\"s\"",
        "resource is Tool",
        "action == Action::\"tools/call\"",
        "resource == Tool::\"s/t\"",
        "resource.name == \"t\"",
        "(principal == User::\"i#a\" || resource.data_class < 3)",
    ] {
        left(&format!("when {{ {holds} }}"), Rest::Applies);
        left(&format!("unless {{ {holds} }}"), Rest::Never);
    }
}

#[test]
fn what_is_open_stays_as_it_is_written() {
    let open = rest(
        &tool(),
        "permit (principal in Group::\"g\", action, resource) when { context.token.present && resource.hints.destructive };",
    );
    let Rest::If(parts) = open else { panic!("{open:?}") };
    assert_eq!(parts.len(), 2);
}

#[test]
fn parts_that_contradict_each_other_leave_nothing() {
    let amount = "context.arguments.long.getTag(\"n\")";
    left(&format!("when {{ {amount} > 5 && {amount} < 6 }}"), Rest::Never);
    left("when { context.token.acr == \"a\" && context.token.acr == \"b\" }", Rest::Never);
    left("when { context.token.present } unless { context.token.present }", Rest::Never);
    assert!(matches!(
        rest(&tool(), &format!("permit (principal, action, resource) when {{ {amount} > 5 && {amount} < 7 }};")),
        Rest::If(_)
    ));
}

#[test]
fn scopes_that_are_known_are_settled() {
    let known = Known { scopes: Some(BTreeSet::from(["a".to_owned()])), ..Known::default() };
    let with = |scope: &str| {
        rest(
            &known,
            &format!("permit (principal, action, resource) when {{ context.token.scopes.contains(\"{scope}\") }};"),
        )
    };
    assert_eq!([with("a"), with("b")], [Rest::Applies, Rest::Never]);
}

#[test]
fn without_arguments_no_tag_is_there() {
    let known = Known { no_arguments: true, ..Known::default() };
    let text = "forbid (principal, action, resource) when { context.arguments.long.hasTag(\"n\") && context.arguments.long.getTag(\"n\") > 5 };";
    assert_eq!(rest(&known, text), Rest::Never);
}
