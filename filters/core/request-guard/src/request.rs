//! The request's way: who calls, what is asked, whether policy allows it, what goes on.

use std::net::IpAddr;
use std::rc::Rc;

use access_policy::{AuthorizedCall, Caller, Decision};
use access_tokens::{BearerToken, CallBinding, DownscopedToken, VerifiedToken};
use agent_messages::{AgentCall, MessageHeaders, Operation, Refusal};
use peer_identity::{PeerEvidence, PeerIdentity, TlsPeer};

use crate::audit::{Count, Minted, Outcome};
use crate::event::{Connection, Header, Moment};
use crate::exchange::{Exchange, State};
use crate::guard::Downscope;
use crate::headers::Headers;
use crate::path::{Path, carries_token};
use crate::rejection::Rejection;
use crate::response::Expected;
use crate::server::host_of;
use crate::step::{Forward, HeaderEdit, Reply, Step};

/// Where our public keys are.
const KEYS: &str = "/.well-known/meshwarden/jwks.json";

/// A request of which everything is known but what it asks.
pub(crate) struct Identified {
    pub(crate) caller: Identity,
    message: MessageHeaders,
    /// What must not go on as the client sent it.
    strip: Vec<Vec<u8>>,
}

/// Who calls which server from where.
pub(crate) struct Identity {
    /// Index of the server.
    pub(crate) server: usize,
    pub(crate) peer: Option<Rc<PeerIdentity>>,
    pub(crate) token: Option<Rc<VerifiedToken>>,
    pub(crate) address: Option<IpAddr>,
    /// Unix seconds.
    pub(crate) now: u64,
}

/// What the headers alone lead to.
enum Heard {
    /// A public document.
    Document(String),
    /// A caller that may be answered.
    Request(Box<Identified>),
}

// === impl Identity ===

