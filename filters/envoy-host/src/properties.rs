//! Attributes of the stream, and filter state.

use prost::Message as _;

use crate::abi::{self, HostError, Status};

/// The members of `envoy.source.extensions.common.wasm.DeclarePropertyArguments` that are used here.
#[derive(prost::Message)]
struct DeclareProperty {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    readonly: bool,
}

/// The attribute at `path` (one element a segment: a name with dots is one segment), or nothing where there is none.
///
/// # Errors
/// The host refused for another reason than that the attribute is not there.
pub(crate) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
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
pub(crate) fn set_filter_state(key: &str, value: &[u8]) -> Result<(), HostError> {
    abi::set_property(key.as_bytes(), value)
}

/// Lets filter state `wasm.<key>` be written once in a stream; whoever sets it again gets an error. To be called while the
/// plugin is configured.
///
/// # Errors
/// The host refused.
pub(crate) fn write_once(key: &str) -> Result<(), HostError> {
    let argument = DeclareProperty { name: key.to_owned(), readonly: true }.encode_to_vec();
    abi::call_foreign_function("declare_property", &argument).map(drop)
}

/// Reads filter state `wasm.<key>`, which an earlier wasm filter of this stream wrote. No request header can be behind
/// it: the path begins with the attribute that holds filter state and nothing else.
///
/// # Errors
/// The host refused for another reason than that there is none.
pub(crate) fn filter_state(key: &str) -> Result<Option<Vec<u8>>, HostError> {
    property(&["filter_state", &format!("wasm.{key}")])
}

fn joined(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}
