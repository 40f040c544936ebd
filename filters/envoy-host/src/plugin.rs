//! Any filter in Envoy: its configuration, then callbacks in, events to its stream, steps done.
//!
//! When the host fails, the stream is answered with an error or held; it never goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use request_guard::{
    Answered, Awaited, BodyWanted, Connection, Event, HandOff, HandOffs, HeaderEdit, Host, Moment, Plugin, Purpose,
    ReplayStore, Reply, Step, Stream, TrustedCrypto,
};

use crate::abi::HostError;
use crate::body::{Body, read_body, replace_body};
use crate::claims::read_claims;
use crate::clock::now_nanoseconds;
use crate::configuration::plugin_configuration;
use crate::crypto::EnvoyCrypto;
use crate::headers::{HeaderMap, read_headers, remove_header, set_header};
use crate::log::{Level, log};
use crate::metrics::Metrics;
use crate::peer::read_peer;
use crate::properties::{filter_state, set_filter_state, write_once};
use crate::random::entropy;
use crate::replays::{EnvoyData, Replays};
use crate::replies::{reset_response, send_reply};
use crate::waiting::{self, Resumable, Waiting, answered, call_out};

const NANOSECONDS: u64 = 1_000_000_000;

/// One configuration of a filter: nothing until it was compiled, and then every request is refused.
pub struct Root<P> {
    /// By which the host knows this.
    id: u32,
    configured: Option<(Rc<P>, Rc<Metrics>)>,
    waiting: Rc<Waiting<Filter>>,
    /// The calls that are being made, by number, and what for.
    calls: BTreeMap<u32, Purpose>,
}

/// A stream, which the host calls, and which is called when what it waits for has come.
struct Shared {
    id: u32,
    filter: Rc<RefCell<Filter>>,
    waiting: Rc<Waiting<Filter>>,
}

struct Filter {
    /// Nothing when the plugin has no configuration: every request is then refused.
    stream: Option<Box<dyn Stream>>,
    reads: &'static [HandOff],
    metrics: Option<Rc<Metrics>>,
    /// Time spent in this filter's callbacks so far.
    nanoseconds: u64,
    /// What it waits for, and what it is to be told again then.
    waits: Option<(Awaited, Told)>,
}

/// What the host has told a stream.
#[derive(Clone, Copy)]
enum Told {
    /// The headers, and what came while it waited.
    Headers { end_of_stream: bool, then: Option<Then> },
    /// That the body is complete.
    End(Then),
}

#[derive(Clone, Copy)]
enum Then {
    Body { size: usize, end_of_stream: bool },
    Trailers,
}

/// Hand-offs as they were read.
#[derive(Default)]
struct Found {
    peer: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
    call: Option<Vec<u8>>,
    decision: Option<Vec<u8>>,
}

// === impl Root ===

impl<P: Plugin + 'static> Root<P> {
    /// Not configured; `id` is what the host calls it.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self { id, configured: None, waiting: Rc::default(), calls: BTreeMap::new() }
    }

    /// Takes an answer, or that there is none, and lets all who wait for it try again.
    fn answered(&self, purpose: Purpose, answer: Option<&Answered>) -> Result<(), HostError> {
        let Some((plugin, metrics)) = &self.configured else { return Ok(()) };
        let now = now_nanoseconds()? / NANOSECONDS;
        if let Some(taken) = plugin.answered(purpose, answer, now) {
            metrics.count(taken.count)?;
            if let Some(problem) = taken.problem {
                log(Level::Warn, &format!("meshwarden: {problem}"));
            }
        }
        self.waiting.resume(self.id, purpose.serves())
    }

    fn ask_what_is_due(&mut self) -> Result<(), HostError> {
        self.waiting.calm()?;
        let Some((plugin, _)) = self.configured.clone() else { return Ok(()) };
        for due in plugin.due(now_nanoseconds()? / NANOSECONDS) {
            match call_out(&due) {
                Some(call) => {
                    self.calls.insert(call, due.purpose);
                }
                None => self.answered(due.purpose, None)?,
            }
        }
        Ok(())
    }
}

impl<P: Plugin + 'static> Context for Root<P> {
    fn on_http_call_response(&mut self, call: u32, headers: usize, body_size: usize, _trailers: usize) {
        let Some(purpose) = self.calls.remove(&call) else { return };
        // Without headers there was no answer.
        let answer = if headers == 0 { None } else { answered(body_size) };
        report(self.answered(purpose, answer.as_ref()));
    }
}

