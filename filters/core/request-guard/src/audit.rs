//! The record of one decision.

use std::time::{Duration, UNIX_EPOCH};

use access_policy::{Grant, Rehearsal};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::hand_off::{DecisionHandOff, GrantHandOff, HandOff};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Policy allows it, and it went on.
    Allow,
    /// Policy does not allow it.
    Deny,
    /// It never came before policy: no server, no peer, no token, no message.
    Refuse,
    /// It was authorized, and then something failed: it did not go on, or its answer did not.
    Error,
}

/// Everything about one decision, and never a token or a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Names this kind of line, so that it can be found in a log.
    audit: &'static str,
    time: String,
    pub(crate) request_id: String,
    pub(crate) decision: Outcome,
    /// In words; for the operator, never for the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<Map<String, Value>>,
    /// Every message of a batch: all go on, or none does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) batch: Vec<AskedInBatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy_digest: Option<String>,
    /// What policies say that decide nothing, where it is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<ShadowAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minted: Option<Minted>,
    /// For the stage that makes the smaller token; not for the log.
    #[serde(skip)]
    pub(crate) grant: Option<GrantHandOff>,
    /// Whether the decision is this stage's own.
    #[serde(skip)]
    pub(crate) decides: bool,
}

/// What one message of a batch asks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AskedInBatch {
    pub(crate) action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<Map<String, Value>>,
}

/// What policies say that decide nothing: candidates, or those that are not enforced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ShadowAnswer {
    decision: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    /// The most that the smaller token would be good for, where policies say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<u64>,
    policy_digest: String,
}

/// What can be said of a token that was made, the token itself left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Minted {
    pub(crate) jti: String,
    pub(crate) scope: String,
    pub(crate) ttl_seconds: u64,
}

/// Something to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A decision was made.
    Decision(Outcome),
    /// A token was known already.
    TokenCacheHit,
    /// A token was verified from scratch.
    TokenCacheMiss,
    /// The keys of an issuer were fetched.
    JwksRefreshOk,
    /// They could not be, or were no good.
    JwksRefreshFailed,
    /// A token was exchanged.
    ExchangeOk,
    /// It was not.
    ExchangeFailed,
    /// So many items were taken out of a list.
    ListItemsHidden(u32),
    /// Policies that decide nothing say something else.
    ShadowDifference,
}

// === impl AuditRecord ===

impl AuditRecord {
    pub(crate) fn new(nanoseconds: u64, request_id: String, decision: Outcome, policy_digest: Option<String>) -> Self {
        let time = UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        Self {
            audit: "meshwarden.v1",
            time: humantime::format_rfc3339_millis(time).to_string(),
            request_id,
            decision,
            reason: None,
            status: None,
            server: None,
            principal: None,
            actor: None,
            action: None,
            resource: None,
            policies: Vec::new(),
            errors: Vec::new(),
            arguments_sha256: None,
            arguments: None,
            batch: Vec::new(),
            policy_digest,
            shadow: None,
            minted: None,
            grant: None,
            decides: true,
        }
    }

    /// One line of JSON; `microseconds` is the time that the guard itself spent on the request.
    #[must_use]
    pub fn line(&self, microseconds: u64) -> String {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut fields)) => {
                fields.insert("microseconds".to_owned(), microseconds.into());
                Value::Object(fields).to_string()
            }
            // Strings, numbers and maps with string keys always have a JSON form.
            _ => String::new(),
        }
    }

    /// How the request ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.decision
    }

    /// What other filters and access logs may know of the decision: a filter state and its value. Nothing when another
    /// stage has decided.
    #[must_use]
    pub fn filter_state(&self) -> Option<(&'static str, String)> {
        let decision = DecisionHandOff {
            decision: self.decision.as_str().to_owned(),
            request_id: self.request_id.clone(),
            server: self.server.clone(),
            principal: self.principal.clone(),
            actor: self.actor.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            policies: self.policies.clone(),
            policy_digest: self.policy_digest.clone(),
            grant: self.grant.clone(),
        };
        // Text only: it always has a JSON form.
        let value = serde_json::to_string(&decision).ok()?;
        self.decides.then(|| (HandOff::Decision.key(), value))
    }
}

// === impl ShadowAnswer ===

impl ShadowAnswer {
    pub(crate) fn of(rehearsal: Rehearsal, policy_digest: &str) -> Self {
        let (decision, reason, grant) = match rehearsal.outcome {
            Ok(grant) => (Outcome::Allow, None, grant),
            Err(reason) => (Outcome::Deny, Some(reason.to_string()), Grant::default()),
        };
        Self {
            decision,
            reason,
            policies: rehearsal.policies,
            errors: rehearsal.errors,
            scope: grant.scopes.map(|scopes| scopes.into_iter().collect::<Vec<_>>().join(" ")),
            audience: grant.audience,
            ttl_seconds: grant.ttl_seconds,
            policy_digest: policy_digest.to_owned(),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Refuse => "refuse",
            Self::Error => "error",
        }
    }
}
