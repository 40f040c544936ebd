//! What an MCP server can have beside tools, resources and prompts: tasks, skills, news of its resources, and methods
//! that are nobody else's. The parts that the SDK has are the SDK's; tasks of 2025-11-25 are not among them.

use rmcp::model::{
    CustomResult, DetailedTask, ErrorData, GetTaskResult, JsonObject, Resource, Skill, SkillFrontmatter,
    SkillResources, Task, TaskPayload, TaskStatus,
};
use serde_json::{Value, json};

/// Everything that a server of documents works on.
#[derive(Debug, Clone)]
pub struct Library {
    /// Ids of tasks, all of them done.
    pub tasks: &'static [&'static str],
    /// URIs of skills.
    pub skills: &'static [&'static str],
}

// === impl Library ===

impl Library {
    pub(crate) fn task(&self, id: &str) -> Result<GetTaskResult, ErrorData> {
        let task = Task::new(self.known(id)?, TaskStatus::Completed, CREATED, CREATED).with_ttl_ms(60_000);
        Ok(GetTaskResult::new(DetailedTask::new(task, TaskPayload::Completed { result: result(id) })))
    }

    /// The id, if there is such a task.
    pub(crate) fn known(&self, id: &str) -> Result<&'static str, ErrorData> {
        let found = self.tasks.iter().copied().find(|task| *task == id);
        found.ok_or_else(|| ErrorData::invalid_params("Task not found", None))
    }

    pub(crate) fn skills(&self) -> Vec<Skill> {
        self.skills.iter().copied().map(skill).collect()
    }

    pub(crate) fn skill(&self, uri: &str) -> Result<Skill, ErrorData> {
        let found = self.skills.iter().copied().find(|skill| *skill == uri);
        found.map(skill).ok_or_else(|| ErrorData::invalid_params("Skill not found", None))
    }

    /// All that is below any directory.
    pub(crate) fn directory(&self) -> Vec<Resource> {
        self.skills.iter().map(|uri| Resource::new(*uri, *uri)).collect()
    }

    /// Methods that the SDK does not know.
    pub(crate) fn other(&self, method: &str, params: &Value) -> Option<Result<CustomResult, ErrorData>> {
        let task = params.get("taskId").and_then(Value::as_str).unwrap_or_default();
        let result = match method {
            "tasks/list" => {
                let task =
                    |id: &&str| json!({"taskId": id, "status": "completed", "createdAt": CREATED, "ttl": 60_000});
                Ok(json!({"tasks": self.tasks.iter().map(task).collect::<Vec<_>>(), "nextCursor": ""}))
            }
            "tasks/result" => self.known(task).map(|id| Value::Object(result(id))),
            "acme/translate" | "acme/audit" => Ok(json!({"did": method})),
            _ => return None,
        };
        Some(result.map(CustomResult::new))
    }
}

const CREATED: &str = "2026-11-24T12:00:00Z";

/// What the tool answered that became the task.
fn result(id: &str) -> JsonObject {
    let text = format!("what came of {id}");
    JsonObject::from_iter([("content".to_owned(), json!([{"type": "text", "text": text}]))])
}

/// Its name is the folder of its file.
fn skill(uri: &str) -> Skill {
    let name = uri.rsplit('/').nth(1).unwrap_or_default();
    Skill::new(uri, SkillFrontmatter::new(name, "What to do"), SkillResources::Dynamic)
}
