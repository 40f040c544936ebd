//! What is in the environment of the proxy.

use super::{Compiled, wrong};
use crate::host::Host;

/// The value of the variable that is named at `field`.
pub(super) fn variable(field: &str, name: &str, host: &Host<'_>) -> Compiled<String> {
    (host.environment)(name).ok_or_else(|| not_set(field, name))
}

/// The same, where an empty one is none.
pub(super) fn filled_variable(field: &str, name: &str, host: &Host<'_>) -> Compiled<String> {
    variable(field, name, host).and_then(|value| if value.is_empty() { Err(not_set(field, name)) } else { Ok(value) })
}

fn not_set(field: &str, name: &str) -> super::ConfigurationError {
    let problem = format!(
        "the environment variable `{name}` is not set; list it in the plugin's `vm_config.environment_variables`"
    );
    wrong(field, problem)
}
