//! The configuration of a filter, wherever it stands.

use std::cell::RefCell;
use std::path::Path;

use access_policy::{PolicyError, Statement, statements};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use request_guard::{ConfigurationError, Filter, Host, Review, TrustedCrypto};
use serde::Deserialize as _;
use serde_json::Value;

use crate::cli::ConfigurationArguments;
use crate::failure::{Failure, read};

/// What stands before the 32 bytes of a private key in PKCS #8: for P-256 (RFC 5915 section 3) and Ed25519 (RFC 8410
/// section 7).
const P256: &[u8] = b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\
    \x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
const ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A configuration as it is written, and where.
pub(crate) struct Configuration {
    pub(crate) filter: Filter,
    /// Where in the file it was found; empty for the whole file.
    pub(crate) found: String,
    /// How many more the file holds.
    pub(crate) others: usize,
    pub(crate) value: Value,
    /// Of the file with the policies, and its text.
    cedar_file: String,
    cedar_text: String,
    /// What the configuration itself has for policies, where others were put in their place.
    pub(crate) replaced: Option<String>,
    /// Environment variables that were asked for and are not set here.
    missing: RefCell<Vec<String>>,
}

/// A configuration that the filter takes, with its policies as they are written.
pub(crate) struct Taken {
    pub(crate) review: Review,
    pub(crate) statements: Vec<Statement>,
}

/// Why the filter would refuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) field: String,
    pub(crate) problem: String,
    /// In the text of the policies.
    pub(crate) place: Option<(usize, usize)>,
}

// === impl Configuration ===

impl Configuration {
    pub(crate) fn load(arguments: &ConfigurationArguments) -> Result<Self, Failure> {
        let text = read(&arguments.file)?;
        let documents = documents(&arguments.file, &text)?;
        let mut found = Vec::new();
        for document in &documents {
            search(document, String::new(), &mut found);
        }
        let others = found.len().saturating_sub(1);
        let Some((path, mut value)) = found.into_iter().next() else {
            let problem = "holds no configuration of agent_guard or cedar_authz: a mapping with `servers` and `policy`";
            return Err(Failure::content(&arguments.file, problem));
        };
        let (mut cedar_file, mut cedar_text) = (arguments.file.display().to_string(), text);
        let mut replaced = None;
        if let Some(file) = &arguments.cedar {
            (cedar_file, cedar_text) = (file.display().to_string(), read(file)?);
            if let Some(policy) = value.get_mut("policy").and_then(Value::as_object_mut) {
                let own = policy.insert("cedar".to_owned(), Value::String(cedar_text.clone()));
                replaced = own.and_then(|own| own.as_str().map(str::to_owned));
            }
        }
        let guard = ["identity", "downscope", "batches", "hold_headers"].iter().any(|name| value.get(name).is_some());
        let filter = if guard { Filter::AgentGuard } else { Filter::CedarAuthz };
        Ok(Self { filter, found: path, others, value, cedar_file, cedar_text, replaced, missing: RefCell::default() })
    }

    /// Compiles it with the filter's own code.
    pub(crate) fn compile(&self) -> Result<Taken, Refusal> {
        let review = self.review(self.value.clone());
        let review = review.map_err(|error| self.refusal(error))?;
        // What compiles has been parsed.
        let statements = statements(&review.cedar).unwrap_or_default();
        Ok(Taken { review, statements })
    }

    fn review(&self, value: Value) -> Result<Review, ConfigurationError> {
        let variable = |name: &str| self.variable(name);
        request_guard::review(self.filter, value, &Host { environment: &variable, crypto: TrustedCrypto::none() })
    }

    /// Other policies for the same servers; nothing if the filter would not take them.
    pub(crate) fn with(&self, cedar: &str) -> Option<Taken> {
        let mut value = self.value.clone();
        value.get_mut("policy")?.as_object_mut()?.insert("cedar".to_owned(), Value::String(cedar.to_owned()));
        let review = self.review(value).ok()?;
        let statements = statements(&review.cedar).ok()?;
        Some(Taken { review, statements })
    }

    /// What the commands need that say something of a configuration which must be right.
    pub(crate) fn taken(&self) -> Result<Taken, Failure> {
        self.compile().map_err(|refusal| {
            let at = refusal.place.map_or_else(|| self.cedar_file.clone(), |(line, column)| self.place(line, column));
            Failure::Content { file: at, problem: format!("the filter would refuse it: {refusal}") }
        })
    }

