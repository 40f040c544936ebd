//! Counters and histograms among Envoy's statistics, under `wasmcustom.`.

use crate::abi::{self, HostError};

/// A number that only grows.
#[derive(Debug, Clone, Copy)]
pub struct Counter(u32);

/// A distribution.
#[derive(Debug, Clone, Copy)]
pub struct Histogram(u32);

// === impl Counter ===

impl Counter {
    /// Defines it, or finds the one of that name.
    ///
    /// # Errors
    /// The host refused.
    pub fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(0, name).map(Self)
    }

    /// Lets it grow.
    ///
    /// # Errors
    /// The host refused.
    pub fn increment(self, by: u32) -> Result<(), HostError> {
        abi::increment_metric(self.0, i64::from(by))
    }
}

// === impl Histogram ===

impl Histogram {
    /// Defines it, or finds the one of that name.
    ///
    /// # Errors
    /// The host refused.
    pub fn define(name: &str) -> Result<Self, HostError> {
        abi::define_metric(2, name).map(Self)
    }

    /// Adds one value.
    ///
    /// # Errors
    /// The host refused.
    pub fn record(self, value: u64) -> Result<(), HostError> {
        abi::record_metric(self.0, value)
    }
}
