use super::*;

const MINIMAL: &str = "\
servers: [{ name: hr }]
identity: { sources: [tls], trust_domains: [acme.example] }
tokens: { issuers: [] }
policy: { cedar: permit }
downscope: { strategy: mint, mint: { signing_key_env: KEY } }
";

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Rendered<T>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

fn parse(yaml: &str) -> Rendered<Configuration> {
    Configuration::parse(yaml, None)
}

#[test]
fn sections_are_those_of_version_1() {
    let misspelt = format!("{MINIMAL}limit: {{}}\n");
    let known = "servers, identity, tokens, policy, downscope, limits, batches, hide_denied, audit";
    refused(parse(&misspelt), &format!("`limit`: is no section of version 1; there are {known}"));
    refused(parse(&MINIMAL.replace("tokens: { issuers: [] }\n", "")), "`tokens`: is missing");
    refused(parse("- a"), "`--config`: is no mapping; begin with `servers:`");
    let message = parse(&format!("{MINIMAL}tokens: {{}}\n")).unwrap_err().to_string();
    assert!(message.starts_with("`--config`: is no YAML: ") && message.contains("duplicate"), "{message}");
}

#[test]
fn headers_are_held_in_the_one_form_that_can() {
    let configuration = parse(MINIMAL).unwrap();
    for (form, held) in [(Form::EnvoyFilter, true), (Form::TrafficExtension, false), (Form::WasmPlugin, false)] {
        assert_eq!(configuration.for_guard(Place::Gateway, form).unwrap()["hold_headers"], held);
    }
    let set = format!("{MINIMAL}hold_headers: true\n");
    refused(parse(&set), "`hold_headers`: depends on the form, which sets it; leave it out");
}

#[test]
fn a_waypoint_has_its_own_source_of_identity() {
    let configuration = parse(MINIMAL).unwrap();
    let sources = |place| configuration.for_guard(place, Form::EnvoyFilter).unwrap()["identity"]["sources"].clone();
    assert_eq!(sources(Place::Waypoint), json!(["waypoint"]));
    assert_eq!(sources(Place::Sidecar), json!(["tls"]));
    let elsewhere = parse(&MINIMAL.replace("[tls]", "[waypoint, tls]")).unwrap();
    refused(
        elsewhere.for_guard(Place::Sidecar, Form::EnvoyFilter),
        "`identity.sources`: `waypoint` says nothing at a sidecar; write [tls]",
    );
}

#[test]
fn policies_are_written_once() {
    let without = MINIMAL.replace("cedar: permit", "entities: []");
    let configuration = Configuration::parse(&without, Some("forbid")).unwrap();
    assert_eq!(configuration.at("/policy").unwrap().to_string(), r#"{"cedar":"forbid","entities":[]}"#);
    let message = "`policy.cedar`: is missing; write the policies there, or name their file by --cedar";
    refused(parse(&without), message);
    let message = "`--cedar`: the configuration has `policy.cedar` already; write them once";
    refused(Configuration::parse(MINIMAL, Some("forbid")), message);
}

#[test]
fn the_environment_is_what_the_strategy_reads() {
    let with = |downscope: &str| {
        let yaml = MINIMAL.replace("{ strategy: mint, mint: { signing_key_env: KEY } }", downscope);
        parse(&yaml).unwrap().environment().map(|names| names.join(" "))
    };
    assert_eq!(with("{ strategy: mint, mint: { signing_key_env: KEY } }").unwrap(), "KEY");
    assert_eq!(with("{ strategy: exchange, exchange: { client_secret_env: SECRET } }").unwrap(), "SECRET");
    assert_eq!(with("{ strategy: remove }").unwrap(), "");
    refused(with("{}"), "`downscope.strategy`: is missing; write mint, exchange or remove");
    refused(
        with("{ strategy: mint }"),
        "`downscope.mint.signing_key_env`: is missing; name a variable of the proxy's environment",
    );
    refused(
        with("{ strategy: mint, mint: { signing_key_env: A B } }"),
        "`downscope.mint.signing_key_env`: `A B` is no name of a variable; write one like SIGNING_KEY",
    );
}