    /// An environment variable, or the stand-in for a key.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| {
            let mut missing = self.missing.borrow_mut();
            if !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
            let sessions = self.value.pointer("/sessions/keys").and_then(Value::as_array);
            let of_sessions =
                sessions.into_iter().flatten().any(|key| key.get("env").and_then(Value::as_str) == Some(name));
            // A key of sessions is any 32 bytes; two must differ.
            let bytes = format!("{name:*>32}");
            Some(if of_sessions { STANDARD.encode(bytes) } else { self.stand_in(name, bytes.as_bytes()) })
        })
    }

    /// What stands for a signing key that is not in this environment: its name is the key, which is nobody's secret.
    /// Nothing that is signed with it leaves the program.
    fn stand_in(&self, name: &str, bytes: &[u8]) -> String {
        let prefix = if is_of_ed25519(&self.value, name) { ED25519 } else { P256 };
        let key = [prefix, bytes.last_chunk::<32>().map_or(&[], |key| key)].concat();
        // Of 64 characters each (RFC 7468 section 2).
        let lines: Vec<String> = key.chunks(48).map(|line| STANDARD.encode(line)).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    /// Variables for which a stand-in was taken.
    pub(crate) fn missing_variables(&self) -> Vec<String> {
        self.missing.borrow().clone()
    }

    /// A place in the text of the policies, as a place in the file.
    pub(crate) fn place(&self, line: usize, column: usize) -> String {
        let (line, column) = self.in_file(line, column).unwrap_or((line, column));
        format!("{}:{line}:{column}", self.cedar_file)
    }

    fn in_file(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        let cedar = self.value.pointer("/policy/cedar")?.as_str()?;
        let parts: Vec<&str> = cedar.lines().collect();
        let lines: Vec<&str> = self.cedar_text.lines().collect();
        let same = |window: &[&str]| window.iter().zip(&parts).all(|(one, other)| one.trim() == other.trim());
        let start = lines.windows(parts.len().max(1)).position(same)?;
        let number = start.checked_add(line)?;
        let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
        let deeper =
            indent(lines.get(number.checked_sub(1)?)?).saturating_sub(indent(parts.get(line.checked_sub(1)?)?));
        Some((number, column.checked_add(deeper)?))
    }

    fn refusal(&self, error: ConfigurationError) -> Refusal {
        let ConfigurationError { field, problem } = error;
        let cedar = self.value.pointer("/policy/cedar").and_then(Value::as_str).unwrap_or_default();
        let place = match statements(cedar) {
            _ if field != "policy.cedar" => None,
            Err(PolicyError::Syntax { line, column, .. }) => Some((line, column)),
            Err(_) => None,
            Ok(all) => {
                let id = problem.strip_prefix("policy `").and_then(|rest| rest.split_once('`')).map(|(id, _)| id);
                let named = all.iter().rfind(|one| Some(one.id.as_str()) == id);
                let unnamed = || all.iter().find(|one| problem.starts_with(&at(one)));
                named.or_else(unnamed).map(|one| (one.line, one.column))
            }
        };
        Refusal { field, problem, place }
    }
}

/// As the compiler names a policy that has no id.
fn at(statement: &Statement) -> String {
    format!("the policy at line {}, column {}", statement.line, statement.column)
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.field, self.problem)
    }
}

/// The documents of a YAML file, or the one of a JSON file.
fn documents(path: &Path, text: &str) -> Result<Vec<Value>, Failure> {
    if text.trim_start().starts_with('{') {
        return request_guard::strict_json(text.as_bytes())
            .map(|one| vec![one])
            .map_err(|error| Failure::content(path, error));
    }
    // As `envoy-configs` have them: no YAML where they stand in braces.
    let hint = if text.contains("${") { "; fill in its `${…}` first" } else { "" };
    let one = |document: yaml_serde::Deserializer<'_>| {
        let value = yaml_serde::Value::deserialize(document).map_err(|error| match error.location() {
            Some(at) => Failure::Content {
                file: format!("{}:{}:{}", path.display(), at.line(), at.column()),
                problem: format!("no YAML: {error}{hint}"),
            },
            None => Failure::content(path, format!("no YAML: {error}{hint}")),
        })?;
        serde_json::to_value(value).map_err(|error| Failure::content(path, format!("no JSON: {error}")))
    };
    yaml_serde::Deserializer::from_str(text).map(one).collect()
}

/// Everything that has `servers` and `policy`, also where it is JSON in a text.
fn search(value: &Value, path: String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            let is = |name: &str, right: fn(&Value) -> bool| members.get(name).is_some_and(right);
            if is("servers", Value::is_array) && is("policy", Value::is_object) {
                found.push((path, value.clone()));
                return;
            }
            for (name, member) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                search(member, below, found);
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                search(element, format!("{path}[{at}]"), found);
            }
        }
        Value::String(text) if text.trim_start().starts_with('{') => {
            if let Ok(inner) = request_guard::strict_json(text.as_bytes()) {
                search(&inner, path, found);
            }
        }
        _ => {}
    }
}

/// Whether a section says that the key in this variable is one for EdDSA.
fn is_of_ed25519(section: &Value, variable: &str) -> bool {
    let text = |name: &str| section.get(name).and_then(Value::as_str);
    if text("signing_key_env") == Some(variable) {
        return matches!(text("algorithm"), Some("EdDSA" | "Ed25519"));
    }
    if text("client_key_env") == Some(variable) {
        return matches!(text("token_endpoint_auth_signing_alg"), Some("EdDSA" | "Ed25519"));
    }
    match section {
        Value::Array(items) => items.iter().any(|item| is_of_ed25519(item, variable)),
        Value::Object(members) => members.values().any(|member| is_of_ed25519(member, variable)),
        _ => false,
    }
}
