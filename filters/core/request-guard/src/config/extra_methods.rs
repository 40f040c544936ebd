//! Methods of extensions that an operator admits.

use serde::Deserialize;

/// One method, and the question that it is judged by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtraMethod {
    pub(crate) method: String,
    pub(crate) action: Action,
    /// JSON pointer into the parameters.
    pub(crate) target: Option<String>,
    /// JSON pointer into the parameters; without it all of them are the arguments.
    pub(crate) arguments: Option<String>,
    pub(crate) list: Option<List>,
}

/// What the method's answer lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// Of the result.
    pub(crate) member: String,
    /// JSON pointer into each item.
    pub(crate) item: String,
    pub(crate) action: ItemAction,
}

/// The actions of policies that a method can be judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Action {
    #[serde(rename = "connect")]
    Connect,
    #[serde(rename = "tools/call")]
    CallTool,
    #[serde(rename = "prompts/get")]
    GetPrompt,
    #[serde(rename = "resources/read")]
    ReadResource,
    #[serde(rename = "resources/subscribe")]
    SubscribeResource,
    #[serde(rename = "tasks/get")]
    GetTask,
    #[serde(rename = "tasks/list")]
    ListTasks,
    #[serde(rename = "tasks/update")]
    UpdateTask,
    #[serde(rename = "tasks/cancel")]
    CancelTask,
}

/// The actions that an item of a list can be there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum ItemAction {
    #[serde(rename = "tools/call")]
    CallTool,
    #[serde(rename = "prompts/get")]
    GetPrompt,
    #[serde(rename = "resources/read")]
    ReadResource,
    #[serde(rename = "tasks/get")]
    GetTask,
}
