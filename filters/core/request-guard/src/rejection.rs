//! Every way to say no: why, and what the operator is told. Here (`reply`, `missing`, `status`) is the only place that knows
//! HTTP status codes, JSON-RPC error codes and those of gRPC.

mod exchange;
mod missing;
mod reply;
mod status;

use access_policy::{Denial, DenialReason, Grounds, StepUp};
use access_tokens::{DpopError, DpopFault, ExchangeError, MintError, SvidError, TokenError, TransactionError};
use agent_messages::{Announced, MessageError, ResponseError};
use peer_identity::PeerError;

use self::exchange::Fault;
use self::missing::{Missing, missing, unseen_task};
use crate::audit::Outcome;
use crate::hand_off::{HandOff, HandOffProblem};
use crate::host::Awaited;

/// Why a request, or an answer, does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// No configured server stands behind this host and path.
    UnknownServer,
    /// Two servers could read the path differently.
    AmbiguousPath,
    /// A page of this origin may not call (MCP transports, "Security Warning").
    Origin,
    /// A token in the query (RFC 6750 section 2; MCP forbids it).
    TokenInQuery,
    /// A header that may not repeat does.
    RepeatedHeader,
    /// The workload is not known or not trusted.
    Peer(PeerError),
    /// The workload's own token is not good.
    Svid(SvidError),
    /// No token, where one is needed.
    NoToken,
    /// The token is not good here.
    Token(TokenError),
    /// What this needs is being asked for. Never shown: the stream waits.
    Awaited(Awaited),
    /// Its issuer's keys can't be had.
    KeysUnavailable,
    /// The token must be proven in a way that is not checked here.
    UnprovenConfirmation,
    /// The caller does not prove to have the token's key, or does not present the token so (RFC 9449 section 7).
    Possession(DpopError),
    /// The token is bound to another certificate than the peer's (RFC 8705 section 3).
    OtherCertificate,
    /// The token names another actor than the peer (RFC 8693 section 4.1).
    OtherActor,
    /// The token was not given to the peer.
    NotTheRecipient,
    /// The transaction that the request is said to belong to is not one of this user's here and now.
    Transaction(TransactionError),
    /// The token has none of these scopes, which are all that may go on.
    NothingGranted(String),
    /// The message can't be judged.
    Message(MessageError),
    /// More bytes than are judged.
    BodyTooLarge {
        /// The most that is.
        limit: usize,
    },
    /// Policy does not allow it.
    Denied(Refused),
    /// Policy does not allow it, and nobody may learn that it exists.
    Hidden(Refused, Box<Missing>),
    /// Policy could allow it to a token with more scopes.
    InsufficientScope(Refused, String),
    /// Policy could allow it after a stronger authentication (RFC 9470).
    InsufficientAuthentication(Refused, String),
    /// A session that was not given to this caller by this server, or is not as it was given.
    UnknownSession,
    /// What an earlier stage should have left is not there, or does not fit.
    HandOff(HandOff, HandOffProblem),
    /// The upstream answered before the body had gone on.
    EarlyAnswer,
    /// No token could be made for the upstream.
    Mint(MintError),
    /// No token could be got for the upstream.
    Exchange(ExchangeError),
    /// The upstream's answer can't be shown to the caller.
    Answer(ResponseError),
    /// The proxy's callbacks came in an order that has no meaning.
    UnexpectedEvent,
}

/// What policy said, for the audit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    reason: DenialReason,
    policies: Vec<String>,
    errors: Vec<String>,
}
// === impl Rejection ===

impl Rejection {
    /// What a denial means to the caller.
    pub(crate) fn of(denial: Denial, hide_denied: bool) -> Self {
        // Who is nobody can become somebody.
        if denial.reason == DenialReason::NoPrincipal {
            return Self::NoToken;
        }
        let missing = if hide_denied { missing(&denial.call) } else { None };
        let task = unseen_task(denial.call.operation(), denial.call.method());
        let Denial { reason, policies, errors, step_up, .. } = denial;
        let grounds = Grounds { reason, policies, errors, step_up };
        match missing {
            Some(missing) => Self::Hidden(Refused::of(grounds), Box::new(missing)),
            None => Self::of_grounds(grounds).hiding(task),
        }
    }

    /// What it means that a token is not good.
    pub(crate) fn of_token(error: TokenError) -> Self {
        match error {
            TokenError::KeysAwaited => Self::Awaited(Awaited::Keys),
            TokenError::KeysUnavailable => Self::KeysUnavailable,
            error => Self::Token(error),
        }
    }

    /// What it means that whatever the body will say, it would be denied. Without the id of the request the words of an
    /// MCP server can't be used; a tool that isn't there is denied in the same ones.
    pub(crate) fn foreseen(grounds: Grounds, announced: &Announced) -> Self {
        Self::of_grounds(grounds)
            .hiding(unseen_task(&announced.operation, announced.method.as_deref().unwrap_or_default()))
    }

    fn hiding(self, task: Option<Missing>) -> Self {
        match (self, task) {
            (Self::Denied(refused), Some(task)) => Self::Hidden(refused, Box::new(task)),
            (rejection, _) => rejection,
        }
    }

