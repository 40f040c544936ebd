//! JSON-RPC 2.0 messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The id of a request: a string or an integer, never null (MCP basic, "Requests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct RequestId(Value);

/// Why a JSON value is no JSON-RPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// Not an object.
    #[error("the message is not an object")]
    NotAnObject,
    /// `jsonrpc` is not `"2.0"`.
    #[error("`jsonrpc` is not `2.0`")]
    Version,
    /// The id is neither string nor integer.
    #[error("`id` is neither a string nor an integer")]
    Id,
    /// `method` is not a non-empty string.
    #[error("`method` is not a string")]
    Method,
    /// `params` is not an object.
    #[error("`params` is not an object")]
    Params,
    /// A member that JSON-RPC does not have; another parser might fold its case.
    #[error("the message has a member that JSON-RPC does not have")]
    UnknownMember,
    /// Neither a request nor a response, or both at once.
    #[error("the message is neither a request nor a response")]
    Neither,
    /// A request without an id: nobody could answer it, and servers differ in whether they execute it.
    #[error("the request has no `id`")]
    MissingId,
    /// A notification with an id.
    #[error("the notification has an `id`")]
    UnexpectedId,
    /// A response from a client, which neither MCP 2026-07-28 nor A2A has.
    #[error("a client sends no responses in this protocol")]
    UnexpectedResponse,
}

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    /// A request, or without an id a notification.
    Call { id: Option<RequestId>, method: String, params: Map<String, Value> },
    /// The answer to a server's request.
    Response,
}

pub(crate) const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

// === impl RequestId ===

impl RequestId {
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self(value.clone())),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(Self(value.clone())),
            _ => None,
        }
    }

    pub(crate) fn is(&self, value: &Value) -> bool {
        self.0 == *value
    }
}

impl TryFrom<Value> for RequestId {
    type Error = EnvelopeError;

    fn try_from(value: Value) -> Result<Self, EnvelopeError> {
        Self::of(&value).ok_or(EnvelopeError::Id)
    }
}

impl From<RequestId> for Value {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

// === impl Message ===

impl Message {
    pub(crate) fn of(mut members: Map<String, Value>) -> Result<Self, EnvelopeError> {
        if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(EnvelopeError::UnknownMember);
        }
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(EnvelopeError::Version);
        }
        let id = match members.get("id") {
            None => None,
            Some(value) => Some(RequestId::of(value).ok_or(EnvelopeError::Id)?),
        };
        let answers = usize::from(members.contains_key("result")).saturating_add(members.contains_key("error").into());
        match (members.remove("method"), answers, id) {
            (Some(Value::String(method)), 0, id) if !method.is_empty() => {
                let params = match members.remove("params") {
                    None => Map::new(),
                    Some(Value::Object(params)) => params,
                    Some(_) => return Err(EnvelopeError::Params),
                };
                Ok(Self::Call { id, method, params })
            }
            (Some(_), 0, _) => Err(EnvelopeError::Method),
            (None, 1, Some(_)) if !members.contains_key("params") => Ok(Self::Response),
            _ => Err(EnvelopeError::Neither),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{EnvelopeError, Message};

    fn read(value: Value) -> Result<Message, EnvelopeError> {
        Message::of(value.as_object().unwrap().clone())
    }

    #[track_caller]
    fn refused(value: Value, error: EnvelopeError) {
        assert_eq!(read(value).err(), Some(error));
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let request = read(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        assert!(matches!(request, Ok(Message::Call { id: Some(_), .. })));
        let notification = read(json!({"jsonrpc": "2.0", "method": "x", "params": {}}));
        assert!(matches!(notification, Ok(Message::Call { id: None, .. })));
        assert!(matches!(read(json!({"jsonrpc": "2.0", "id": "a", "result": {}})), Ok(Message::Response)));
        assert!(matches!(read(json!({"jsonrpc": "2.0", "id": "a", "error": {}})), Ok(Message::Response)));
    }

    #[test]
    fn ids_are_strings_or_integers() {
        for id in [json!(null), json!(1.5), json!(true), json!([]), json!({}), json!(1e300)] {
            refused(json!({"jsonrpc": "2.0", "id": id, "method": "ping"}), EnvelopeError::Id);
        }
        for id in [json!(-1), json!(u64::MAX), json!(""), json!("a")] {
            assert!(read(json!({"jsonrpc": "2.0", "id": id, "method": "ping"})).is_ok());
        }
    }

    #[test]
    fn everything_else_is_refused_for_its_own_reason() {
        refused(json!({"id": 1, "method": "ping"}), EnvelopeError::Version);
        refused(json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}), EnvelopeError::Version);
        refused(json!({"jsonrpc": 2.0, "id": 1, "method": "ping"}), EnvelopeError::Version);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": 1}), EnvelopeError::Method);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": ""}), EnvelopeError::Method);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": []}), EnvelopeError::Params);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": null}), EnvelopeError::Params);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": "x", "Method": "y"}), EnvelopeError::UnknownMember);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": "x", "extra": 0}), EnvelopeError::UnknownMember);
        refused(json!({"jsonrpc": "2.0", "id": 1}), EnvelopeError::Neither);
        refused(json!({"jsonrpc": "2.0", "id": 1, "method": "x", "result": {}}), EnvelopeError::Neither);
        refused(json!({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}), EnvelopeError::Neither);
        refused(json!({"jsonrpc": "2.0", "result": {}}), EnvelopeError::Neither);
        refused(json!({"jsonrpc": "2.0", "id": 1, "result": {}, "params": {}}), EnvelopeError::Neither);
    }
}
