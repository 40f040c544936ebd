//! The request's headers, and which of them are ours.

use crate::event::Header;

/// All headers as received; names are compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers<'a>(&'a [Header]);

/// The header that names the workload to upstreams.
pub(crate) const PEER: &str = "x-peer-spiffe-id";

/// Every header whose name begins so is ours.
const OUR_PREFIX: &[u8] = b"x-meshwarden-";

/// What only the caller's own token gives a meaning to.
const OF_TOKEN: [&str; 3] = ["authorization", "dpop", "txn-token"];

/// A server that obeys these would do something else than what was judged.
const OF_MESSAGE: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// Of sessions, which 2026-07-28 does not have: a server that knows them would go on with one.
const OF_SESSION: [&str; 2] = ["last-event-id", "mcp-session-id"];

/// A compressed answer could not be read.
const OF_ANSWER: [&str; 1] = ["accept-encoding"];

// === impl Headers ===

impl<'a> Headers<'a> {
    pub(crate) fn new(headers: &'a [Header]) -> Self {
        Self(headers)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Every value of a header, in order.
    pub(crate) fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    pub(crate) fn first(self, name: &'static str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The value of a header that may not repeat.
    pub(crate) fn only(self, name: &str) -> Result<Option<&'a [u8]>, ()> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(()) } else { Ok(value) }
    }

    /// The text behind the scheme of `authorization`: the token, once that was verified.
    pub(crate) fn token(self) -> Option<&'a str> {
        let (_, token) = std::str::from_utf8(self.first("authorization")?).ok()?.rsplit_once(' ')?;
        Some(token)
    }

    /// The names, as received, that must not go on as the client sent them.
    pub(crate) fn owned_by_us(self, keep_token: bool) -> Vec<Vec<u8>> {
        self.named(|name| {
            let token = is_one_of(&OF_TOKEN, name) && !(keep_token && name.eq_ignore_ascii_case(b"authorization"));
            token || is_one_of(&[PEER], name) || is_one_of(&OF_ANSWER, name) || is_of_message(name)
        })
    }

    pub(crate) fn of_peer(self) -> Vec<Vec<u8>> {
        self.named(|name| is_one_of(&[PEER], name))
    }

    pub(crate) fn of_token(self) -> Vec<Vec<u8>> {
        self.named(|name| is_one_of(&OF_TOKEN, name))
    }

    pub(crate) fn of_message(self) -> Vec<Vec<u8>> {
        self.named(is_of_message)
    }

    pub(crate) fn of_session(self) -> Vec<Vec<u8>> {
        self.named(|name| is_one_of(&OF_SESSION, name))
    }

    /// Every spelling of a name that is there.
    pub(crate) fn called(self, name: &str) -> Vec<Vec<u8>> {
        self.named(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub(crate) fn of_answer(self) -> Vec<Vec<u8>> {
        self.named(|name| is_one_of(&OF_ANSWER, name))
    }

    fn named(self, ours: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        self.iter().filter(|(name, _)| ours(name)).map(|(name, _)| name.to_vec()).collect()
    }
}

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Whether a header, in lower case, has a meaning of its own to a filter, a proxy or a server.
pub(crate) fn is_spoken_for(name: &str) -> bool {
    const NAMES: [&str; 9] =
        ["connection", "cookie", "expect", "host", "origin", "proxy-authorization", "te", "trailer", "upgrade"];
    // `workload-` are those of WIMSE, which are proven otherwise.
    const PREFIXES: [&str; 9] =
        ["accept", "a2a-", "content-", "grpc-", "mcp-", "transfer-", "workload-", "x-envoy-", "x-forwarded-"];
    let ours = is_of_message(name.as_bytes()) || is_one_of(&[PEER, "x-request-id"], name.as_bytes());
    ours || is_one_of(&OF_TOKEN, name.as_bytes())
        || is_one_of(&OF_SESSION, name.as_bytes())
        || NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_of_message(name: &[u8]) -> bool {
    let prefixed = name.get(..OUR_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OUR_PREFIX));
    prefixed || is_one_of(&OF_MESSAGE, name)
}

#[cfg(test)]
mod tests {
    use super::Headers;
    use crate::event::Header;

    fn headers(pairs: &[(&str, &str)]) -> Vec<Header> {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn names_are_compared_without_regard_to_case() {
        let headers = headers(&[("X-Request-ID", "1"), ("x-request-id", "2")]);
        let headers = Headers::new(&headers);
        assert_eq!(headers.all("x-request-id").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.only("x-request-id"), Err(()));
        assert_eq!(headers.only("x-other"), Ok(None));
    }

    #[test]
    fn what_is_ours_is_named_as_it_was_received() {
        let headers = headers(&[
            ("Authorization", "Bearer x"),
            ("X-Meshwarden-Principal", "root"),
            ("x-meshwarden-", ""),
            ("x-peer-spiffe-id", "spiffe://a/b"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("x-meshwarde", "not ours"),
            ("content-type", "application/json"),
        ]);
        let names = |keep_token| {
            let names = Headers::new(&headers).owned_by_us(keep_token);
            names.into_iter().map(|name| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
        };
        let rest = ["X-Meshwarden-Principal", "x-meshwarden-", "x-peer-spiffe-id", "X-HTTP-Method-Override"];
        assert_eq!(names(true), rest);
        assert_eq!(names(false), [&["Authorization"], &rest[..]].concat());
    }
}
