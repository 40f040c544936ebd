//! What the guard writes into Envoy's log: its decisions, and signs that it failed.

use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::Value;

use crate::envoy::Envoy;

/// How long an audit line may take to reach the log.
const PATIENCE: Duration = Duration::from_secs(5);
/// What Envoy and the guard write when its VM failed.
const FAILURES: [&str; 7] =
    ["panicked", "Function: proxy_", "VM failed", "wasm_fail", "RuntimeError", "Uncaught", "assert failure"];

// === impl Envoy ===

impl Envoy {
    /// Every audit line so far, oldest first.
    #[must_use]
    pub fn audit(&self) -> Vec<Value> {
        self.log().lines().filter_map(audit_line).collect()
    }

    /// The audit line of one request, as soon as it is in the log.
    ///
    /// # Errors
    /// It never is.
    pub async fn audit_of(&self, request_id: &str) -> Result<Value> {
        let search = async {
            loop {
                let mut lines = self.audit().into_iter();
                if let Some(line) = lines.find(|line| line.get("request_id").is_some_and(|id| id == request_id)) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.map_err(|_| anyhow!("no audit line for request {request_id}"))
    }

    /// Nothing in the log says that the guard's VM failed.
    ///
    /// # Panics
    /// Something does.
    #[track_caller]
    pub fn guard_never_failed(&self) {
        let log = self.log();
        let bad: Vec<_> = log.lines().filter(|line| FAILURES.iter().any(|sign| line.contains(sign))).collect();
        assert!(bad.is_empty(), "the guard failed:\n{}", bad.join("\n"));
    }
}

/// The guard's record in a line of Envoy's log, if there is one.
fn audit_line(line: &str) -> Option<Value> {
    let (_, json) = line.split_once('{')?;
    let record: Value = serde_json::from_str(&format!("{{{json}")).ok()?;
    record.get("audit").is_some().then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_audit_line_is_found_in_a_log_line() {
        let line = r#"[2026-11-24 10:00:00.000][12][info][wasm] wasm log agent_guard: {"audit":"v1","request_id":"r"}"#;
        assert_eq!(audit_line(line), Some(json!({ "audit": "v1", "request_id": "r" })));
        assert_eq!(audit_line("[info] {not json}"), None);
        assert_eq!(audit_line(r#"[info] {"other":1}"#), None);
    }
}
