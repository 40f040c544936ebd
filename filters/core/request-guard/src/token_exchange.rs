//! Tokens in exchange for the caller's: the authorization servers that are asked, and the tokens that come of it.

use std::rc::Rc;

use access_tokens::{Asked, ExchangeAsk, ExchangeError, ExchangedToken, Landed, Mint, TokenExchange};

use crate::audit::Count;
use crate::event::Moment;
use crate::host::{Answered, Awaited, CallOut, Endpoint, Purpose, Taken};
use crate::journal::Journal;
use crate::rejection::Rejection;

/// Whom to ask, and what for.
pub(crate) struct Exchanger {
    pub(crate) exchange: TokenExchange,
    /// Where the token for the upstream comes from.
    pub(crate) server: Endpoint,
    /// Where the assertion for that server comes from.
    pub(crate) identity_provider: Option<Endpoint>,
    /// Signs what is sent there of our own.
    pub(crate) mint: Option<Rc<Mint>>,
}

// === impl Exchanger ===

impl Exchanger {
    /// The token, if it is there.
    ///
    /// # Errors
    /// The stream has to wait, or there will be none.
    pub(crate) fn token(
        &self,
        journal: &mut Journal,
        ask: &ExchangeAsk<'_>,
        moment: &Moment,
    ) -> Result<Rc<ExchangedToken>, Rejection> {
        self.exchange.token(ask, &mut journal.ticket, moment.seconds(), moment.entropy).map_err(|error| match error {
            ExchangeError::Awaited(flight) => Rejection::Awaited(Awaited::Exchange(flight)),
            error => Rejection::Exchange(error),
        })
    }

    /// What is to be asked now.
    pub(crate) fn due(&self) -> Vec<CallOut> {
        let call = |(flight, request): (u64, access_tokens::TokenRequest)| {
            let endpoint = self.endpoint(request.to)?.clone();
            let body = Some(request.body.into_bytes());
            Some(CallOut { purpose: Purpose::Exchange(flight), endpoint, headers: request.headers, body })
        };
        self.exchange.due().into_iter().filter_map(call).collect()
    }

    /// Takes an answer. An assertion is nothing to be counted: it is half of an exchange.
    pub(crate) fn answered(&self, flight: u64, answer: Option<&Answered>, now: u64) -> Option<Taken> {
        let answer = answer.map(|answer| (answer.status, answer.body.as_slice()));
        let arrival = self.exchange.answered(flight, answer, now)?;
        match arrival.outcome {
            Ok(Landed::Halfway) => None,
            Ok(Landed::Token) => Some(Taken { count: Count::ExchangeOk, problem: None }),
            Err(error) => {
                let uri = self.endpoint(arrival.from).map(Endpoint::uri).unwrap_or_default();
                let problem = Some(format!("downscope.exchange ({uri}): {error}"));
                Some(Taken { count: Count::ExchangeFailed, problem })
            }
        }
    }

    fn endpoint(&self, asked: Asked) -> Option<&Endpoint> {
        match asked {
            Asked::Server => Some(&self.server),
            Asked::IdentityProvider => self.identity_provider.as_ref(),
        }
    }
}
