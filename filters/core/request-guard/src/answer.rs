//! The answer's way: lists show the caller what the caller may call, everything else passes.

use std::rc::Rc;

use agent_messages::{
    AgentCall, AnsweredCall, Filtered, Limits, ListItem, Protocol, ResponseError, SseFilter, filter_response,
};

use crate::audit::Count;
use crate::caller::Identity;
use crate::event::{Event, Header};
use crate::exchange::is_success;
use crate::headers::Headers;
use crate::journal::Journal;
use crate::plugin::BodyWanted;
use crate::policy::PolicyCheck;
use crate::rejection::Rejection;
use crate::step::{HeaderEdit, Step};

/// Headers that describe the bytes of a body, and are wrong once it is rewritten.
const BODY_HEADERS: [&str; 4] = ["content-digest", "content-length", "digest", "etag"];

/// What a stage does to the answer, event by event.
pub(crate) trait Answer: Sized {
    fn on(self, journal: &mut Journal, event: &Event<'_>) -> Answering<Self>;

    fn body_wanted(&self) -> BodyWanted;
}

/// What comes of one event of the answer.
pub(crate) enum Answering<A> {
    /// Do this, and more will come.
    Next(Step, A),
    /// Do this, and the rest passes.
    Finished(Step),
    /// Its headers are still held: reply in its place.
    Rejected(Rejection),
    /// It has begun: end it.
    Cut(Rejection),
    /// The event has no meaning here.
    Unexpected,
}

/// An answer in which lists are filtered.
pub(crate) struct FilteredAnswer {
    rules: Rc<AnswerRules>,
    caller: Identity,
    server: Rc<str>,
    answered: AnsweredCall,
    /// Session streams carry answers to other requests.
    listens: bool,
    /// Nothing in it is filtered: the call was the one decision.
    passes: bool,
    /// The host can hold the headers until the body is judged.
    held: bool,
    state: State,
}

/// What answers are filtered by.
pub(crate) struct AnswerRules {
    pub(crate) policy: PolicyCheck,
    pub(crate) limits: Limits,
}

enum State {
    /// Its headers are still to come.
    Asked,
    /// It is held until it is complete.
    Whole,
    /// It passes event by event.
    Stream(Box<SseFilter>),
}

/// What an answer says of its own body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Json,
    EventStream,
    Other,
}

// === impl FilteredAnswer ===

impl FilteredAnswer {
    pub(crate) fn of(rules: &Rc<AnswerRules>, server: Rc<str>, call: &AgentCall, caller: Identity, held: bool) -> Self {
        let answered = AnsweredCall::of(call);
        let listens = call.method() == "GET";
        let passes = call.protocol() == Protocol::A2a;
        Self { rules: Rc::clone(rules), caller, server, answered, listens, passes, held, state: State::Asked }
    }

    /// Whether a body other than JSON and event streams could carry a list, or a word to caches, past us.
    fn carries_lists(&self) -> bool {
        self.listens || self.answered.is_batch() || self.answered.is_read()
    }

    fn headers(mut self, headers: &[Header], end_of_stream: bool) -> Answering<Self> {
        let success = is_success(headers);
        let headers = Headers::new(headers);
        if end_of_stream || self.passes {
            return Answering::Finished(Step::Continue);
        }
        let Ok(content) = content_of(headers) else {
            return Answering::Rejected(Rejection::Answer(ResponseError::ContentType));
        };
        let inspected = match content {
            Content::EventStream => true,
            Content::Json => self.carries_lists(),
            // A failure in plain text says nothing that a client would take for a list.
            Content::Other if self.carries_lists() && success => {
                return Answering::Rejected(Rejection::Answer(ResponseError::ContentType));
            }
            Content::Other => false,
        };
        if !inspected {
            return Answering::Finished(Step::Continue);
        }
        if is_encoded(headers) {
            return Answering::Rejected(Rejection::Answer(ResponseError::ContentEncoding));
        }
        if content == Content::Json {
            self.state = State::Whole;
            let step = if self.held { Step::Hold } else { Step::EditResponse(without_body_headers()) };
            return Answering::Next(step, self);
        }
        self.state = State::Stream(Box::new(SseFilter::new(&self.answered, &self.rules.limits)));
        Answering::Next(Step::EditResponse(without_body_headers()), self)
    }

