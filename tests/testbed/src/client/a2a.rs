//! What agents ask each other: A2A over JSON-RPC, in the words of 1.0 and of 0.3.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::call::{Body, HttpCall};

/// The words that a caller uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum A2aVersion {
    /// Older, and still widely spoken.
    V0_3,
    /// Newer.
    #[default]
    V1_0,
}

/// Something that an agent can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Who it is: `GET` of its card.
    Card,
    /// A message, answered at once.
    Send {
        /// Its text.
        text: &'static str,
        /// Where the agent shall tell when it is done.
        notify: Option<&'static str>,
    },
    /// A message, answered as a stream.
    Stream {
        /// Its text.
        text: &'static str,
    },
    /// What became of a task.
    GetTask {
        /// Which.
        id: &'static str,
    },
    /// That a task be given up.
    CancelTask {
        /// Which.
        id: &'static str,
    },
    /// Which tasks there are.
    ListTasks {
        /// Of one conversation only.
        context: Option<&'static str>,
    },
}

// === impl A2aVersion ===

impl A2aVersion {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V0_3, Self::V1_0];

    /// As the header `A2A-Version` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_3 => "0.3",
            Self::V1_0 => "1.0",
        }
    }
}

// === impl Ask ===

impl Ask {
    /// As a request to the agent at the root of `host`.
    #[must_use]
    pub fn http(self, host: &str, version: A2aVersion) -> HttpCall {
        if self == Self::Card {
            return HttpCall::new("GET", host, "/.well-known/agent-card.json");
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": self.method(version), "params": self.params(version) });
        HttpCall::new("POST", host, "/")
            .header("content-type", "application/json")
            .header("a2a-version", version.as_str())
            .body(Body::Whole(Bytes::from(body.to_string())))
    }

    /// The method, or what stands for one.
    #[must_use]
    pub fn method(self, version: A2aVersion) -> &'static str {
        let [old, new] = match self {
            Self::Card => ["GET agent card"; 2],
            Self::Send { .. } => ["message/send", "SendMessage"],
            Self::Stream { .. } => ["message/stream", "SendStreamingMessage"],
            Self::GetTask { .. } => ["tasks/get", "GetTask"],
            Self::CancelTask { .. } => ["tasks/cancel", "CancelTask"],
            Self::ListTasks { .. } => ["tasks/list", "ListTasks"],
        };
        match version {
            A2aVersion::V0_3 => old,
            A2aVersion::V1_0 => new,
        }
    }

    fn params(self, version: A2aVersion) -> Value {
        match self {
            Self::Card => Value::Null,
            Self::Send { text, notify } => {
                let mut params = json!({ "message": message(text, version) });
                if let (Some(url), Some(params)) = (notify, params.as_object_mut()) {
                    let name = match version {
                        A2aVersion::V0_3 => "pushNotificationConfig",
                        A2aVersion::V1_0 => "taskPushNotificationConfig",
                    };
                    let configuration = Map::from_iter([(name.to_owned(), json!({ "url": url }))]);
                    params.insert("configuration".to_owned(), Value::Object(configuration));
                }
                params
            }
            Self::Stream { text } => json!({ "message": message(text, version) }),
            Self::GetTask { id } | Self::CancelTask { id } => json!({ "id": id }),
            Self::ListTasks { context: Some(context) } => json!({ "contextId": context }),
            Self::ListTasks { context: None } => json!({}),
        }
    }
}

fn message(text: &str, version: A2aVersion) -> Value {
    match version {
        A2aVersion::V0_3 => json!({
            "kind": "message", "messageId": "m-1", "role": "user", "parts": [{ "kind": "text", "text": text }],
        }),
        A2aVersion::V1_0 => json!({ "messageId": "m-1", "role": "ROLE_USER", "parts": [{ "text": text }] }),
    }
}
