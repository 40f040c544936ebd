//! The filter's statistics among Envoy's, under `wasmcustom.`.

use request_guard::{Count, Outcome};

use crate::abi::{self, HostError};

/// The filter's own statistics.
pub(crate) struct Metrics {
    allow: Counter,
    deny: Counter,
    refuse: Counter,
    error: Counter,
    token_cache_hit: Counter,
    token_cache_miss: Counter,
    list_items_hidden: Counter,
    shadow_differences: Counter,
    jwks_refresh_ok: Counter,
    jwks_refresh_failed: Counter,
    exchange_ok: Counter,
    exchange_failed: Counter,
    microseconds: Histogram,
}

/// A number that only grows.
#[derive(Debug, Clone, Copy)]
struct Counter(u32);

/// A distribution.
#[derive(Debug, Clone, Copy)]
struct Histogram(u32);

// === impl Metrics ===

impl Metrics {
    /// Defines them all. `stats_tags` of the bootstrap can make a label of what follows `outcome.`.
    ///
    /// # Errors
    /// The host refused.
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
            shadow_differences: Counter::define("meshwarden_shadow_differences")?,
            jwks_refresh_ok: Counter::define("meshwarden_jwks_refresh_ok")?,
            jwks_refresh_failed: Counter::define("meshwarden_jwks_refresh_failed")?,
            exchange_ok: Counter::define("meshwarden_exchange_ok")?,
            exchange_failed: Counter::define("meshwarden_exchange_failed")?,
            microseconds: Histogram::define("meshwarden_decision_microseconds")?,
        })
    }

    /// Counts.
    ///
    /// # Errors
    /// The host refused.
    pub(crate) fn count(&self, count: Count) -> Result<(), HostError> {
        match count {
            Count::Decision(Outcome::Allow) => self.allow.increment(1),
            Count::Decision(Outcome::Deny) => self.deny.increment(1),
            Count::Decision(Outcome::Refuse) => self.refuse.increment(1),
            Count::Decision(Outcome::Error) => self.error.increment(1),
            Count::TokenCacheHit => self.token_cache_hit.increment(1),
            Count::TokenCacheMiss => self.token_cache_miss.increment(1),
            Count::JwksRefreshOk => self.jwks_refresh_ok.increment(1),
            Count::JwksRefreshFailed => self.jwks_refresh_failed.increment(1),
            Count::ExchangeOk => self.exchange_ok.increment(1),
            Count::ExchangeFailed => self.exchange_failed.increment(1),
            Count::ListItemsHidden(items) => self.list_items_hidden.increment(items),
            Count::ShadowDifference => self.shadow_differences.increment(1),
        }
    }

    /// Adds the time that the filter itself spent on a request.
    ///
    /// # Errors
    /// The host refused.
    pub(crate) fn took(&self, microseconds: u64) -> Result<(), HostError> {
        self.microseconds.record(microseconds)
    }
}

// === impl Counter ===

impl Counter {
    fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(0, name).map(Self)
    }

    fn increment(self, by: u32) -> Result<(), HostError> {
        abi::increment_metric(self.0, i64::from(by))
    }
}

// === impl Histogram ===

impl Histogram {
    fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(2, name).map(Self)
    }

    fn record(self, value: u64) -> Result<(), HostError> {
        abi::record_metric(self.0, value)
    }
}
