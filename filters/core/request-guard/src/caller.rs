//! Who calls: the checks of workload and user, and what both together are.

use std::net::IpAddr;
use std::rc::Rc;

use access_policy::Caller;
use access_tokens::{BearerToken, ClaimsVerifier, Scheme, TokenError, TokenVerifier, VerifiedToken};
use peer_identity::{PeerEvidence, PeerIdentity, Source, SpiffeId, TlsPeer, TrustDomain};

use crate::audit::Count;
use crate::event::Connection;
use crate::facts::hex;
use crate::headers::Headers;
use crate::host::{Answered, CallOut, Purpose, Taken};
use crate::journal::Journal;
use crate::key_sets::KeySets;
use crate::possession::PossessionCheck;
use crate::rejection::Rejection;
use crate::server::Server;
use crate::svid::SvidCheck;

/// Who calls from where.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) peer: Option<Rc<PeerIdentity>>,
    pub(crate) token: Option<Rc<VerifiedToken>>,
    pub(crate) address: Option<IpAddr>,
    /// Unix seconds.
    pub(crate) now: u64,
}

/// Which workloads may call.
pub(crate) struct IdentityCheck {
    pub(crate) sources: Vec<Source>,
    pub(crate) trust_domains: Vec<TrustDomain>,
    pub(crate) required: bool,
    pub(crate) svid: Option<SvidCheck>,
}

/// Which users' tokens are accepted.
pub(crate) struct TokenCheck {
    pub(crate) verifier: TokenVerifier,
    /// Of each issuer.
    pub(crate) keys: KeySets,
    /// Where callers may prove that they have the key of a token.
    pub(crate) possession: Option<PossessionCheck>,
    pub(crate) required: bool,
    pub(crate) max_bytes: usize,
}

/// Which claims of Envoy's own `jwt_authn` are accepted.
pub(crate) struct ProxyTokenCheck {
    pub(crate) verifier: ClaimsVerifier,
    /// Under which name the claims are.
    pub(crate) payload: String,
    pub(crate) required: bool,
}

// === impl Identity ===

impl Identity {
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { token: self.token.as_deref(), actor: self.peer.as_deref(), now: self.now, source_ip: self.address }
    }
}

// === impl IdentityCheck ===

impl IdentityCheck {
    pub(crate) fn peer(
        &self,
        headers: &Headers<'_>,
        connection: &Connection<'_>,
        now: u64,
    ) -> Result<Option<Rc<PeerIdentity>>, Rejection> {
        let svid = self.svid.as_ref().map(|check| check.shown(headers, now)).transpose()?.flatten();
        let xfcc = headers.only("x-forwarded-client-cert").map_err(|()| Rejection::RepeatedHeader)?;
        let evidence = PeerEvidence {
            tls: TlsPeer { mtls: connection.mtls, uri_san: connection.uri_san },
            waypoint_principal: connection.waypoint_principal,
            xfcc,
            jwt_svid: svid.as_ref().map(|svid| svid.subject().as_bytes()),
        };
        match PeerIdentity::resolve(&evidence, &self.sources, &self.trust_domains) {
            Ok(peer) => Ok(Some(Rc::new(peer))),
            // What was shown and is wrong is refused even where nothing need be shown.
            Err(error) if error.is_absent() && !self.required => Ok(None),
            Err(error) => Err(Rejection::Peer(error)),
        }
    }

    /// Whether any keys are fetched.
    pub(crate) fn calls_out(&self) -> bool {
        self.svid.as_ref().is_some_and(SvidCheck::calls_out)
    }

    /// The bundles to fetch now (Unix seconds).
    pub(crate) fn due(&self, now: u64) -> Vec<CallOut> {
        self.svid.as_ref().map(|check| check.due(now)).unwrap_or_default()
    }

    /// Takes a bundle.
    pub(crate) fn answered(&self, purpose: Purpose, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        match (purpose, &self.svid) {
            (Purpose::BundleKeys(bundle), Some(check)) => Some(check.answered(bundle, answer, now)),
            _ => None,
        }
    }

    /// The headers, as received, that are for nobody behind this filter.
    pub(crate) fn shown_here(&self, headers: &Headers<'_>) -> Vec<Vec<u8>> {
        self.svid.as_ref().map(|check| headers.called(&check.header)).unwrap_or_default()
    }
}

// === impl TokenCheck ===

