//! Attributes of the stream, and filter state.

use crate::abi::{self, HostError, Status};

/// The attribute at `path` (one element a segment: a name with dots is one segment), or nothing where there is none.
///
/// # Errors
/// The host refused for another reason than that the attribute is not there.
pub fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    match abi::get_property(&joined(path)) {
        Ok(value) => Ok(Some(value)),
        Err(HostError::Call { status: Status::NotFound, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes filter state `wasm.<key>`, for access logs and later filters (`%FILTER_STATE(wasm.<key>:PLAIN)%`).
///
/// # Errors
/// The host refused.
pub fn set_filter_state(key: &str, value: &[u8]) -> Result<(), HostError> {
    abi::set_property(key.as_bytes(), value)
}

fn joined(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}
