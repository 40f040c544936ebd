//! Events in any order: nothing goes on that is not allowed, and nothing after an end.

use request_guard::{BodyWanted, Connection, Event, Header, Moment, Outcome, Step, Stream};

use crate::client::{events, listed};
use crate::reading::{Reading, Tree};
use crate::world::{ALICE, NOW, PEER, World};

/// What happens to a stream, a line each: the world, and then events. A letter says which, the rest of the line is
/// what comes with it (`^` is a line feed there).
///
/// # Panics
/// A request goes on that is not allowed, or twice, or after a refusal; an answer goes on after its end, or lists what
/// the caller may not call.
pub fn order(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let world = World::of(lines.next().and_then(|line| line.first().copied()).unwrap_or_default());
    let Some(stream) = world.stream() else { return };
    let mut watch = Watch::of(world, stream);
    for line in lines.take(40) {
        if let [kind, text @ ..] = line {
            watch.happens(*kind, text);
        }
    }
    watch.nothing_leaked();
}

/// What a host would have done so far.
struct Watch {
    world: World,
    stream: Box<dyn Stream>,
    /// Both the token and the certificate are good.
    known: bool,
    /// The verb, of a request that has come.
    verb: Vec<u8>,
    released: bool,
    forwarded: bool,
    /// The request has got its answer from us.
    refused: bool,
    /// So has the answer.
    ended: bool,
    outcome: Option<Outcome>,
    /// What was asked is a list.
    lists: bool,
    /// Bytes of the answer that went on, in pieces and as a whole.
    streamed: Vec<u8>,
    shown: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

// === impl Watch ===

impl Watch {
    fn of(world: World, stream: Box<dyn Stream>) -> Self {
        Self {
            world,
            stream,
            known: false,
            verb: Vec::new(),
            released: false,
            forwarded: false,
            refused: false,
            ended: false,
            outcome: None,
            lists: false,
            streamed: Vec::new(),
            shown: Vec::new(),
        }
    }

    fn happens(&mut self, kind: u8, text: &[u8]) {
        let text: Vec<u8> = text.iter().map(|&byte| if byte == b'^' { b'\n' } else { byte }).collect();
        let size = text.iter().fold(0, |size, &digit| (size * 10 + usize::from(digit % 10)) % 10_000);
        let moment = Moment { nanoseconds: NOW * 1_000_000_000, entropy: [7; 16] };
        match kind {
            b'h' | b'H' | b'n' => {
                let headers = request_headers(&text);
                let stranger = kind == b'n';
                let certified = Connection { mtls: true, uri_san: Some(PEER), ..Connection::default() };
                let connection = if stranger { Connection::default() } else { certified };
                let bearer = [b"Bearer ", ALICE.trim().as_bytes()].concat();
                let tokens: Vec<_> = headers.iter().filter(|(name, _)| name == b"authorization").collect();
                self.known =
                    !stranger && tokens.len() == 1 && tokens.iter().all(|(_, value)| value.trim_ascii() == bearer);
                self.verb =
                    headers.iter().filter(|(name, _)| name == b":method").flat_map(|(_, verb)| verb.clone()).collect();
                let end_of_stream = kind == b'H';
                let event = Event::RequestHeaders { headers: &headers, connection: &connection, end_of_stream, moment };
                self.comes(Way::Request, &event, if end_of_stream { Some(b"") } else { None });
            }
            b'b' => self.comes(Way::Request, &Event::RequestBody { size }, None),
            b'e' => self.comes(Way::Request, &Event::RequestEnd { body: &text, moment }, Some(&text)),
            b'r' | b'R' => {
                let headers = pairs(&text);
                let event = Event::ResponseHeaders { headers: &headers, end_of_stream: kind == b'R' };
                self.comes(Way::Answer, &event, None);
            }
            b's' => self.comes(Way::Answer, &Event::ResponseBody { size }, None),
            b'p' | b'P' => {
                let event = Event::ResponsePiece { piece: &text, end_of_stream: kind == b'P' };
                self.comes(Way::Answer, &event, Some(&text));
            }
            b'a' => self.comes(Way::Answer, &Event::ResponseEnd { body: &text }, Some(&text)),
            _ => {}
        }
    }

    /// `body` is what is complete with the event: of a request all of it, of an answer this piece.
    fn comes(&mut self, way: Way, event: &Event<'_>, body: Option<&[u8]>) {
        let wanted = self.stream.body_wanted();
        let step = self.stream.on(event);
        if let Some(record) = self.stream.take_record() {
            self.outcome = Some(record.outcome());
        }
        let counts = self.stream.take_counts();
        assert!(counts.len() < 100, "{} counts for one event", counts.len());
        match way {
            Way::Request => self.of_request(&step, matches!(event, Event::RequestHeaders { .. }), body),
            Way::Answer => self.of_answer(&step, event, wanted, body.unwrap_or_default()),
        }
    }

