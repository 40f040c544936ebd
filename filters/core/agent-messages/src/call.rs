//! The call that a request makes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::a2a::{self, Binding, Place};
use crate::batch::{self, BatchProblem, Batches};
use crate::error::{MessageError, Refusal};
use crate::headers::{MessageHeaders, Verb};
use crate::json::parse_json;
use crate::jsonrpc::{EnvelopeError, Message, RequestId};
use crate::limits::Limits;
use crate::lists::ListKind;
use crate::mcp;
use crate::protocol::Protocol;

/// Proof that a request means one thing: what is in here is what a conforming server executes.
///
/// Its serialised form is for handing it from one stage to the next within a proxy, never for anything that a peer sent.
/// No member may lack in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCall {
    #[serde(deserialize_with = "Option::deserialize")]
    id: Option<RequestId>,
    revision: Revision,
    method: String,
    operation: Operation,
    #[serde(deserialize_with = "Option::deserialize")]
    list: Option<ListKind>,
    binding: Binding,
    /// The lists of the server's extensions, in any answer.
    extra_lists: Vec<ListKind>,
    /// Of A2A and of extensions of MCP, as they came.
    #[serde(deserialize_with = "Option::deserialize")]
    params: Option<Map<String, Value>>,
}

/// Where policies find which task a call is about.
pub(crate) const TASK_ID: &str = "taskId";

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
    /// MCP 2025-03-26: several messages in one body, each judged as if it had come alone.
    Batch {
        /// What they ask; none of them is a batch.
        calls: Vec<AgentCall>,
        /// As they came.
        messages: Vec<Value>,
    },
    /// `resources/subscribe` and `resources/unsubscribe`.
    SubscribeResource {
        /// Exactly as the server gets it.
        uri: String,
    },
    /// `subscriptions/listen`: several things at once, all of which must be allowed.
    Listen {
        /// Subscriptions to resources, and tasks to get.
        targets: Vec<Operation>,
    },
    /// MCP: about tasks that the server works on.
    ServerTask {
        /// What about them.
        kind: ServerTaskKind,
        /// `taskId`; of a list nothing.
        arguments: Map<String, Value>,
    },
    /// A2A: a message to the agent, its answer streamed or not.
    SendMessage {
        /// `contextId`, `taskId`, `referenceTaskIds`, `extensions`, `partKinds` (`text`, `raw`, `url`, `data`),
        /// `pushNotificationHost` and `tenant`, each where the message has it.
        arguments: Map<String, Value>,
    },
    /// A2A: about tasks that the agent works on.
    Task {
        /// What about them.
        kind: TaskKind,
        /// `taskId`, or for a list `contextId`; and `tenant`.
        arguments: Map<String, Value>,
    },
    /// A2A: where the agent is to send news of a task.
    PushNotification {
        /// What about it.
        kind: PushNotificationKind,
        /// `taskId`, `configId`, `pushNotificationHost` and `tenant`.
        arguments: Map<String, Value>,
    },
    /// A2A: what the agent says of itself.
    AgentCard {
        /// `extended`: false for the card that anybody may see; and `tenant`.
        arguments: Map<String, Value>,
    },
}

/// What is asked about an MCP server's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerTaskKind {
    /// `tasks/get`, and `tasks/result` (2025-11-25).
    Get,
    /// `tasks/list` (2025-11-25).
    List,
    /// `tasks/update` (extension `io.modelcontextprotocol/tasks`).
    Update,
    /// `tasks/cancel`.
    Cancel,
}

/// What is asked about tasks of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// `GetTask`, `tasks/get`.
    Get,
    /// `ListTasks`, `tasks/list`.
    List,
    /// `CancelTask`, `tasks/cancel`.
    Cancel,
    /// `SubscribeToTask`, `tasks/resubscribe`.
    Subscribe,
}

/// What is asked about the push notifications of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushNotificationKind {
    /// `CreateTaskPushNotificationConfig`, `tasks/pushNotificationConfig/set`.
    Set,
    /// `GetTaskPushNotificationConfig`, `tasks/pushNotificationConfig/get`.
    Get,
    /// `ListTaskPushNotificationConfigs`, `tasks/pushNotificationConfig/list`.
    List,
    /// `DeleteTaskPushNotificationConfig`, `tasks/pushNotificationConfig/delete`.
    Delete,
}

