//! The answer's way: lists show the caller what the caller may call, everything else passes.

use std::rc::Rc;

use agent_messages::{
    AgentCall, AnsweredCall, Filtered, Limits, ListItem, Protocol, ResponseError, Revision, SseFilter, StreamKind,
    Viewer, filter_response,
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
use crate::server::{Server, ServerRequests};
use crate::session::{self, Asked, Holder, SessionKeys};
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
    server: Rc<Server>,
    answered: AnsweredCall,
    revision: Revision,
    /// Session streams carry answers to other requests.
    listens: bool,
    /// What it listens to.
    asked: Option<Asked>,
    /// Nothing in it is filtered: the call was the one decision.
    passes: bool,
    /// The host can hold the headers until the body is judged.
    held: bool,
    /// Changes to headers that are held.
    edits: Vec<HeaderEdit>,
    state: State,
}

/// What answers are filtered by.
pub(crate) struct AnswerRules {
    pub(crate) policy: PolicyCheck,
    pub(crate) limits: Limits,
    pub(crate) sessions: Option<SessionKeys>,
}

enum State {
    /// Its headers are still to come.
    Asked,
    /// It is held until it is complete.
    Whole,
    /// It passes event by event.
    Stream(Box<SseFilter>),
    /// It goes on without its body.
    Bodiless,
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
    pub(crate) fn of(
        rules: &Rc<AnswerRules>,
        server: &Rc<Server>,
        call: &AgentCall,
        caller: Identity,
        asked: Option<Asked>,
        held: bool,
    ) -> Self {
        Self {
            rules: Rc::clone(rules),
            caller,
            server: Rc::clone(server),
            answered: AnsweredCall::of(call),
            revision: call.revision(),
            listens: call.method() == "GET",
            asked,
            passes: call.protocol() == Protocol::A2a,
            held,
            edits: Vec::new(),
            state: State::Asked,
        }
    }

    /// Whether a body other than JSON and event streams could carry a list, or a word to caches, past us.
    fn carries_lists(&self) -> bool {
        self.listens || self.answered.is_batch() || self.answered.is_read()
    }

