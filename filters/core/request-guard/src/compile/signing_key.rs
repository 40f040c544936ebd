//! Private keys of our own: in the environment, or written down.

use access_tokens::{Algorithm, SigningKey, SigningKeyError};

use super::{Compiled, environment, wrong};
use crate::host::Host;

/// What the configuration says of a key, wherever it does.
pub(super) struct WrittenKey<'a> {
    pub(super) algorithm: &'a str,
    pub(super) key_id: &'a str,
    pub(super) signing_key_env: Option<&'a str>,
    pub(super) signing_key: Option<&'a str>,
}

/// The key that the section at `field` has.
pub(super) fn signing_key(
    field: &str,
    key: &WrittenKey<'_>,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<SigningKey> {
    let algorithm = algorithm(field, key.algorithm)?;
    let (name, pem) = match (key.signing_key_env, key.signing_key) {
        (Some(variable), None) => {
            ("signing_key_env", environment::variable(&format!("{field}.signing_key_env"), variable, host)?)
        }
        (None, Some(pem)) => {
            warnings.push(format!(
                "`{field}.signing_key`: the configuration holds a secret, and so does whatever stores it; put it into an \
                 environment variable and name that in `signing_key_env`"
            ));
            ("signing_key", pem.to_owned())
        }
        _ => return Err(wrong(field, "write either `signing_key_env` or `signing_key`")),
    };
    SigningKey::from_pem(algorithm, key.key_id.to_owned(), &pem).map_err(|error| wrong_key(field, name, error))
}

/// The algorithm that the section at `field` has.
pub(super) fn algorithm(field: &str, name: &str) -> Compiled<Algorithm> {
    name.parse().map_err(|error| wrong(&format!("{field}.algorithm"), error))
}

/// The field that is to blame; `key` is the one that has the key.
pub(super) fn wrong_key(field: &str, key: &str, error: SigningKeyError) -> super::ConfigurationError {
    let name = match error {
        SigningKeyError::NoKeyId => "key_id",
        SigningKeyError::Algorithm(_) => "algorithm",
        SigningKeyError::Private(_) | SigningKeyError::Public(_) => key,
    };
    wrong(&format!("{field}.{name}"), error)
}
