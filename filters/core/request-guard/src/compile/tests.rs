//! Configurations that are refused, each with the field that is wrong.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::plugin::Plugin as _;
use crate::testing::{compiled, configuration};

/// Puts a value where the pointer says, and gives the field and problem of the refusal.
#[track_caller]
fn refused(pointer: &str, value: Value) -> (String, String) {
    let mut configuration = configuration();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = configuration.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    let error = compiled(configuration).err().unwrap();
    (error.field, error.problem)
}

#[track_caller]
fn names(pointer: &str, value: Value, field: &str) {
    let (own, problem) = refused(pointer, value);
    assert_eq!(own, field, "{problem}");
    assert!(!problem.is_empty());
}

#[test]
fn the_world_of_these_tests_compiles() {
    assert!(compiled(configuration()).is_ok());
}

#[test]
fn every_broken_configuration_names_its_field() {
    names("/surprise", json!(1), "surprise");
    names("/servers", json!([]), "servers");
    names("/servers", json!({}), "servers");
    names("/servers/0/name", json!("HR"), "servers[0].name");
    names("/servers/0/name", json!("a/b"), "servers[0].name");
    names("/servers/0/protocol", json!("grpc"), "servers[0].protocol");
    // The policies speak of tools.
    names("/servers/0/protocol", json!("a2a"), "policy.cedar");
    names("/servers/0/audience", json!("hr"), "servers[0].audience");
    names("/servers/0/match", json!({"hosts": []}), "servers[0].match.hosts");
    names("/servers/0/match", json!({"hosts": ["https://hr"]}), "servers[0].match.hosts");
    names("/servers/0/match", json!({"path_prefix": "mcp"}), "servers[0].match.path_prefix");
    names("/servers/0/match", json!({"path": "/mcp"}), "servers[0].match.path");
    names("/servers/0/tools", json!({"t": {"hint": {}}}), "servers[0].tools.t.hint");
    names("/servers/0/allowed_origins", json!(["*"]), "servers[0].allowed_origins[0]");
    let headers = |headers: Value| json!({"t*": {"param_headers": headers}});
    names("/servers/0/tools", headers(json!({"a b": "/a"})), "servers[0].tools.t*.param_headers.a b");
    names("/servers/0/tools", headers(json!({"A": "/a", "a": "/b"})), "servers[0].tools.t*.param_headers.a");
    names("/servers/0/tools", headers(json!({"A": "a"})), "servers[0].tools.t*.param_headers.A");
    names("/servers/0/tools", headers(json!({"A": 1})), "servers[0].tools.t*.param_headers.A");
    names("/identity/sources", json!([]), "identity.sources");
    names("/identity/sources", json!(["mtls"]), "identity.sources[0]");
    names("/identity/trust_domains", json!([]), "identity.trust_domains");
    names("/identity/trust_domains", json!(["Acme.example"]), "identity.trust_domains[0]");
    names("/tokens/issuers", json!([]), "tokens.issuers");
    names("/tokens/issuers/0/algorithms", json!([]), "tokens.issuers[0].algorithms");
    names("/tokens/issuers/0/algorithms", json!(["HS256"]), "tokens.issuers[0].algorithms[0]");
    names("/tokens/issuers/0/algorithms", json!(["none"]), "tokens.issuers[0].algorithms[0]");
    names("/tokens/issuers/0/jwks", json!({"inline": "{}"}), "tokens.issuers");
    names("/tokens/issuers/0/jwks", json!({}), "tokens.issuers[0].jwks");
    names("/tokens/issuers/0/jwks", json!({"cluster": "idp"}), "tokens.issuers[0].jwks");
    for uri in
        ["https://x", "idp.acme.example/jwks", "ftp://x/jwks", "https:///jwks", "https://a@x/jwks", "https://x/ "]
    {
        names("/tokens/issuers/0/jwks", json!({"cluster": "idp", "uri": uri}), "tokens.issuers[0].jwks.uri");
    }
    let keys = |cluster, seconds| json!({"cluster": cluster, "uri": "https://x/jwks", "refresh_seconds": seconds});
    names("/tokens/issuers/0/jwks", keys("idp", 9), "tokens.issuers[0].jwks.refresh_seconds");
    names("/tokens/issuers/0/jwks", keys("", 10), "tokens.issuers[0].jwks.cluster");
    names("/tokens/issuers/0/jwks", json!({"inline": "{}", "cluster": "idp"}), "tokens.issuers[0].jwks");
    names(
        "/tokens/resource_metadata",
        json!({"authorization_servers": []}),
        "tokens.resource_metadata.authorization_servers",
    );
    names("/tokens/clock_skew_seconds", json!("30"), "tokens.clock_skew_seconds");
    names("/policy/cedar", json!(""), "policy.cedar");
    names("/policy/cedar", json!("permit (principal, action, resource);"), "policy.cedar");
    names(
        "/policy/cedar",
        json!("@id(\"a\") permit (principal, action, resource) when { context.nothing };"),
        "policy.cedar",
    );
    names("/policy/shadow", json!("permit (principal, action, resource);"), "policy.shadow");
    names("/policy/enforcement", json!("off"), "policy.enforcement");
    names("/downscope/strategy", json!("forward"), "downscope.strategy");
    names("/downscope/strategy", json!("exchange"), "downscope.exchange");
    names("/downscope/strategy", json!("remove"), "downscope.mint");
    names("/downscope/mint/algorithm", json!("RS256"), "downscope.mint.algorithm");
    names("/downscope/mint/signing_key_env", json!("NOT_SET"), "downscope.mint.signing_key_env");
    names("/downscope/mint/ttl_seconds", json!(0), "downscope.mint.ttl_seconds");
    names("/downscope/mint/issuer", json!(""), "downscope.mint.issuer");
    names("/limits/max_body_bytes", json!(0), "limits.max_body_bytes");
    names("/limits/max_json_depth", json!(65), "limits.max_json_depth");
    names("/limits/max_token_bytes", json!(-1), "limits.max_token_bytes");
    names("/batches", json!("authorize"), "batches");
    let key = |bytes: usize| base64::engine::general_purpose::STANDARD.encode(vec![7; bytes]);
    names("/sessions", json!({"keys": []}), "sessions.keys");
    names("/sessions", json!({"key": []}), "sessions.key");
    names("/sessions", json!({"keys": [{}]}), "sessions.keys[0]");
    names("/sessions", json!({"keys": [{"env": "A", "inline": "B"}]}), "sessions.keys[0]");
    names("/sessions", json!({"keys": [{"env": "NOT_SET"}]}), "sessions.keys[0].env");
    names("/sessions", json!({"keys": [{"inline": "no base64"}]}), "sessions.keys[0].inline");
    names("/sessions", json!({"keys": [{"inline": key(32)}, {"inline": key(31)}]}), "sessions.keys[1].inline");
    names("/sessions", json!({"keys": [{"inline": key(32)}, {"inline": key(32)}]}), "sessions.keys[1]");
    names("/servers/0/server_requests", json!("some"), "servers[0].server_requests");
    names("/servers/0/server_requests", json!([]), "servers[0].server_requests");
    names("/servers/0/server_requests", json!(["tools/call"]), "servers[0].server_requests");
    names("/audit", json!({"log": "some"}), "audit.log");
    names("/downscope/mint/audience", json!("https://a"), "downscope.mint.audience");
    names("/downscope/mint/scopes", json!(["a"]), "downscope.mint.scopes");
    names("/servers/0/protocol", json!("http"), "servers[0].protocol");
}

