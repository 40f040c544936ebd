//! Extensions of A2A that a caller asks for, in headers and in the message.

use serde_json::Value;

use crate::call::Operation;
use crate::error::{MessageError, ParamsProblem};
use crate::params::{text_problem, wrong};

/// What the headers ask for: `A2A-Extensions`, and `X-A2A-Extensions` as 0.3 has it. Servers read every value of a list
/// header as one list (RFC 9110 section 5.3), and so it is read here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions(Vec<String>);

const EXTENSIONS: &str = "extensions";

// === impl Extensions ===

impl Extensions {
    /// Whether the header, in lower case, is one of the two.
    pub(crate) fn is_header(name: &[u8]) -> bool {
        matches!(name, b"a2a-extensions" | b"x-a2a-extensions")
    }

    pub(crate) fn add(&mut self, value: &[u8]) -> Result<(), MessageError> {
        let value = std::str::from_utf8(value).map_err(|_| wrong(EXTENSIONS, ParamsProblem::WrongType))?;
        for uri in value.split(',').map(str::trim).filter(|uri| !uri.is_empty()) {
            if let Some(problem) = text_problem(uri) {
                return Err(wrong(EXTENSIONS, problem));
            }
            if !self.0.iter().any(|other| other == uri) {
                self.0.push(uri.to_owned());
            }
        }
        Ok(())
    }

    /// Adds them to those of the message: an agent turns on both.
    pub(crate) fn show_in(&self, operation: &mut Operation) {
        let (Operation::SendMessage { arguments }
        | Operation::Task { arguments, .. }
        | Operation::PushNotification { arguments, .. }
        | Operation::AgentCard { arguments }) = operation
        else {
            return;
        };
        if self.0.is_empty() {
            return;
        }
        let own = arguments.entry(EXTENSIONS).or_insert_with(|| Value::Array(Vec::new()));
        let Some(own) = own.as_array_mut() else { return };
        for uri in &self.0 {
            if !own.iter().any(|other| other == uri) {
                own.push(Value::String(uri.clone()));
            }
        }
    }
}