// === impl AgentCall ===

impl AgentCall {
    /// Parses a request whose body is complete, and compares the headers with it. A `GET` (listening on a session, or
    /// asking for an agent's card) or `DELETE` (ending the session) has no body.
    ///
    /// # Errors
    /// Anything that two servers could understand differently, every method that is not in the table, and batches.
    pub fn parse(headers: &MessageHeaders, body: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        Self::parse_with(headers, body, limits, Batches::Refuse)
    }

    /// The same, with batches where the operator allows them.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse).
    pub fn parse_with(
        headers: &MessageHeaders,
        body: &[u8],
        limits: &Limits,
        batches: Batches,
    ) -> Result<Self, Refusal> {
        match (headers.protocol(), headers.verb()) {
            (Protocol::A2a, _) => Self::parse_a2a(headers, body, limits, batches),
            (Protocol::Mcp, Verb::Post) => Self::parse_message(headers, body, limits, batches),
            (Protocol::Mcp, Verb::Get | Verb::Delete) if !body.is_empty() => {
                Err(nameless(MessageError::BodyNotAllowed))
            }
            (Protocol::Mcp, Verb::Get) => Self::of_session("GET", headers),
            (Protocol::Mcp, Verb::Delete) => Self::of_session("DELETE", headers),
        }
    }

    /// In whichever binding. Of gRPC, `body` is not looked at.
    fn parse_a2a(headers: &MessageHeaders, body: &[u8], limits: &Limits, batches: Batches) -> Result<Self, Refusal> {
        let mut call = match &headers.place {
            Place::Agent => Self::parse_message(headers, body, limits, batches)?,
            Place::Card if body.is_empty() => Self::of_operation("GET", a2a::public_card()),
            Place::Card => return Err(nameless(MessageError::BodyNotAllowed)),
            Place::Rest(asked) => {
                let (params, operation) = asked.read(body, limits).map_err(nameless)?;
                let call = Self::of_operation(asked.method, operation);
                Self { binding: Binding::HttpJson, params: Some(params), ..call }
            }
            Place::Grpc(method) => {
                Self { binding: Binding::Grpc, ..Self::of_operation(method.name(), method.operation()) }
            }
        };
        headers.extensions.show_in(&mut call.operation);
        Ok(call)
    }

    fn parse_message(
        headers: &MessageHeaders,
        body: &[u8],
        limits: &Limits,
        batches: Batches,
    ) -> Result<Self, Refusal> {
        let value = parse_json(body, limits.max_json_depth, limits.max_json_nodes)
            .map_err(|error| nameless(MessageError::Json(error)))?;
        let members = match value {
            Value::Object(members) => members,
            Value::Array(messages) => {
                return match batches {
                    Batches::Refuse => Err(nameless(BatchProblem::Refused.into())),
                    Batches::Read => batch::read(headers, messages).map_err(nameless),
                };
            }
            _ => return Err(nameless(EnvelopeError::NotAnObject.into())),
        };
        let id = members.get("id").and_then(RequestId::of);
        let refuse = |error: MessageError| Refusal { id: id.clone(), error };
        match (headers.protocol(), Message::of(members).map_err(|error| refuse(error.into()))?) {
            (Protocol::Mcp, Message::Call { id: own, method, params }) => {
                Self::of_mcp(headers, own, method, params).map_err(refuse)
            }
            (Protocol::A2a, Message::Call { id: own, method, params }) => {
                let operation = a2a::read(own.is_some(), &method, &params).map_err(refuse)?;
                Ok(Self { id: own, params: Some(params), ..Self::of_operation(&method, operation) })
            }
            // Its id is the server's: an error of ours must not carry it.
            (Protocol::Mcp, Message::Response) => Self::of_response(headers).map_err(nameless),
            (Protocol::A2a, Message::Response) => Err(nameless(EnvelopeError::UnexpectedResponse.into())),
        }
    }

