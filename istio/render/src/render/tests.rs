use serde_json::json;

use super::*;

const CONFIG: &str = "\
servers:
- { name: hr, audience: https://hr.example/mcp, match: { hosts: [hr.example] } }
- { name: docs, audience: https://docs.example/mcp, match: { hosts: [docs.example] } }
identity: { sources: [tls], trust_domains: [acme.example, partner.example] }
tokens: { issuers: [{ issuer: https://idp.example, jwks: { inline: '{\"keys\":[]}' } }] }
policy: { cedar: permit }
downscope: { strategy: mint, mint: { signing_key_env: KEY } }
";

fn sources(config: &str) -> Sources {
    Sources { config: config.to_owned(), cedar: None }
}

fn try_render(words: &str, config: &str) -> Rendered<String> {
    let module = if words.contains("mesh-policies") {
        String::new()
    } else {
        format!(" --image oci://r.example/g:1 --sha256 {}", "a".repeat(64))
    };
    let words = format!("--config c.yaml --name guard --namespace mcp {words}{module}");
    render(&Options::parse(words.split(' ')).unwrap(), &sources(config))
}

fn documents(words: &str) -> Vec<Value> {
    let text = try_render(words, CONFIG).unwrap();
    text.split("---\n").map(|document| yaml_serde::from_str(document).unwrap()).collect()
}

#[test]
fn both_plugin_apis_say_the_same() {
    for place in ["gateway --selector a=b", "sidecar --selector a=b", "waypoint --target-ref Service/hr"] {
        let extension = documents(&format!("--form traffic-extension --place {place}")).remove(0);
        let plugin = documents(&format!("--form wasm-plugin --place {place}")).remove(0);
        assert_eq!(plugin["kind"], "WasmPlugin");
        for (name, value) in extension["spec"]["wasm"].as_object().unwrap() {
            assert_eq!(&plugin["spec"][name], value, "{name}");
        }
        for name in ["priority", "match", "selector", "targetRefs"] {
            assert_eq!(extension["spec"].get(name), plugin["spec"].get(name), "{name}");
        }
        // Without a phase: after Istio's own checks.
        assert_eq!(extension["spec"].get("phase"), None);
        assert_eq!(extension["spec"]["wasm"]["failStrategy"], "FAIL_CLOSE");
        assert_eq!(extension["spec"]["wasm"]["vmConfig"], json!({ "env": [{ "name": "KEY", "valueFrom": "HOST" }] }));
    }
}

#[test]
fn a_sidecar_guards_what_comes_in_only() {
    let of = |place: &str| {
        documents(&format!("--form traffic-extension --place {place}")).remove(0)["spec"]["match"].clone()
    };
    assert_eq!(of("sidecar --selector a=b"), json!([{ "mode": "SERVER" }]));
    assert_eq!(of("gateway --selector a=b"), Value::Null);
    let filter = documents("--form envoy-filter --place sidecar --selector a=b").remove(0);
    for patch in filter["spec"]["configPatches"].as_array().unwrap() {
        assert_eq!(patch["match"]["context"], "SIDECAR_INBOUND");
    }
}

#[test]
fn an_envoy_filter_adds_the_plugin_and_puts_it_before_the_router() {
    let filter = documents("--form envoy-filter --place gateway --selector a=b").remove(0);
    assert_eq!(filter["spec"]["workloadSelector"], json!({ "labels": { "a": "b" } }));
    let [extension, names, http] = filter["spec"]["configPatches"].as_array().unwrap().as_slice() else { panic!() };
    let plugin = &extension["patch"]["value"]["typed_config"]["config"];
    assert_eq!(plugin["allow_on_headers_stop_iteration"], true);
    assert_eq!(plugin["failure_policy"], "FAIL_CLOSED");
    assert_eq!(plugin["configuration"]["value"]["hold_headers"], true);
    assert_eq!(plugin["vm_config"]["code"]["remote"]["sha256"], "a".repeat(64));
    assert_eq!(plugin["vm_config"]["environment_variables"], json!({ "host_env_keys": ["KEY"] }));
    assert_eq!(names["applyTo"], "NETWORK_FILTER");
    // The two find each other by name; without one of them there is no guard.
    assert_eq!(extension["patch"]["value"]["name"], http["patch"]["value"]["name"]);
    assert_eq!(http["patch"]["value"]["config_discovery"]["config_source"]["initial_fetch_timeout"], "0s");
}

#[test]
fn at_a_waypoint_only_the_inner_listener_is_patched() {
    let filter = documents("--form envoy-filter --place waypoint --target-ref Gateway/w").remove(0);
    let [extension, http] = filter["spec"]["configPatches"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(http["match"]["listener"]["name"], "main_internal");
    let guard = &extension["patch"]["value"]["typed_config"]["config"]["configuration"]["value"];
    assert_eq!(guard["identity"]["sources"], json!(["waypoint"]));
}

#[test]
fn mesh_policies_come_from_the_same_configuration() {
    let policies = documents("--form mesh-policies --place gateway --selector a=b");
    let [authentication, authorization] = policies.as_slice() else { panic!() };
    let rule = &authentication["spec"]["jwtRules"][0];
    assert_eq!(rule["jwks"], r#"{"keys":[]}"#);
    assert_eq!(rule["audiences"], json!(["https://hr.example/mcp", "https://docs.example/mcp"]));
    assert_eq!(rule["forwardOriginalToken"], true);
    let rule = &authorization["spec"]["rules"][0];
    assert_eq!(rule["from"][0]["source"]["principals"], json!(["acme.example/*", "partner.example/*"]));
    assert_eq!(rule["to"][0]["operation"]["hosts"], json!(["docs.example", "hr.example"]));
}

#[test]
fn mesh_policies_that_would_contradict_the_guard_are_refused() {
    let words = "--form mesh-policies --place gateway --selector a=b";
    let refused = |from: &str, to: &str| try_render(words, &CONFIG.replace(from, to)).unwrap_err().field;
    assert_eq!(refused("sources: [tls]", "sources: [xfcc]"), "identity.sources");
    assert_eq!(refused("sources: [tls]", "required: false, sources: [tls]"), "identity.required");
    assert_eq!(refused("jwks: { inline: '{\"keys\":[]}' }", "jwks: {}"), "tokens.issuers[0].jwks");
    assert_eq!(refused("audience: https://hr.example/mcp, ", ""), "servers[0].audience");
    let any_host = try_render(words, &CONFIG.replace(", match: { hosts: [hr.example] }", "")).unwrap();
    assert!(!any_host.contains("hosts:"), "{any_host}");
}

#[test]
fn a_manifest_can_be_made_again_and_no_other_text_can() {
    let first = try_render("--form wasm-plugin --place sidecar --selector a=b", CONFIG).unwrap();
    let read = |file: &str| {
        assert_eq!(file, "c.yaml");
        Ok(CONFIG.replace("permit", "forbid"))
    };
    let second = refresh(&first, read).unwrap();
    assert_eq!(second, first.replace("cedar: permit", "cedar: forbid"));
    assert_eq!(refresh("kind: Gateway\n", |_| panic!()).unwrap_err().to_string(), "`--place`: is missing");
}
