//! The call that a request makes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{MessageError, Refusal};
use crate::headers::{MessageHeaders, Verb};
use crate::json::parse_json;
use crate::jsonrpc::{EnvelopeError, Message, RequestId};
use crate::limits::Limits;
use crate::mcp;

/// Proof that a request means one thing: what is in here is what a conforming server executes.
///
/// Its serialised form is for handing it from one stage to the next within a proxy, never for anything that a peer sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCall {
    id: Option<RequestId>,
    revision: Revision,
    method: String,
    operation: Operation,
    list: Option<ListKind>,
}

/// The two families of MCP revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// Up to 2025-11-25: sessions, begun by `initialize`.
    Legacy,
    /// 2026-07-28: every request stands alone and its headers mirror its body.
    Modern,
}

/// What is asked, as far as a decision depends on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Talking to the server at all: handshakes, lists (which are filtered), notifications, the session's stream.
    Connect,
    /// `tools/call`.
    CallTool {
        /// Of the tool, exactly as the server gets it.
        name: String,
        /// Empty when absent.
        arguments: Map<String, Value>,
    },
    /// `prompts/get`, and `completion/complete` for a prompt.
    GetPrompt {
        /// Of the prompt, exactly as the server gets it.
        name: String,
        /// Empty when absent.
        arguments: Map<String, Value>,
    },
    /// `resources/read`, and `completion/complete` for a resource.
    ReadResource {
        /// Exactly as the server gets it.
        uri: String,
    },
    /// `resources/subscribe` and `resources/unsubscribe`.
    SubscribeResource {
        /// Exactly as the server gets it.
        uri: String,
    },
}

/// What a list method lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
}

// === impl AgentCall ===

impl AgentCall {
    /// Parses a request whose body is complete, and compares the headers with it. A `GET` (listening on a session) or
    /// `DELETE` (ending it) has no body.
    ///
    /// # Errors
    /// Anything that two servers could understand differently, and every method that is not in the table.
    pub fn parse(headers: &MessageHeaders, body: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        match headers.verb() {
            Verb::Post => Self::parse_message(headers, body, limits),
            Verb::Get | Verb::Delete if !body.is_empty() => Err(nameless(MessageError::BodyNotAllowed)),
            Verb::Get => mcp::check_response(headers).map_err(nameless).map(|()| Self::connect("GET")),
            Verb::Delete => mcp::check_response(headers).map_err(nameless).map(|()| Self::connect("DELETE")),
        }
    }

    fn parse_message(headers: &MessageHeaders, body: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let value = parse_json(body, limits.max_json_depth, limits.max_json_nodes)
            .map_err(|error| nameless(MessageError::Json(error)))?;
        let members = match value {
            Value::Object(members) => members,
            Value::Array(_) => return Err(nameless(MessageError::Batch)),
            _ => return Err(nameless(EnvelopeError::NotAnObject.into())),
        };
        let id = members.get("id").and_then(RequestId::of);
        let refuse = |error: MessageError| Refusal { id: id.clone(), error };
        match Message::of(members).map_err(|error| refuse(error.into()))? {
            Message::Call { id: own, method, params } => {
                let read = mcp::read(headers, own.is_some(), &method, params).map_err(refuse)?;
                Ok(Self { id: own, revision: read.revision, method, operation: read.operation, list: read.list })
            }
            // Its id is the server's: an error of ours must not carry it.
            Message::Response => mcp::check_response(headers).map_err(nameless).map(|()| Self::connect("response")),
        }
    }

    /// The id to answer to; none for a notification and for what is no request.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// Which family of revisions the request is of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The method in the wire's own word; `GET`, `DELETE` or `response` for what has none.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What is asked.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// What the answer will list.
    #[must_use]
    pub fn list(&self) -> Option<ListKind> {
        self.list
    }

    fn connect(method: &str) -> Self {
        Self {
            id: None,
            revision: Revision::Legacy,
            method: method.to_owned(),
            operation: Operation::Connect,
            list: None,
        }
    }
}

// === impl ListKind ===

impl ListKind {
    /// The member of the result that holds the items.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }
}

fn nameless(error: MessageError) -> Refusal {
    Refusal { id: None, error }
}

#[cfg(test)]
mod tests;
