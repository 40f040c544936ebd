//! A token in exchange for the caller's: asked of an authorization server, held to what was asked, and kept for a while
//! (RFC 8693, RFC 7523, draft-ietf-oauth-identity-assertion-authz-grant).
//!
//! No host in here: requests to token endpoints come out as headers and bodies, answers go in as statuses and bodies.

mod answer;
mod ask;
mod client;
mod error;
mod flights;
mod request;
mod token;
mod types;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use self::answer::{Expected, Issued};
pub use self::ask::ExchangeAsk;
use self::ask::Question;
pub use self::client::{ClientAuthentication, TokenEndpoint};
pub use self::error::{AnswerError, ExchangeError, ServerError};
use self::flights::Flights;
pub use self::flights::Ticket;
pub use self::request::{Asked, TokenRequest};
pub use self::token::ExchangedToken;
pub use self::types::{JWT_BEARER, TOKEN_EXCHANGE, TokenType};
use crate::mint::Mint;

/// What the operator configures.
#[derive(Debug)]
pub struct ExchangeConfig {
    /// Where the token for the upstream comes from.
    pub endpoint: TokenEndpoint,
    /// How it is asked for.
    pub grant: ExchangeGrant,
    /// Which token is given for it.
    pub subject: SubjectToken,
    /// Whether the workload that calls is named in a token of its own.
    pub actor_token: ActorToken,
    /// `audience` (RFC 8693 section 2.1), where policy names none.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), each an absolute URL, where policy names no audience. Without either, the server's own.
    pub resources: Vec<String>,
    /// The scopes that the server knows, where they are others than those of the caller's token: what is asked for at
    /// most.
    pub scopes: Option<BTreeSet<String>>,
    /// Whether the server calls a user by the name that the caller's issuer has for it.
    pub same_subject: bool,
    /// How long a token may be used again, in seconds.
    pub cache_seconds: u64,
}

/// How a token is asked for.
#[derive(Debug)]
pub enum ExchangeGrant {
    /// RFC 8693.
    TokenExchange {
        /// `requested_token_type`.
        requested: Option<TokenType>,
    },
    /// RFC 7523 section 2.1: the subject token is the assertion.
    JwtBearer,
    /// First an assertion from the identity provider, then with it a token
    /// (draft-ietf-oauth-identity-assertion-authz-grant).
    IdJag {
        /// Of the identity provider.
        endpoint: Box<TokenEndpoint>,
        /// The issuer identifier of the server that gives the token.
        audience: String,
    },
}

/// What is exchanged.
#[derive(Debug)]
pub enum SubjectToken {
    /// The caller's own token.
    Presented {
        /// `subject_token_type`.
        kind: TokenType,
    },
    /// A token that is made for the server, in the place of the caller's.
    Minted(Rc<Mint>),
}

/// Who acts.
#[derive(Debug)]
pub enum ActorToken {
    /// Nothing is said of it.
    None,
    /// A short JWT of the proxy's own names the workload.
    Minted(Rc<Mint>),
}

/// Exchanges tokens. What is asked is asked once, however many wait for it.
#[derive(Debug)]
pub struct TokenExchange {
    config: ExchangeConfig,
    flights: RefCell<Flights<Flight>>,
}

/// One question that is under way.
#[derive(Debug)]
struct Flight {
    /// What is to be sent, until it is.
    due: Option<TokenRequest>,
    leg: Leg,
    expected: Expected,
    /// `exp` of the subject token: nothing is kept for longer.
    subject_expires_at: u64,
    entropy: [u8; 16],
}

/// Which answer comes next.
#[derive(Debug)]
enum Leg {
    /// The assertion's, and what that is held to.
    Assertion(Expected),
    /// The token's.
    Token,
}

/// An answer to one of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Whose it is.
    pub from: Asked,
    /// What it led to.
    pub outcome: Result<Landed, ExchangeError>,
}

/// What an answer led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// There is a token.
    Token,
    /// There is an assertion, and the token is now to be asked for.
    Halfway,
}

/// What is kept is used no more when it has so little left, in seconds: it has to arrive while it is good.
const MARGIN_SECONDS: u64 = 10;

// === impl TokenExchange ===

impl TokenExchange {
    /// Prepares it.
    #[must_use]
    pub fn new(config: ExchangeConfig) -> Self {
        Self { config, flights: RefCell::new(Flights::new()) }
    }

    /// Whether the caller's own token is sent, so that it must be there.
    #[must_use]
    pub fn sends_callers_token(&self) -> bool {
        matches!(self.config.subject, SubjectToken::Presented { .. })
    }

    /// Whether anything of our own is sent.
    #[must_use]
    pub fn mints(&self) -> bool {
        !self.sends_callers_token() || matches!(self.config.actor_token, ActorToken::Minted(_))
    }

