//! The words in which servers say that something isn't there.

use agent_messages::{AgentCall, Operation, Revision, ServerTaskKind, TaskKind};
use serde_json::{Value, json};

use super::reply::INVALID_PARAMS;
use super::status;

/// The words in which a server says that something isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

/// A2A's `TaskNotFoundError`.
const TASK_NOT_FOUND: i64 = -32_001;
/// Resource not found, in revisions up to 2025-11-25.
const LEGACY_RESOURCE_NOT_FOUND: i64 = -32_002;

/// What a server says of a tool, prompt, resource or task that it doesn't have (MCP "Error Handling" of each).
pub(super) fn missing(call: &AgentCall) -> Option<Missing> {
    let operation = call.operation();
    let unknown = |message| Some(Missing { code: INVALID_PARAMS, message, data: None });
    match operation {
        // There is nothing that could be missing; what is listened to need not be there; and no answer to one message
        // of a batch would hide that the others were not answered.
        Operation::Connect
        | Operation::Batch { .. }
        | Operation::Listen { .. }
        | Operation::ServerTask { kind: ServerTaskKind::List, .. } => None,
        // 2025-11-25 and the tasks extension: an invalid or unknown `taskId` is -32602.
        Operation::ServerTask { .. } => unknown("Task not found".to_owned()),
        Operation::CallTool { name, .. } => unknown(format!("Unknown tool: {name}")),
        Operation::GetPrompt { name, .. } => unknown(format!("Unknown prompt: {name}")),
        Operation::ReadResource { uri } | Operation::SubscribeResource { uri } => Some(Missing {
            code: match call.revision() {
                // A completion for what isn't there has invalid parameters in every revision.
                Revision::Legacy if call.method() != "completion/complete" => LEGACY_RESOURCE_NOT_FOUND,
                Revision::Legacy | Revision::Modern => INVALID_PARAMS,
            },
            message: "Resource not found".to_owned(),
            data: Some(json!({ "uri": uri })),
        }),
        // Of these, a server can only say what it says of a task.
        Operation::SendMessage { arguments } if arguments.contains_key("taskId") => Some(task_not_found(call.method())),
        Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => unseen_task(operation, call.method()),
    }
}

/// A task that a caller may not see is not told from one that is not there, whatever the operator says of hiding (A2A:
/// "Servers MUST NOT reveal the existence of resources the client is not authorized to access").
pub(super) fn unseen_task(operation: &Operation, method: &str) -> Option<Missing> {
    match operation {
        Operation::Task { kind: TaskKind::Get | TaskKind::Cancel | TaskKind::Subscribe, .. }
        | Operation::PushNotification { .. } => Some(task_not_found(method)),
        _ => None,
    }
}

/// In the words of the version that the method is of: 0.3 has no details.
fn task_not_found(method: &str) -> Missing {
    let data = (!method.contains('/')).then(status::task_not_found);
    Missing { code: TASK_NOT_FOUND, message: "Task not found".to_owned(), data }
}
