//! The filter's statistics.

use envoy_host::{Counter, Histogram, HostError};
use request_guard::{Count, Outcome};

/// Everything that is counted.
pub(crate) struct Metrics {
    allow: Counter,
    deny: Counter,
    refuse: Counter,
    error: Counter,
    token_cache_hit: Counter,
    token_cache_miss: Counter,
    list_items_hidden: Counter,
    microseconds: Histogram,
}

// === impl Metrics ===

impl Metrics {
    /// `stats_tags` of the bootstrap can make a label of what follows `outcome.`.
    pub(crate) fn define() -> Result<Self, HostError> {
        let decisions = |outcome: &str| Counter::define(&format!("meshwarden_decisions_total.outcome.{outcome}"));
        Ok(Self {
            allow: decisions("allow")?,
            deny: decisions("deny")?,
            refuse: decisions("refuse")?,
            error: decisions("error")?,
            token_cache_hit: Counter::define("meshwarden_token_cache_hit")?,
            token_cache_miss: Counter::define("meshwarden_token_cache_miss")?,
            list_items_hidden: Counter::define("meshwarden_list_items_hidden")?,
            microseconds: Histogram::define("meshwarden_decision_microseconds")?,
        })
    }

    pub(crate) fn count(&self, count: Count) -> Result<(), HostError> {
        match count {
            Count::Decision(Outcome::Allow) => self.allow.increment(1),
            Count::Decision(Outcome::Deny) => self.deny.increment(1),
            Count::Decision(Outcome::Refuse) => self.refuse.increment(1),
            Count::Decision(Outcome::Error) => self.error.increment(1),
            Count::TokenCacheHit => self.token_cache_hit.increment(1),
            Count::TokenCacheMiss => self.token_cache_miss.increment(1),
            Count::ListItemsHidden(items) => self.list_items_hidden.increment(items),
        }
    }

    pub(crate) fn took(&self, microseconds: u64) -> Result<(), HostError> {
        self.microseconds.record(microseconds)
    }
}