    fn growing(self, size: usize) -> Answering<Self> {
        let limit = self.rules.limits.max_body_bytes;
        if size > limit {
            return self.refused(ResponseError::TooLarge { limit });
        }
        Answering::Next(Step::Hold, self)
    }

    fn complete(self, journal: &mut Journal, body: &[u8]) -> Answering<Self> {
        match filter_response(&self.answered, body, &self.rules.limits, &mut |item| self.shows(item)) {
            Err(error) => self.refused(error),
            Ok(Filtered::Unchanged) => Answering::Finished(Step::Continue),
            Ok(Filtered::Rewritten { body, hidden }) => {
                count_hidden(journal, hidden);
                let mut edits = Vec::new();
                if self.held {
                    edits = without_body_headers();
                    edits.push(HeaderEdit::Set("content-length", body.len().to_string()));
                }
                Answering::Finished(Step::ReplaceBody { body, edits })
            }
        }
    }

    fn piece(mut self, journal: &mut Journal, mut filter: Box<SseFilter>, piece: &[u8], end: bool) -> Answering<Self> {
        let passed = filter.push(piece, &mut |item| self.shows(item));
        count_hidden(journal, filter.take_hidden());
        match passed {
            Err(error) => Answering::Cut(Rejection::Answer(error)),
            Ok(passed) => {
                let step = if passed == piece {
                    Step::Continue
                } else {
                    Step::ReplaceBody { body: passed, edits: Vec::new() }
                };
                if end {
                    return Answering::Finished(step);
                }
                self.state = State::Stream(filter);
                Answering::Next(step, self)
            }
        }
    }

    /// A held answer can be replaced; of one whose headers have gone on, no more is shown.
    fn refused(self, error: ResponseError) -> Answering<Self> {
        let rejection = Rejection::Answer(error);
        if self.held { Answering::Rejected(rejection) } else { Answering::Cut(rejection) }
    }

    /// A caller sees what the caller could call.
    fn shows(&self, item: ListItem<'_>) -> bool {
        self.rules.policy.lists(&self.caller.caller(), &self.server, item)
    }
}

impl Answer for FilteredAnswer {
    fn on(mut self, journal: &mut Journal, event: &Event<'_>) -> Answering<Self> {
        match (std::mem::replace(&mut self.state, State::Whole), event) {
            (State::Asked, Event::ResponseHeaders { headers, end_of_stream }) => self.headers(headers, *end_of_stream),
            (State::Whole, Event::ResponseBody { size }) => self.growing(*size),
            (State::Whole, Event::ResponseEnd { body }) => self.complete(journal, body),
            (State::Stream(filter), Event::ResponsePiece { piece, end_of_stream }) => {
                self.piece(journal, filter, piece, *end_of_stream)
            }
            (State::Asked | State::Whole | State::Stream(_), _) => Answering::Unexpected,
        }
    }

    fn body_wanted(&self) -> BodyWanted {
        match self.state {
            State::Asked => BodyWanted::Nothing,
            State::Whole => BodyWanted::Whole,
            State::Stream(_) => BodyWanted::Pieces,
        }
    }
}

fn count_hidden(journal: &mut Journal, items: usize) {
    if items > 0 {
        journal.count(Count::ListItemsHidden(u32::try_from(items).unwrap_or(u32::MAX)));
    }
}

fn without_body_headers() -> Vec<HeaderEdit> {
    BODY_HEADERS.iter().map(|name| HeaderEdit::Remove(name.as_bytes().to_vec())).collect()
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
