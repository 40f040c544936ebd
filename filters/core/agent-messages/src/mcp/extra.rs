//! Methods of extensions, which the operator admits one by one: each is judged as a method of the table is.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{META, table};
use crate::call::{Operation, ServerTaskKind};
use crate::error::{MessageError, ParamsProblem};
use crate::lists::ListKind;
use crate::params::text_problem;
use crate::pointer::Pointer;

/// The methods of extensions that a server has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraMethods(BTreeMap<String, ExtraMethod>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraMethod {
    /// As what it is judged.
    pub judged: JudgedAs,
    /// What its answer lists.
    pub list: Option<ListKind>,
}

/// What a method is about, and where in its parameters its target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JudgedAs {
    /// Nothing but the server.
    Connect,
    /// A tool.
    CallTool {
        /// Of its name.
        name: Pointer,
        /// Of its arguments; nothing = all parameters are.
        arguments: Option<Pointer>,
    },
    /// A prompt.
    GetPrompt {
        /// Of its name.
        name: Pointer,
        /// Of its arguments; nothing = all parameters are.
        arguments: Option<Pointer>,
    },
    /// A resource.
    ReadResource {
        /// Of its URI.
        uri: Pointer,
    },
    /// News of a resource.
    SubscribeResource {
        /// Of its URI.
        uri: Pointer,
    },
    /// A task.
    Task {
        /// What about it.
        kind: ServerTaskKind,
        /// Of its id.
        id: Pointer,
    },
    /// All tasks.
    ListTasks,
}

/// Why a method can't be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExtraMethodProblem {
    /// A header could not mirror it.
    #[error("is no method: it is empty, or has other characters than visible ASCII")]
    Name,
    /// MCP says what it is, and so it is judged.
    #[error("is a method of MCP, which is judged already")]
    Known,
    /// Two entries for one method.
    #[error("is the method of an earlier entry")]
    Repeated,
    /// Answers are filtered by their shape, so that one member can hold one kind of thing only.
    #[error("lists something else in that member than an earlier entry does, or than MCP does")]
    OtherList,
}

// === impl ExtraMethods ===

impl ExtraMethods {
    /// Adds a method.
    ///
    /// # Errors
    /// It would contradict the table or another method.
    pub fn admit(&mut self, method: &str, extra: ExtraMethod) -> Result<(), ExtraMethodProblem> {
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ExtraMethodProblem::Name);
        }
        if table::has(method) {
            return Err(ExtraMethodProblem::Known);
        }
        if self.0.contains_key(method) {
            return Err(ExtraMethodProblem::Repeated);
        }
        if let Some(list) = &extra.list {
            let others = self.0.values().filter_map(|other| other.list.as_ref()).chain(&ListKind::OF_MCP);
            if others.into_iter().any(|other| other.member() == list.member() && other != list) {
                return Err(ExtraMethodProblem::OtherList);
            }
        }
        self.0.insert(method.to_owned(), extra);
        Ok(())
    }

    pub(crate) fn get(&self, method: &str) -> Option<&ExtraMethod> {
        self.0.get(method)
    }

    /// Whether a notification is about more than the server.
    pub(crate) fn have_targeted_notifications(&self) -> bool {
        self.0.iter().any(|(method, extra)| method.starts_with("notifications/") && extra.judged != JudgedAs::Connect)
    }

    /// What answers may list beside what they do in MCP itself.
    pub(crate) fn lists(&self) -> Vec<ListKind> {
        let mut lists: Vec<ListKind> = Vec::new();
        for list in self.0.values().filter_map(|extra| extra.list.as_ref()) {
            if !ListKind::OF_MCP.contains(list) && !lists.contains(list) {
                lists.push(list.clone());
            }
        }
        lists
    }
}

// === impl ExtraMethod ===

impl ExtraMethod {
    pub(crate) fn operation(&self, params: &Map<String, Value>) -> Result<Operation, MessageError> {
        let text = |pointer| text_at(pointer, params);
        let arguments = |pointer: &Option<Pointer>| match pointer {
            Some(pointer) => object_at(pointer, params),
            None => Ok(params.iter().filter(|(name, _)| *name != META).map(|(n, v)| (n.clone(), v.clone())).collect()),
        };
        Ok(match &self.judged {
            JudgedAs::Connect => Operation::Connect,
            JudgedAs::CallTool { name, arguments: at } => {
                Operation::CallTool { name: text(name)?, arguments: arguments(at)? }
            }
            JudgedAs::GetPrompt { name, arguments: at } => {
                Operation::GetPrompt { name: text(name)?, arguments: arguments(at)? }
            }
            JudgedAs::ReadResource { uri } => Operation::ReadResource { uri: text(uri)? },
            JudgedAs::SubscribeResource { uri } => Operation::SubscribeResource { uri: text(uri)? },
            JudgedAs::Task { kind, id } => Operation::server_task(*kind, text(id)?),
            JudgedAs::ListTasks => Operation::ServerTask { kind: ServerTaskKind::List, arguments: Map::new() },
        })
    }

    /// The operation, where it has no target.
    pub(crate) fn untargeted(&self) -> Option<Operation> {
        match self.judged {
            JudgedAs::Connect | JudgedAs::ListTasks => self.operation(&Map::new()).ok(),
            _ => None,
        }
    }

    /// The operation on a target that is known from elsewhere, with its arguments left empty.
    pub(crate) fn about(&self, target: &str) -> Operation {
        let target = target.to_owned();
        match &self.judged {
            JudgedAs::Connect => Operation::Connect,
            JudgedAs::CallTool { .. } => Operation::CallTool { name: target, arguments: Map::new() },
            JudgedAs::GetPrompt { .. } => Operation::GetPrompt { name: target, arguments: Map::new() },
            JudgedAs::ReadResource { .. } => Operation::ReadResource { uri: target },
            JudgedAs::SubscribeResource { .. } => Operation::SubscribeResource { uri: target },
            JudgedAs::Task { kind, .. } => Operation::server_task(*kind, target),
            JudgedAs::ListTasks => Operation::ServerTask { kind: ServerTaskKind::List, arguments: Map::new() },
        }
    }
}

fn text_at(pointer: &Pointer, params: &Map<String, Value>) -> Result<String, MessageError> {
    let wrong = |problem| MessageError::Target { pointer: pointer.as_str().to_owned(), problem };
    match pointer.find(params).map_err(wrong)? {
        None => Err(wrong(ParamsProblem::Missing)),
        Some(Value::String(text)) => text_problem(text).map_or_else(|| Ok(text.clone()), |problem| Err(wrong(problem))),
        Some(_) => Err(wrong(ParamsProblem::WrongType)),
    }
}

/// Absent is empty, as for a tool.
fn object_at(pointer: &Pointer, params: &Map<String, Value>) -> Result<Map<String, Value>, MessageError> {
    let wrong = |problem| MessageError::Target { pointer: pointer.as_str().to_owned(), problem };
    match pointer.find(params).map_err(wrong)? {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(wrong(ParamsProblem::WrongType)),
    }
}
