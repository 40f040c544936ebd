//! `mcp_parser`: what a request asks, for routes, other filters, access logs and later stages.

use std::convert::Infallible;
use std::rc::Rc;

use agent_messages::{AgentCall, Batches, Limits, MessageHeaders, Operation};
use serde_json::Value;

use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::event::Moment;
use crate::exchange::{Exchange, Head, Heard, Passed, Stage};
use crate::facts::tool_of;
use crate::hand_off::{CallHandOff, HandOff, written};
use crate::host::Host;
use crate::journal::Journal;
use crate::message::{parse_message, read_message};
use crate::plugin::{Plugin, Stream};
use crate::rejection::Rejection;
use crate::server::Servers;
use crate::step::{HandOver, HeaderEdit, Step};

/// The stage alone.
pub struct McpParser {
    pub(crate) servers: Servers,
    pub(crate) limits: Limits,
    pub(crate) batches: Batches,
    /// Whether routes and other filters get headers too.
    pub(crate) set_headers: bool,
    pub(crate) audit: Audit,
}

/// A request whose body is still coming.
pub(crate) struct Announced {
    server: String,
    message: MessageHeaders,
    strip: Vec<Vec<u8>>,
}

/// Single values beside the whole call, for matchers that look at one: filter state and header.
const METHOD: (&str, &str) = ("meshwarden.call.method", "x-meshwarden-method");
const TOOL: (&str, &str) = ("meshwarden.call.tool", "x-meshwarden-tool");
const SERVER: (&str, &str) = ("meshwarden.call.server", "x-meshwarden-server");

impl Plugin for McpParser {
    const READS: &'static [HandOff] = &[];
    const WRITES: &'static [HandOff] = &[HandOff::Call];

    fn configure(configuration: Value, _host: &Host<'_>) -> Result<Self, ConfigurationError> {
        compile::mcp_parser(configuration)
    }

    fn warnings(&self) -> &[String] {
        &[]
    }

    fn stream(self: &Rc<Self>) -> Box<dyn Stream> {
        Box::new(Exchange::new(Rc::clone(self)))
    }
}

impl Stage for McpParser {
    type Held = Announced;
    type Answer = Infallible;

    fn audit(&self) -> Audit {
        self.audit
    }

    fn max_body_bytes(&self) -> usize {
        self.limits.max_body_bytes
    }

    fn head(&self, journal: &mut Journal, head: &Head<'_>) -> Result<Heard<Self>, Rejection> {
        let (_, server) = self.servers.find(&head.headers, &mut journal.facts)?;
        let message = read_message(server, &head.headers, self.limits.max_body_bytes)?;
        let mut strip = head.headers.of_message();
        if message.is_modern() {
            strip.extend(head.headers.of_session());
        }
        let announced = Announced { server: server.name.clone(), message, strip };
        if head.end_of_stream || announced.message.body_is_opaque() {
            return self.body(journal, &announced, &[], &head.moment).map(Heard::Pass);
        }
        Ok(Heard::Await(Box::new(announced)))
    }

    fn body(
        &self,
        journal: &mut Journal,
        held: &Announced,
        body: &[u8],
        _: &Moment,
    ) -> Result<Passed<Infallible>, Rejection> {
        let server = self.servers.named(&held.server).ok_or(Rejection::UnknownServer)?;
        let call = parse_message(server, &held.message, body, &self.limits, self.batches, journal)?;
        let body_follows = call.is_opaque();
        let hand_over = self.hand_over(held, call)?;
        Ok(Passed { step: Step::HandOver(hand_over), answer: None, body_follows })
    }
}

// === impl McpParser ===

impl McpParser {
    fn hand_over(&self, held: &Announced, call: AgentCall) -> Result<HandOver, Rejection> {
        let server = &held.server;
        let mut edits: Vec<HeaderEdit> = held.strip.iter().cloned().map(HeaderEdit::Remove).collect();
        let mut state = Vec::new();
        // Whoever matches on one method would miss those of a batch.
        let method = (!matches!(call.operation(), Operation::Batch { .. })).then_some(call.method());
        let parts = [(METHOD, method), (SERVER, Some(server.as_str())), (TOOL, tool_of(call.operation()))];
        for ((key, header), value) in parts {
            let Some(value) = value else { continue };
            state.push((key, value.as_bytes().to_vec()));
            if self.set_headers && fits_a_header(value) {
                edits.push(HeaderEdit::Set(header, value.to_owned()));
            }
        }
        state.push((HandOff::Call.key(), written(&CallHandOff { server: server.clone(), call })?));
        Ok(HandOver { edits, state })
    }
}

/// Whether everybody who reads a header with this value reads this value: spaces around it would be lost on the way. What
/// does not fit is in filter state only.
fn fits_a_header(value: &str) -> bool {
    !value.is_empty() && value.trim() == value && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{call, configuration, host, request_end, request_headers};

    fn headers_set_for(tool: &str) -> Vec<(&'static str, String)> {
        let mut servers = configuration();
        let configuration = serde_json::json!({ "servers": servers["servers"].take(), "set_headers": true });
        let parser = Rc::new(McpParser::configure(configuration, &host()).unwrap());
        let mut stream = parser.stream();
        assert!(matches!(request_headers(&mut *stream, &[("x-meshwarden-tool", "other")]), Step::Hold));
        let Step::HandOver(HandOver { edits, state }) = request_end(&mut *stream, &call(tool)) else {
            panic!("{tool}")
        };
        assert!(state.contains(&(TOOL.0, tool.as_bytes().to_vec())), "{tool}");
        assert_eq!(edits.first(), Some(&HeaderEdit::Remove(b"x-meshwarden-tool".to_vec())));
        let set = edits.into_iter().filter_map(|edit| match edit {
            HeaderEdit::Set(name, value) => Some((name, value)),
            HeaderEdit::Remove(_) => None,
        });
        set.filter(|(name, _)| *name == TOOL.1).collect()
    }

    #[test]
    fn of_a_batch_only_the_server_is_a_single_value() {
        let mut servers = configuration();
        let configuration = serde_json::json!({
            "servers": servers["servers"].take(), "set_headers": true, "batches": "authorize_each",
        });
        let parser = Rc::new(McpParser::configure(configuration, &host()).unwrap());
        let mut stream = parser.stream();
        assert!(matches!(request_headers(&mut *stream, &[]), Step::Hold));
        let Step::HandOver(HandOver { edits, state }) = request_end(&mut *stream, &format!("[{}]", call("seen")))
        else {
            panic!("not handed over")
        };
        assert_eq!(edits, [HeaderEdit::Set(SERVER.1, "hr".to_owned())]);
        let keys: Vec<&str> = state.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [SERVER.0, HandOff::Call.key()]);
        let handed_over: CallHandOff = HandOff::Call.read(state.last().map(|(_, value)| value.as_slice())).unwrap();
        assert!(matches!(handed_over.call.operation(), Operation::Batch { calls, .. } if calls.len() == 1));
    }

    #[test]
    fn a_tool_is_in_a_header_only_when_everybody_reads_the_same_there() {
        for fits in ["get_time_off", "a tool"] {
            assert_eq!(headers_set_for(fits), [(TOOL.1, fits.to_owned())]);
        }
        for odd in [" get_time_off", "get_time_off ", "für_alle"] {
            assert_eq!(headers_set_for(odd), [], "{odd}");
        }
    }
}