impl Identity {
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { token: self.token.as_deref(), actor: self.peer.as_deref(), now: self.now, source_ip: self.address }
    }
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn request_headers(
        &mut self,
        headers: &[Header],
        connection: &Connection<'_>,
        end_of_stream: bool,
        moment: &Moment,
    ) -> Step {
        let headers = Headers::new(headers);
        self.facts.begin(moment, headers.first("x-request-id"));
        match self.hear(&headers, connection, moment) {
            Err(rejection) => self.reject(rejection),
            Ok(Heard::Document(document)) => Step::Reply(Reply::document(document)),
            Ok(Heard::Request(request)) if end_of_stream => self.request_end(*request, &[], moment),
            Ok(Heard::Request(request)) => {
                self.state = State::AwaitingBody(request);
                Step::Hold
            }
        }
    }

    pub(crate) fn request_body(&mut self, request: Box<Identified>, size: usize) -> Step {
        let limit = self.guard.limits.max_body_bytes;
        if size > limit {
            return self.reject(Rejection::BodyTooLarge { limit });
        }
        self.state = State::AwaitingBody(request);
        Step::Hold
    }

    pub(crate) fn request_end(&mut self, request: Identified, body: &[u8], moment: &Moment) -> Step {
        let limit = self.guard.limits.max_body_bytes;
        if body.len() > limit {
            return self.reject(Rejection::BodyTooLarge { limit });
        }
        match AgentCall::parse(&request.message, body, &self.guard.limits) {
            Ok(call) => self.judge(request, call, moment),
            Err(Refusal { id, error }) => {
                self.facts.id = id;
                self.reject(Rejection::Message(error))
            }
        }
    }

    /// Everything that the headers decide, in the order in which the checks must come.
    fn hear(
        &mut self,
        headers: &Headers<'_>,
        connection: &Connection<'_>,
        moment: &Moment,
    ) -> Result<Heard, Rejection> {
        let guard = Rc::clone(&self.guard);
        let host = headers.first(":authority").and_then(host_of).ok_or(Rejection::UnknownServer)?;
        let (path, query) = headers.first(":path").and_then(Path::parse).ok_or(Rejection::AmbiguousPath)?;
        if let Some(document) = self.document(headers, &host, path) {
            return Ok(Heard::Document(document));
        }
        let server = guard.server_for(&host, path).ok_or(Rejection::UnknownServer)?;
        let known = guard.servers.get(server).ok_or(Rejection::UnknownServer)?;
        self.facts.server = Some(server);
        self.facts.server_name = Some(known.name.clone());
        if carries_token(query) {
            return Err(Rejection::TokenInQuery);
        }
        let peer = self.peer(headers, connection)?;
        self.facts.peer.clone_from(&peer);
        let now = moment.seconds();
        let token = self.token(headers, &known.audience, now)?;
        self.facts.token.clone_from(&token);
        if let Some(token) = &token {
            sender_constraint(token, peer.as_deref(), connection)?;
        }
        let message = MessageHeaders::read(known.protocol, headers.iter()).map_err(Rejection::Message)?;
        if message.content_length().is_some_and(|length| length > guard.limits.max_body_bytes) {
            return Err(Rejection::BodyTooLarge { limit: guard.limits.max_body_bytes });
        }
        Ok(Heard::Request(Box::new(Identified {
            caller: Identity { server, peer, token, address: connection.address, now },
            message,
            strip: headers.owned_by_us(matches!(guard.downscope, Downscope::ForwardClientToken)),
        })))
    }

    /// Public documents, readable without any credentials (RFC 9728 section 3).
    fn document(&self, headers: &Headers<'_>, host: &str, path: Path<'_>) -> Option<String> {
        if headers.first(":method") != Some(b"GET") {
            return None;
        }
        let here = || self.guard.servers.iter().filter(|server| server.serves_host(host));
        match &self.guard.downscope {
            Downscope::Mint(mint) if path.as_str() == KEYS && here().next().is_some() => {
                Some(mint.public_jwks().to_owned())
            }
            _ => here().find_map(|server| server.metadata_at(path)).map(str::to_owned),
        }
    }

    fn peer(&self, headers: &Headers<'_>, connection: &Connection<'_>) -> Result<Option<Rc<PeerIdentity>>, Rejection> {
        let xfcc = headers.only("x-forwarded-client-cert").map_err(|()| Rejection::RepeatedHeader)?;
        let evidence = PeerEvidence {
            tls: TlsPeer { mtls: connection.mtls, uri_san: connection.uri_san },
            waypoint_principal: connection.waypoint_principal,
            xfcc,
        };
        match PeerIdentity::resolve(&evidence, &self.guard.sources, &self.guard.trust_domains) {
            Ok(peer) => Ok(Some(Rc::new(peer))),
            // What was shown and is wrong is refused even where nothing need be shown.
            Err(error) if error.is_absent() && !self.guard.identity_required => Ok(None),
            Err(error) => Err(Rejection::Peer(error)),
        }
    }

    fn token(
        &mut self,
        headers: &Headers<'_>,
        audience: &str,
        now: u64,
    ) -> Result<Option<Rc<VerifiedToken>>, Rejection> {
        let guard = Rc::clone(&self.guard);
        let values: Vec<&[u8]> = headers.all("authorization").collect();
        let token = BearerToken::from_authorization(&values, guard.max_token_bytes).map_err(Rejection::Token)?;
        match token {
            None if guard.tokens_required => Err(Rejection::NoToken),
            None => Ok(None),
            Some(token) => {
                let verified = guard.verifier.verify(&token, audience, now).map_err(Rejection::Token)?;
                self.count(if verified.from_cache { Count::TokenCacheHit } else { Count::TokenCacheMiss });
                Ok(Some(verified.token))
            }
        }
    }

    fn judge(&mut self, request: Identified, call: AgentCall, moment: &Moment) -> Step {
        let guard = Rc::clone(&self.guard);
        self.facts.ask(&call, &guard.audit);
        let Some(server) = guard.servers.get(request.caller.server) else {
            return self.reject(Rejection::UnknownServer);
        };
        match guard.policies.decide(&request.caller.caller(), &server.name, call) {
            Decision::Allow(call) => match self.forward(request, &call, moment) {
                Ok(step) => step,
                Err(rejection) => self.reject(rejection),
            },
            Decision::Deny(denial) => {
                let hidden = guard.hide_denied;
                self.reject(Rejection::of(denial, hidden))
            }
        }
    }

    fn forward(&mut self, request: Identified, call: &AuthorizedCall, moment: &Moment) -> Result<Step, Rejection> {
        let guard = Rc::clone(&self.guard);
        let mut edits: Vec<HeaderEdit> = request.strip.into_iter().map(HeaderEdit::Remove).collect();
        let mut record = self.facts.record(Outcome::Allow, guard.policies.digest(), &guard.audit);
        record.policies = call.policies().to_vec();
        record.reason = self.reasons(&record.policies);
        if let (Downscope::Mint(mint), Some(subject)) = (&guard.downscope, &request.caller.token) {
            let server = guard.servers.get(request.caller.server).ok_or(Rejection::UnknownServer)?;
            let grant = call.grant();
            let binding = CallBinding {
                audience: grant.audience.as_deref().unwrap_or(&server.audience),
                protocol: server.protocol.as_str(),
                server: &server.name,
                method: call.call().method(),
                tool: tool_of(call.call()),
                arguments_sha256: self.facts.asked.as_ref().and_then(|asked| asked.arguments_sha256),
                actor: request.caller.peer.as_ref().map(|peer| peer.id().as_str()),
                scopes: grant.scopes.as_ref(),
                ttl_seconds: grant.ttl_seconds,
            };
            let token = DownscopedToken::mint(mint, subject, &binding, moment.seconds(), moment.entropy)
                .map_err(Rejection::Mint)?;
            edits.push(HeaderEdit::Set("authorization", format!("Bearer {}", token.as_str())));
            record.minted = Some(Minted {
                jti: token.jti().to_owned(),
                scope: token.scope().to_owned(),
                ttl_seconds: token.ttl_seconds(),
            });
        }
        self.decided(record);
        self.state = State::Forwarded(Box::new(Expected::of(call.call(), request.caller)));
        Ok(Step::Forward(Forward::new(call, edits)))
    }
}

/// A token that names its bearer's certificate or actor is good in that bearer's hands only
/// (RFC 8705 section 3; RFC 8693 section 4.1).
fn sender_constraint(
    token: &VerifiedToken,
    peer: Option<&PeerIdentity>,
    connection: &Connection<'_>,
) -> Result<(), Rejection> {
    if token.unsupported_confirmation() {
        return Err(Rejection::UnprovenConfirmation);
    }
    if let Some(thumbprint) = token.certificate_thumbprint() {
        let presented = connection.certificate_sha256.filter(|_| connection.mtls);
        if presented != Some(crate::facts::hex(thumbprint).as_bytes()) {
            return Err(Rejection::OtherCertificate);
        }
    }
    match token.actor() {
        Some(actor) if peer.is_none_or(|peer| peer.id().as_str() != actor) => Err(Rejection::OtherActor),
        _ => Ok(()),
    }
}

fn tool_of(call: &AgentCall) -> Option<&str> {
    match call.operation() {
        Operation::CallTool { name, .. } => Some(name),
        Operation::Connect
        | Operation::GetPrompt { .. }
        | Operation::ReadResource { .. }
        | Operation::SubscribeResource { .. }
        | Operation::SendMessage { .. }
        | Operation::Task { .. }
        | Operation::PushNotification { .. }
        | Operation::AgentCard { .. } => None,
    }
}

#[cfg(test)]
mod tests;
