//! URLs in the form in which they are compared (RFC 9449 section 4.3, check 9).

/// The normal form of an `http` or `https` URL without its query and fragment (RFC 3986 sections 6.2.2 and 6.2.3): small
/// letters in scheme and host, no default port, no dot segments, nothing escaped that need not be. Nothing for what is
/// no such URL.
pub(super) fn normal_form(url: &str) -> Option<String> {
    let (url, _) = url.split_at_checked(url.find(['?', '#']).unwrap_or(url.len()))?;
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, default_port) = match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => ("https", "443"),
        _ if scheme.eq_ignore_ascii_case("http") => ("http", "80"),
        _ => return None,
    };
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    if authority.contains('@') {
        return None;
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.is_empty() || port == default_port => host,
        _ => authority,
    };
    if host.is_empty() || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    Some(format!("{scheme}://{}{}", host.to_ascii_lowercase(), without_dots(&unescaped(path)?)))
}

/// RFC 3986 sections 6.2.2.1 and 6.2.2.2. Nothing for an escape that is none.
fn unescaped(path: &str) -> Option<String> {
    let mut rest = path.as_bytes();
    let mut plain = String::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            plain.push(char::from(byte));
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        rest = after;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let digits = std::str::from_utf8(digits).ok()?.to_ascii_uppercase();
        match u8::from_str_radix(&digits, 16).ok()? {
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                plain.push(char::from(byte));
            }
            _ => plain.extend(["%", &digits]),
        }
    }
    Some(plain)
}

/// RFC 3986 section 5.2.4, for a path that is empty or begins with `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::normal_form;

    #[test]
    fn what_means_the_same_has_one_form() {
        for (url, form) in [
            ("https://hr.example/mcp", "https://hr.example/mcp"),
            ("HTTPS://HR.Example:443/mcp", "https://hr.example/mcp"),
            ("https://hr.example:/mcp", "https://hr.example/mcp"),
            ("http://hr.example:80/mcp", "http://hr.example/mcp"),
            ("https://hr.example:80/mcp", "https://hr.example:80/mcp"),
            ("https://hr.example:8443/mcp", "https://hr.example:8443/mcp"),
            ("https://hr.example/mcp?a=b#c", "https://hr.example/mcp"),
            ("https://hr.example/mcp#a?b", "https://hr.example/mcp"),
            ("https://hr.example", "https://hr.example/"),
            ("https://hr.example?a", "https://hr.example/"),
            ("https://hr.example/", "https://hr.example/"),
            ("https://hr.example/mcp/", "https://hr.example/mcp/"),
            ("https://hr.example/a/./b/../mcp", "https://hr.example/a/mcp"),
            ("https://hr.example/../../mcp/.", "https://hr.example/mcp/"),
            ("https://hr.example/mcp/..", "https://hr.example/"),
            ("https://hr.example/%6D%63p/%7e/%2e%2E", "https://hr.example/mcp/"),
            ("https://hr.example/a%2fb%c3%A9", "https://hr.example/a%2Fb%C3%A9"),
            ("https://[2001:DB8::1]:443/mcp", "https://[2001:db8::1]/mcp"),
            ("https://[2001:db8::1]/mcp", "https://[2001:db8::1]/mcp"),
            ("https://hr.example//mcp", "https://hr.example//mcp"),
        ] {
            assert_eq!(normal_form(url).as_deref(), Some(form), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_has_none() {
        for url in [
            "",
            "/mcp",
            "hr.example/mcp",
            "//hr.example/mcp",
            "https:/hr.example/mcp",
            "https:///mcp",
            "https://:443/mcp",
            "https://alice@hr.example/mcp",
            "https://hr.example@evil.example/mcp",
            "ftp://hr.example/mcp",
            "urn:a://b",
            "https://hr.example/%",
            "https://hr.example/%4",
            "https://hr.example/%zz",
            "https://hr.example/%é1",
            "https://hr.example/ mcp",
            "https://hr.exämple/mcp",
            "https://hr.example\t/mcp",
        ] {
            assert_eq!(normal_form(url), None, "{url}");
        }
    }
}
