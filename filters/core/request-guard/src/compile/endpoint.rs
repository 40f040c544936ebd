//! Whom to ask over the network.

use super::{Compiled, wrong};
use crate::host::Endpoint;

/// Who answers at `uri` behind `cluster`; `section` is where the two are written.
pub(super) fn endpoint(section: &str, cluster: &str, uri: &str, timeout_milliseconds: u32) -> Compiled<Endpoint> {
    if cluster.is_empty() {
        let problem = "name the cluster of Envoy through which it is reached";
        return Err(wrong(&format!("{section}.cluster"), problem));
    }
    let (scheme, authority, path) = parts(uri).ok_or_else(|| {
        wrong(&format!("{section}.uri"), "write the whole URL, as in `https://idp.acme.example/jwks`")
    })?;
    Ok(Endpoint {
        cluster: cluster.to_owned(),
        scheme,
        authority: authority.to_owned(),
        path: path.to_owned(),
        timeout_milliseconds,
    })
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