impl TokenCheck {
    /// The token, good for `server` now and in this peer's hands.
    pub(crate) fn token(
        &self,
        journal: &mut Journal,
        headers: &Headers<'_>,
        connection: &Connection<'_>,
        peer: Option<&PeerIdentity>,
        server: &Server,
        now: u64,
    ) -> Result<Option<Rc<VerifiedToken>>, Rejection> {
        let values: Vec<&[u8]> = headers.all("authorization").collect();
        let presented = BearerToken::from_authorization(&values, self.max_bytes);
        let shown = presented.as_ref().ok().and_then(Option::as_ref);
        journal.facts.dpop = self.possession.as_ref().map(|possession| possession.challenge(shown));
        let Some(token) = presented.map_err(Rejection::Token)? else {
            return if self.required && !server.shows_card(headers) { Err(Rejection::NoToken) } else { Ok(None) };
        };
        if token.scheme() == Scheme::Dpop && self.possession.is_none() {
            return Err(Rejection::Token(TokenError::Scheme));
        }
        let verified = self.verifier.verify(&token, &server.audience, now).map_err(Rejection::of_token)?;
        journal.count(if verified.from_cache { Count::TokenCacheHit } else { Count::TokenCacheMiss });
        journal.facts.token = Some(Rc::clone(&verified.token));
        match &server.presenters {
            None => sender_constraint(&verified.token, peer, connection)?,
            Some(presenters) => recipient_constraint(&verified.token, peer, connection, presenters)?,
        }
        match &self.possession {
            None => unbound(&verified.token)?,
            Some(possession) => possession.check(journal, headers, server, &token, &verified.token, now)?,
        }
        Ok(Some(verified.token))
    }

    /// Whether any keys are fetched.
    pub(crate) fn calls_out(&self) -> bool {
        self.keys.are_fetched()
    }

    /// The key sets to fetch now (Unix seconds).
    pub(crate) fn due(&self, now: u64) -> Vec<CallOut> {
        self.keys.calls(self.verifier.due(now))
    }

    /// Takes the key set of an issuer.
    pub(crate) fn answered(&self, issuer: usize, answer: Option<&Answered>, now: u64) -> Taken {
        self.keys.answered(issuer, answer, |set| self.verifier.fetched(issuer, set, now))
    }
}

// === impl ProxyTokenCheck ===

impl ProxyTokenCheck {
    /// The token whose claims the proxy has left, good for `server` now and in this peer's hands.
    pub(crate) fn token(
        &self,
        journal: &mut Journal,
        headers: &Headers<'_>,
        connection: &Connection<'_>,
        peer: Option<&PeerIdentity>,
        server: &Server,
        now: u64,
    ) -> Result<Option<Rc<VerifiedToken>>, Rejection> {
        let Some(claims) = connection.claims else {
            return if self.required && !server.shows_card(headers) { Err(Rejection::NoToken) } else { Ok(None) };
        };
        let token = self.verifier.verify(claims, &server.audience, now).map_err(Rejection::Token)?;
        journal.facts.token = Some(Rc::clone(&token));
        sender_constraint(&token, peer, connection)?;
        // The token that a proof has to be for is not here.
        unbound(&token)?;
        Ok(Some(token))
    }
}

/// A token that names its bearer's certificate or actor is good in that bearer's hands only
/// (RFC 8705 section 3; RFC 8693 section 4.1).
fn sender_constraint(
    token: &VerifiedToken,
    peer: Option<&PeerIdentity>,
    connection: &Connection<'_>,
) -> Result<(), Rejection> {
    confirmation(token, connection)?;
    match token.actor() {
        Some(actor) if peer.is_none_or(|peer| peer.id().as_str() != actor) => Err(Rejection::OtherActor),
        _ => Ok(()),
    }
}

/// A token that a server was called with names the caller as its actor; what the server asks for in turn, it asks for
/// as the recipient (RFC 8693 section 1.1). Nobody else may: not the actor, and not who has the token from elsewhere.
fn recipient_constraint(
    token: &VerifiedToken,
    peer: Option<&PeerIdentity>,
    connection: &Connection<'_>,
    recipients: &[SpiffeId],
) -> Result<(), Rejection> {
    confirmation(token, connection)?;
    match peer {
        Some(peer) if recipients.contains(peer.id()) => Ok(()),
        _ => Err(Rejection::NotTheRecipient),
    }
}

/// The token is not bound to a key, where nobody can prove to have it.
fn unbound(token: &VerifiedToken) -> Result<(), Rejection> {
    match token.key_thumbprint() {
        None => Ok(()),
        Some(_) => Err(Rejection::UnprovenConfirmation),
    }
}

fn confirmation(token: &VerifiedToken, connection: &Connection<'_>) -> Result<(), Rejection> {
    if token.unsupported_confirmation() {
        return Err(Rejection::UnprovenConfirmation);
    }
    if let Some(thumbprint) = token.certificate_thumbprint() {
        let presented = connection.certificate_sha256.filter(|_| connection.mtls);
        if presented != Some(hex(thumbprint).as_bytes()) {
            return Err(Rejection::OtherCertificate);
        }
    }
    Ok(())
}
