//! What the mesh itself checks before the guard does, from the same configuration: issuers' keys, and who may connect.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::configuration::Configuration;
use crate::error::{Rendered, wrong};
use crate::options::Options;

pub(crate) fn manifests(options: &Options, configuration: &Configuration) -> Rendered<Vec<Value>> {
    Ok(vec![request_authentication(options, configuration)?, authorization_policy(options, configuration)?])
}

/// Refuses tokens that are bad, and lets those through that are missing: to these the guard answers, as MCP wants it.
fn request_authentication(options: &Options, configuration: &Configuration) -> Rendered<Value> {
    let audiences = configuration.list("/servers")?.iter().enumerate().map(|(at, server)| {
        let audience = server.get("audience").and_then(Value::as_str);
        audience.ok_or_else(|| wrong(format!("servers[{at}].audience"), "is missing"))
    });
    let audiences = audiences.collect::<Rendered<Vec<&str>>>()?;
    let issuers = configuration.list("/tokens/issuers")?.iter().enumerate();
    let rules = issuers.map(|(at, issuer)| jwt_rule(&format!("tokens.issuers[{at}]"), issuer, &audiences));
    let (key, target) = options.target.field("selector", "matchLabels");
    let rules = rules.collect::<Rendered<Vec<Value>>>()?;
    Ok(resource(
        "RequestAuthentication",
        options,
        Map::from_iter([(key, target), ("jwtRules".to_owned(), rules.into())]),
    ))
}

fn jwt_rule(field: &str, issuer: &Value, audiences: &[&str]) -> Rendered<Value> {
    let text = |pointer: &str| issuer.pointer(pointer).and_then(Value::as_str);
    let name = text("/issuer").ok_or_else(|| wrong(format!("{field}.issuer"), "is missing"))?;
    let (keys, set) = match (text("/jwks/inline"), text("/jwks/uri")) {
        (Some(inline), None) => ("jwks", inline),
        (None, Some(uri)) => ("jwksUri", uri),
        _ => return Err(wrong(format!("{field}.jwks"), "write either `inline`, or `cluster` and `uri`")),
    };
    Ok(json!({
        "issuer": name,
        "audiences": audiences,
        keys: set,
        // Istio also takes a token from the query unless told where it is; the guard refuses one there.
        "fromHeaders": [{ "name": "Authorization", "prefix": "Bearer " }],
        // Istio takes the token away by default; the guard needs it.
        "forwardOriginalToken": true,
    }))
}

/// Lets in the workloads of the trusted domains, to the hosts that there are. It asks for no token: metadata and public
/// keys are served without one.
fn authorization_policy(options: &Options, configuration: &Configuration) -> Rendered<Value> {
    if configuration.at("/identity/required") == Some(&Value::Bool(false)) {
        let problem = "mesh-policies admit known workloads only, `false` admits others too; write them by hand";
        return Err(wrong("identity.required", problem));
    }
    if configuration.sources()?.contains(&"xfcc") {
        let problem = "behind a hop that ends mTLS the mesh sees that hop, not the agent; write mesh policies by hand";
        return Err(wrong("identity.sources", problem));
    }
    let principals: Vec<String> = configuration.trust_domains()?.iter().map(|domain| format!("{domain}/*")).collect();
    let mut rule = json!({ "from": [{ "source": { "principals": principals } }] });
    if let (Some(hosts), Some(rule)) = (hosts(configuration)?, rule.as_object_mut()) {
        rule.insert("to".to_owned(), json!([{ "operation": { "hosts": hosts } }]));
    }
    let (key, target) = options.target.field("selector", "matchLabels");
    let spec = [(key, target), ("action".to_owned(), json!("ALLOW")), ("rules".to_owned(), json!([rule]))];
    Ok(resource("AuthorizationPolicy", options, Map::from_iter(spec)))
}

/// All hosts; none when a server takes any.
fn hosts(configuration: &Configuration) -> Rendered<Option<BTreeSet<&str>>> {
    let mut all = BTreeSet::new();
    for server in configuration.list("/servers")? {
        let Some(hosts) = server.pointer("/match/hosts").and_then(Value::as_array) else { return Ok(None) };
        all.extend(hosts.iter().filter_map(Value::as_str));
    }
    Ok(Some(all))
}

fn resource(kind: &str, options: &Options, spec: Map<String, Value>) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": { "name": options.name, "namespace": options.namespace },
        "spec": spec,
    })
}
