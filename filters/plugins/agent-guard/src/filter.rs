//! One stream: callbacks in, events to the guard, its steps done.

use std::rc::Rc;

use envoy_host::{
    Body, HeaderMap, HostError, Level, Metrics, entropy, log, now_nanoseconds, read_body, read_headers, read_peer,
    remove_header, replace_body, reset_response, send_reply, set_filter_state, set_header,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use request_guard::{BodyWanted, Connection, Event, Exchange, Guard, HeaderEdit, Moment, Reply, Step};

/// The filter state that tells access logs and later filters what was decided.
const DECISION: &str = "meshwarden.decision.v1";

pub(crate) struct Filter {
    /// Nothing when the plugin has no configuration: every request is then refused.
    exchange: Option<Exchange>,
    metrics: Option<Rc<Metrics>>,
    /// Time spent in this filter's callbacks so far.
    nanoseconds: u64,
}

// === impl Filter ===

impl Filter {
    pub(crate) fn new(configured: Option<(Rc<Guard>, Rc<Metrics>)>) -> Self {
        let (guard, metrics) = configured.unzip();
        Self { exchange: guard.map(Exchange::new), metrics, nanoseconds: 0 }
    }

    /// Runs one callback: `ask` tells the guard what happened, and its answer is done to the headers of `map`.
    /// Whatever the host refuses to do ends the stream.
    fn callback(&mut self, map: HeaderMap, ask: impl FnOnce(&mut Exchange, u64) -> Result<Step, HostError>) -> Action {
        let Some(exchange) = self.exchange.as_mut() else {
            return fail("there is no configuration");
        };
        let begun = now_nanoseconds();
        let done = begun.and_then(|now| ask(exchange, now)).and_then(|step| apply(map, step));
        if let (Ok(begun), Ok(ended)) = (begun, now_nanoseconds()) {
            self.nanoseconds = self.nanoseconds.saturating_add(ended.saturating_sub(begun));
        }
        match done.and_then(|action| self.report().map(|()| action)) {
            Ok(action) => action,
            Err(error) => fail(&error.to_string()),
        }
    }

    /// Writes what the guard has decided since the last callback.
    fn report(&mut self) -> Result<(), HostError> {
        let (Some(exchange), Some(metrics)) = (self.exchange.as_mut(), self.metrics.as_ref()) else {
            return Ok(());
        };
        for count in exchange.take_counts() {
            metrics.count(count)?;
        }
        let Some(record) = exchange.take_record() else {
            return Ok(());
        };
        let microseconds = self.nanoseconds / 1_000;
        metrics.took(microseconds)?;
        set_filter_state(DECISION, record.filter_state().as_bytes())?;
        if exchange.is_logged(&record) {
            log(Level::Info, &record.line(microseconds));
        }
        Ok(())
    }

    fn body_wanted(&self) -> BodyWanted {
        self.exchange.as_ref().map_or(BodyWanted::Nothing, Exchange::body_wanted)
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.callback(HeaderMap::Request, |exchange, nanoseconds| {
            let headers = read_headers(HeaderMap::Request)?;
            let peer = read_peer()?;
            let connection = Connection {
                mtls: peer.mtls,
                uri_san: peer.uri_san.as_deref(),
                certificate_sha256: peer.certificate_sha256.as_deref(),
                waypoint_principal: peer.waypoint_principal.as_deref(),
                address: peer.address,
            };
            let moment = Moment { nanoseconds, entropy: entropy()? };
            Ok(exchange.on(&Event::RequestHeaders {
                headers: &headers,
                connection: &connection,
                end_of_stream,
                moment,
            }))
        })
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.callback(HeaderMap::Request, |exchange, nanoseconds| {
            let step = exchange.on(&Event::RequestBody { size });
            // Too large already, or more to come.
            if !matches!(step, Step::Hold) || !end_of_stream {
                return Ok(step);
            }
            request_end(exchange, nanoseconds, size)
        })
    }

    /// With trailers the body callback never says that the body is complete.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.callback(HeaderMap::Request, |exchange, nanoseconds| {
            let step = request_end(exchange, nanoseconds, usize::MAX >> 1)?;
            // Servers may merge trailers into headers, where nobody judged them.
            for (name, _) in read_headers(HeaderMap::RequestTrailers)? {
                remove_header(HeaderMap::RequestTrailers, &name)?;
            }
            Ok(step)
        })
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.callback(HeaderMap::Response, |exchange, _| {
            let headers = read_headers(HeaderMap::Response)?;
            Ok(exchange.on(&Event::ResponseHeaders { headers: &headers, end_of_stream }))
        })
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.body_wanted() {
            BodyWanted::Nothing => Action::Continue,
            BodyWanted::Pieces => self.callback(HeaderMap::Response, |exchange, _| {
                let piece = read_body(Body::Response, size)?;
                Ok(exchange.on(&Event::ResponsePiece { piece: &piece, end_of_stream }))
            }),
            BodyWanted::Whole => self.callback(HeaderMap::Response, |exchange, _| {
                let step = exchange.on(&Event::ResponseBody { size });
                if !matches!(step, Step::Hold) || !end_of_stream {
                    return Ok(step);
                }
                response_end(exchange, size)
            }),
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        match self.body_wanted() {
            BodyWanted::Nothing => Action::Continue,
            BodyWanted::Pieces => self.callback(HeaderMap::Response, |exchange, _| {
                Ok(exchange.on(&Event::ResponsePiece { piece: &[], end_of_stream: true }))
            }),
            BodyWanted::Whole => {
                self.callback(HeaderMap::Response, |exchange, _| response_end(exchange, usize::MAX >> 1))
            }
        }
    }
}

fn request_end(exchange: &mut Exchange, nanoseconds: u64, size: usize) -> Result<Step, HostError> {
    let body = read_body(Body::Request, size)?;
    let moment = Moment { nanoseconds, entropy: entropy()? };
    Ok(exchange.on(&Event::RequestEnd { body: &body, moment }))
}

fn response_end(exchange: &mut Exchange, size: usize) -> Result<Step, HostError> {
    let body = read_body(Body::Response, size)?;
    Ok(exchange.on(&Event::ResponseEnd { body: &body }))
}

/// Does what the guard says. A pause after a reply keeps what was held from going on.
fn apply(map: HeaderMap, step: Step) -> Result<Action, HostError> {
    match step {
        Step::Continue => Ok(Action::Continue),
        Step::Hold => Ok(Action::Pause),
        Step::Forward(forward) => edit(map, forward.edits()).map(|()| Action::Continue),
        Step::EditResponse(edits) => edit(map, &edits).map(|()| Action::Continue),
        Step::ReplaceBody { body, edits } => {
            replace_body(Body::Response, &body)?;
            edit(map, &edits).map(|()| Action::Continue)
        }
        Step::Reply(reply) => send_reply(&reply).map(|()| Action::Pause),
        Step::Reset => reset_response().map(|()| Action::Pause),
    }
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
