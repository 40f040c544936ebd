//! Where the keys of issuers and trust domains are.

use access_tokens::Jwks;

use super::{Compiled, wrong};
use crate::config;
use crate::host::Endpoint;

/// How old keys may become when nothing is said, in seconds.
const REFRESH_SECONDS: u64 = 300;
/// A request waits as long as this for the keys of its issuer.
const TIMEOUT_MILLISECONDS: u32 = 5_000;

/// The keys that `section` says, and where they are fetched if they are not written down.
pub(super) fn jwks(section: &str, jwks: &config::Jwks) -> Compiled<(Jwks, Option<Endpoint>)> {
    let field = |name: &str| format!("{section}{name}");
    match jwks {
        config::Jwks { inline: Some(inline), cluster: None, uri: None, refresh_seconds: None } => {
            Ok((Jwks::Inline(inline.clone()), None))
        }
        config::Jwks { inline: None, cluster: Some(cluster), uri: Some(uri), refresh_seconds } => {
            let refresh_seconds = refresh_seconds.unwrap_or(REFRESH_SECONDS);
            if !(10..=86_400).contains(&refresh_seconds) {
                return Err(wrong(&field(".refresh_seconds"), "write from 10 to 86400 seconds"));
            }
            let endpoint = super::endpoint(section, cluster, uri, TIMEOUT_MILLISECONDS)?;
            Ok((Jwks::Remote { refresh_seconds }, Some(endpoint)))
        }
        _ => Err(wrong(section, "write either `inline`, or `cluster` and `uri`")),
    }
}
