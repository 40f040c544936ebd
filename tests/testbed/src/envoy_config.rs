//! An Envoy configuration: a template of `envoy-configs/` filled in, then changed as a test needs it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// What stands for one `${NAME}` of a template.
pub type Placeholder<'a> = (&'a str, &'a str);

/// A configuration that Envoy can be started with.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvoyConfig(Value);

/// The name of the guard's filter.
const GUARD: &str = "agent_guard";

// === impl EnvoyConfig ===

impl EnvoyConfig {
    /// Fills in `envoy-configs/<file>`. A value of several lines gets the indentation of its placeholder's line.
    ///
    /// # Errors
    /// There is no such file; a placeholder has no value, or a value no placeholder; the result is no YAML.
    pub fn from_template(file: &str, values: &[Placeholder<'_>]) -> Result<Self> {
        let path = workspace_root().join("envoy-configs").join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&fill_in(&text, values)?).with_context(|| path.display().to_string())
    }

    /// Any configuration in YAML or JSON.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(yaml: &str) -> Result<Self> {
        Ok(Self(yaml_serde::from_str(yaml)?))
    }

    /// The whole, to change anything.
    pub fn value(&mut self) -> &mut Value {
        &mut self.0
    }

    /// As JSON, which Envoy reads from a file that ends in `.json`.
    #[must_use]
    pub fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    /// The transport socket of the first listener: who may connect.
    ///
    /// # Errors
    /// There is none.
    pub fn tls(&mut self) -> Result<&mut Value> {
        self.at("/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config")
    }

    /// The connection manager of the first listener: HTTP options, filters, routes.
    ///
    /// # Errors
    /// There is none.
    pub fn http(&mut self) -> Result<&mut Value> {
        let filters = self.at("/static_resources/listeners/0/filter_chains/0/filters")?;
        let filters = filters.as_array_mut().context("network filters are no list")?;
        filters.last_mut().and_then(|filter| filter.get_mut("typed_config")).context("no connection manager")
    }

    /// The network filters of the first listener.
    ///
    /// # Errors
    /// There is none.
    pub fn network_filters(&mut self) -> Result<&mut Vec<Value>> {
        let filters = self.at("/static_resources/listeners/0/filter_chains/0/filters")?;
        filters.as_array_mut().context("network filters are no list")
    }

    /// The HTTP filters of the first listener.
    ///
    /// # Errors
    /// There is none.
    pub fn http_filters(&mut self) -> Result<&mut Vec<Value>> {
        let filters = self.http()?.get_mut("http_filters").and_then(Value::as_array_mut);
        filters.context("no HTTP filters")
    }

    /// The guard's plugin configuration: failure policy, VM, and so on.
    ///
    /// # Errors
    /// There is no guard.
    pub fn plugin(&mut self) -> Result<&mut Value> {
        self.wasm(GUARD)
    }

    /// The guard's own configuration (version 1), as long as it is a `Struct`.
    ///
    /// # Errors
    /// There is no guard, or it isn't.
    pub fn guard(&mut self) -> Result<&mut Value> {
        self.filter(GUARD)
    }

    /// The own configuration of one of several filters, by the filter's name, as long as it is a `Struct`.
    ///
    /// # Errors
    /// There is no such filter, or it isn't.
    pub fn filter(&mut self, name: &str) -> Result<&mut Value> {
        let config = self.wasm(name)?.pointer_mut("/configuration/value").filter(|value| value.is_object());
        config.with_context(|| format!("{name} has no Struct"))
    }

    /// A wasm filter's plugin configuration: failure policy, VM, and so on.
    ///
    /// # Errors
    /// There is no such filter.
    pub fn wasm(&mut self, name: &str) -> Result<&mut Value> {
        let mut filters = self.http_filters()?.iter_mut();
        let filter = filters.find(|filter| filter.get("name").is_some_and(|own| own == name));
        filter
            .and_then(|filter| filter.pointer_mut("/typed_config/config"))
            .with_context(|| format!("no filter {name}"))
    }

    /// Turns the guard's configuration from a `Struct` into the `StringValue` of JSON text that Istio sends.
    ///
    /// # Errors
    /// There is no guard.
    pub fn guard_as_text(&mut self) -> Result<()> {
        let text = self.guard()?.to_string();
        self.set_guard_text(&text)
    }

    /// Gives the guard this text, which need not be JSON.
    ///
    /// # Errors
    /// There is no guard.
    pub fn set_guard_text(&mut self, text: &str) -> Result<()> {
        let plugin = self.plugin()?.as_object_mut().context("the plugin is no object")?;
        let value = json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
        plugin.insert("configuration".to_owned(), value);
        Ok(())
    }

    /// Takes away what lets the guard hold a request's headers.
    ///
    /// # Errors
    /// There is no guard.
    pub fn do_not_hold_headers(&mut self) -> Result<()> {
        let flag = self.plugin()?.as_object_mut().context("the plugin is no object")?;
        flag.remove("allow_on_headers_stop_iteration").context("the flag is not there")?;
        Ok(())
    }

    /// Takes the guard out: plain Envoy, for what is measured without it.
    ///
    /// # Errors
    /// There are no filters.
    pub fn remove_guard(&mut self) -> Result<()> {
        self.http_filters()?.retain(|filter| filter.get("name").is_none_or(|name| name != GUARD));
        Ok(())
    }

    /// Trusts one more domain at the TLS level.
    ///
    /// # Errors
    /// The listener has no SPIFFE validator.
    pub fn trust(&mut self, domain: &str, bundle: &Path) -> Result<()> {
        let domains = "/common_tls_context/validation_context/custom_validator_config/typed_config/trust_domains";
        let domains = self.tls()?.pointer_mut(domains).and_then(Value::as_array_mut).context("no SPIFFE validator")?;
        domains.push(json!({ "name": domain, "trust_bundle": { "filename": bundle.display().to_string() } }));
        Ok(())
    }

    /// Lets the guard read all URI SANs of the peer, as an Istio waypoint does: filter state `io.istio.peer_principal`.
    ///
    /// # Errors
    /// There is no listener.
    pub fn waypoint_identity(&mut self) -> Result<()> {
        let filter = json!({
            "name": "envoy.filters.network.set_filter_state",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
                "on_downstream_tls_handshake": [{
                    "object_key": "io.istio.peer_principal",
                    "factory_key": "envoy.string",
                    "format_string": { "text_format_source": { "inline_string": "%DOWNSTREAM_PEER_URI_SAN%" } },
                }],
            },
        });
        self.network_filters()?.insert(0, filter);
        Ok(())
    }

    fn at(&mut self, pointer: &str) -> Result<&mut Value> {
        self.0.pointer_mut(pointer).with_context(|| format!("the configuration has no {pointer}"))
    }
}