    fn of_request(&mut self, step: &Step, head: bool, body: Option<&[u8]>) {
        match step {
            Step::Hold => {}
            Step::Reply(reply) => {
                // A second head is a fault of the host; there is no better answer to it.
                assert!(!self.refused && !self.ended || head, "two replies");
                let public = reply.status == 200 && !self.forwarded;
                assert!(public || reply.status >= 400, "a refusal with {}", reply.status);
                self.refused = true;
            }
            Step::EditRequest(_) => {
                assert!(self.world == World::Unheld && !self.released, "headers go on by themselves");
                self.goes_on();
                self.released = true;
            }
            Step::Forward(_) => {
                self.goes_on();
                assert!(body.is_some(), "it goes on before it is complete");
                assert_eq!(self.outcome, Some(Outcome::Allow), "it goes on without a decision");
                self.is_allowed(body.unwrap_or_default());
                self.forwarded = true;
            }
            other => unexpected(other),
        }
    }

    fn goes_on(&self) {
        assert!(!self.forwarded && !self.refused && !self.ended, "it goes on a second time, or after its end");
        assert!(self.known, "it goes on although nobody knows who calls");
    }

    /// What the upstream would execute.
    fn is_allowed(&mut self, body: &[u8]) {
        let Some(tree) = Tree::parse(body).filter(|_| self.verb == b"POST") else {
            assert!(body.is_empty() && (self.verb == b"GET" || self.verb == b"DELETE"), "a body that is no message");
            assert!(self.world != World::Agent, "nobody may see the card");
            return;
        };
        let text = |path: &[&str]| Reading::Last.at(&tree, path).and_then(Tree::text);
        match text(&["method"]) {
            None => assert!(self.world != World::Agent, "no method"),
            Some("tools/call") => assert_eq!(text(&["params", "name"]), Some("seen")),
            Some("tasks/get" | "GetTask") => assert_eq!(text(&["params", "id"]), Some("T-1")),
            Some("message/send" | "message/stream" | "SendMessage" | "SendStreamingMessage") => {
                assert_eq!(self.world, World::Agent);
            }
            Some(method) => {
                let talk = ["initialize", "ping", "logging/setLevel", "server/discover", "subscriptions/listen"]
                    .contains(&method)
                    || method.starts_with("notifications/")
                    || method.ends_with("/list");
                assert!(talk && self.world != World::Agent, "{method} is not allowed");
                self.lists = method.ends_with("/list");
            }
        }
    }

    fn of_answer(&mut self, step: &Step, event: &Event<'_>, wanted: BodyWanted, body: &[u8]) {
        let (piece, whole) = (matches!(event, Event::ResponsePiece { .. }), matches!(event, Event::ResponseEnd { .. }));
        let passed = match step {
            Step::Hold => return,
            Step::Reply(_) | Step::Reset => {
                assert!(!self.ended, "two ends");
                self.ended = true;
                return;
            }
            Step::Continue => body,
            Step::EditResponse(_) => &[],
            Step::ReplaceBody { body, .. } => body.as_slice(),
            other => return unexpected(other),
        };
        assert!(!self.ended, "the answer goes on after its end");
        if !matches!(step, Step::Continue) {
            assert!(self.forwarded, "an answer to nothing is changed");
        }
        // A host hands over nothing else.
        if piece && wanted == BodyWanted::Pieces {
            self.streamed.extend_from_slice(passed);
        } else if whole && wanted == BodyWanted::Whole {
            self.shown.extend_from_slice(passed);
        }
    }

    fn nothing_leaked(&self) {
        let mut items: Vec<String> = events(&self.streamed).iter().flat_map(|event| listed(event)).collect();
        if self.lists {
            items.extend(listed(&self.shown));
        }
        assert!(items.iter().all(|item| item == "seen"), "the caller sees {items:?}");
    }
}

#[track_caller]
fn unexpected(step: &Step) {
    assert!(matches!(step, Step::Hold), "this leads to {step:?}");
}

/// Those of a good request; a name that is given takes the place of the good one.
fn request_headers(text: &[u8]) -> Vec<Header> {
    let others = pairs(text);
    let bearer = format!("Bearer {}", ALICE.trim());
    let good = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "hr.mcp.acme.example"),
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let kept = good.into_iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name.as_bytes()));
    kept.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).chain(others.clone()).collect()
}

/// `name=value|name=value`
fn pairs(text: &[u8]) -> Vec<Header> {
    let pair = |pair: &[u8]| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        Some((pair.get(..at)?.to_ascii_lowercase(), pair.get(at + 1..)?.to_vec()))
    };
    text.split(|&byte| byte == b'|').filter_map(pair).collect()
}
