//! Exchanges that are refused, each with the field that is wrong.

use serde_json::{Value, json};

use crate::plugin::Plugin as _;
use crate::testing::{compiled, configuration};

fn good() -> Value {
    json!({"cluster": "sts", "uri": "https://sts.acme.example/token", "client_id": "mesh", "client_secret_env": "STS_SECRET"})
}

fn with(exchange: Value, mint: bool) -> Value {
    let mut configuration = configuration();
    let downscope = &mut configuration["downscope"];
    downscope["strategy"] = json!("exchange");
    downscope["exchange"] = exchange;
    if !mint {
        downscope.as_object_mut().unwrap().remove("mint");
    }
    configuration
}

fn changed(mut section: Value, change: &Value) -> Value {
    let members = section.as_object_mut().unwrap();
    members.extend(change.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    section
}

#[track_caller]
fn names(change: Value, field: &str, problem: &str) {
    refused(with(changed(good(), &change), false), field, problem);
}

#[track_caller]
fn refused(configuration: Value, field: &str, problem: &str) {
    let error = compiled(configuration).err().unwrap();
    let field = if field.starts_with('.') { format!("downscope.exchange{field}") } else { field.to_owned() };
    assert_eq!(error.field, field, "{error}");
    assert!(error.problem.contains(problem), "{error}");
    assert!(!error.problem.contains("s3cret"), "{error}");
}

#[track_caller]
fn accepted(change: Value) {
    compiled(with(changed(good(), &change), false)).map(|_| ()).unwrap();
}

fn key() -> Value {
    json!({
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
        "client_key_id": "c-1", "client_key_env": "MESHWARDEN_SIGNING_KEY", "client_secret_env": null,
    })
}

#[test]
fn what_the_specifications_allow_is_accepted() {
    accepted(json!({}));
    accepted(json!({"token_endpoint_auth_method": "client_secret_post"}));
    accepted(key());
    let keyed = changed(changed(good(), &key()), &json!({"client_assertion_audience": "https://sts.acme.example"}));
    assert!(compiled(with(keyed, false)).is_ok());
    accepted(json!({"audience": "weather", "resource": "https://api.weather.example", "scope": ["a", "b"]}));
    accepted(json!({"resource": ["https://a.example", "https://b.example/x"], "cache_seconds": 0}));
    accepted(json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "subject": "other"}));
    accepted(json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}));
    accepted(json!({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}));
    accepted(json!({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}));
    accepted(json!({"id_jag": changed(good(), &json!({"audience": "https://as.example"}))}));
    let guard = compiled(with(changed(good(), &json!({"actor_token": "minted"})), true)).unwrap();
    assert!(guard.calls_out());
}

#[test]
fn every_broken_endpoint_names_its_field() {
    names(json!({"cluster": ""}), ".cluster", "name the cluster");
    names(json!({"uri": "sts/token"}), ".uri", "whole URL");
    names(json!({"uri": null}), "downscope.exchange", "missing field `uri`");
    names(json!({"url": "x"}), ".url", "unknown field");
    names(json!({"client_id": ""}), ".client_id", "what the server calls this proxy");
    names(json!({"client_secret": "x"}), ".client_secret", "unknown field");
    names(json!({"client_secret_env": null}), ".client_secret_env", "name the environment variable");
    names(json!({"client_secret_env": "NOT_SET"}), ".client_secret_env", "`NOT_SET` is not set");
    names(json!({"token_endpoint_auth_method": "none"}), ".token_endpoint_auth_method", "unknown variant");
    names(json!({"timeout_milliseconds": 9}), ".timeout_milliseconds", "from 10 to 60000");
    names(json!({"timeout_milliseconds": 60_001}), ".timeout_milliseconds", "from 10 to 60000");
    for name in ["client_key_env", "client_key_id", "token_endpoint_auth_signing_alg", "client_assertion_audience"] {
        names(json!({name: "x"}), &format!(".{name}"), "`client_secret_basic` does not use it");
    }
    let keyed = |change: Value, field: &str, problem: &str| {
        refused(with(changed(changed(good(), &key()), &change), false), field, problem);
    };
    for name in ["client_key_env", "client_key_id", "token_endpoint_auth_signing_alg"] {
        keyed(json!({name: null}), &format!(".{name}"), "`private_key_jwt` needs it");
    }
    keyed(json!({"client_secret_env": "STS_SECRET"}), ".client_secret_env", "`private_key_jwt` does not use it");
    keyed(json!({"client_key_env": "NOT_SET"}), ".client_key_env", "is not set");
    keyed(json!({"client_key_env": "STS_SECRET"}), ".client_key_env", "no private key");
    keyed(json!({"client_key_id": ""}), ".client_key_id", "needs a name");
    let alg = ".token_endpoint_auth_signing_alg";
    keyed(json!({"token_endpoint_auth_signing_alg": "HS256"}), alg, "shared secret");
    keyed(json!({"token_endpoint_auth_signing_alg": "RS256"}), alg, "nothing is signed with `RS256`");
    let id_jag = |change: Value| {
        let id_jag = changed(good(), &json!({"audience": "https://as.example"}));
        json!({"id_jag": changed(id_jag, &change)})
    };
    names(id_jag(json!({"audience": ""})), ".id_jag.audience", "issuer identifier");
    names(id_jag(json!({"audience": null})), ".id_jag", "missing field `audience`");
    names(id_jag(json!({"client_secret_env": "NOT_SET"})), ".id_jag.client_secret_env", "is not set");
    names(id_jag(json!({"scope": ["a"]})), ".id_jag.scope", "unknown field");
}