/// The root of this repository.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_root.ancestors().nth(2).unwrap_or(crate_root).to_owned()
}

/// Sets members of a JSON object, and makes it one first if need be.
pub fn merge(target: &mut Value, members: Map<String, Value>) {
    match target.as_object_mut() {
        Some(object) => object.extend(members),
        None => *target = Value::Object(members),
    }
}

pub(crate) fn fill_in(template: &str, values: &[Placeholder<'_>]) -> Result<String> {
    let mut text = String::new();
    for line in template.lines() {
        let content = line.trim_start();
        if content.starts_with('#') {
            continue;
        }
        let indentation = format!("\n{}", " ".repeat(line.len() - content.len()));
        let mut line = line.to_owned();
        for (name, value) in values {
            line = line.replace(&format!("${{{name}}}"), &value.trim_end().replace('\n', &indentation));
        }
        text.push_str(&line);
        text.push('\n');
    }
    for (name, _) in values {
        if !template.contains(&format!("${{{name}}}")) {
            bail!("the template has no ${{{name}}}");
        }
    }
    match text.split_once("${") {
        None => Ok(text),
        Some((_, rest)) => bail!("no value for ${{{}", rest.split_inclusive('}').next().unwrap_or(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_several_lines_keeps_its_indentation() {
        let filled = fill_in("a:\n  b: |\n    ${TEXT}\n  c: ${N}\n", &[("TEXT", "one\ntwo\n"), ("N", "3")]).unwrap();
        let parsed = EnvoyConfig::parse(&filled).unwrap();
        assert_eq!(parsed.0, json!({ "a": { "b": "one\ntwo\n", "c": 3 } }));
    }

    /// A caller may have put a token there.
    #[test]
    fn shipped_access_logs_have_no_queries() {
        let mut logs = 0;
        for file in fs::read_dir(workspace_root().join("envoy-configs")).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            logs += text.matches("StdoutAccessLog").count();
            for operator in ["%REQ(:PATH", "PATH?:PATH", "%PATH%", "%PATH(WQ", "REFERER"] {
                assert!(!text.contains(operator), "{operator} in {text}");
            }
        }
        assert!(logs > 0);
    }

    #[test]
    fn a_placeholder_without_a_value_is_an_error() {
        assert_eq!(fill_in("a: ${B}", &[]).unwrap_err().to_string(), "no value for ${B}");
        assert_eq!(fill_in("a: b", &[("B", "1")]).unwrap_err().to_string(), "the template has no ${B}");
    }

    #[test]
    fn comments_need_no_values() {
        assert_eq!(fill_in("# ${B}\na: 1", &[]).unwrap(), "a: 1\n");
    }
}
