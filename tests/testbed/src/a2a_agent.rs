//! An agent that speaks A2A over JSON-RPC, in the words of 1.0 and of 0.3. It keeps tasks, each for the user that the
//! token it gets is about.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::channel::Channel;
use serde_json::{Value, json};

use crate::jose::decode;

/// What the agent is and has done so far.
#[derive(Debug, Clone)]
pub struct A2aAgent {
    /// How it presents itself.
    pub name: &'static str,
    /// What it can do.
    pub description: &'static str,
    /// Where others reach it: a URL.
    pub url: String,
    /// What it answers to every message.
    pub answer: &'static str,
    /// The tasks that it has at the start.
    pub tasks: Vec<Task>,
}

/// Something that the agent was asked to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub id: String,
    /// The conversation that it belongs to.
    pub context: String,
    /// For whom it is: `sub` of the token; empty for nobody.
    pub owner: String,
    /// `WORKING`, `COMPLETED`, `CANCELED`.
    pub state: &'static str,
}

/// The words of one of the two versions, which the method tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Old,
    New,
}

#[derive(Clone)]
struct Desk {
    agent: Arc<A2aAgent>,
    tasks: Arc<Mutex<Vec<Task>>>,
}

/// What goes wrong: a code of JSON-RPC and words.
type Problem = (i64, &'static str);

const NO_SUCH_TASK: Problem = (-32_001, "Task not found");
const NO_SUCH_METHOD: Problem = (-32_601, "Method not found");

// === impl A2aAgent ===

impl A2aAgent {
    /// Its routes.
    pub(crate) fn router(self) -> Router {
        let tasks = Arc::new(Mutex::new(self.tasks.clone()));
        let desk = Desk { agent: Arc::new(self), tasks };
        Router::new().route("/.well-known/agent-card.json", get(card)).route("/", post(answer)).with_state(desk)
    }

    fn card(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "version": "1",
            "supportedInterfaces": [{ "url": self.url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0" }],
            "capabilities": { "streaming": true, "pushNotifications": true },
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [{ "id": self.name, "name": self.name, "description": self.description, "tags": [self.name] }],
        })
    }
}

async fn card(State(desk): State<Desk>) -> Response {
    with_type("application/json", Body::from(desk.agent.card().to_string()))
}

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let owner = subject(request.headers());
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (method, id) = (text("/method"), message.get("id").cloned().unwrap_or_default());
    let words = if method.contains('/') { Words::Old } else { Words::New };
    let result = match method {
        "SendMessage" | "message/send" => Ok(desk.begin(owner, "COMPLETED").whole(words, desk.agent.answer)),
        "SendStreamingMessage" | "message/stream" => {
            let task = desk.begin(owner, "WORKING");
            return streamed(&id, task.events(words, desk.agent.answer));
        }
        "GetTask" | "tasks/get" => desk.find(&owner, text("/params/id"), |_| {}).map(|task| task.told(words)),
        "CancelTask" | "tasks/cancel" => {
            desk.find(&owner, text("/params/id"), |task| task.state = "CANCELED").map(|task| task.told(words))
        }
        "ListTasks" | "tasks/list" => Ok(desk.list(&owner, text("/params/contextId"), words)),
        _ => Err(NO_SUCH_METHOD),
    };
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(NO_SUCH_TASK) => json!({ "jsonrpc": "2.0", "id": id, "error": no_such_task(method) }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    };
    with_type("application/json", Body::from(answer.to_string()))
}

/// As the official SDK says it; 0.3 has no details.
pub(crate) fn no_such_task(method: &str) -> Value {
    let (code, message) = NO_SUCH_TASK;
    if method.contains('/') {
        return json!({ "code": code, "message": message });
    }
    let info = "type.googleapis.com/google.rpc.ErrorInfo";
    let data = json!([{ "@type": info, "reason": "TASK_NOT_FOUND", "domain": "a2a-protocol.org", "metadata": {} }]);
    json!({ "code": code, "message": message, "data": data })
}

/// For whom a request comes, as its token has it. Only the mesh reaches this agent, and the tests verify what it mints.
fn subject(headers: &HeaderMap) -> String {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let claims = token.and_then(|token| decode(token).ok()).map(|(_, claims)| claims).unwrap_or_default();
    claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// As events that travel apart.
fn streamed(id: &Value, events: Vec<Value>) -> Response {
    let events = events.into_iter().map(|result| json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    let events: Vec<_> = events.map(|event| Bytes::from(format!("data: {event}\r\n\r\n"))).collect();
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        for event in events {
            if sender.send_data(event).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    with_type("text/event-stream", Body::new(body))
}

fn with_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

// === impl Desk ===

impl Desk {
    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, owner: String, state: &'static str) -> Task {
        let mut tasks = self.tasks();
        let number = tasks.len() + 1;
        let task = Task { id: format!("T-{number}"), context: format!("c-{number}"), owner, state };
        tasks.push(task.clone());
        task
    }

    /// A task of the owner's own; others' are not there for him.
    fn find(&self, owner: &str, id: &str, change: impl FnOnce(&mut Task)) -> Result<Task, Problem> {
        let mut tasks = self.tasks();
        let task = tasks.iter_mut().find(|task| task.id == id && task.owner == owner).ok_or(NO_SUCH_TASK)?;
        change(task);
        Ok(task.clone())
    }

    fn list(&self, owner: &str, context: &str, words: Words) -> Value {
        let tasks = self.tasks();
        let own = tasks.iter().filter(|task| task.owner == owner && (context.is_empty() || task.context == context));
        let told: Vec<_> = own.map(|task| task.told(words)).collect();
        json!({ "totalSize": told.len(), "pageSize": told.len(), "nextPageToken": "", "tasks": told })
    }
}

// === impl Task ===

impl Task {
    fn status(&self, state: &str, words: Words) -> Value {
        match words {
            Words::Old => json!({ "state": state.to_lowercase() }),
            Words::New => json!({ "state": format!("TASK_STATE_{state}") }),
        }
    }

    fn told(&self, words: Words) -> Value {
        let status = self.status(self.state, words);
        match words {
            Words::Old => json!({ "kind": "task", "id": self.id, "contextId": self.context, "status": status }),
            Words::New => json!({ "id": self.id, "contextId": self.context, "status": status }),
        }
    }

    /// With what came of it.
    fn whole(&self, words: Words, answer: &str) -> Value {
        let part = match words {
            Words::Old => json!({ "kind": "text", "text": answer }),
            Words::New => json!({ "text": answer }),
        };
        let mut task = self.told(words);
        if let Some(members) = task.as_object_mut() {
            members.insert("artifacts".to_owned(), json!([{ "artifactId": "a-1", "parts": [part] }]));
        }
        match words {
            Words::Old => task,
            Words::New => json!({ "task": task }),
        }
    }

    /// From the beginning to what came of it.
    fn events(&self, words: Words, answer: &str) -> Vec<Value> {
        let begun = match words {
            Words::Old => self.told(words),
            Words::New => json!({ "task": self.told(words) }),
        };
        let status = self.status("COMPLETED", words);
        let done = match words {
            Words::Old => json!({
                "kind": "status-update", "taskId": self.id, "contextId": self.context, "status": status, "final": true,
            }),
            Words::New => {
                json!({ "statusUpdate": { "taskId": self.id, "contextId": self.context, "status": status } })
            }
        };
        vec![begun, Self { state: "COMPLETED", ..self.clone() }.whole(words, answer), done]
    }
}
