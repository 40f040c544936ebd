//! Paths that mean the same to everybody.

/// The path of a request target, without its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path<'a>(&'a str);

/// Escapes that one server decodes before it splits the path and another after: `%`, `.`, `/`, `;`, `\` and NUL.
const AMBIGUOUS_ESCAPES: [&str; 6] = ["%25", "%2e", "%2f", "%3b", "%5c", "%00"];

// === impl Path ===

impl<'a> Path<'a> {
    /// Splits `:path` into path and query. None where two servers could read the path differently: anything not
    /// visible ASCII, empty, `.` or `..` segments, backslashes, `;` parameters, fragments, escaped separators.
    pub(crate) fn parse(target: &'a [u8]) -> Option<(Self, &'a str)> {
        let target = std::str::from_utf8(target).ok()?;
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) || target.contains('#') {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments = path.strip_prefix('/')?;
        if path.contains(['\\', ';']) || segments.split('/').any(|segment| matches!(segment, "." | "..")) {
            return None;
        }
        // A trailing slash leaves one empty segment, at the end.
        if path.contains("//") {
            return None;
        }
        let lower = path.to_ascii_lowercase();
        if AMBIGUOUS_ESCAPES.iter().any(|escape| lower.contains(escape)) {
            return None;
        }
        Some((Self(path), query))
    }

    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// The prefix is the whole path, or ends where a segment does.
    pub(crate) fn is_under(self, prefix: &str) -> bool {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        self.0.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a query carries a token, which MCP forbids and access logs would keep
/// (RFC 6750 section 2.3; MCP authorization: "MUST NOT be in query").
pub(crate) fn carries_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        // An escape in the name could spell the word for a server that decodes it.
        name.eq_ignore_ascii_case("access_token") || name.contains('%')
    })
}

#[cfg(test)]
mod tests {
    use super::{Path, carries_token};

    #[test]
    fn path_and_query_are_told_apart() {
        let (path, query) = Path::parse(b"/mcp?a=b").unwrap();
        assert_eq!((path.as_str(), query), ("/mcp", "a=b"));
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for odd in [
            "mcp",
            "",
            "//mcp",
            "/mcp//x",
            "/mcp/../admin",
            "/mcp/./x",
            "/mcp/%2e%2e/admin",
            "/mcp%2Fx",
            "/mcp%5cx",
            "/mcp\\x",
            "/mcp/..;/admin",
            "/mcp;v=1",
            "/mcp#x",
            "/m%2563p",
            "/mcp%00",
            "/mcp x",
            "/m\u{e9}cp",
        ] {
            assert_eq!(Path::parse(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(Path::parse(b"/\xff"), None);
    }

    #[test]
    fn a_prefix_ends_where_a_segment_does() {
        let under = |path: &'static str, prefix| Path::parse(path.as_bytes()).unwrap().0.is_under(prefix);
        assert!(under("/mcp", "/mcp"));
        assert!(under("/mcp/", "/mcp"));
        assert!(under("/mcp/x", "/mcp/"));
        assert!(under("/anything", "/"));
        assert!(!under("/mcpx", "/mcp"));
        assert!(!under("/MCP", "/mcp"));
    }

    #[test]
    fn a_token_in_the_query_is_seen_however_it_is_spelt() {
        for query in ["access_token=x", "a=b&access_token=x", "ACCESS_TOKEN=x", "a=b;access_token", "access%5ftoken=x"]
        {
            assert!(carries_token(query), "{query}");
        }
        assert!(!carries_token("a=access_token&tenant=%20"));
    }
}
