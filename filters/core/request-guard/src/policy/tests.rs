//! Policies that decide nothing, in whole exchanges.

use serde_json::{Value, json};

use crate::audit::{Count, Outcome};
use crate::plugin::Stream as _;
use crate::step::{HeaderEdit, Step};
use crate::testing::{
    Exchange, JSON, LIST, call, codes, compiled, configuration, exchange_with, request_end, request_headers,
    response_headers,
};

/// What comes of a call, the audit line, and whether it is logged where only denials are.
fn asked(policy: impl FnOnce(&mut Value), tool: &str) -> (Step, Value, bool) {
    let mut exchange = exchange_with(|configuration| {
        policy(&mut configuration["policy"]);
        configuration["audit"]["log"] = json!("denied");
    });
    assert!(matches!(request_headers(&mut exchange, &[]), Step::Hold));
    let step = request_end(&mut exchange, &call(tool));
    let record = exchange.take_record().unwrap();
    let differs = exchange.take_counts().contains(&Count::ShadowDifference);
    let line: Value = serde_json::from_str(&record.line(1)).unwrap();
    assert_eq!(line.get("shadow").is_some(), differs, "{line}");
    (step, line, exchange.is_logged(&record))
}

fn with(policy: &mut Value, more: &str) {
    policy["cedar"] = json!(format!("{}{more}", policy["cedar"].as_str().unwrap()));
}

/// The scopes of the token in place of the caller's.
#[track_caller]
fn scope(step: &Step) -> String {
    use base64::Engine as _;
    let Step::Forward(forward) = step else { panic!("{step:?}") };
    let token = forward.edits().iter().find_map(|edit| match edit {
        HeaderEdit::Set("authorization", value) => Some(value.as_str()),
        _ => None,
    });
    let payload = token.unwrap().split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["scope"].as_str().unwrap().to_owned()
}

#[test]
fn a_policy_in_shadow_decides_nothing_and_says_what_it_would_have() {
    let forbid = |policy: &mut Value| {
        with(policy, r#"@id("strict") @mode("shadow") forbid (principal, action, resource == Tool::"hr/seen");"#);
    };
    let (step, line, logged) = asked(forbid, "seen");
    assert!(matches!(step, Step::Forward(_)) && logged);
    let candidate = line["shadow"]["policy_digest"].as_str().unwrap();
    assert_eq!(candidate, line["policy_digest"], "the text is the same");
    let shadow = json!({
        "decision": "deny", "reason": "a policy forbids it", "policies": ["strict"], "policy_digest": candidate,
    });
    assert_eq!((&line["decision"], &line["policies"], &line["shadow"]), (&json!("allow"), &json!(["seen"]), &shadow));
    // It is not about this one, and agrees that nobody may do that.
    let (step, line, logged) = asked(forbid, "scoped");
    assert!(matches!(step, Step::Forward(_)) && !logged, "{line}");
    assert_eq!(codes(asked(forbid, "other").0), (403, -31_403));
}

#[test]
fn candidates_are_asked_in_place_of_the_whole() {
    let wide = r#"@id("wide") permit (principal, action, resource);"#;
    let candidate = |policy: &mut Value| policy["shadow"] = json!(wide);
    let (step, line, logged) = asked(candidate, "other");
    assert_eq!((codes(step), logged), ((403, -31_403), true));
    assert_eq!((&line["shadow"]["decision"], &line["shadow"]["policies"]), (&json!("allow"), &json!(["wide"])));
    assert_ne!(line["shadow"]["policy_digest"], line["policy_digest"]);
    assert!(line["shadow"].get("reason").is_none(), "{line}");
    let (_, line, logged) = asked(candidate, "seen");
    assert!(!logged, "{line}");
}

#[test]
fn another_token_is_a_difference_too() {
    let narrow = r#"@id("narrow") @downscope_scope("none") @downscope_ttl_seconds("5")
        permit (principal, action, resource);"#;
    let (step, line, _) = asked(|policy| policy["shadow"] = json!(narrow), "scoped");
    assert_eq!(scope(&step), "hr.read");
    assert_eq!((&line["shadow"]["scope"], &line["shadow"]["ttl_seconds"]), (&json!(""), &json!(5)));
}

#[test]
fn a_candidate_that_fails_harms_nobody() {
    let failing = r#"@id("any") permit (principal, action, resource);
        @id("sum") forbid (principal, action, resource) when { context.delegation.depth + 9223372036854775807 > 0 &&
            context.delegation.depth - 9223372036854775807 - 9223372036854775807 < 0 };"#;
    let (step, line, _) = asked(|policy| policy["shadow"] = json!(failing), "seen");
    assert!(matches!(step, Step::Forward(_)));
    assert_eq!(line["shadow"]["errors"].as_array().unwrap().len(), 1, "{line}");
    assert!(line.get("errors").is_none(), "{line}");
}

fn unenforced() -> Exchange {
    exchange_with(|configuration| configuration["policy"]["enforcement"] = json!("shadow"))
}

#[test]
fn what_policy_denies_goes_on_where_it_is_not_enforced() {
    let (step, line, logged) = asked(|policy| policy["enforcement"] = json!("shadow"), "write");
    assert_eq!((scope(&step).as_str(), logged), ("docs.read hr.read", true));
    assert_eq!((&line["decision"], line.get("policies")), (&json!("allow"), None));
    assert_eq!(line["shadow"]["reason"], "no policy permits it");
    // What policy allows is as ever.
    let (step, line, logged) = asked(|policy| policy["enforcement"] = json!("shadow"), "scoped");
    assert_eq!((scope(&step).as_str(), &line["policies"], logged), ("hr.read", &json!(["scoped"]), false));
}

#[test]
fn where_policy_is_not_enforced_nothing_is_hidden() {
    let mut exchange = unenforced();
    assert!(matches!(request_headers(&mut exchange, &[]), Step::Hold));
    assert!(matches!(request_end(&mut exchange, LIST), Step::Forward(_)));
    exchange.take_counts();
    response_headers(&mut exchange, JSON);
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"seen"},{"name":"write"}]}}"#;
    let step = exchange.on(&crate::event::Event::ResponseEnd { body: list.as_bytes() });
    assert!(matches!(step, Step::Continue | Step::ReplaceBody { .. }), "{step:?}");
    if let Step::ReplaceBody { body, .. } = step {
        assert!(String::from_utf8(body).unwrap().contains("write"));
    }
    assert_eq!(exchange.take_counts(), []);
}

