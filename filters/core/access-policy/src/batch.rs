//! Several things that are asked at once: each is asked about alone, and one that is denied denies all of them.

use std::collections::BTreeSet;

use agent_messages::Operation;

use crate::decide::{DenialReason, Grant, Grounds};
use crate::policies::Policies;
use crate::question::Caller;
use crate::step_up::StepUp;

// === impl Policies ===

impl Policies {
    /// The permits of all operations, and with what they may go on together; `noun` is what each of them is called.
    pub(crate) fn judge_each<'a>(
        &self,
        caller: &Caller<'_>,
        server: &str,
        noun: &str,
        operations: impl Iterator<Item = &'a Operation>,
    ) -> Result<(Vec<String>, Grant), Grounds> {
        let (mut permits, mut grants, mut denied) = (BTreeSet::new(), Vec::new(), Vec::new());
        for (at, operation) in operations.enumerate() {
            match self.judge(caller, server, operation) {
                Ok((policies, grant)) => {
                    permits.extend(policies);
                    grants.push(grant);
                }
                Err(grounds) => denied.push((at.saturating_add(1), grounds)),
            }
        }
        if let Some(grounds) = all_grounds(noun, denied) {
            return Err(grounds);
        }
        let policies: Vec<String> = permits.into_iter().collect();
        match grants.into_iter().map(Some).reduce(together) {
            Some(Some(grant)) => Ok((policies, grant)),
            Some(None) => Err(Grounds { policies, ..Grounds::from(DenialReason::ConflictingAudiences) }),
            None => Err(DenialReason::Unanswerable.into()),
        }
    }

    /// One request for several things: to connect and each of them must be allowed. The token is for the things; only
    /// without any it is for connecting.
    pub(crate) fn judge_targets(
        &self,
        caller: &Caller<'_>,
        server: &str,
        targets: &[Operation],
    ) -> Result<(Vec<String>, Grant), Grounds> {
        let (permits, grant) = self.judge(caller, server, &Operation::Connect)?;
        if targets.is_empty() {
            return Ok((permits, grant));
        }
        let (more, grant) = self.judge_each(caller, server, "target", targets.iter())?;
        let all: BTreeSet<String> = permits.into_iter().chain(more).collect();
        Ok((all.into_iter().collect(), grant))
    }
}

/// One token for both: what either may use, no longer than each may. Nothing if no audience is right for both.
fn together(one: Option<Grant>, other: Option<Grant>) -> Option<Grant> {
    let (one, other) = (one?, other?);
    (one.audience == other.audience).then(|| Grant {
        // Nothing is all that the caller has.
        scopes: one.scopes.zip(other.scopes).map(|(one, other)| &one | &other),
        audience: one.audience,
        ttl_seconds: one.ttl_seconds.into_iter().chain(other.ttl_seconds).min(),
    })
}

/// What is said of all that are denied, counted from 1; nothing if there are none.
fn all_grounds(noun: &str, denied: Vec<(usize, Grounds)>) -> Option<Grounds> {
    let reason = denied.first()?.1.reason;
    let (mut policies, mut errors) = (BTreeSet::new(), Vec::new());
    // A stronger token helps if it helps each of them.
    let mut step_up = Some(StepUp { scopes: BTreeSet::new(), acr: None });
    for (number, grounds) in denied {
        policies.extend(grounds.policies);
        errors.push(format!("{noun} {number}: {}", grounds.reason));
        errors.extend(grounds.errors.into_iter().map(|error| format!("{noun} {number}: {error}")));
        step_up = step_up.zip(grounds.step_up).and_then(|(one, other)| both(one, other));
    }
    Some(Grounds { reason, policies: policies.into_iter().collect(), errors, step_up })
}

fn both(one: StepUp, other: StepUp) -> Option<StepUp> {
    let acr = match (one.acr, other.acr) {
        (Some(one), Some(other)) if one != other => return None,
        (one, other) => one.or(other),
    };
    Some(StepUp { scopes: &one.scopes | &other.scopes, acr })
}

#[cfg(test)]
mod tests {
    use access_tokens::VerifiedToken;
    use agent_messages::{AgentCall, Batches, Limits, MessageHeaders, Protocol};
    use serde_json::{Value, json};

    use crate::testing::{NOW, peer};
    use crate::{Caller, Decision, DenialReason, Policies, Server, StepUp};

    const POLICIES: &str = r#"
        @id("talk") permit (principal, action == Action::"connect", resource);
        @id("free") permit (principal, action, resource == Tool::"s/free");
        @id("read") @downscope_scope("read") @downscope_ttl_seconds("30")
        permit (principal, action, resource == Tool::"s/read");
        @id("write") @downscope_scope("write") @downscope_ttl_seconds("20")
        permit (principal, action, resource == Tool::"s/write");
        @id("away") @downscope_audience("https://away")
        permit (principal, action, resource == Tool::"s/away");
        @id("admin") permit (principal, action, resource == Tool::"s/admin")
        when { context.token.scopes.contains("admin") };
        @id("audit") permit (principal, action, resource == Tool::"s/audit")
        when { context.token.scopes.contains("audit") };
        @id("never") forbid (principal, action, resource == Tool::"s/never");
    "#;

