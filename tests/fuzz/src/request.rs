//! A request as text: lines `name: value`, pseudo-headers among them, an empty line, and the body.

use agent_messages::Limits;

/// Those of a default configuration, but small enough to be hit.
pub(crate) const LIMITS: Limits =
    Limits { max_body_bytes: 1_048_576, max_json_depth: 32, max_json_nodes: 2_000, max_sse_event_bytes: 2_000 };

pub(crate) struct Request<'a> {
    pub(crate) headers: Vec<(&'a [u8], &'a [u8])>,
    pub(crate) body: &'a [u8],
}

// === impl Request ===

impl<'a> Request<'a> {
    pub(crate) fn of(data: &'a [u8]) -> Self {
        let mut headers = Vec::new();
        let mut rest = data;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
            rest = after;
            if line.is_empty() {
                break;
            }
            headers.extend(header(line));
        }
        Self { headers, body: rest }
    }

    /// The values of a header as a server in the wild sees them: by name in any case, white space around them dropped.
    pub(crate) fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let own = |header: &&(&[u8], &[u8])| header.0.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(own).map(|(_, value)| value.trim_ascii()).collect()
    }
}

/// The colon of a pseudo-header's name does not end it.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().skip(1).position(|&byte| byte == b':')?.checked_add(1)?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?;
    Some((name, value.strip_prefix(b" ").unwrap_or(value)))
}
