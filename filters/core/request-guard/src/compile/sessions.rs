//! Keys that pin sessions to their callers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Compiled, environment, wrong};
use crate::config::{self, Protocol};
use crate::host::Host;
use crate::session::{MIN_KEY_BYTES, SessionKey, SessionKeys};

pub(super) fn sessions(
    sessions: Option<&config::Sessions>,
    servers: &[config::Server],
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Option<SessionKeys>> {
    let Some(sessions) = sessions else {
        if servers.iter().any(|server| server.protocol == Protocol::Mcp) {
            let warning = "without `sessions`, the session ids of MCP servers before 2026-07-28 are not pinned to their \
                           callers: who gets hold of one shares the session, with what policy allows to him";
            warnings.push(warning.to_owned());
        }
        return Ok(None);
    };
    let texts = hmac_keys("sessions.keys", &sessions.keys, host)?;
    let mut keys = texts.iter().filter_map(|bytes| SessionKey::new(bytes));
    let first = keys.next().ok_or_else(|| wrong("sessions.keys", "name at least one key, or leave `sessions` out"))?;
    Ok(Some(SessionKeys::new(first, keys.collect())))
}

/// The bytes of each key; no two are the same.
pub(super) fn hmac_keys(field: &str, keys: &[config::HmacKey], host: &Host<'_>) -> Compiled<Vec<Vec<u8>>> {
    let mut texts: Vec<Vec<u8>> = Vec::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let bytes = bytes(&field, key, host)?;
        if texts.contains(&bytes) {
            return Err(wrong(&field, "it is the same as an earlier key; leave it out"));
        }
        texts.push(bytes);
    }
    Ok(texts)
}

fn bytes(field: &str, key: &config::HmacKey, host: &Host<'_>) -> Compiled<Vec<u8>> {
    let (field, text) = match (&key.env, &key.inline) {
        (None, Some(inline)) => (format!("{field}.inline"), inline.clone()),
        (Some(name), None) => {
            let field = format!("{field}.env");
            let value = environment::variable(&field, name, host)?;
            (field, value)
        }
        _ => return Err(wrong(field, "write either `env` or `inline`")),
    };
    let problem =
        format!("it is not Base64 of at least {MIN_KEY_BYTES} bytes; make one with `openssl rand -base64 32`");
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() >= MIN_KEY_BYTES);
    bytes.ok_or_else(|| wrong(&field, problem))
}