    fn token() -> VerifiedToken {
        let claims = json!({
            "issuer": "https://idp", "subject": "alice", "audiences": ["https://s"], "expires_at": NOW + 100,
            "not_before": null, "issued_at": null, "scopes": ["read", "write", "other"], "client_id": null,
            "acr": null, "amr": [], "transaction": null, "actors": null, "confirmation": null, "tags": {},
        });
        let whole = json!({"claims": claims, "groups": [], "roles": [], "fingerprint": vec![0; 32]});
        serde_json::from_value(whole).unwrap()
    }

    fn decide(tools: &[&str]) -> Decision {
        let server = Server { name: "s".to_owned(), protocol: Protocol::Mcp, ..Server::default() };
        let policies = Policies::compile(POLICIES, &json!([]), &[server]).unwrap();
        let (token, peer) = (token(), peer("spiffe://acme.example/agent/assistant"));
        let caller = Caller { token: Some(&token), actor: Some(&peer), now: NOW, source_ip: None };
        let messages = tools.iter().enumerate().map(|(id, tool)| match *tool {
            "list" => json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}),
            tool => json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}}),
        });
        let body = Value::Array(messages.collect()).to_string();
        let limits =
            Limits { max_body_bytes: 4_000, max_json_depth: 8, max_json_nodes: 200, max_sse_event_bytes: 1_000 };
        let headers: [(&[u8], &[u8]); 2] = [(b":method", b"POST"), (b"content-type", b"application/json")];
        let headers = MessageHeaders::read(Protocol::Mcp, headers).unwrap();
        let call = AgentCall::parse_with(&headers, body.as_bytes(), &limits, Batches::Read).unwrap();
        policies.decide(&caller, "s", call)
    }

    type Granted = (Option<Vec<String>>, Option<String>, Option<u64>);

    #[track_caller]
    fn allowed(tools: &[&str]) -> (Vec<String>, Granted) {
        match decide(tools) {
            Decision::Allow(call) => {
                let grant = call.grant().clone();
                let scopes = grant.scopes.map(|scopes| scopes.into_iter().collect());
                (call.policies().to_vec(), (scopes, grant.audience, grant.ttl_seconds))
            }
            Decision::Deny(denial) => panic!("{denial:?}"),
        }
    }

    #[track_caller]
    fn denied(tools: &[&str]) -> (DenialReason, Vec<String>, Vec<String>, Option<StepUp>) {
        match decide(tools) {
            Decision::Allow(call) => panic!("{call:?}"),
            Decision::Deny(denial) => (denial.reason, denial.policies, denial.errors, denial.step_up),
        }
    }

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn together_they_go_on_with_what_each_may_use() {
        let both = (Some(texts(&["read", "write"])), None, Some(20));
        assert_eq!(allowed(&["read", "write"]), (texts(&["read", "write"]), both));
        let one = (Some(texts(&["read"])), None, Some(30));
        assert_eq!(allowed(&["read", "read"]), (texts(&["read"]), one));
        // What one may use without a limit, the token has to have.
        assert_eq!(allowed(&["read", "list"]), (texts(&["read", "talk"]), (None, None, Some(30))));
        assert_eq!(allowed(&["away", "away"]).1.1, Some("https://away".to_owned()));
    }

    #[test]
    fn no_token_is_for_two_audiences() {
        for tools in [["away", "free"], ["free", "away"]] {
            let conflict = (DenialReason::ConflictingAudiences, texts(&["away", "free"]), vec![], None);
            assert_eq!(denied(&tools), conflict);
        }
    }

    #[test]
    fn one_denied_call_denies_all() {
        let said = texts(&["message 2: a policy forbids it", "message 3: no policy permits it"]);
        let expected = (DenialReason::Forbidden, texts(&["never"]), said, None);
        assert_eq!(denied(&["free", "never", "unknown", "read"]), expected);
        for at in 0..3 {
            let mut tools = ["free"; 3];
            tools[at] = "unknown";
            assert_eq!(denied(&tools).2, [format!("message {}: no policy permits it", at + 1)]);
        }
    }

    #[test]
    fn more_scope_is_asked_for_if_it_helps_all_of_them() {
        let scopes = |tools: &[&str]| denied(tools).3.map(|step_up| step_up.scopes.into_iter().collect::<Vec<_>>());
        assert_eq!(scopes(&["free", "admin"]), Some(texts(&["admin"])));
        assert_eq!(scopes(&["admin", "audit"]), Some(texts(&["admin", "audit"])));
        assert_eq!(scopes(&["admin", "unknown"]), None);
        assert_eq!(scopes(&["never", "audit"]), None);
    }
}
