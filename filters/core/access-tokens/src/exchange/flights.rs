//! Which exchanges are under way, and what came of those that are over.
//!
//! One flight for each question: whoever asks the same meanwhile waits for it, and all of them get what came of it. What
//! went wrong is kept for nobody else.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use super::error::ExchangeError;
use super::token::ExchangedToken;

/// What identifies a question.
pub(super) type Key = [u8; 32];
type Outcome = Result<Rc<ExchangedToken>, ExchangeError>;

/// Held by who waits for a flight; what came of it is in here once it has landed.
#[derive(Clone)]
pub struct Ticket {
    key: Key,
    flight: u64,
    outcome: Rc<RefCell<Option<Outcome>>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Flights<F> {
    next: u64,
    running: BTreeMap<u64, (Ticket, F)>,
    /// Tokens, and when they may be used again (Unix seconds).
    cache: BTreeMap<Key, (Rc<ExchangedToken>, Range<u64>)>,
    /// In the order of arrival.
    arrivals: VecDeque<Key>,
    /// The server could not be reached: nobody is sent there meanwhile (Unix seconds).
    ///
    /// As above, it has a beginning: after the clock was set back, neither counts any more.
    paused: Range<u64>,
}

/// So many questions are under way at most: each holds a token.
const MAX_FLIGHTS: usize = 1_024;
/// So many tokens are kept at most.
const MAX_TOKENS: usize = 4_096;
/// How long nobody is sent to a server that could not be reached, in seconds.
const PAUSE_SECONDS: u64 = 1;

// === impl Flights ===

impl<F> Flights<F> {
    pub(super) fn new() -> Self {
        Self { next: 0, running: BTreeMap::new(), cache: BTreeMap::new(), arrivals: VecDeque::new(), paused: 0..0 }
    }

    /// A token that came before, or that waits behind the ticket.
    ///
    /// # Errors
    /// It is still awaited, or there will be none. `Ok(None)` is that nobody has asked.
    pub(super) fn known(
        &mut self,
        key: &Key,
        ticket: &mut Option<Ticket>,
        now: u64,
    ) -> Result<Option<Rc<ExchangedToken>>, ExchangeError> {
        // What came of a flight is for those who waited for it, once.
        if let Some(Ticket { outcome, .. }) = ticket.take().filter(|ticket| ticket.key == *key)
            && let Some(outcome) = outcome.borrow().clone()
        {
            return outcome.map(Some);
        }
        if let Some((token, _)) = self.cache.get(key).filter(|(_, good)| good.contains(&now)) {
            return Ok(Some(Rc::clone(token)));
        }
        if let Some((running, _)) = self.running.values().find(|(running, _)| running.key == *key) {
            *ticket = Some(running.clone());
            return Err(ExchangeError::Awaited(running.flight));
        }
        if self.paused.contains(&now) {
            return Err(ExchangeError::Paused);
        }
        if self.running.len() >= MAX_FLIGHTS {
            return Err(ExchangeError::Busy { limit: MAX_FLIGHTS });
        }
        Ok(None)
    }

    /// Begins a flight.
    pub(super) fn begin(&mut self, key: Key, flight: F) -> Ticket {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let ticket = Ticket { key, flight: number, outcome: Rc::default() };
        self.running.insert(number, (ticket.clone(), flight));
        ticket
    }

    pub(super) fn running(&mut self) -> impl Iterator<Item = (u64, &mut F)> {
        self.running.iter_mut().map(|(number, (_, flight))| (*number, flight))
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut F> {
        self.running.get_mut(&number).map(|(_, flight)| flight)
    }

    /// Ends a flight; a token may be used again until `until`.
    pub(super) fn land(&mut self, number: u64, outcome: Result<(Rc<ExchangedToken>, u64), ExchangeError>, now: u64) {
        let Some((ticket, _)) = self.running.remove(&number) else { return };
        if outcome.as_ref().is_err_and(|error| *error == ExchangeError::Unreachable) {
            self.paused = now..now.saturating_add(PAUSE_SECONDS);
        }
        if let Ok((token, until)) = &outcome
            && now < *until
        {
            self.keep(ticket.key, Rc::clone(token), now..*until);
        }
        *ticket.outcome.borrow_mut() = Some(outcome.map(|(token, _)| token));
    }

    /// The oldest is forgotten first.
    fn keep(&mut self, key: Key, token: Rc<ExchangedToken>, good: Range<u64>) {
        if self.cache.insert(key, (token, good)).is_some() {
            return;
        }
        self.arrivals.push_back(key);
        if self.arrivals.len() > MAX_TOKENS
            && let Some(oldest) = self.arrivals.pop_front()
        {
            self.cache.remove(&oldest);
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// The number of the flight.
    #[must_use]
    pub fn flight(&self) -> u64 {
        self.flight
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("flight", &self.flight).finish_non_exhaustive()
    }
}
