//! Envoy's log, under the component `wasm`.

use crate::abi;

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// A decision, or what a configuration does.
    Info,
    /// A configuration that works but should not stay.
    Warn,
    /// A refused configuration, or a host that does not do what it was asked.
    Error,
}

/// Writes one line. What the host does not take is lost: there is nobody else to tell.
pub(crate) fn log(level: Level, message: &str) {
    let number = match level {
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    };
    abi::log(number, message);
}