#[test]
fn every_broken_key_names_its_field() {
    const KEY: &str = include_str!("../testing/signing-key.pem");
    let mint = |change: Value| {
        let mut configuration = configuration();
        let mint = configuration["downscope"]["mint"].as_object_mut().unwrap();
        mint.extend(change.as_object().unwrap().clone());
        mint.retain(|_, value| !value.is_null());
        compiled(configuration)
    };
    let names = |change: Value, field: &str, problem: &str| {
        let error = mint(change).err().unwrap();
        assert_eq!(error.field, format!("downscope.mint{field}"), "{error}");
        assert!(error.problem.contains(problem), "{error}");
        assert!(!error.problem.contains("BEGIN"), "{error}");
    };
    let either = "write either `signing_key_env` or `signing_key`";
    names(json!({"signing_key": KEY}), "", either);
    names(json!({"signing_key_env": null}), "", either);
    names(json!({"signing_key_env": null, "signing_key": "x"}), ".signing_key", "no private key for `ES256`");
    names(json!({"algorithm": "EdDSA"}), ".signing_key_env", "no private key for `EdDSA`");
    names(json!({"algorithm": "none"}), ".algorithm", "`none` is never accepted");
    names(json!({"algorithm": "PS256"}), ".algorithm", "nothing is signed with `PS256`; write `ES256` or `EdDSA`");
    names(json!({"key_id": ""}), ".key_id", "a key needs a name");

    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                  -----END PUBLIC KEY-----\n";
    let good = json!({"key_id": "2026-12", "algorithm": "EdDSA", "public_key": public});
    assert!(mint(json!({"published_keys": [good]})).is_ok());
    let published = |change: Value, field: &str, problem: &str| {
        let mut key = json!({"key_id": "2027-01", "algorithm": "ES256"});
        key.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        names(json!({"published_keys": [good, key]}), &format!(".published_keys[1]{field}"), problem);
    };
    let one = "write one of `public_key`, `signing_key_env` and `signing_key`";
    published(json!({}), "", one);
    published(json!({"public_key": public, "signing_key": KEY}), "", one);
    published(json!({"signing_key_env": "NOT_SET", "signing_key": KEY}), "", either);
    published(json!({"signing_key_env": "NOT_SET"}), ".signing_key_env", "is not set");
    published(json!({"public_key": public}), ".public_key", "no public key for `ES256`");
    published(json!({"public_key": public, "algorithm": "X"}), ".algorithm", "`X` is not one of");
    published(json!({"public_key": public, "algorithm": "EdDSA"}), "", "it is the same key as `2026-12`");
    published(json!({"signing_key": KEY}), "", "it is the same key as `2026-11`");
    let other =
        public.replace("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    published(
        json!({"public_key": other, "algorithm": "EdDSA", "key_id": "2026-11"}),
        ".key_id",
        "called `2026-11` too",
    );
    published(json!({"key": 1}), ".key", "unknown field");
}

