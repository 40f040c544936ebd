//! What is to be rendered, as it is written on the command line.

use std::collections::BTreeMap;

use crate::error::{Rendered, wrong};
use crate::target::{Target, is_name};

/// How the command is used.
pub const USAGE: &str = "\
usage: istio-render OPTIONS        writes a manifest to standard output
       istio-render --refresh FILE…  renders files again, with the options that each one begins with

  --config FILE         a configuration of Meshwarden, version 1, in YAML
  --cedar FILE          the text of `policy.cedar`, when the configuration leaves it out
  --place PLACE         gateway | sidecar | waypoint
  --form FORM           traffic-extension | wasm-plugin | envoy-filter | mesh-policies
  --name NAME           of the resource
  --namespace NAME      of the resource
  --selector K=V[,K=V]  labels of the pods: at a gateway or a sidecar
  --target-ref KIND/NAME  Gateway, Service or ServiceEntry: at a waypoint; Gateway also at a gateway
  --image oci://…       the module, not for mesh-policies
  --sha256 HEX          digest of the image, not for mesh-policies
  --fail-strategy S     FAIL_CLOSE (default) | FAIL_RELOAD";

const KNOWN: [&str; 11] = [
    "--config",
    "--cedar",
    "--place",
    "--form",
    "--name",
    "--namespace",
    "--selector",
    "--target-ref",
    "--image",
    "--sha256",
    "--fail-strategy",
];

/// Where the guard runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A gateway where the agents' mTLS ends.
    Gateway,
    /// The sidecar of an MCP server, on its inbound side.
    Sidecar,
    /// A waypoint of the ambient mesh.
    Waypoint,
}

/// The API that is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Istio 1.30 and later.
    TrafficExtension,
    /// Istio before 1.30; later ones still take it.
    WasmPlugin,
    /// The only form in which Envoy holds a request's headers.
    EnvoyFilter,
    /// What the mesh itself checks first: `RequestAuthentication` and `AuthorizationPolicy`.
    MeshPolicies,
}

/// What happens to requests when the guard fails. There is no third way: open is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailStrategy {
    /// They are refused until the proxy starts again.
    Close,
    /// They are refused until Envoy has made a new VM.
    Reload,
}

/// The guard's module in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// `oci://…`
    pub image: String,
    /// The digest of the image: 64 hexadecimal digits.
    pub sha256: String,
    /// What happens when it fails.
    pub fail_strategy: FailStrategy,
}

/// Everything that a manifest depends on but the configuration's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The file with the configuration.
    pub config: String,
    /// The file with the policies, when the configuration doesn't hold them.
    pub cedar: Option<String>,
    /// Where the guard runs.
    pub place: Place,
    /// The API that is written for.
    pub form: Form,
    /// The name of the resource.
    pub name: String,
    /// The namespace of the resource.
    pub namespace: String,
    /// What the resource is for.
    pub target: Target,
    /// The module; none for [`Form::MeshPolicies`].
    pub module: Option<Module>,
}

// === impl Options ===

impl Options {
    /// Reads the words of a command line.
    ///
    /// # Errors
    /// An option is unknown, repeated, missing or of no use here, or its value is none.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Rendered<Self> {
        let given = pairs(words)?;
        let optional = |option: &str| given.get(option).map(|value| (*value).to_owned());
        let required = |option: &str| optional(option).ok_or_else(|| wrong(option, "is missing"));
        let name = |option: &str| {
            required(option).and_then(|name| {
                let problem = "is no name: use lower-case letters, digits and `-`";
                if is_name(&name) { Ok(name) } else { Err(wrong(option, format!("`{name}` {problem}"))) }
            })
        };
        let (place, form) = (Place::parse(&required("--place")?)?, Form::parse(&required("--form")?)?);
        let target = Target::parse(optional("--selector"), optional("--target-ref"))?;
        target.check(place, form)?;
        let module = if form == Form::MeshPolicies {
            if let Some(option) = ["--image", "--sha256", "--fail-strategy"].iter().find(|o| given.contains_key(**o)) {
                return Err(wrong(*option, "mesh-policies have no module; leave it out"));
            }
            None
        } else {
            Some(Module::parse(required("--image")?, required("--sha256")?, optional("--fail-strategy"))?)
        };
        Ok(Self {
            config: required("--config")?,
            cedar: optional("--cedar"),
            place,
            form,
            name: name("--name")?,
            namespace: name("--namespace")?,
            target,
            module,
        })
    }

    /// The options as they are written down in a manifest: lines that [`Options::parse`] takes back.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let cedar = self.cedar.iter().map(|file| format!(" --cedar {file}")).collect::<String>();
        let (place, form) = (self.place.word(), self.form.word());
        let mut lines = vec![
            format!("--config {}{cedar}", self.config),
            format!(
                "--place {place} --form {form} --name {} --namespace {} {}",
                self.name, self.namespace, self.target
            ),
        ];
        if let Some(Module { image, sha256, fail_strategy }) = &self.module {
            lines.push(format!("--image {image} --fail-strategy {}", fail_strategy.istio()));
            lines.push(format!("--sha256 {sha256}"));
        }
        lines
    }
}

