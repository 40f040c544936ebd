//! Batches: several messages in one body, which only revision 2025-03-26 of MCP has (basic, "Batching").
//!
//! A batch is one thing to those who let requests through or not: each of its messages is read as if it had come alone,
//! and one that can't be judged refuses all of them.

use std::collections::HashSet;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::call::AgentCall;
use crate::error::{HeaderProblem, MessageError, ResponseError};
use crate::headers::{METHOD, MessageHeaders, NAME};
use crate::jsonrpc::{EnvelopeError, Message, RequestId};
use crate::lists::{AnsweredCall, check_answer};
use crate::mcp;
use crate::protocol::Protocol;

/// What becomes of several messages in one body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Batches {
    /// They are refused.
    #[default]
    Refuse,
    /// They are read where the revision has them.
    Read,
}

/// Why several messages in one body are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BatchProblem {
    /// The operator has not allowed them.
    #[error("batches are refused")]
    Refused,
    /// Only 2025-03-26 has them, and so a request that names no revision.
    #[error("this revision of the protocol has no batches")]
    Revision,
    /// Nothing is in it.
    #[error("the batch is empty")]
    Empty,
    /// More than are judged at once.
    #[error("the batch has more than {limit} messages")]
    TooMany {
        /// The most that are.
        limit: usize,
    },
    /// `initialize` comes alone.
    #[error("`initialize` is in a batch")]
    Initialize,
    /// Nobody could tell the answers apart.
    #[error("two messages of the batch have the same id")]
    RepeatedId,
    /// A batch has either requests and notifications, or responses.
    #[error("requests and responses are in one batch")]
    Mixed,
}

/// The requests of a batch that have not been answered yet.
#[derive(Debug)]
pub(crate) struct Unanswered(Vec<AnsweredCall>);

/// More than any client has in flight; what a batch costs is this many decisions.
const MAX_MESSAGES: usize = 50;

/// Reads the messages of a batch.
pub(crate) fn read(headers: &MessageHeaders, messages: Vec<Value>) -> Result<AgentCall, MessageError> {
    check_headers(headers)?;
    match messages.len() {
        0 => return Err(BatchProblem::Empty.into()),
        1..=MAX_MESSAGES => {}
        _ => return Err(BatchProblem::TooMany { limit: MAX_MESSAGES }.into()),
    }
    let mut ids = HashSet::new();
    let mut calls = Vec::with_capacity(messages.len());
    for message in &messages {
        let members = message.as_object().ok_or(EnvelopeError::NotAnObject)?;
        if let Some(id) = members.get("id").and_then(RequestId::of)
            && !ids.insert(id)
        {
            return Err(BatchProblem::RepeatedId.into());
        }
        match Message::of(members.clone())? {
            Message::Call { method, .. } if method == "initialize" => return Err(BatchProblem::Initialize.into()),
            Message::Call { id, method, params } => calls.push(AgentCall::of_mcp(headers, id, method, params)?),
            Message::Response => {}
        }
    }
    if calls.is_empty() {
        return AgentCall::of_response(headers);
    }
    if calls.len() != messages.len() {
        return Err(BatchProblem::Mixed.into());
    }
    Ok(AgentCall::of_batch(headers, calls, messages))
}

/// No header can mirror several messages.
fn check_headers(headers: &MessageHeaders) -> Result<(), MessageError> {
    mcp::header_revision(headers)?;
    match (headers.protocol(), headers.version.as_deref()) {
        // Without a version, the request is of 2025-03-26 (2025-06-18 transports, "Protocol Version Header").
        (Protocol::Mcp, None | Some("2025-03-26")) => {}
        (Protocol::Mcp | Protocol::A2a, _) => return Err(BatchProblem::Revision.into()),
    }
    let mirrored = [(METHOD, &headers.method), (NAME, &headers.name)];
    match mirrored.into_iter().find(|(_, value)| value.is_some()) {
        Some((header, _)) => Err(mcp::mismatch(header, HeaderProblem::Differs)),
        None => Ok(()),
    }
}

// === impl Unanswered ===

impl Unanswered {
    /// Nothing where the call is no batch, or one that nothing answers.
    pub(crate) fn of(answered: &AnsweredCall) -> Option<Self> {
        answered.is_batch().then(|| Self(answered.batch.clone()))
    }

    /// Takes the answer to one of the requests: each is answered once.
    pub(crate) fn take(&mut self, message: &Map<String, Value>) -> Result<(), ResponseError> {
        let own = |call: &AnsweredCall| message.get("id").is_some_and(|id| call.has_id(id));
        match self.0.iter().position(own) {
            Some(at) => check_answer(message, &self.0.swap_remove(at)),
            None => check_answer(message, &AnsweredCall::NOBODYS),
        }
    }

    /// The same on a stream, which carries what the server asks and tells in between.
    pub(crate) fn take_if_answer(&mut self, message: &Map<String, Value>) -> Result<(), ResponseError> {
        let is_answer =
            !message.contains_key("method") || message.contains_key("result") || message.contains_key("error");
        if is_answer { self.take(message) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