    /// The id to answer to; none for a notification and for what is no request.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// What the caller and the server speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.operation.protocol()
    }

    /// Which family of MCP's revisions the request is of; A2A has none and is like the older one.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The method in the wire's own word; `GET`, `DELETE`, `response` or `batch` for what has none. HTTP+JSON of A2A has no
    /// words: there it is the operation's name in 1.0.
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
    pub fn list(&self) -> Option<&ListKind> {
        self.list.as_ref()
    }

    /// In which binding of A2A it came; MCP has JSON-RPC only.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// Whether more is asked than can be seen: a body of gRPC has whatever arguments it has.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.binding == Binding::Grpc
    }

    /// What other answers than this one's may list beside what MCP itself does.
    pub(crate) fn extra_lists(&self) -> &[ListKind] {
        &self.extra_lists
    }

    /// Whether the method is of an extension that the operator admits.
    pub(crate) fn is_extra(&self) -> bool {
        self.protocol() == Protocol::Mcp && self.params.is_some()
    }

    /// What the server will act on beside the method: MCP's arguments, parameters of A2A and of extensions. A token for
    /// this one call is bound to it.
    #[must_use]
    pub fn payload(&self) -> Option<&Map<String, Value>> {
        self.params.as_ref().or_else(|| self.operation.mcp_arguments())
    }

    /// One request or notification of MCP.
    pub(crate) fn of_mcp(
        headers: &MessageHeaders,
        id: Option<RequestId>,
        method: String,
        params: Map<String, Value>,
    ) -> Result<Self, MessageError> {
        let mcp::Read { revision, operation, list, params } = mcp::read(headers, id.is_some(), &method, params)?;
        Ok(Self {
            id,
            revision,
            method,
            operation,
            list,
            extra_lists: headers.extra_methods().lists(),
            binding: Binding::JsonRpc,
            params,
        })
    }

    /// `GET` or `DELETE`.
    fn of_session(verb: &str, headers: &MessageHeaders) -> Result<Self, Refusal> {
        mcp::check_session(headers).map_err(nameless)?;
        let extra_lists = headers.extra_methods().lists();
        Ok(Self { extra_lists, ..Self::of_operation(verb, Operation::Connect) })
    }

    /// What the client answers to the server.
    pub(crate) fn of_response(headers: &MessageHeaders) -> Result<Self, MessageError> {
        mcp::check_response(headers)?;
        let extra_lists = headers.extra_methods().lists();
        Ok(Self { extra_lists, ..Self::of_operation("response", Operation::Connect) })
    }

    pub(crate) fn of_batch(headers: &MessageHeaders, calls: Vec<Self>, messages: Vec<Value>) -> Self {
        let extra_lists = headers.extra_methods().lists();
        Self { extra_lists, ..Self::of_operation("batch", Operation::Batch { calls, messages }) }
    }

    fn of_operation(method: &str, operation: Operation) -> Self {
        Self {
            id: None,
            revision: Revision::Legacy,
            method: method.to_owned(),
            operation,
            list: None,
            extra_lists: Vec::new(),
            binding: Binding::JsonRpc,
            params: None,
        }
    }
}

// === impl Operation ===

impl Operation {
    /// About one task of an MCP server.
    #[must_use]
    pub fn server_task(kind: ServerTaskKind, id: impl Into<String>) -> Self {
        Self::ServerTask { kind, arguments: Map::from_iter([(TASK_ID.to_owned(), Value::String(id.into()))]) }
    }

    /// Each operation belongs to one protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Connect
            | Self::CallTool { .. }
            | Self::GetPrompt { .. }
            | Self::ReadResource { .. }
            | Self::Batch { .. }
            | Self::SubscribeResource { .. }
            | Self::Listen { .. }
            | Self::ServerTask { .. } => Protocol::Mcp,
            Self::SendMessage { .. } | Self::Task { .. } | Self::PushNotification { .. } | Self::AgentCard { .. } => {
                Protocol::A2a
            }
        }
    }

    fn mcp_arguments(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::CallTool { arguments, .. }
            | Self::GetPrompt { arguments, .. }
            | Self::ServerTask { arguments, .. } => Some(arguments),
            _ => None,
        }
    }
}

fn nameless(error: MessageError) -> Refusal {
    Refusal { id: None, error }
}

#[cfg(test)]
mod tests;
