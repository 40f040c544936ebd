//! Where the keys of issuers are.

use access_tokens::Jwks;

use super::{Compiled, wrong};
use crate::config;
use crate::host::Fetch;

/// How old keys may become when nothing is said, in seconds.
const REFRESH_SECONDS: u64 = 300;
/// A request waits as long as this for the keys of its issuer.
const TIMEOUT_MILLISECONDS: u32 = 5_000;

/// The keys of the issuer at `at`, and how they are fetched if they are not written down.
pub(super) fn jwks(at: usize, jwks: &config::Jwks) -> Compiled<(Jwks, Option<Fetch>)> {
    let field = |name: &str| format!("tokens.issuers[{at}].jwks{name}");
    match jwks {
        config::Jwks { inline: Some(inline), cluster: None, uri: None, refresh_seconds: None } => {
            Ok((Jwks::Inline(inline.clone()), None))
        }
        config::Jwks { inline: None, cluster: Some(cluster), uri: Some(uri), refresh_seconds } => {
            if cluster.is_empty() {
                return Err(wrong(&field(".cluster"), "name the cluster of Envoy through which the issuer is reached"));
            }
            let refresh_seconds = refresh_seconds.unwrap_or(REFRESH_SECONDS);
            if !(10..=86_400).contains(&refresh_seconds) {
                return Err(wrong(&field(".refresh_seconds"), "write from 10 to 86400 seconds"));
            }
            let (scheme, authority, path) = parts(uri).ok_or_else(|| {
                wrong(&field(".uri"), "write the whole URL of the key set, as in `https://idp.acme.example/jwks`")
            })?;
            let fetch = Fetch {
                document: at,
                cluster: cluster.clone(),
                authority: authority.to_owned(),
                path: path.to_owned(),
                scheme,
                timeout_milliseconds: TIMEOUT_MILLISECONDS,
            };
            Ok((Jwks::Remote { refresh_seconds }, Some(fetch)))
        }
        _ => Err(wrong(&field(""), "write either `inline`, or `cluster` and `uri`")),
    }
}

/// Scheme, authority and path of a URL that can be asked for as it is.
fn parts(uri: &str) -> Option<(&'static str, &str, &str)> {
    let (scheme, rest) = match (uri.strip_prefix("https://"), uri.strip_prefix("http://")) {
        (Some(rest), _) => ("https", rest),
        (None, Some(rest)) => ("http", rest),
        (None, None) => return None,
    };
    let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'\\');
    (!authority.is_empty() && !authority.contains('@') && uri.bytes().all(plain)).then_some((scheme, authority, path))
}
