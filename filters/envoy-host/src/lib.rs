//! The only crate that names hostcalls of Envoy.
