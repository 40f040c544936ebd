//! What a server sends in an event stream: requests of its own, notifications, responses.

use serde_json::{Map, Value};

use crate::jsonrpc::{MEMBERS, RequestId};

/// One message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent<'m> {
    /// It asks the client for something, by this method.
    Request(&'m str),
    /// It tells the client something.
    Notification,
    /// It answers.
    Response,
}

// === impl Sent ===

impl<'m> Sent<'m> {
    /// None for what is none of the three, or could be read as another one: a parser that folds case would take a
    /// member that JSON-RPC does not have for one that it has.
    pub(crate) fn of(members: &'m Map<String, Value>) -> Option<Self> {
        let known = members.keys().all(|name| MEMBERS.contains(&name.as_str()));
        if !known || members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return None;
        }
        let id = members.get("id");
        match (members.get("method"), members.get("result"), members.get("error")) {
            (Some(Value::String(method)), None, None) if !method.is_empty() => match id {
                None => Some(Self::Notification),
                Some(id) => RequestId::of(id).map(|_| Self::Request(method)),
            },
            (None, Some(_), None) if !members.contains_key("params") => {
                id.and_then(RequestId::of).map(|_| Self::Response)
            }
            // An error may be about a request whose id could not be read.
            (None, None, Some(Value::Object(_))) if !members.contains_key("params") => match id {
                None | Some(Value::Null) => Some(Self::Response),
                Some(id) => RequestId::of(id).map(|_| Self::Response),
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Sent;

    fn is_none(value: &Value) -> bool {
        Sent::of(value.as_object().unwrap()).is_none()
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        for (message, sent) in [
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), Sent::Request("ping")),
            (json!({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": {}}), Sent::Request("ping")),
            (json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}), Sent::Notification),
            (json!({"jsonrpc": "2.0", "id": 1, "result": {}}), Sent::Response),
            (json!({"jsonrpc": "2.0", "id": 1, "error": {}}), Sent::Response),
            (json!({"jsonrpc": "2.0", "id": null, "error": {}}), Sent::Response),
            (json!({"jsonrpc": "2.0", "error": {}}), Sent::Response),
        ] {
            assert_eq!(Sent::of(message.as_object().unwrap()), Some(sent), "{message}");
        }
    }

    #[test]
    fn everything_else_is_no_message() {
        for odd in [
            json!({}),
            json!({"jsonrpc": "2.0"}),
            json!({"jsonrpc": "2.0", "id": 1}),
            json!({"jsonrpc": "1.0", "id": 1, "result": {}}),
            json!({"id": 1, "result": {}}),
            json!({"jsonrpc": "2.0", "result": {}}),
            json!({"jsonrpc": "2.0", "id": null, "result": {}}),
            json!({"jsonrpc": "2.0", "id": 1.5, "result": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "result": {}, "params": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "result": {}, "Result": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}}),
            json!({"jsonrpc": "2.0", "id": 1, "method": ""}),
            json!({"jsonrpc": "2.0", "id": 1, "method": null}),
            json!({"jsonrpc": "2.0", "id": null, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": {}, "error": {}}),
            json!({"jsonrpc": "2.0", "error": "no"}),
        ] {
            assert!(is_none(&odd), "{odd}");
        }
    }
}
