//! The answer's way: lists show the caller what the caller may call, everything else passes.

use std::rc::Rc;

use agent_messages::{
    AgentCall, AnsweredCall, Filtered, ListItem, Protocol, ResponseError, SseFilter, filter_response,
};

use crate::audit::Count;
use crate::event::Header;
use crate::exchange::{Exchange, State};
use crate::guard::Guard;
use crate::headers::Headers;
use crate::rejection::Rejection;
use crate::request::Identity;
use crate::step::{HeaderEdit, Step};

/// Headers that describe the bytes of a body, and are wrong once it is rewritten.
const BODY_HEADERS: [&str; 4] = ["content-digest", "content-length", "digest", "etag"];

/// What the answer belongs to.
pub(crate) struct Expected {
    caller: Identity,
    answered: AnsweredCall,
    /// Session streams carry answers to other requests.
    listens: bool,
    /// Nothing in it is filtered: the call was the one decision.
    passes: bool,
}

/// What an answer says of its own body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Json,
    EventStream,
    Other,
}

// === impl Expected ===

impl Expected {
    pub(crate) fn of(call: &AgentCall, caller: Identity) -> Self {
        let passes = call.protocol() == Protocol::A2a;
        Self { caller, answered: AnsweredCall::of(call), listens: call.method() == "GET", passes }
    }

    /// Whether a body other than JSON and event streams could carry a list past us.
    fn carries_lists(&self) -> bool {
        self.listens || self.answered.list().is_some()
    }
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn response_headers(
        &mut self,
        expected: Box<Expected>,
        headers: &[Header],
        end_of_stream: bool,
    ) -> Step {
        let headers = Headers::new(headers);
        if end_of_stream || expected.passes {
            return Step::Continue;
        }
        let Ok(content) = content_of(headers) else {
            return self.reject_answer(Rejection::Answer(ResponseError::ContentType));
        };
        let inspected = match content {
            Content::EventStream => true,
            Content::Json => expected.carries_lists(),
            // A failure in plain text says nothing that a client would take for a list.
            Content::Other if expected.carries_lists() && is_success(headers) => {
                return self.reject_answer(Rejection::Answer(ResponseError::ContentType));
            }
            Content::Other => false,
        };
        if !inspected {
            return Step::Continue;
        }
        if is_encoded(headers) {
            return self.reject_answer(Rejection::Answer(ResponseError::ContentEncoding));
        }
        if content == Content::Json {
            self.state = State::Whole(expected);
            return Step::Hold;
        }
        let filter = SseFilter::new(&expected.answered, &self.guard.limits);
        self.state = State::Stream(expected, Box::new(filter));
        Step::EditResponse(BODY_HEADERS.iter().map(|name| HeaderEdit::Remove(name.as_bytes().to_vec())).collect())
    }

    pub(crate) fn response_body(&mut self, expected: Box<Expected>, size: usize) -> Step {
        let limit = self.guard.limits.max_body_bytes;
        if size > limit {
            return self.reject_answer(Rejection::Answer(ResponseError::TooLarge { limit }));
        }
        self.state = State::Whole(expected);
        Step::Hold
    }

    pub(crate) fn response_end(&mut self, expected: &Expected, body: &[u8]) -> Step {
        let guard = Rc::clone(&self.guard);
        let filtered = filter_response(&expected.answered, body, &guard.limits, &mut keep(&guard, expected));
        match filtered {
            Err(error) => self.reject_answer(Rejection::Answer(error)),
            Ok(Filtered::Unchanged) => Step::Continue,
            Ok(Filtered::Rewritten { body, hidden }) => {
                self.hidden(hidden);
                let mut edits: Vec<HeaderEdit> =
                    BODY_HEADERS.iter().map(|name| HeaderEdit::Remove(name.as_bytes().to_vec())).collect();
                edits.push(HeaderEdit::Set("content-length", body.len().to_string()));
                Step::ReplaceBody { body, edits }
            }
        }
    }

    pub(crate) fn response_piece(
        &mut self,
        expected: Box<Expected>,
        mut filter: Box<SseFilter>,
        piece: &[u8],
        end_of_stream: bool,
    ) -> Step {
        let guard = Rc::clone(&self.guard);
        let passed = filter.push(piece, &mut keep(&guard, &expected));
        self.hidden(filter.take_hidden());
        match passed {
            Err(error) => self.cut(&Rejection::Answer(error)),
            Ok(passed) => {
                if !end_of_stream {
                    self.state = State::Stream(expected, filter);
                }
                if passed == piece { Step::Continue } else { Step::ReplaceBody { body: passed, edits: Vec::new() } }
            }
        }
    }

    fn hidden(&mut self, items: usize) {
        if items > 0 {
            self.count(Count::ListItemsHidden(u32::try_from(items).unwrap_or(u32::MAX)));
        }
    }
}

/// A caller sees what the caller could call.
fn keep<'a>(guard: &'a Guard, expected: &'a Expected) -> impl FnMut(ListItem<'_>) -> bool + 'a {
    move |item| {
        let caller = &expected.caller;
        let server = guard.servers.get(caller.server);
        server.is_some_and(|server| guard.policies.lists(&caller.caller(), &server.name, item))
    }
}

/// The media type without its parameters; one that repeats could be read either way.
fn content_of(headers: Headers<'_>) -> Result<Content, ()> {
    let Some(value) = headers.only("content-type")? else {
        return Ok(Content::Other);
    };
    // Two values on one line are two values.
    if value.contains(&b',') {
        return Err(());
    }
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    Ok(if essence.eq_ignore_ascii_case(b"application/json") || is_json_suffixed(essence) {
        Content::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Content::EventStream
    } else {
        Content::Other
    })
}

fn is_json_suffixed(essence: &[u8]) -> bool {
    essence.len().checked_sub(5).and_then(|at| essence.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(b"+json"))
}

fn is_encoded(headers: Headers<'_>) -> bool {
    headers.all("content-encoding").any(|value| !value.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn is_success(headers: Headers<'_>) -> bool {
    headers.first(":status").is_none_or(|status| status.starts_with(b"2"))
}