impl<P: Plugin + 'static> RootContext for Root<P> {
    /// Refuses anything that is not wholly right: Envoy then doesn't serve.
    fn on_configure(&mut self, _size: usize) -> bool {
        let configured = configure::<P>();
        if let Err(problem) = &configured {
            log(Level::Error, &format!("meshwarden: configuration refused: {problem}"));
        }
        self.configured = configured.ok();
        self.configured.is_some()
    }

    fn on_tick(&mut self) {
        report(self.ask_what_is_due());
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let (plugin, metrics) = self.configured.clone().unzip();
        let stream = plugin.map(|plugin| plugin.stream());
        let filter = Filter { stream, reads: P::READS, metrics, nanoseconds: 0, waits: None };
        let (filter, waiting) = (Rc::new(RefCell::new(filter)), Rc::clone(&self.waiting));
        Some(Box::new(Shared { id, filter, waiting }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn configure<P: Plugin>() -> Result<(Rc<P>, Rc<Metrics>), String> {
    let configuration = plugin_configuration().map_err(|error| error.to_string())?;
    let crypto = TrustedCrypto::probe(Rc::new(EnvoyCrypto));
    log(Level::Info, &format!("meshwarden: signatures that Envoy verifies: {crypto:?}"));
    let replays = || match Replays::open(EnvoyData) {
        Ok(replays) => Ok(Rc::new(replays) as Rc<dyn ReplayStore>),
        Err(error) => Err(error.to_string()),
    };
    let host = Host { environment: &|name| std::env::var(name).ok(), crypto, replays: &replays };
    let plugin = P::configure(configuration, &host).map_err(|error| error.to_string())?;
    for warning in plugin.warnings() {
        log(Level::Warn, &format!("meshwarden: {warning}"));
    }
    for hand_off in P::WRITES {
        write_once(hand_off.key()).map_err(|error| error.to_string())?;
    }
    if plugin.calls_out() {
        waiting::begin().map_err(|error| error.to_string())?;
    }
    let metrics = Metrics::define().map_err(|error| error.to_string())?;
    Ok((Rc::new(plugin), Rc::new(metrics)))
}

fn report(outcome: Result<(), HostError>) {
    if let Err(error) = outcome {
        log(Level::Error, &format!("meshwarden: {error}"));
    }
}

// === impl Shared ===

impl Shared {
    fn with(&self, callback: impl FnOnce(&mut Filter) -> Action) -> Action {
        let Ok(mut filter) = self.filter.try_borrow_mut() else {
            // The host calls a stream that is being called.
            return fail("a callback within a callback");
        };
        let waited = filter.waits.is_some();
        let action = callback(&mut filter);
        let begins = !waited && filter.waits.is_some();
        drop(filter);
        if begins && let Err(error) = self.waiting.add(self.id, &self.filter) {
            return fail(&error.to_string());
        }
        action
    }
}

impl Context for Shared {}

impl HttpContext for Shared {
    fn on_http_request_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.with(|filter| filter.on_http_request_headers(count, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|filter| filter.on_http_request_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.with(|filter| filter.on_http_request_trailers(count))
    }

    fn on_http_response_headers(&mut self, count: usize, end_of_stream: bool) -> Action {
        self.with(|filter| filter.on_http_response_headers(count, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|filter| filter.on_http_response_body(size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.with(|filter| filter.on_http_response_trailers(count))
    }
}

// === impl Filter ===

impl Resumable for Filter {
    fn resume(&mut self) -> Action {
        match self.waits.take() {
            None => Action::Pause,
            Some((_, Told::End(Then::Body { size, end_of_stream }))) => self.on_http_request_body(size, end_of_stream),
            Some((_, Told::End(Then::Trailers))) => self.on_http_request_trailers(0),
            Some((_, Told::Headers { end_of_stream, then })) => {
                let action = self.on_http_request_headers(0, end_of_stream);
                if let Some((_, told)) = &mut self.waits {
                    *told = Told::Headers { end_of_stream, then };
                    return action;
                }
                // What came meanwhile is held by the host, and must not go on before it was judged.
                match then {
                    None => action,
                    Some(Then::Body { size, end_of_stream }) => self.on_http_request_body(size, end_of_stream),
                    Some(Then::Trailers) => self.on_http_request_trailers(0),
                }
            }
        }
    }

    fn awaited(&self) -> Option<Awaited> {
        self.waits.map(|(awaited, _)| awaited)
    }
}

impl Filter {
    /// Runs one callback of the request; `told` is what the stream is told again if it has to wait.
    fn request(&mut self, told: Told, ask: impl FnOnce(&mut dyn Stream, u64) -> Result<Step, HostError>) -> Action {
        let mut awaited = None;
        let action = self.callback(HeaderMap::Request, |stream, now| {
            let step = ask(stream, now)?;
            if let Step::Wait(what) = &step {
                awaited = Some(*what);
            }
            Ok(step)
        });
        self.waits = awaited.map(|awaited| (awaited, told));
        action
    }

    /// What came while the stream waits; it hears of it later.
    fn came(&mut self, what: Then) -> Option<Action> {
        if let (_, Told::Headers { then, .. }) = self.waits.as_mut()? {
            *then = Some(what);
        }
        Some(Action::Pause)
    }

    /// Runs one callback: `ask` tells the stream what happened, and its answer is done to the headers of `map`.
    /// Whatever the host refuses to do ends the stream.
    fn callback(
        &mut self,
        map: HeaderMap,
        ask: impl FnOnce(&mut dyn Stream, u64) -> Result<Step, HostError>,
    ) -> Action {
        let Some(stream) = self.stream.as_deref_mut() else {
            return fail("there is no configuration");
        };
        let begun = now_nanoseconds();
        let step = begun.and_then(|now| ask(stream, now));
        let done = step.and_then(|step| apply(map, step));
        if let (Ok(begun), Ok(ended)) = (begun, now_nanoseconds()) {
            self.nanoseconds = self.nanoseconds.saturating_add(ended.saturating_sub(begun));
        }
        match done.and_then(|action| self.report().map(|()| action)) {
            Ok(action) => action,
            Err(error) => fail(&error.to_string()),
        }
    }

    /// Writes what the stream has decided since the last callback.
    fn report(&mut self) -> Result<(), HostError> {
        let (Some(stream), Some(metrics)) = (self.stream.as_deref_mut(), self.metrics.as_ref()) else {
            return Ok(());
        };
        for count in stream.take_counts() {
            metrics.count(count)?;
        }
        let Some(record) = stream.take_record() else {
            return Ok(());
        };
        let microseconds = self.nanoseconds / 1_000;
        if let Some((key, value)) = record.filter_state() {
            metrics.took(microseconds)?;
            set_filter_state(key, value.as_bytes())?;
        }
        if stream.is_logged(&record) {
            log(Level::Info, &record.line(microseconds));
        }
        Ok(())
    }

    fn body_wanted(&self) -> BodyWanted {
        self.stream.as_deref().map_or(BodyWanted::Nothing, |stream| stream.body_wanted())
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let reads = self.reads;
        self.request(Told::Headers { end_of_stream, then: None }, |stream, nanoseconds| {
            let headers = read_headers(HeaderMap::Request)?;
            let peer = read_peer()?;
            let found = Found::read(reads)?;
            let claims = stream.claims().map(read_claims).transpose()?.flatten();
            let connection = Connection {
                mtls: peer.mtls,
                uri_san: peer.uri_san.as_deref(),
                certificate_sha256: peer.certificate_sha256.as_deref(),
                waypoint_principal: peer.waypoint_principal.as_deref(),
                address: peer.address,
                hand_offs: found.as_hand_offs(),
                claims: claims.as_ref(),
            };
            let moment = Moment { nanoseconds, entropy: entropy()? };
            Ok(stream.on(&Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream, moment }))
        })
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let then = Then::Body { size, end_of_stream };
        if let Some(action) = self.came(then) {
            return action;
        }
        self.request(Told::End(then), |stream, nanoseconds| {
            let step = stream.on(&Event::RequestBody { size });
            // Not of interest, too large already, or more to come.
            if !matches!(step, Step::Hold) || !end_of_stream {
                return Ok(step);
            }
            request_end(stream, nanoseconds, size)
        })
    }

    /// With trailers the body callback never says that the body is complete.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if let Some(action) = self.came(Then::Trailers) {
            return action;
        }
        self.request(Told::End(Then::Trailers), |stream, nanoseconds| {
            let mut step = stream.on(&Event::RequestBody { size: 0 });
            if matches!(step, Step::Hold) {
                step = request_end(stream, nanoseconds, usize::MAX >> 1)?;
            }
            // Servers may merge trailers into headers, where nobody judged them.
            for (name, _) in read_headers(HeaderMap::RequestTrailers)? {
                remove_header(HeaderMap::RequestTrailers, &name)?;
            }
            Ok(step)
        })
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        // The proxy answers by itself: there is nothing to wait for any more.
        self.waits = None;
        self.callback(HeaderMap::Response, |stream, _| {
            let headers = read_headers(HeaderMap::Response)?;
            Ok(stream.on(&Event::ResponseHeaders { headers: &headers, end_of_stream }))
        })
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.body_wanted() {
            BodyWanted::Nothing => Action::Continue,
            BodyWanted::Pieces => self.callback(HeaderMap::Response, |stream, _| {
                let piece = read_body(Body::Response, size)?;
                Ok(stream.on(&Event::ResponsePiece { piece: &piece, end_of_stream }))
            }),
            BodyWanted::Whole => self.callback(HeaderMap::Response, |stream, _| {
                let step = stream.on(&Event::ResponseBody { size });
                if !matches!(step, Step::Hold) || !end_of_stream {
                    return Ok(step);
                }
                response_end(stream, size)
            }),
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        match self.body_wanted() {
            BodyWanted::Nothing => Action::Continue,
            BodyWanted::Pieces => self.callback(HeaderMap::Response, |stream, _| {
                Ok(stream.on(&Event::ResponsePiece { piece: &[], end_of_stream: true }))
            }),
            BodyWanted::Whole => self.callback(HeaderMap::Response, |stream, _| response_end(stream, usize::MAX >> 1)),
        }
    }
}

fn request_end(stream: &mut dyn Stream, nanoseconds: u64, size: usize) -> Result<Step, HostError> {
    let body = read_body(Body::Request, size)?;
    let moment = Moment { nanoseconds, entropy: entropy()? };
    Ok(stream.on(&Event::RequestEnd { body: &body, moment }))
}

fn response_end(stream: &mut dyn Stream, size: usize) -> Result<Step, HostError> {
    let body = read_body(Body::Response, size)?;
    Ok(stream.on(&Event::ResponseEnd { body: &body }))
}

/// Does what the stream says. A pause after a reply keeps what was held from going on.
fn apply(map: HeaderMap, step: Step) -> Result<Action, HostError> {
    match step {
        Step::Continue => Ok(Action::Continue),
        Step::Hold | Step::Wait(_) => Ok(Action::Pause),
        Step::Forward(forward) => {
            leave(forward.state())?;
            edit(map, forward.edits()).map(|()| Action::Continue)
        }
        Step::EditRequest(edits) | Step::EditResponse(edits) => edit(map, &edits).map(|()| Action::Continue),
        Step::HandOver(hand_over) => {
            leave(&hand_over.state)?;
            edit(map, &hand_over.edits).map(|()| Action::Continue)
        }
        Step::ReplaceBody { body, edits } => {
            replace_body(Body::Response, &body)?;
            edit(map, &edits).map(|()| Action::Continue)
        }
        Step::Reply(reply) => send_reply(&reply).map(|()| Action::Pause),
        Step::Reset => reset_response().map(|()| Action::Pause),
    }
}

fn leave(state: &[(&str, Vec<u8>)]) -> Result<(), HostError> {
    state.iter().try_for_each(|(key, value)| set_filter_state(key, value))
}

fn edit(map: HeaderMap, edits: &[HeaderEdit]) -> Result<(), HostError> {
    edits.iter().try_for_each(|edit| match edit {
        HeaderEdit::Remove(name) => remove_header(map, name),
        HeaderEdit::Set(name, value) => set_header(map, name, value.as_bytes()),
    })
}

/// The host did not do its part. Nothing goes on, with or without a reply.
fn fail(problem: &str) -> Action {
    log(Level::Error, &format!("meshwarden: stream ended: {problem}"));
    if let Err(error) = send_reply(&Reply::unavailable()) {
        log(Level::Error, &format!("meshwarden: {error}"));
    }
    Action::Pause
}

// === impl Found ===

impl Found {
    fn read(hand_offs: &[HandOff]) -> Result<Self, HostError> {
        let mut found = Self::default();
        for hand_off in hand_offs {
            let value = filter_state(hand_off.key())?;
            match hand_off {
                HandOff::Peer => found.peer = value,
                HandOff::Token => found.token = value,
                HandOff::Call => found.call = value,
                HandOff::Decision => found.decision = value,
            }
        }
        Ok(found)
    }

    fn as_hand_offs(&self) -> HandOffs<'_> {
        HandOffs {
            peer: self.peer.as_deref(),
            token: self.token.as_deref(),
            call: self.call.as_deref(),
            decision: self.decision.as_deref(),
        }
    }
}
