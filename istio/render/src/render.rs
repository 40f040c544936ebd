//! From options and texts to a manifest, and from a manifest back to its options.

use serde_json::Value;

use crate::configuration::Configuration;
use crate::error::{Rendered, wrong};
use crate::options::{Form, Options, Place};
use crate::{envoy_filter, mesh_policies, wasm};

/// How the lines begin that hold a manifest's options.
const RECORD: &str = "# --";

/// The texts that options name files for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Of `--config`.
    pub config: String,
    /// Of `--cedar`.
    pub cedar: Option<String>,
}

/// The manifest, which begins with the options that it was made with.
///
/// # Errors
/// What in the configuration cannot be rendered, by field.
pub fn render(options: &Options, sources: &Sources) -> Rendered<String> {
    let configuration = Configuration::parse(&sources.config, sources.cedar.as_deref())?;
    let manifests = match (options.form, &options.module) {
        (Form::MeshPolicies, _) => mesh_policies::manifests(options, &configuration)?,
        (Form::TrafficExtension | Form::WasmPlugin, Some(module)) => {
            vec![wasm::manifest(options, module, &configuration)?]
        }
        (Form::EnvoyFilter, Some(module)) => vec![envoy_filter::manifest(options, module, &configuration)?],
        (_, None) => return Err(wrong("--image", "is missing")),
    };
    let documents = manifests.iter().map(document).collect::<Rendered<Vec<String>>>()?;
    Ok(head(options) + &documents.join("---\n"))
}

/// A manifest again, with the options that it begins with. `read` gives the text of a file.
///
/// # Errors
/// It has no such options, a file cannot be read, or the configuration cannot be rendered.
pub fn refresh(manifest: &str, read: impl Fn(&str) -> Rendered<String>) -> Rendered<String> {
    let options = Options::parse(recorded_options(manifest))?;
    let sources = Sources { config: read(&options.config)?, cedar: options.cedar.as_deref().map(read).transpose()? };
    render(&options, &sources)
}

/// The words of the options that a manifest begins with; none when it was not made here.
pub fn recorded_options(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines().take_while(|line| line.starts_with('#'));
    lines.filter(|line| line.starts_with(RECORD)).flat_map(|line| line.trim_start_matches("# ").split(' '))
}

fn head(options: &Options) -> String {
    let mut head = String::from("# Made by scripts/istio-render with the options below; to make it again:\n");
    head.push_str("#   scripts/istio-render --refresh THIS_FILE\n");
    let lines = options.lines().into_iter().map(|line| format!("# {line}\n"));
    head.extend(lines);
    match options.form {
        Form::MeshPolicies => {}
        Form::EnvoyFilter => head.push_str(
            "# hold_headers is true: Envoy holds a request's headers until its body is judged (Envoy 1.35 and later).\n",
        ),
        Form::TrafficExtension | Form::WasmPlugin => head.push_str(
            "# hold_headers is false: this API cannot make Envoy hold headers. istio/README.md says what that means.\n",
        ),
    }
    if options.place == Place::Waypoint && options.form != Form::MeshPolicies {
        head.push_str(
            "# identity.sources is [waypoint]: mTLS ends on an outer listener, which keeps the peer's name.\n",
        );
    }
    head
}

fn document(manifest: &Value) -> Rendered<String> {
    yaml_serde::to_string(manifest).map_err(|error| wrong("--config", format!("cannot be written as YAML: {error}")))
}

#[cfg(test)]
mod tests;
