//! Headers that mirror arguments, for the tools that the operator says it of.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use agent_messages::{AgentCall, MessageError, MessageHeaders, Operation, ParamHeaders};

/// The mirrored arguments of each tool of a server. As in the rest of the catalogue, the exact name wins, then the
/// longest beginning (`prefix*`).
#[derive(Debug, Default)]
pub(crate) struct MirroredArguments {
    exact: BTreeMap<String, ParamHeaders>,
    /// The longest first.
    prefixes: Vec<(String, ParamHeaders)>,
}

// === impl MirroredArguments ===

impl MirroredArguments {
    pub(crate) fn of(tools: Vec<(String, ParamHeaders)>) -> Self {
        let mut all = Self::default();
        for (name, headers) in tools {
            match name.strip_suffix('*') {
                Some(prefix) => all.prefixes.push((prefix.to_owned(), headers)),
                None => drop(all.exact.insert(name, headers)),
            }
        }
        all.prefixes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        all
    }

    /// Whether the headers say what the arguments do.
    pub(crate) fn check(&self, headers: &MessageHeaders, call: &AgentCall) -> Result<(), MessageError> {
        match call.operation() {
            Operation::CallTool { name, arguments } => match self.of_tool(name) {
                Some(mirrored) => mirrored.check(headers, call.revision(), arguments),
                None => Ok(()),
            },
            Operation::Batch { calls, .. } => calls.iter().try_for_each(|call| self.check(headers, call)),
            _ => Ok(()),
        }
    }

    fn of_tool(&self, name: &str) -> Option<&ParamHeaders> {
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
        self.exact.get(name).or_else(|| by_prefix().map(|(_, headers)| headers))
    }
}