    /// The token for what is asked, at `now` (Unix seconds). `ticket` is what the same request got when it asked before:
    /// it is kept for it, whatever comes. `entropy` makes identifiers unique and must be fresh.
    ///
    /// # Errors
    /// There is none, or none yet.
    pub fn token(
        &self,
        ask: &ExchangeAsk<'_>,
        ticket: &mut Option<Ticket>,
        now: u64,
        entropy: [u8; 16],
    ) -> Result<Rc<ExchangedToken>, ExchangeError> {
        let question = Question::of(&self.config, ask)?;
        let key = question.key();
        let mut flights = self.flights.borrow_mut();
        if let Some(token) = flights.known(&key, ticket, now)? {
            return Ok(token);
        }
        let expired_at = ask.subject.expires_at();
        if expired_at <= now {
            return Err(ExchangeError::SubjectExpired { expired_at, now });
        }
        let flight = self.flight(&question, now, entropy)?;
        let begun = flights.begin(key, flight);
        let number = begun.flight();
        *ticket = Some(begun);
        Err(ExchangeError::Awaited(number))
    }

    /// What the host is to send now; each has to be answered by [`answered`](Self::answered).
    pub fn due(&self) -> Vec<(u64, TokenRequest)> {
        let mut flights = self.flights.borrow_mut();
        flights.running().filter_map(|(number, flight)| Some((number, flight.due.take()?))).collect()
    }

    /// Takes the answer for a flight: its status and body, or `None` when none came. Whoever waits for the flight is told
    /// what it led to. Nothing comes of an answer to what was never asked.
    pub fn answered(&self, number: u64, answer: Option<(u16, &[u8])>, now: u64) -> Option<Arrival> {
        let mut flights = self.flights.borrow_mut();
        let flight = flights.get(number)?;
        match &flight.leg {
            Leg::Assertion(expected) => {
                let assertion = answer::read(answer, expected, now).and_then(|assertion| {
                    let request = request::redeem(&self.config, &assertion, now, &flight.entropy)?;
                    Ok((assertion, request))
                });
                let outcome = match assertion {
                    Ok((assertion, request)) => {
                        flight.expected.narrow(&assertion);
                        flight.due = Some(request);
                        flight.leg = Leg::Token;
                        Ok(Landed::Halfway)
                    }
                    Err(error) => {
                        flights.land(number, Err(error.clone()), now);
                        Err(error)
                    }
                };
                Some(Arrival { from: Asked::IdentityProvider, outcome })
            }
            Leg::Token => {
                let token = answer::read(answer, &flight.expected, now).map(|token| {
                    let until = self.keeps_until(&token, flight.subject_expires_at, now);
                    (Rc::new(token), until)
                });
                let outcome = token.as_ref().map(|_| Landed::Token).map_err(ExchangeError::clone);
                flights.land(number, token, now);
                Some(Arrival { from: Asked::Server, outcome })
            }
        }
    }

    /// A token that does not say how long it lives is not kept.
    fn keeps_until(&self, token: &ExchangedToken, subject_expires_at: u64, now: u64) -> u64 {
        let good_until = token.expires_at.map_or(now, |at| at.saturating_sub(MARGIN_SECONDS));
        good_until.min(subject_expires_at).min(now.saturating_add(self.config.cache_seconds))
    }

    fn flight(&self, question: &Question<'_>, now: u64, entropy: [u8; 16]) -> Result<Flight, ExchangeError> {
        let (due, sent) = request::first(&self.config, question, now, &entropy)?;
        let subject = self.config.same_subject.then(|| question.subject.subject().to_owned());
        let expected = Expected {
            issued: match self.config.grant {
                ExchangeGrant::TokenExchange { requested } => Issued::AccessToken { requested },
                ExchangeGrant::JwtBearer | ExchangeGrant::IdJag { .. } => Issued::Bearer,
            },
            scopes: question.scopes.clone(),
            targets: question.targets().map(str::to_owned).collect(),
            resources: None,
            subject,
            sent: [sent, *question.subject.fingerprint()],
            ttl_seconds: question.ttl_seconds,
        };
        let leg = match &self.config.grant {
            ExchangeGrant::TokenExchange { .. } | ExchangeGrant::JwtBearer => Leg::Token,
            ExchangeGrant::IdJag { audience, .. } => Leg::Assertion(Expected {
                issued: Issued::IdJag,
                targets: BTreeSet::from([audience.clone()]),
                resources: Some(question.resources.iter().map(|&resource| resource.to_owned()).collect()),
                // It is redeemed at once; how long the token lives is another matter.
                ttl_seconds: None,
                ..expected.clone()
            }),
        };
        let subject_expires_at = question.subject.expires_at();
        Ok(Flight { due: Some(due), leg, expected, subject_expires_at, entropy })
    }
}

#[cfg(test)]
mod tests;
