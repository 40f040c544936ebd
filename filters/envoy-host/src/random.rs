//! Random bytes.

use crate::abi::{HostError, Status};

/// Sixteen bytes from the host's generator (WASI `random_get`), for identifiers that must not repeat.
///
/// # Errors
/// The host has no generator.
pub(crate) fn entropy() -> Result<[u8; 16], HostError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| HostError::Call { call: "random_get", status: Status::NotFound })?;
    Ok(bytes)
}