#[test]
fn nothing_else_is_let_pass() {
    for (name, value, codes_of) in
        [("authorization", "Bearer a.b.c", (401, -31_401)), (":authority", "elsewhere.example", (403, -31_403))]
    {
        let mut exchange = unenforced();
        assert_eq!(codes(request_headers(&mut exchange, &[(name, value)])), codes_of, "{name}");
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Refuse);
    }
    let mut exchange = unenforced();
    request_headers(&mut exchange, &[]);
    assert_eq!(codes(request_end(&mut exchange, "{}")), (400, -32_600));
}

#[test]
fn the_log_says_at_load_that_policy_is_not_enforced() {
    let mut configuration = configuration();
    configuration["policy"]["enforcement"] = json!("shadow");
    let guard = compiled(configuration).unwrap();
    assert!(guard.warnings.iter().any(|warning| warning.contains("`policy.enforcement: shadow`")));
}

#[test]
fn there_is_one_shadow() {
    const ANY: &str = r#"@id("any") permit (principal, action, resource);"#;
    const MARKED: &str = r#"@id("marked") @mode("shadow") permit (principal, action, resource);"#;
    let refused = |enforcement: &str, shadow: &str, more: &str| {
        let mut configuration = configuration();
        let policy = &mut configuration["policy"];
        policy["enforcement"] = json!(enforcement);
        policy["shadow"] = json!(shadow);
        with(policy, more);
        compiled(configuration).err().map(|error| error.field)
    };
    assert_eq!(refused("enforce", ANY, ""), None);
    assert_eq!(refused("enforce", "", MARKED), None);
    assert_eq!(refused("enforce", ANY, MARKED).as_deref(), Some("policy.shadow"));
    assert_eq!(refused("enforce", &format!("{ANY}{MARKED}"), "").as_deref(), Some("policy.shadow"));
    assert_eq!(refused("shadow", ANY, "").as_deref(), Some("policy.enforcement"));
    assert_eq!(refused("shadow", "", MARKED).as_deref(), Some("policy.enforcement"));
}