    fn holder(&self) -> Holder<'_> {
        Holder { server: &self.server, caller: &self.caller }
    }

    fn headers(mut self, headers: &[Header], end_of_stream: bool) -> Answering<Self> {
        let success = is_success(headers);
        let headers = Headers::new(headers);
        if self.passes {
            return Answering::Finished(Step::Continue);
        }
        let mut edits = match session::for_caller(self.rules.sessions.as_ref(), self.holder(), &headers, self.revision)
        {
            Ok(edits) => edits,
            Err(error) => return Answering::Rejected(Rejection::Answer(error)),
        };
        if end_of_stream {
            return Answering::Finished(edited(edits));
        }
        let Ok(content) = content_of(headers) else {
            return Answering::Rejected(Rejection::Answer(ResponseError::ContentType));
        };
        let inspected = match content {
            Content::EventStream => true,
            // Clients take a request in plain JSON, too, for one that they are asked.
            Content::Json => self.carries_lists() || (success && self.server.server_requests != ServerRequests::All),
            // What says that the answer comes elsewhere (2024-11-05) has nothing to say itself.
            Content::Other if self.carries_lists() && headers.first(":status") == Some(b"202") => {
                self.state = State::Bodiless;
                edits.extend(without_body_headers());
                return Answering::Next(Step::EditResponse(edits), self);
            }
            // A failure in plain text says nothing that a client would take for a list.
            Content::Other if self.carries_lists() && success => {
                return Answering::Rejected(Rejection::Answer(ResponseError::ContentType));
            }
            Content::Other => false,
        };
        if !inspected {
            return Answering::Finished(edited(edits));
        }
        if is_encoded(headers) {
            return Answering::Rejected(Rejection::Answer(ResponseError::ContentEncoding));
        }
        if content == Content::Json {
            self.state = State::Whole;
            if self.held {
                self.edits = edits;
                return Answering::Next(Step::Hold, self);
            }
        } else {
            let kind = if self.listens { StreamKind::Session } else { StreamKind::Answer };
            self.state = State::Stream(Box::new(SseFilter::new(&self.answered, kind, &self.rules.limits)));
        }
        edits.extend(without_body_headers());
        Answering::Next(Step::EditResponse(edits), self)
    }

    fn growing(self, size: usize) -> Answering<Self> {
        let limit = self.rules.limits.max_body_bytes;
        if size > limit {
            return self.refused(ResponseError::TooLarge { limit });
        }
        Answering::Next(Step::Hold, self)
    }

    fn complete(mut self, journal: &mut Journal, body: &[u8]) -> Answering<Self> {
        let mut edits = std::mem::take(&mut self.edits);
        match filter_response(&self.answered, body, &self.rules.limits, &mut |item| self.sees(item)) {
            Err(error) => self.refused(error),
            Ok(Filtered::Unchanged) => Answering::Finished(edited(edits)),
            Ok(Filtered::Rewritten { body, hidden }) => {
                count_hidden(journal, hidden);
                if self.held {
                    edits.extend(without_body_headers());
                    edits.push(HeaderEdit::Set("content-length", body.len().to_string()));
                }
                Answering::Finished(Step::ReplaceBody { body, edits })
            }
        }
    }

    fn piece(mut self, journal: &mut Journal, mut filter: Box<SseFilter>, piece: &[u8], end: bool) -> Answering<Self> {
        let passed = filter.push(piece, &self);
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

    fn nothing(mut self, end: bool) -> Answering<Self> {
        let step = Step::ReplaceBody { body: Vec::new(), edits: Vec::new() };
        if end {
            return Answering::Finished(step);
        }
        self.state = State::Bodiless;
        Answering::Next(step, self)
    }
}

impl Viewer for FilteredAnswer {
    /// A caller sees what the caller could call.
    fn sees(&self, item: ListItem<'_>) -> bool {
        self.rules.policy.lists(&self.caller.caller(), &self.server.name, item)
    }

    fn may_be_asked(&self, method: &str) -> bool {
        self.server.server_requests.allow(method)
    }

    fn endpoint(&self, reference: &str) -> Option<String> {
        session::endpoint(self.rules.sessions.as_ref(), self.holder(), self.asked.as_ref()?, reference)
    }
}

// === impl AnswerRules ===

impl AnswerRules {
    /// What to change in a request so that the server sees its own session.
    pub(crate) fn session(
        &self,
        server: &Server,
        caller: &Identity,
        headers: &Headers<'_>,
        revision: Revision,
    ) -> Result<Vec<HeaderEdit>, Rejection> {
        match server.protocol {
            Some(Protocol::Mcp) => {
                session::for_server(self.sessions.as_ref(), Holder { server, caller }, headers, revision)
            }
            Some(Protocol::A2a) | None => Ok(Vec::new()),
        }
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
            (State::Bodiless, Event::ResponsePiece { end_of_stream, .. }) => self.nothing(*end_of_stream),
            (State::Asked | State::Whole | State::Stream(_) | State::Bodiless, _) => Answering::Unexpected,
        }
    }

    fn body_wanted(&self) -> BodyWanted {
        match self.state {
            State::Asked => BodyWanted::Nothing,
            State::Whole => BodyWanted::Whole,
            State::Stream(_) | State::Bodiless => BodyWanted::Pieces,
        }
    }
}

fn count_hidden(journal: &mut Journal, items: usize) {
    if items > 0 {
        journal.count(Count::ListItemsHidden(u32::try_from(items).unwrap_or(u32::MAX)));
    }
}

/// Goes on as it is, but for these changes.
fn edited(edits: Vec<HeaderEdit>) -> Step {
    if edits.is_empty() { Step::Continue } else { Step::EditResponse(edits) }
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

#[cfg(test)]
mod tests;
