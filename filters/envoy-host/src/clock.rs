//! The host's clock.

use crate::abi::{self, HostError};

/// Nanoseconds since the Unix epoch.
///
/// # Errors
/// The host refused.
pub(crate) fn now_nanoseconds() -> Result<u64, HostError> {
    abi::current_time()
}
