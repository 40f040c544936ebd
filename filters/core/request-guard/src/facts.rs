//! What is known of a request so far, for replies and audit lines.

use std::rc::Rc;

use access_tokens::{Target, VerifiedToken};
use agent_messages::{AgentCall, Announced, Binding, Operation, RequestId, canonical_json};
use peer_identity::PeerIdentity;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::audit::{AskedInBatch, AuditRecord, Exchanged, Minted, Outcome, ShadowAnswer};
use crate::config::{Audit, AuditArguments};
use crate::event::Moment;
use crate::headers::Headers;
use crate::possession::DpopChallenge;

/// Filled in while the request is judged.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) nanoseconds: u64,
    pub(crate) request_id: String,
    /// In which the caller understands an error.
    pub(crate) binding: Binding,
    /// Of gRPC: that it is of 0.3, whose errors have their name in the message, and no details.
    pub(crate) grpc_of_0_3: bool,
    pub(crate) server_name: Option<String>,
    /// The URL of the server's metadata, for challenges.
    pub(crate) resource_metadata: Option<String>,
    /// The same, of proofs of possession, where they are taken.
    pub(crate) dpop: Option<DpopChallenge>,
    pub(crate) peer: Option<Rc<PeerIdentity>>,
    pub(crate) token: Option<Rc<VerifiedToken>>,
    pub(crate) id: Option<RequestId>,
    pub(crate) asked: Option<Asked>,
    /// Of the token that went on in place of the caller's.
    pub(crate) minted: Option<Minted>,
    /// The same, where it came in exchange.
    pub(crate) exchanged: Option<Exchanged>,
    pub(crate) shadow: Option<ShadowAnswer>,
}

/// What is asked, as far as an audit line shows it.
pub(crate) struct Asked {
    pub(crate) method: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) arguments: Option<Map<String, Value>>,
    pub(crate) arguments_sha256: Option<[u8; 32]>,
    /// What each message of a batch asks.
    pub(crate) batch: Vec<AskedInBatch>,
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

    /// Whoever sends gRPC reads nothing but gRPC, and the proxy makes it of every reply.
    pub(crate) fn speaks_grpc(&mut self, headers: &Headers<'_>) {
        if headers.first("content-type").is_some_and(|value| {
            value.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
        }) {
            self.binding = Binding::Grpc;
            self.grpc_of_0_3 = headers.first(":path").is_some_and(|path| path.starts_with(b"/a2a.v1."));
        }
    }

    pub(crate) fn ask(&mut self, call: &AgentCall, audit: &Audit) {
        self.id = call.id().cloned();
        self.asked = Some(Asked {
            method: Some(call.method().to_owned()),
            resource: self.resource_of(call.operation()),
            arguments: shown_arguments(call, audit),
            arguments_sha256: arguments_sha256(call),
            batch: match call.operation() {
                Operation::Batch { calls, .. } => calls.iter().map(|call| self.in_batch(call, audit)).collect(),
                _ => Vec::new(),
            },
        });
    }

    /// The same of what is only announced.
    pub(crate) fn ask_early(&mut self, announced: &Announced) {
        self.asked = Some(Asked {
            method: announced.method.clone(),
            resource: self.resource_of(&announced.operation),
            arguments: None,
            arguments_sha256: None,
            batch: Vec::new(),
        });
    }

    fn in_batch(&self, call: &AgentCall, audit: &Audit) -> AskedInBatch {
        AskedInBatch {
            action: call.method().to_owned(),
            resource: self.resource_of(call.operation()),
            arguments: shown_arguments(call, audit),
        }
    }

    /// How many decisions are made of the request.
    pub(crate) fn decisions(&self) -> usize {
        self.asked.as_ref().map_or(1, |asked| asked.batch.len().max(1))
    }

    fn resource_of(&self, operation: &Operation) -> Option<String> {
        let server = self.server_name.as_deref().unwrap_or_default();
        match operation {
            Operation::Connect | Operation::Batch { .. } => None,
            Operation::Listen { targets } => {
                let all: Vec<String> = targets.iter().filter_map(|target| self.resource_of(target)).collect();
                (!all.is_empty()).then(|| all.join(", "))
            }
            Operation::ServerTask { .. } => Some(format!("Server::{server:?}")),
            Operation::CallTool { name, .. } => Some(format!("Tool::{:?}", format!("{server}/{name}"))),
            Operation::GetPrompt { name, .. } => Some(format!("Prompt::{:?}", format!("{server}/{name}"))),
            Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => {
                Some(format!("Resource::{uri:?}"))
            }
            Operation::SendMessage { .. }
            | Operation::Task { .. }
            | Operation::PushNotification { .. }
            | Operation::AgentCard { .. } => Some(format!("Agent::{server:?}")),
        }
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
        record.minted = self.minted.clone();
        record.exchanged = self.exchanged.clone();
        record.shadow = self.shadow.clone();
        if let Some(asked) = &self.asked {
            record.action = asked.method.clone();
            record.resource = asked.resource.clone();
            record.arguments = asked.arguments.clone();
            record.batch.clone_from(&asked.batch);
            if audit.arguments != AuditArguments::None {
                record.arguments_sha256 = asked.arguments_sha256.as_ref().map(|hash| hex(hash));
            }
        }
        record
    }
}

/// Of a batch, of all its messages.
fn arguments_sha256(call: &AgentCall) -> Option<[u8; 32]> {
    let canonical = match call.operation() {
        Operation::Batch { messages, .. } => Some(canonical_json(messages)),
        _ => call.payload().map(canonical_json),
    };
    canonical.map(|text| Sha256::digest(text).into())
}

fn shown_arguments(call: &AgentCall, audit: &Audit) -> Option<Map<String, Value>> {
    arguments_of(call.operation()).filter(|_| audit.arguments == AuditArguments::Full).cloned()
}

fn arguments_of(operation: &Operation) -> Option<&Map<String, Value>> {
    match operation {
        Operation::Connect
        | Operation::ReadResource { .. }
        | Operation::SubscribeResource { .. }
        | Operation::Batch { .. }
        | Operation::Listen { .. } => None,
        Operation::CallTool { arguments, .. }
        | Operation::GetPrompt { arguments, .. }
        | Operation::ServerTask { arguments, .. }
        | Operation::SendMessage { arguments }
        | Operation::Task { arguments, .. }
        | Operation::PushNotification { arguments, .. }
        | Operation::AgentCard { arguments } => Some(arguments),
    }
}

pub(crate) fn tool_of(operation: &Operation) -> Option<&str> {
    match target_of(operation) {
        Some(Target::Tool(name)) => Some(name),
        Some(Target::Prompt(_) | Target::Resource(_)) | None => None,
    }
}

/// What a token for the call names beside the arguments: without it, the token of a document would do for any.
pub(crate) fn target_of(operation: &Operation) -> Option<Target<&str>> {
    match operation {
        Operation::CallTool { name, .. } => Some(Target::Tool(name)),
        Operation::GetPrompt { name, .. } => Some(Target::Prompt(name)),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(Target::Resource(uri)),
        Operation::Connect
        | Operation::Batch { .. }
        | Operation::Listen { .. }
        | Operation::ServerTask { .. }
        | Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