fn pairs<'a>(words: impl IntoIterator<Item = &'a str>) -> Rendered<BTreeMap<&'a str, &'a str>> {
    let mut given = BTreeMap::new();
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        if !KNOWN.contains(&option) {
            return Err(wrong(option, format!("is no option; there are {}", KNOWN.join(", "))));
        }
        let Some(value) = words.next() else { return Err(wrong(option, "has no value")) };
        // The options are written into the manifest's head, separated by spaces.
        if value.is_empty() || value.contains(char::is_whitespace) {
            return Err(wrong(option, format!("`{value}` may neither be empty nor hold spaces")));
        }
        if given.insert(option, value).is_some() {
            return Err(wrong(option, "is there twice; write it once"));
        }
    }
    Ok(given)
}

// === impl Place ===

impl Place {
    fn parse(word: &str) -> Rendered<Self> {
        let all = [Self::Gateway, Self::Sidecar, Self::Waypoint];
        let unknown = || wrong("--place", format!("`{word}` is unknown; write gateway, sidecar or waypoint"));
        all.into_iter().find(|place| place.word() == word).ok_or_else(unknown)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Sidecar => "sidecar",
            Self::Waypoint => "waypoint",
        }
    }
}

// === impl Form ===

impl Form {
    fn parse(word: &str) -> Rendered<Self> {
        let all = [Self::TrafficExtension, Self::WasmPlugin, Self::EnvoyFilter, Self::MeshPolicies];
        let remedy = "write traffic-extension, wasm-plugin, envoy-filter or mesh-policies";
        let unknown = || wrong("--form", format!("`{word}` is unknown; {remedy}"));
        all.into_iter().find(|form| form.word() == word).ok_or_else(unknown)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::TrafficExtension => "traffic-extension",
            Self::WasmPlugin => "wasm-plugin",
            Self::EnvoyFilter => "envoy-filter",
            Self::MeshPolicies => "mesh-policies",
        }
    }
}

// === impl FailStrategy ===

impl FailStrategy {
    fn parse(word: &str) -> Rendered<Self> {
        match word {
            "FAIL_CLOSE" => Ok(Self::Close),
            "FAIL_RELOAD" => Ok(Self::Reload),
            "FAIL_OPEN" => Err(wrong(
                "--fail-strategy",
                "FAIL_OPEN lets every request through once the guard failed; write FAIL_CLOSE or FAIL_RELOAD",
            )),
            _ => Err(wrong("--fail-strategy", format!("`{word}` is unknown; write FAIL_CLOSE or FAIL_RELOAD"))),
        }
    }

    /// As Istio's own APIs spell it.
    pub(crate) const fn istio(self) -> &'static str {
        match self {
            Self::Close => "FAIL_CLOSE",
            Self::Reload => "FAIL_RELOAD",
        }
    }

    /// As Envoy spells it.
    pub(crate) const fn envoy(self) -> &'static str {
        match self {
            Self::Close => "FAIL_CLOSED",
            Self::Reload => "FAIL_RELOAD",
        }
    }
}

// === impl Module ===

impl Module {
    fn parse(image: String, sha256: String, fail_strategy: Option<String>) -> Rendered<Self> {
        if !image.starts_with("oci://") {
            return Err(wrong("--image", format!("`{image}` is no image; write oci://REGISTRY/REPOSITORY:TAG")));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let problem = format!("`{sha256}` has {} characters; write 64 lower-case hexadecimal digits", sha256.len());
            return Err(wrong("--sha256", problem));
        }
        if image.split_once('@').is_some_and(|(_, digest)| digest != format!("sha256:{sha256}")) {
            return Err(wrong("--sha256", "is not the digest in `--image`; write the same one twice"));
        }
        let fail_strategy = fail_strategy.as_deref().unwrap_or("FAIL_CLOSE");
        Ok(Self { image, sha256, fail_strategy: FailStrategy::parse(fail_strategy)? })
    }
}

#[cfg(test)]
mod tests;
