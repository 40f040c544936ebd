//! A request as it is written for `explain`, or as an audit line tells of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use request_guard::Review;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Who asks, with what, for what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The SPIFFE ID of the workload on the other end of the connection.
    pub(crate) peer: Option<String>,
    /// Of the user's token. `aud`, `iat` and `exp` are good ones unless they are given.
    pub(crate) claims: Option<Map<String, Value>>,
    /// Names in lower case; `:method`, `:path` and `content-type` are usual ones unless they are given.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON, or the very text.
    pub(crate) body: Option<Value>,
    pub(crate) source_ip: Option<IpAddr>,
    /// RFC 3339; nothing is the time of day.
    pub(crate) now: Option<String>,
    /// Of the peer's certificate, in hexadecimal, for tokens that are bound to one.
    pub(crate) certificate_sha256: Option<String>,
    /// What an audit line does not tell.
    #[serde(skip)]
    pub(crate) lacking: Vec<String>,
}

/// The members of an audit line that tell of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditLine {
    pub(crate) time: String,
    pub(crate) request_id: String,
    pub(crate) decision: String,
    pub(crate) reason: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) resource: Option<String>,
    #[serde(default)]
    pub(crate) policies: Vec<String>,
    pub(crate) arguments_sha256: Option<String>,
    pub(crate) arguments: Option<Map<String, Value>>,
    pub(crate) policy_digest: Option<String>,
}

// === impl Request ===

impl Request {
    pub(crate) fn read(path: &Path, text: &str, review: &Review, configuration: &Value) -> Result<Self, Failure> {
        let wrong = |problem: String| Failure::content(path, problem);
        // A line of a log has other things before the audit's own JSON.
        let json = AuditLine::json(text).unwrap_or(text);
        let value = request_guard::strict_json(json.trim().as_bytes()).map_err(wrong)?;
        if value.get("audit").is_none() {
            return serde_json::from_value(value).map_err(|error| wrong(format!("no request: {error}")));
        }
        let line: AuditLine =
            serde_json::from_value(value).map_err(|error| wrong(format!("no audit line: {error}")))?;
        line.request(review, configuration).map_err(wrong)
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> Result<u64, String> {
        let time = match &self.now {
            Some(now) => humantime::parse_rfc3339(now).map_err(|error| format!("`now`: {error}"))?,
            None => SystemTime::now(),
        };
        time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|error| format!("`now`: {error}"))
    }

    /// All headers but the token's.
    pub(crate) fn all_headers(&self) -> BTreeMap<String, String> {
        let usual =
            [(":method", "POST"), (":path", "/"), ("content-type", "application/json"), ("x-request-id", "explained")];
        let mut all: BTreeMap<String, String> =
            usual.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        all.extend(self.headers.clone());
        all
    }

    pub(crate) fn body_text(&self) -> String {
        match &self.body {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(body) => body.to_string(),
        }
    }
}

// === impl AuditLine ===

impl AuditLine {
    /// The JSON of an audit line within a line of a log.
    pub(crate) fn json(line: &str) -> Option<&str> {
        let at = line.find(r#"{"audit":"meshwarden.v1""#)?;
        let end = line.rfind('}')?;
        line.get(at..=end)
    }

    pub(crate) fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// The id of the resource, without its type.
    pub(crate) fn target(&self) -> Option<(&str, String)> {
        let (ty, id) = self.resource.as_deref()?.split_once("::")?;
        Some((ty, serde_json::from_str(id).ok()?))
    }

    /// Issuer and subject of the user.
    pub(crate) fn user(&self) -> Option<(&str, &str)> {
        self.principal.as_deref()?.strip_prefix("User::\"")?.strip_suffix('"')?.rsplit_once('#')
    }

    /// The request that the line tells of, as far as it does.
    pub(crate) fn request(&self, review: &Review, configuration: &Value) -> Result<Request, String> {
        let server = self.server.as_deref().ok_or("the line names no server: the request never came as far")?;
        let at = review.servers.iter().position(|one| one.name == server);
        let at = at.ok_or_else(|| format!("the configuration has no server `{server}`"))?;
        let method = self.action.as_deref().ok_or("the line names no action: the message was never read")?;
        let mut lacking = Vec::new();
        let arguments = self.arguments.clone().unwrap_or_else(|| {
            if self.arguments_sha256.is_some() {
                lacking.push(
                    "the arguments: the line has their hash only (`audit.arguments: full` would show them)".to_owned(),
                );
            }
            Map::new()
        });
        let params = match self.target() {
            Some(("Tool" | "Prompt", id)) => {
                let name = id.split_once('/').map_or(id.as_str(), |(_, name)| name);
                json!({"name": name, "arguments": arguments})
            }
            Some(("Resource", uri)) => json!({ "uri": uri }),
            None if self.resource.is_none() && !matches!(method, "batch" | "subscriptions/listen") => json!({}),
            _ => return Err(format!("a call of `{method}` can't be made again from its audit line")),
        };
        let claims = self.user().map(|(issuer, subject)| {
            lacking.push(
                "every claim but issuer and subject: groups, roles, scopes and the rest (give them with `--claims`)"
                    .to_owned(),
            );
            Map::from_iter([("iss".to_owned(), issuer.into()), ("sub".to_owned(), subject.into())])
        });
        lacking.push("the address of the caller".to_owned());
        let host = configuration.pointer(&format!("/servers/{at}/match/hosts/0")).and_then(Value::as_str);
        let path = configuration.pointer(&format!("/servers/{at}/match/path_prefix")).and_then(Value::as_str);
        let headers = [
            (":authority", host.unwrap_or("server.example")),
            (":path", path.unwrap_or("/")),
            ("x-request-id", &self.request_id),
        ];
        Ok(Request {
            peer: self.actor.clone(),
            claims,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Some(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})),
            source_ip: None,
            now: Some(self.time.clone()),
            certificate_sha256: None,
            lacking,
        })
    }
}
