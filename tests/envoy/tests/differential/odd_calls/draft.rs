//! A call in the making: its body is JSON text, member by member, so that it can be wrong.

use super::numbers::Numbers;
use super::{FORBIDDEN_TARGET, FORBIDDEN_TOOL};

/// Members of an object: names and values, each as text of JSON.
pub(super) type Members = Vec<(String, String)>;

pub(super) struct Draft {
    pub(super) what: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) path: String,
    /// Beside `params`.
    pub(super) message: Members,
    pub(super) params: Members,
    pub(super) arguments: Option<Members>,
    /// What is done to the text at last.
    pub(super) finish: Vec<fn(Vec<u8>) -> Vec<u8>>,
    pub(super) in_pieces: bool,
}

const META: &str =
    r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// Text of JSON for a text.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn member(name: &str, value: impl Into<String>) -> (String, String) {
    (quoted(name), value.into())
}

// === impl Draft ===

impl Draft {
    pub(super) fn good(numbers: &mut Numbers) -> Self {
        let method =
            *numbers.one_of(&["tools/call", "tools/call", "tools/call", "tools/call", "prompts/get", "resources/read"]);
        let forbidden = method == "tools/call" && numbers.one_in(5);
        let target = match method {
            "tools/call" if forbidden => FORBIDDEN_TOOL,
            "tools/call" => *numbers.one_of(&["add", "transfer", "create", "name with spaces"]),
            "prompts/get" => "summarize",
            _ => *numbers.one_of(&["doc://hr/policies/a", "doc://hr/b"]),
        };
        let text =
            if numbers.one_in(8) { FORBIDDEN_TARGET } else { *numbers.one_of(&["test", "staging", "naïve", ""]) };
        let number = *numbers.one_of(&["1", "7", "99", "100", "1000"]);
        let arguments = match method {
            "tools/call" => {
                Some(vec![member("target", quoted(text)), member("amount", number), member("list", r#"["a","b"]"#)])
            }
            "prompts/get" => Some(vec![member("of", quoted(text))]),
            _ => None,
        };
        let modern = numbers.one_in(2);
        let mut headers: Vec<(String, Vec<u8>)> = vec![
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("accept".to_owned(), b"application/json, text/event-stream".to_vec()),
        ];
        let key = if method == "resources/read" { "uri" } else { "name" };
        let mut params = vec![member(key, quoted(target))];
        let version = if modern {
            params.push(member("_meta", META));
            headers.push(("mcp-method".to_owned(), method.into()));
            headers.push(("mcp-name".to_owned(), target.into()));
            "2026-07-28"
        } else {
            *numbers.one_of(&["2025-11-25", "2025-06-18", "2025-03-26"])
        };
        headers.push(("mcp-protocol-version".to_owned(), version.into()));
        let id = numbers.below(1_000).to_string();
        Self {
            what: format!("{method} {target} of {version}"),
            headers,
            path: "/mcp".to_owned(),
            message: vec![member("jsonrpc", quoted("2.0")), member("id", id), member("method", quoted(method))],
            params,
            arguments,
            finish: Vec::new(),
            in_pieces: false,
        }
    }

    /// The whole text.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut params = self.params.clone();
        params.extend(self.arguments.as_ref().map(|arguments| member("arguments", object(arguments))));
        let mut message = self.message.clone();
        message.push(member("params", object(&params)));
        self.finish.iter().fold(object(&message).into_bytes(), |text, change| change(text))
    }

    /// Of the message, the parameters, or the arguments.
    pub(super) fn some_object(&mut self, numbers: &mut Numbers) -> &mut Members {
        match numbers.below(3) {
            0 => &mut self.message,
            1 => &mut self.params,
            _ => self.arguments.get_or_insert_with(Vec::new),
        }
    }

    /// Gives a member another value, where it is.
    pub(super) fn set(members: &mut Members, name: &str, value: &str) {
        let name = quoted(name);
        for member in members.iter_mut().filter(|(other, _)| *other == name) {
            value.clone_into(&mut member.1);
        }
    }

    pub(super) fn set_header(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove_header(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(super) fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| other != name);
    }
}

fn object(members: &Members) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}
