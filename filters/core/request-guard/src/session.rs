//! Sessions of servers, pinned to whom they were given: who got hold of somebody else's id can do nothing with it (MCP
//! security best practices, "Session Hijacking").
//!
//! Nothing is remembered, so that every worker and every replica with the same keys knows every session: a caller sees
//! `<tag>.<id>`, the server its own `<id>`, and the tag is a code over the id and all whom it is for.

mod endpoint;
mod query;

use agent_messages::{ResponseError, Revision};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(crate) use self::endpoint::{Asked, endpoint};
use crate::caller::Identity;
use crate::headers::Headers;
use crate::path::Path;
use crate::rejection::Rejection;
use crate::server::Server;
use crate::step::HeaderEdit;

/// The keys: the first one pins, all of them verify, so that keys can be changed while sessions last.
pub(crate) struct SessionKeys {
    first: SessionKey,
    others: Vec<SessionKey>,
}

/// One key.
#[derive(Clone)]
pub(crate) struct SessionKey(Hmac<Sha256>);

/// Whom a session is for.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    pub(crate) server: &'a Server,
    pub(crate) caller: &'a Identity,
}

/// As many bytes as the code has: a shorter key would be easier to guess (RFC 2104 section 3).
pub(crate) const MIN_KEY_BYTES: usize = 32;

const HEADER: &str = "mcp-session-id";

/// HMAC-SHA-256 in Base64 without padding.
const TAG_CHARACTERS: usize = 43;

/// Longer ids than any real server's are not pinned.
const MAX_ID_BYTES: usize = 2_048;

// === impl SessionKey ===

impl SessionKey {
    /// None for a key that is too short.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mac = Hmac::new_from_slice(bytes).ok().filter(|_| bytes.len() >= MIN_KEY_BYTES);
        mac.map(Self)
    }

    fn code(&self, holder: Holder<'_>, id: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let token = holder.caller.token.as_deref();
        let parts = [
            Some("meshwarden.session.v1"),
            Some(holder.server.name.as_str()),
            token.map(|token| token.issuer()),
            token.map(|token| token.subject()),
            holder.caller.peer.as_ref().map(|peer| peer.id().as_str()),
            Some(id),
        ];
        // Each with its length, so that no part can lend a byte to its neighbour; nobody is not an empty name.
        for part in parts {
            let length = part.map_or(u64::MAX, |part| u64::try_from(part.len()).unwrap_or(u64::MAX));
            mac.update(&length.to_be_bytes());
            mac.update(part.unwrap_or_default().as_bytes());
        }
        mac
    }
}

// === impl SessionKeys ===

impl SessionKeys {
    pub(crate) fn new(first: SessionKey, others: Vec<SessionKey>) -> Self {
        Self { first, others }
    }

    /// The id as its holder is to see it; none for one that is no session id (MCP: visible ASCII).
    fn pin(&self, holder: Holder<'_>, id: &str) -> Option<String> {
        let good = (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| {
            let tag = self.first.code(holder, id).finalize().into_bytes();
            format!("{}.{id}", URL_SAFE_NO_PAD.encode(tag))
        })
    }

    /// The server's own id; none for one that was not given to this holder as it is. The comparison takes the same time
    /// wherever a tag is wrong.
    fn unpin<'i>(&self, holder: Holder<'_>, pinned: &'i str) -> Option<&'i str> {
        let (tag, id) = pinned.split_at_checked(TAG_CHARACTERS)?;
        let id = id.strip_prefix('.').filter(|id| id.len() <= MAX_ID_BYTES)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        keys.any(|key| key.code(holder, id).verify_slice(&tag).is_ok()).then_some(id)
    }
}

/// What to change in a request so that the server sees its own session: in the header of Streamable HTTP, and in the
/// query of HTTP with SSE (2024-11-05).
pub(crate) fn for_server(
    keys: Option<&SessionKeys>,
    holder: Holder<'_>,
    headers: &Headers<'_>,
    revision: Revision,
) -> Result<Vec<HeaderEdit>, Rejection> {
    let mut edits = Vec::new();
    match (keys, revision) {
        // Without sessions (2026-07-28), what names one is taken off where the message is read.
        (_, Revision::Modern) | (None, Revision::Legacy) => {}
        (Some(keys), Revision::Legacy) => {
            if let Some(pinned) = headers.only(HEADER).map_err(|()| Rejection::UnknownSession)? {
                let id = std::str::from_utf8(pinned).ok().and_then(|pinned| keys.unpin(holder, pinned));
                edits.push(HeaderEdit::Set(HEADER, id.ok_or(Rejection::UnknownSession)?.to_owned()));
            }
        }
    }
    // Whatever the revision: servers that have sessions in their queries don't know of the newer one.
    if let (Some(keys), Some((path, query))) = (keys, headers.first(":path").and_then(Path::parse)) {
        let own = query::replaced(query, |pinned| keys.unpin(holder, pinned).map(str::to_owned));
        if let Some(query) = own.map_err(|query::Odd| Rejection::UnknownSession)? {
            edits.push(HeaderEdit::Set(":path", format!("{}?{query}", path.as_str())));
        }
    }
    Ok(edits)
}

/// What to change in an answer so that the caller sees its session pinned.
pub(crate) fn for_caller(
    keys: Option<&SessionKeys>,
    holder: Holder<'_>,
    headers: &Headers<'_>,
    revision: Revision,
) -> Result<Vec<HeaderEdit>, ResponseError> {
    match (keys, revision) {
        (_, Revision::Modern) => Ok(without(headers).into_iter().collect()),
        (None, Revision::Legacy) => Ok(Vec::new()),
        (Some(keys), Revision::Legacy) => {
            let Some(id) = headers.only(HEADER).map_err(|()| ResponseError::Session)? else { return Ok(Vec::new()) };
            let pinned = std::str::from_utf8(id).ok().and_then(|id| keys.pin(holder, id));
            Ok(vec![HeaderEdit::Set(HEADER, pinned.ok_or(ResponseError::Session)?)])
        }
    }
}

fn without(headers: &Headers<'_>) -> Option<HeaderEdit> {
    headers.first(HEADER).map(|_| HeaderEdit::Remove(HEADER.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
