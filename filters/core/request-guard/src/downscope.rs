//! What goes on in place of the caller's token.

use std::rc::Rc;

use access_tokens::{CallBinding, DownscopedToken, ExchangeAsk, Mint, VerifiedToken};

use crate::audit::{Exchanged, Minted};
use crate::event::Moment;
use crate::headers::Headers;
use crate::host::{Answered, CallOut, Taken};
use crate::journal::Journal;
use crate::rejection::Rejection;
use crate::step::HeaderEdit;
use crate::token_exchange::Exchanger;

/// What happens to the caller's token.
pub(crate) enum Downscope {
    /// A smaller one of our own goes on in its place.
    Mint(Rc<Mint>),
    /// One that an authorization server gives for it goes on in its place.
    Exchange(Box<Exchanger>),
    /// Nothing goes on in its place.
    Remove,
    /// It goes on. MCP forbids that; an operator has to say the word "danger".
    ForwardClientToken,
}

/// What a smaller token is wanted for.
pub(crate) struct Wanted<'a> {
    /// The caller's token.
    pub(crate) subject: Option<&'a VerifiedToken>,
    /// Its text, where it is still at hand.
    pub(crate) presented: Option<&'a str>,
    /// The server's own resource identifier.
    pub(crate) server_audience: &'a str,
    /// For whom the token has to be, where it is granted for somebody else.
    pub(crate) audience: Option<&'a str>,
    pub(crate) binding: CallBinding<'a>,
}

/// Where our public keys are.
pub(crate) const KEYS: &str = "/.well-known/meshwarden/jwks.json";

// === impl Downscope ===

impl Downscope {
    pub(crate) fn forwards_client_token(&self) -> bool {
        matches!(self, Self::ForwardClientToken)
    }

    /// Whether the text of the caller's token has to be at hand when it is replaced.
    pub(crate) fn sends_callers_token(&self) -> bool {
        matches!(self, Self::Exchange(exchanger) if exchanger.exchange.sends_callers_token())
    }

    /// That text, where it has to be.
    pub(crate) fn presented(&self, headers: &Headers<'_>) -> Option<String> {
        headers.token().filter(|_| self.sends_callers_token()).map(str::to_owned)
    }

    /// Our public keys, when `path` asks for them.
    pub(crate) fn keys_at(&self, path: &str) -> Option<&str> {
        self.mint().filter(|_| path == KEYS).map(|mint| mint.public_jwks())
    }

    /// What signs tokens of our own, where any are made.
    pub(crate) fn mint(&self) -> Option<&Rc<Mint>> {
        match self {
            Self::Mint(mint) => Some(mint),
            Self::Exchange(exchanger) => exchanger.mint.as_ref(),
            Self::Remove | Self::ForwardClientToken => None,
        }
    }

    /// Whether others are asked for tokens, ever.
    pub(crate) fn calls_out(&self) -> bool {
        matches!(self, Self::Exchange(_))
    }

    /// What is to be asked of others now.
    pub(crate) fn due(&self) -> Vec<CallOut> {
        match self {
            Self::Exchange(exchanger) => exchanger.due(),
            Self::Mint(_) | Self::Remove | Self::ForwardClientToken => Vec::new(),
        }
    }

    /// Takes the answer for a flight.
    pub(crate) fn answered(&self, flight: u64, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        match self {
            Self::Exchange(exchanger) => exchanger.answered(flight, answer, now),
            Self::Mint(_) | Self::Remove | Self::ForwardClientToken => None,
        }
    }

    /// The header with the smaller token; nothing where none is made. What can be said of the token is written down.
    pub(crate) fn replacement(
        &self,
        journal: &mut Journal,
        wanted: &Wanted<'_>,
        moment: &Moment,
    ) -> Result<Option<HeaderEdit>, Rejection> {
        let Some(subject) = wanted.subject else { return Ok(None) };
        let (now, binding) = (moment.seconds(), &wanted.binding);
        let bearer = |text: &str| Some(HeaderEdit::Set("authorization", format!("Bearer {text}")));
        match self {
            Self::Remove | Self::ForwardClientToken => Ok(None),
            Self::Mint(mint) => {
                let token = DownscopedToken::mint(mint, subject, binding, now, moment.entropy);
                let token = token.map_err(Rejection::Mint)?;
                let (jti, scope) = (token.jti().to_owned(), token.scope().to_owned());
                journal.facts.minted = Some(Minted { jti, scope, ttl_seconds: token.ttl_seconds() });
                Ok(bearer(token.as_str()))
            }
            Self::Exchange(exchanger) => {
                let ask = ExchangeAsk {
                    subject,
                    subject_token: wanted.presented,
                    actor: binding.actor,
                    server: binding.server,
                    protocol: binding.protocol,
                    server_audience: wanted.server_audience,
                    audience: wanted.audience,
                    scopes: binding.scopes,
                    ttl_seconds: binding.ttl_seconds,
                };
                let token = exchanger.token(journal, &ask, moment)?;
                let scope = token.scope().to_owned();
                journal.facts.exchanged = Some(Exchanged { scope, ttl_seconds: token.ttl_seconds(now) });
                Ok(bearer(token.as_str()))
            }
        }
    }
}