    fn of_grounds(mut grounds: Grounds) -> Self {
        if grounds.reason == DenialReason::NoPrincipal {
            return Self::NoToken;
        }
        match grounds.step_up.take() {
            Some(StepUp { scopes, .. }) if !scopes.is_empty() => {
                let scope = scopes.into_iter().collect::<Vec<_>>().join(" ");
                Self::InsufficientScope(Refused::of(grounds), scope)
            }
            Some(StepUp { acr: Some(acr), .. }) => Self::InsufficientAuthentication(Refused::of(grounds), acr),
            Some(StepUp { acr: None, .. }) | None => Self::Denied(Refused::of(grounds)),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Possession(error) if error.fault() == DpopFault::Host => Outcome::Error,
            Self::Denied(_)
            | Self::Hidden(..)
            | Self::InsufficientScope(..)
            | Self::InsufficientAuthentication(..)
            | Self::NothingGranted(_) => Outcome::Deny,
            Self::Awaited(_)
            | Self::KeysUnavailable
            | Self::Mint(_)
            | Self::Answer(_)
            | Self::EarlyAnswer
            | Self::UnexpectedEvent => Outcome::Error,
            Self::UnknownServer
            | Self::AmbiguousPath
            | Self::Origin
            | Self::TokenInQuery
            | Self::RepeatedHeader
            | Self::Peer(_)
            | Self::Svid(_)
            | Self::NoToken
            | Self::Token(_)
            | Self::UnprovenConfirmation
            | Self::Possession(_)
            | Self::OtherCertificate
            | Self::OtherActor
            | Self::NotTheRecipient
            | Self::Transaction(_)
            | Self::Message(_)
            | Self::UnknownSession
            | Self::HandOff(..)
            | Self::BodyTooLarge { .. } => Outcome::Refuse,
            Self::Exchange(error) => match Fault::of(error) {
                Fault::Token => Outcome::Refuse,
                Fault::Denied | Fault::Authentication => Outcome::Deny,
                Fault::Unavailable | Fault::Answer | Fault::Configuration => Outcome::Error,
            },
        }
    }

    /// For the operator: exact, and never shown to the caller.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::UnknownServer => "no server is configured for this host and path".to_owned(),
            Self::AmbiguousPath => "the path could be read in two ways".to_owned(),
            Self::Origin => "the `origin` header is not one of `allowed_origins`, or repeats".to_owned(),
            Self::TokenInQuery => "a token in the query".to_owned(),
            Self::RepeatedHeader => "a header that may not repeat does".to_owned(),
            Self::Peer(error) => error.to_string(),
            Self::Svid(error) => format!("the JWT-SVID: {error}"),
            Self::NoToken => "no token".to_owned(),
            Self::Token(error) => error.to_string(),
            Self::Awaited(_) => "what this needs is being asked for".to_owned(),
            Self::KeysUnavailable => "the keys of the token's issuer could not be fetched".to_owned(),
            Self::UnprovenConfirmation => "the token must be proven in a way that is not supported".to_owned(),
            Self::Possession(error) => error.to_string(),
            Self::OtherCertificate => "the token is bound to another certificate".to_owned(),
            Self::OtherActor => "the token names another actor than the peer".to_owned(),
            Self::NotTheRecipient => "the peer is not who was called with the token".to_owned(),
            Self::Transaction(error) => error.to_string(),
            Self::NothingGranted(scope) => format!("the token has none of the configured scopes `{scope}`"),
            Self::Message(error) => error.to_string(),
            Self::BodyTooLarge { limit } => format!("the body is larger than {limit} bytes"),
            Self::Denied(refused) | Self::Hidden(refused, _) => refused.reason.to_string(),
            Self::InsufficientScope(refused, scope) => format!("{}; scope `{scope}` could allow it", refused.reason),
            Self::InsufficientAuthentication(refused, acr) => format!("{}; acr `{acr}` could allow it", refused.reason),
            Self::UnknownSession => "the session is not one that the server gave to this caller".to_owned(),
            Self::HandOff(hand_off, problem) => hand_off.reason(*problem),
            Self::EarlyAnswer => "the upstream answered before it had the body".to_owned(),
            Self::Mint(error) => format!("no token could be minted: {error}"),
            Self::Exchange(error) => format!("no token could be exchanged: {error}"),
            Self::Answer(error) => format!("the upstream's answer: {error}"),
            Self::UnexpectedEvent => "the proxy's callbacks came in an order that has no meaning".to_owned(),
        }
    }

    pub(crate) fn policies(&self) -> &[String] {
        self.refused().map_or(&[], |refused| &refused.policies)
    }

    pub(crate) fn errors(&self) -> &[String] {
        self.refused().map_or(&[], |refused| &refused.errors)
    }

    fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Denied(refused)
            | Self::Hidden(refused, _)
            | Self::InsufficientScope(refused, _)
            | Self::InsufficientAuthentication(refused, _) => Some(refused),
            _ => None,
        }
    }
}

// === impl Refused ===

impl Refused {
    fn of(grounds: Grounds) -> Self {
        Self { reason: grounds.reason, policies: grounds.policies, errors: grounds.errors }
    }
}
