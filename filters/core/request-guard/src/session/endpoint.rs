//! Where a server of the HTTP with SSE transport wants messages (MCP 2024-11-05).

use super::{Holder, SessionKeys, query};
use crate::headers::Headers;
use crate::path::{Path, carries_token};
use crate::server::host_of;

/// What a caller asked for that listens to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    host: String,
    /// Without the query.
    path: String,
}

// === impl Asked ===

impl Asked {
    pub(crate) fn of(headers: &Headers<'_>) -> Option<Self> {
        let host = headers.first(":authority").and_then(host_of)?;
        let (path, _) = headers.first(":path").and_then(Path::parse)?;
        Some(Self { host, path: path.as_str().to_owned() })
    }

    /// What a reference means here (RFC 3986 section 5.2), as path and query; none for one that leads to another host.
    fn resolve(&self, reference: &str) -> Option<String> {
        let absolute = ["https://", "http://", "//"].iter().find_map(|start| reference.strip_prefix(start));
        if let Some(rest) = absolute {
            let (authority, _) = rest.split_once('/')?;
            let path = rest.strip_prefix(authority)?;
            return (host_of(authority.as_bytes())? == self.host).then(|| path.to_owned());
        }
        match reference.chars().next()? {
            '/' => Some(reference.to_owned()),
            '?' => Some(format!("{}{reference}", self.path)),
            // Before any slash, a colon ends a scheme.
            _ if reference.split(['/', '?']).next()?.contains(':') => None,
            _ => {
                let (folder, _) = self.path.rsplit_once('/')?;
                Some(format!("{folder}/{reference}"))
            }
        }
    }
}

/// The place as the caller is to see it: a path, so that it leads to where the caller already is, under the server's own,
/// with the session pinned. None for any other place, and where there is a key and no session to pin.
pub(crate) fn endpoint(
    keys: Option<&SessionKeys>,
    holder: Holder<'_>,
    asked: &Asked,
    reference: &str,
) -> Option<String> {
    let place = asked.resolve(reference)?;
    let (path, query) = Path::parse(place.as_bytes())?;
    if !holder.server.serves(&asked.host, path) || carries_token(query) {
        return None;
    }
    let Some(keys) = keys else { return Some(place) };
    let query = query::replaced(query, |id| keys.pin(holder, id)).ok()??;
    Some(format!("{}?{query}", path.as_str()))
}
