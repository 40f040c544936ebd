//! What is known of a request so far, for replies and audit lines.

use std::rc::Rc;

use access_tokens::VerifiedToken;
use agent_messages::{AgentCall, Operation, RequestId, canonical_json};
use peer_identity::PeerIdentity;
use sha2::{Digest, Sha256};

use crate::audit::{AuditRecord, Outcome};
use crate::config::{Audit, AuditArguments};
use crate::event::Moment;

/// Filled in while the request is judged.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) nanoseconds: u64,
    pub(crate) request_id: String,
    pub(crate) server_name: Option<String>,
    /// The URL of the server's metadata, for challenges.
    pub(crate) resource_metadata: Option<String>,
    pub(crate) peer: Option<Rc<PeerIdentity>>,
    pub(crate) token: Option<Rc<VerifiedToken>>,
    pub(crate) id: Option<RequestId>,
    pub(crate) asked: Option<Asked>,
}

/// What is asked, as far as an audit line shows it.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) resource: Option<String>,
    pub(crate) arguments: Option<serde_json::Map<String, serde_json::Value>>,
    pub(crate) arguments_sha256: Option<[u8; 32]>,
}

// === impl Facts ===

impl Facts {
    /// Begins with when, and with the identifier that the proxy gave the request, if it is one that can be logged.
    pub(crate) fn begin(&mut self, moment: &Moment, proxy_request_id: Option<&[u8]>) {
        self.nanoseconds = moment.nanoseconds;
        self.request_id = proxy_request_id
            .and_then(|id| std::str::from_utf8(id).ok())
            .filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
            .map_or_else(|| hex(&moment.entropy), str::to_owned);
    }

    pub(crate) fn ask(&mut self, call: &AgentCall, audit: &Audit) {
        let server = self.server_name.as_deref().unwrap_or_default();
        let (resource, arguments) = match call.operation() {
            Operation::Connect => (None, None),
            Operation::CallTool { name, arguments } => {
                (Some(format!("Tool::{:?}", format!("{server}/{name}"))), Some(arguments))
            }
            Operation::GetPrompt { name, arguments } => {
                (Some(format!("Prompt::{:?}", format!("{server}/{name}"))), Some(arguments))
            }
            Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => {
                (Some(format!("Resource::{uri:?}")), None)
            }
            Operation::SendMessage { arguments }
            | Operation::Task { arguments, .. }
            | Operation::PushNotification { arguments, .. }
            | Operation::AgentCard { arguments } => (Some(format!("Agent::{server:?}")), Some(arguments)),
        };
        self.id = call.id().cloned();
        self.asked = Some(Asked {
            method: call.method().to_owned(),
            resource,
            arguments: arguments.filter(|_| audit.arguments == AuditArguments::Full).cloned(),
            arguments_sha256: call.payload().map(|payload| Sha256::digest(canonical_json(payload)).into()),
        });
    }

    /// The audit line of what is known, for a decision that is made now.
    pub(crate) fn record(&self, outcome: Outcome, policy_digest: Option<&str>, audit: &Audit) -> AuditRecord {
        let digest = policy_digest.map(str::to_owned);
        let mut record = AuditRecord::new(self.nanoseconds, self.request_id.clone(), outcome, digest);
        record.server = self.server_name.clone();
        record.actor = self.peer.as_ref().map(|peer| peer.id().as_str().to_owned());
        record.principal = match (&self.token, &self.peer) {
            (Some(token), _) => Some(format!("User::\"{}#{}\"", token.issuer(), token.subject())),
            (None, Some(peer)) => Some(format!("Workload::\"{}\"", peer.id().as_str())),
            (None, None) => None,
        };
        if let Some(asked) = &self.asked {
            record.action = Some(asked.method.clone());
            record.resource = asked.resource.clone();
            record.arguments = asked.arguments.clone();
            if audit.arguments != AuditArguments::None {
                record.arguments_sha256 = asked.arguments_sha256.as_ref().map(|hash| hex(hash));
            }
        }
        record
    }
}

pub(crate) fn tool_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::CallTool { name, .. } => Some(name),
        Operation::Connect
        | Operation::GetPrompt { .. }
        | Operation::ReadResource { .. }
        | Operation::SubscribeResource { .. }
        | Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
