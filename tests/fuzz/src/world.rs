//! Guards to fuzz: one in front of an MCP server, the same where headers can't be held, and one in front of an agent.

use std::rc::Rc;

use request_guard::{Guard, Host, NoReplays, Plugin, Stream, TrustedCrypto};
use serde_json::{Value, json};

/// The day of the token, in Unix seconds.
pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const ALICE: &str = include_str!("../../../filters/core/request-guard/src/testing/alice.jwt");
pub(crate) const PEER: &[u8] = b"spiffe://acme.example/agent/assistant";
const JWKS: &str = include_str!("../../../filters/core/request-guard/src/testing/jwks.json");
const SIGNING_KEY: &str = include_str!("../../../filters/core/request-guard/src/testing/signing-key.pem");

/// All that is allowed: talking, one tool, messages, one task.
const POLICIES: &str = r#"
@id("talk") permit (principal, action == Action::"connect", resource);
@id("seen") permit (principal, action == Action::"tools/call", resource == Tool::"hr/seen");
"#;
const AGENT_POLICIES: &str = r#"
@id("ask") permit (principal, action == Action::"message/send", resource == Agent::"hr");
@id("own-task")
permit (principal, action == Action::"tasks/get", resource)
when { context.arguments.string.hasTag("taskId") && context.arguments.string.getTag("taskId") == "T-1" };
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    Held,
    Unheld,
    Agent,
}

thread_local! {
    static GUARDS: [Option<Rc<Guard>>; 3] = [World::Held, World::Unheld, World::Agent].map(World::guard);
}

// === impl World ===

impl World {
    pub(crate) fn of(byte: u8) -> Self {
        match byte % 3 {
            0 => Self::Held,
            1 => Self::Unheld,
            _ => Self::Agent,
        }
    }

    /// A stream of which nothing has been seen.
    ///
    /// # Panics
    /// The configuration is refused.
    pub(crate) fn stream(self) -> Option<Box<dyn Stream>> {
        let guard = GUARDS.with(|guards| guards.get(self as usize).cloned().flatten());
        assert!(guard.is_some(), "{self:?}: the configuration is refused");
        guard.map(|guard| guard.stream())
    }

    fn guard(self) -> Option<Rc<Guard>> {
        let environment = |name: &str| (name == "MESHWARDEN_SIGNING_KEY").then(|| SIGNING_KEY.to_owned());
        let host =
            Host { environment: &environment, crypto: TrustedCrypto::none(), replays: &|| Ok(Rc::new(NoReplays)) };
        Guard::configure(self.configuration(), &host).ok().map(Rc::new)
    }

    fn configuration(self) -> Value {
        let protocol = if self == Self::Agent { "a2a" } else { "mcp" };
        let server = json!({
            "name": "hr", "protocol": protocol, "audience": "https://hr.mcp.acme.example/mcp",
            "match": {"hosts": ["hr.mcp.acme.example"]},
        });
        json!({
            "servers": [server],
            "identity": {"sources": ["tls"], "trust_domains": ["acme.example"]},
            "tokens": {
                "issuers": [{
                    "issuer": "https://idp.acme.example", "jwks": {"inline": JWKS}, "algorithms": ["EdDSA"],
                }],
            },
            "policy": {"cedar": if self == Self::Agent { AGENT_POLICIES } else { POLICIES }},
            "downscope": {
                "strategy": "mint",
                "mint": {
                    "issuer": "https://mesh.acme.example", "algorithm": "ES256", "key_id": "2026-11",
                    "signing_key_env": "MESHWARDEN_SIGNING_KEY",
                },
            },
            "limits": {"max_body_bytes": 2_000, "max_sse_event_bytes": 500},
            "hold_headers": self != Self::Unheld,
        })
    }
}
