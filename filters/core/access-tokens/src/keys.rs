//! Where an issuer's keys come from: the configuration, or the issuer itself, again and again.

use std::cell::RefCell;
use std::rc::Rc;

use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::header::Header;
use crate::jwks::{KeySet, KeySetError, Usage};

/// Where the key set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// This, as JSON (RFC 7517).
    Inline(String),
    /// The issuer has it; the host fetches it when [`TokenVerifier::due`](crate::TokenVerifier::due) says so.
    Remote {
        /// How old it may become.
        refresh_seconds: u64,
    },
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) enum Keys {
    Inline(Rc<KeySet>),
    Remote(RefCell<RemoteKeys>),
}

/// A key set that is fetched. What was fetched stays until something better comes.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    refresh_seconds: u64,
    usage: Usage,
    set: Option<Rc<KeySet>>,
    state: Fetch,
    /// A token named a key that is not in the set.
    wanted: bool,
    /// When the set was last asked for because of that.
    wanted_at: Option<u64>,
    /// How often it has failed since it last succeeded.
    failures: u32,
}

/// Whether the set is being asked for, or when the last answer came (Unix seconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetch {
    Never,
    Running,
    Done(u64),
}

/// However often tokens name unknown keys, the issuer is not asked more often for their sake.
const WANTED_SECONDS: u64 = 10;
/// The longest pause after failures; the first is a second, and each is twice the one before.
const MAX_PAUSE_SECONDS: u64 = 64;

// === impl Keys ===

impl Keys {
    pub(crate) fn new(jwks: &Jwks, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        Self::used_as(Usage::Signature, jwks, algorithms)
    }

    /// The keys whose `use`, where they have one, is this.
    pub(crate) fn used_as(usage: Usage, jwks: &Jwks, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        Ok(match jwks {
            Jwks::Inline(text) => Self::Inline(Rc::new(KeySet::used_as(usage, text, algorithms)?)),
            Jwks::Remote { refresh_seconds } => Self::Remote(RefCell::new(RemoteKeys {
                refresh_seconds: *refresh_seconds,
                usage,
                set: None,
                state: Fetch::Never,
                wanted: false,
                wanted_at: None,
                failures: 0,
            })),
        })
    }

    /// The set in which the key of a token is, if it is in any.
    ///
    /// # Errors
    /// No key is the token's, or it can't be told yet.
    pub(crate) fn with(&self, header: &Header, now: u64) -> Result<Rc<KeySet>, TokenError> {
        match self {
            Self::Inline(set) => Ok(Rc::clone(set)),
            Self::Remote(keys) => keys.borrow_mut().with(header, now),
        }
    }

    /// Whether the host is to fetch the set now; it then counts as being fetched.
    pub(crate) fn due(&self, now: u64) -> bool {
        match self {
            Self::Inline(_) => false,
            Self::Remote(keys) => keys.borrow_mut().start_if_due(now),
        }
    }

    /// Takes what the host fetched, or `None` when it got nothing; says whether the keys are others now.
    pub(crate) fn fetched(&self, text: Option<&[u8]>, algorithms: &[Algorithm], now: u64) -> Result<bool, KeySetError> {
        match self {
            Self::Inline(_) => Ok(false),
            Self::Remote(keys) => keys.borrow_mut().fetched(text, algorithms, now),
        }
    }
}

// === impl RemoteKeys ===

impl RemoteKeys {
    fn with(&mut self, header: &Header, now: u64) -> Result<Rc<KeySet>, TokenError> {
        let unknown = match &self.set {
            None => TokenError::KeysUnavailable,
            Some(set) => match set.find(header.key_id.as_deref(), header.algorithm) {
                Err(error @ TokenError::UnknownKey { .. }) => error,
                Ok(_) | Err(_) => return Ok(Rc::clone(set)),
            },
        };
        match self.state {
            Fetch::Never | Fetch::Running => Err(TokenError::KeysAwaited),
            Fetch::Done(at) if !have_passed(self.pause(), at, now) => Err(unknown),
            Fetch::Done(_) if self.set.is_none() || self.wanted => Err(TokenError::KeysAwaited),
            Fetch::Done(_) if self.wanted_at.is_some_and(|at| !have_passed(WANTED_SECONDS, at, now)) => Err(unknown),
            Fetch::Done(_) => {
                self.wanted = true;
                self.wanted_at = Some(now);
                Err(TokenError::KeysAwaited)
            }
        }
    }

    fn start_if_due(&mut self, now: u64) -> bool {
        let due = match self.state {
            Fetch::Never => true,
            Fetch::Running => false,
            Fetch::Done(at) => {
                let age = if self.failures == 0 { self.refresh_seconds } else { self.pause() };
                self.wanted || have_passed(age, at, now)
            }
        };
        if due {
            self.state = Fetch::Running;
            self.wanted = false;
        }
        due
    }

    fn fetched(&mut self, text: Option<&[u8]>, algorithms: &[Algorithm], now: u64) -> Result<bool, KeySetError> {
        self.state = Fetch::Done(now);
        let set = text.ok_or(KeySetError::Unreachable).and_then(|text| KeySet::published(self.usage, text, algorithms));
        match set {
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                Err(error)
            }
            Ok(set) => {
                self.failures = 0;
                if self.set.as_deref() == Some(&set) {
                    return Ok(false);
                }
                self.set = Some(Rc::new(set));
                Ok(true)
            }
        }
    }

    /// How long not to ask again after a failure, in seconds.
    fn pause(&self) -> u64 {
        match self.failures.checked_sub(1) {
            None => 0,
            Some(earlier) => 1_u64.checked_shl(earlier).unwrap_or(MAX_PAUSE_SECONDS).min(MAX_PAUSE_SECONDS),
        }
    }
}

/// Whether so many seconds have passed since then. After the clock was set back nobody knows: a time that is still to
/// come counts as long ago, or else an issuer would not be asked until the clock is there again.
fn have_passed(seconds: u64, since: u64, now: u64) -> bool {
    now < since || now >= since.saturating_add(seconds)
}

#[cfg(test)]
mod tests;