#[test]
fn every_broken_question_names_its_field() {
    names(json!({"grant_type": "client_credentials"}), ".grant_type", "token-exchange");
    let of = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    names(json!({"requested_token_type": of("id_token")}), ".requested_token_type", "write one of");
    names(json!({"requested_token_type": "jwt"}), ".requested_token_type", "write one of");
    names(json!({"subject_token_type": of("refresh_token")}), ".subject_token_type", "write one of");
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    names(json!({"grant_type": bearer, "requested_token_type": of("jwt")}), ".requested_token_type", "leave it out");
    names(json!({"audience": ""}), ".audience", "name the audience");
    for resource in ["weather", "https://a.example/#x", "https://a.example?x", "urn:x"] {
        names(json!({"resource": resource}), ".resource", "absolute URLs");
    }
    names(json!({"resource": 1}), ".resource", "");
    names(json!({"scope": []}), ".scope", "name the scopes");
    for scope in ["a b", "", "a\"", "é"] {
        names(json!({"scope": [scope]}), ".scope", "each without spaces");
    }
    names(json!({"subject": "any"}), ".subject", "unknown variant");
    names(json!({"cache_seconds": 3_601}), ".cache_seconds", "at most 3600");
    let id_jag = changed(good(), &json!({"audience": "https://as.example"}));
    names(json!({"id_jag": id_jag, "grant_type": bearer}), ".grant_type", "`id_jag` says it");
    names(json!({"id_jag": id_jag, "audience": "weather"}), ".audience", "write `resource`");
    let requested = json!({"id_jag": id_jag, "requested_token_type": of("jwt")});
    names(requested, ".requested_token_type", "`id_jag` says what");
}

#[test]
fn what_is_minted_needs_a_mint_and_a_mint_something_to_mint() {
    names(json!({"subject_token": "minted"}), ".subject_token", "`downscope.mint`");
    names(json!({"actor_token": "minted"}), ".actor_token", "`downscope.mint`");
    refused(with(good(), true), "downscope.mint", "nothing is minted");
    let both = |change: Value| with(changed(good(), &change), true);
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let named = json!({"subject_token": "minted", "subject_token_type": kind});
    refused(both(named), ".subject_token_type", "leave it out");
    let bearer = json!({"actor_token": "minted", "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"});
    refused(both(bearer), ".actor_token", "has no actor tokens");
    // The strategy and the sections belong together.
    let mut other = with(good(), true);
    other["downscope"]["strategy"] = json!("mint");
    refused(other, "downscope.exchange", "with `strategy: exchange` only");
    let mut nothing = configuration();
    nothing["downscope"] = json!({"strategy": "exchange"});
    refused(nothing, "downscope.exchange", "needs it");
}