#[test]
fn every_broken_transaction_token_names_its_field() {
    let with = |tokens: Value, downscope: Value| {
        let mut configuration = configuration();
        configuration["tokens"]["transaction_tokens"] = tokens;
        configuration["downscope"]["transaction_token"] = downscope;
        compiled(configuration)
    };
    let names = |tokens: Value, downscope: Value, field: &str, problem: &str| {
        let error = with(tokens, downscope).err().unwrap();
        assert_eq!(error.field, field, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    };
    let (domain, out) = (json!({"audience": "acme.example"}), "downscope.transaction_token");
    assert!(with(Value::Null, domain.clone()).is_ok() && with(domain.clone(), domain.clone()).is_ok());
    names(Value::Null, json!({}), out, "missing field `audience`");
    names(Value::Null, json!({"audience": ""}), &format!("{out}.audience"), "name the trust domain");
    names(Value::Null, json!({"audience": "a", "ttl_seconds": 0}), &format!("{out}.ttl_seconds"), "from 1 to 900");
    names(Value::Null, json!({"audience": "a", "purpose": 1}), &format!("{out}.purpose"), "unknown field");
    let accepted = |change: Value, name: &str, problem: &str| {
        let mut tokens = domain.clone();
        tokens.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        names(tokens, domain.clone(), &format!("tokens.transaction_tokens{name}"), problem);
    };
    names(domain.clone(), Value::Null, "tokens.transaction_tokens", "write `downscope.transaction_token` too");
    accepted(json!({"audience": "b"}), ".audience", "a transaction stays in its trust domain");
    accepted(json!({"algorithms": ["ES256"]}), ".algorithms", "our own keys have theirs");
    let jwks = json!({"inline": include_str!("../testing/jwks.json")});
    accepted(json!({"jwks": jwks}), ".algorithms", "name at least one algorithm");
    accepted(json!({"jwks": jwks, "algorithms": ["HS256"]}), ".algorithms[0]", "uses a shared secret");
    accepted(json!({"jwks": jwks, "algorithms": ["ES384"]}), ".jwks", "no signing key for any of `algorithms`");
    let remote = json!({"cluster": "c", "uri": "https://x/jwks"});
    accepted(json!({"jwks": remote, "algorithms": ["ES256"]}), ".jwks", "write it as `inline`");
    accepted(json!({"issuer": "x"}), ".issuer", "unknown field");

    // Without `mint` there is nothing to sign with; with it, the strategy may be another.
    let mut removing = configuration();
    removing["downscope"]["strategy"] = json!("remove");
    removing["downscope"]["transaction_token"] = domain.clone();
    assert!(compiled(removing.clone()).is_ok());
    removing["downscope"].as_object_mut().unwrap().remove("mint");
    assert_eq!(compiled(removing).err().unwrap().field, "downscope.mint");
}

#[test]
fn a_key_in_the_configuration_is_warned_about_and_not_shown() {
    let mut configuration = configuration();
    let mint = configuration["downscope"]["mint"].as_object_mut().unwrap();
    mint.remove("signing_key_env");
    mint.insert("signing_key".to_owned(), json!(include_str!("../testing/signing-key.pem")));
    let guard = compiled(configuration).unwrap();
    let warning = "`downscope.mint.signing_key`: the configuration holds a secret, and so does whatever stores it; put it \
                   into an environment variable and name that in `signing_key_env`";
    assert_eq!(guard.warnings().iter().filter(|own| *own == warning).count(), 1, "{:?}", guard.warnings());
}

#[test]
fn every_broken_method_of_an_extension_names_its_field() {
    let names = |method: Value, field: &str| {
        let good = json!({"method": "skills/get", "action": "resources/read", "target": "/uri"});
        let (own, problem) = refused("/servers/0/extra_methods", json!([good, method]));
        assert_eq!(own, format!("servers[0].extra_methods[1]{field}"), "{problem}");
    };
    names(json!("skills/put"), "");
    names(json!({"method": "a", "action": "connect", "to": "/x"}), ".to");
    names(json!({"method": "a", "action": "tools/list"}), ".action");
    names(json!({"method": "a", "action": "message/send"}), ".action");
    names(json!({"method": "", "action": "connect"}), ".method");
    names(json!({"method": "a b", "action": "connect"}), ".method");
    names(json!({"method": "tools/call", "action": "tools/call", "target": "/name"}), ".method");
    names(json!({"method": "tasks/update", "action": "connect"}), ".method");
    names(json!({"method": "skills/get", "action": "connect"}), ".method");
    for action in ["tools/call", "prompts/get", "resources/read", "resources/subscribe", "tasks/get", "tasks/cancel"] {
        names(json!({"method": "a", "action": action}), ".target");
        for odd in ["", "uri", "/", "/a~2"] {
            names(json!({"method": "a", "action": action, "target": odd}), ".target");
        }
    }
    for action in ["connect", "tasks/list"] {
        names(json!({"method": "a", "action": action, "target": "/uri"}), ".target");
    }
    names(json!({"method": "a", "action": "resources/read", "target": "/uri", "arguments": "/a"}), ".arguments");
    names(json!({"method": "a", "action": "tools/call", "target": "/name", "arguments": "a"}), ".arguments");
    let list = |member: &str, item: &str, action: &str| json!({"method": "a", "action": "connect", "list": {"member": member, "item": item, "action": action}});
    names(list("", "/uri", "resources/read"), ".list.member");
    names(list("skills", "uri", "resources/read"), ".list.item");
    names(list("skills", "/uri", "connect"), ".list.action");
    // Tools are told by their names, whoever lists them.
    names(list("tools", "/uri", "resources/read"), ".method");

    let mut of_an_agent = configuration();
    of_an_agent["servers"][0]["protocol"] = json!("a2a");
    of_an_agent["servers"][0]["extra_methods"] = json!([{"method": "a", "action": "connect"}]);
    assert_eq!(compiled(of_an_agent).err().unwrap().field, "servers[0].extra_methods");
}

#[test]
fn what_is_missing_is_named_by_its_parent() {
    for (pointer, name) in [("", "identity"), ("", "downscope"), ("/tokens", "issuers"), ("/tokens/issuers/0", "jwks")]
    {
        let mut configuration = configuration();
        configuration.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name);
        let error = compiled(configuration).err().unwrap();
        assert!(error.problem.contains(&format!("missing field `{name}`")), "{error}");
    }
}

#[test]
fn a_message_says_what_to_do() {
    let (field, problem) = refused("/downscope/mint/signing_key_env", json!("NOT_SET"));
    assert_eq!(
        format!("`{field}`: {problem}"),
        "`downscope.mint.signing_key_env`: the environment variable `NOT_SET` is not set; list it in the plugin's \
         `vm_config.environment_variables`"
    );
}

#[test]
fn a_dangerous_choice_is_warned_about() {
    let mut configuration = configuration();
    configuration["downscope"] = json!({"strategy": "danger_forward_client_token"});
    configuration["identity"]["sources"] = json!(["xfcc"]);
    let guard = compiled(configuration.clone()).unwrap();
    // The third is that sessions are not pinned.
    assert_eq!(guard.warnings().len(), 3);
    configuration["sessions"] = json!({"keys": [{"inline": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}]});
    assert_eq!(compiled(configuration).unwrap().warnings().len(), 2);
}
