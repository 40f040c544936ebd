//! The host to which a URL leads, whoever reads it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1035 section 2.3.4.
const MAX_HOST_BYTES: usize = 253;

/// The host of an `http` or `https` URL, in lower case and without its port; an IPv6 address in brackets.
///
/// Parsers of URLs disagree about user information, backslashes, encoded hosts, `127.1` and white space, so there is
/// no host where any of these could matter.
pub(crate) fn http_host(url: &str) -> Option<String> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('\\') {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    // Without a path, some parsers end the host at `?` or `#` and others do not.
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at_checked(end)?;
            (name.to_ascii_lowercase(), port)
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return None;
    }
    (host.starts_with('[') || is_name(&host)).then_some(host)
}

/// A name, or an IPv4 address in its one spelling. The trailing dot of a name is a second spelling.
fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    // <https://url.spec.whatwg.org/#ends-in-a-number-checker>: such a host is an address to browsers.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    host.len() <= MAX_HOST_BYTES && host.split('.').all(is_label) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::http_host;

    #[test]
    fn the_host_of_an_ordinary_url_is_in_lower_case() {
        for (url, host) in [
            ("https://acme.example", "acme.example"),
            ("https://Hooks.ACME.example:8443/a?b=c#d", "hooks.acme.example"),
            ("HTTP://acme.example/", "acme.example"),
            ("http://localhost:80/", "localhost"),
            ("http://my_service-1/x@y:z", "my_service-1"),
            ("https://10.0.0.1/", "10.0.0.1"),
            ("https://[2001:DB8:0::1]:443/", "[2001:db8::1]"),
            ("https://a.example//evil.example/", "a.example"),
        ] {
            assert_eq!(http_host(url).as_deref(), Some(host), "{url}");
        }
    }

    #[test]
    fn a_url_that_parsers_read_differently_has_no_host() {
        for url in [
            "",
            "acme.example",
            "//acme.example/",
            "https:acme.example",
            "https:/acme.example/",
            "https:///acme.example/",
            "ftp://acme.example/",
            "file:///etc/passwd",
            " https://acme.example/",
            "https://acme.example/ ",
            "https://acme.example/\n",
            "ht\ttps://acme.example/",
            "https://acme.example\\@evil.example/",
            "https://acme.example/\\x",
            "https://acme.example@evil.example/",
            "https://u:p@acme.example/",
            "https://acme.example?@evil.example/",
            "https://acme.example#@evil.example/",
            "https://acme.example:443@evil.example/",
            "https://acme.example:/",
            "https://acme.example:+1/",
            "https://acme.example:65536/",
            "https://acme.example:80:81/",
            "https://acme%2eexample/",
            "https://acme.example./",
            "https://.acme.example/",
            "https://acme..example/",
            "https://./",
            "https://acm\u{e9}.example/",
            "https://acme\u{3002}example/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://2130706433/",
            "https://0x7f.0.0.0x1/",
            "https://1.2.3.4.5/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[::1%25eth0]/",
            "https://[acme.example]/",
        ] {
            assert_eq!(http_host(url), None, "{url}");
        }
        assert_eq!(http_host(&format!("https://{}/", "a.".repeat(126) + "aa")), None);
    }

    #[test]
    fn every_byte_is_part_of_a_name_or_not() {
        for code in 0..=127_u8 {
            let url = format!("https://a{}b.example/", char::from(code));
            let plain = code.is_ascii_alphanumeric() || b"-_.".contains(&code);
            // What ends the host leaves another one.
            let host = match code {
                b'/' => Some("a".to_owned()),
                _ if plain => Some(format!("a{}b.example", char::from(code).to_ascii_lowercase())),
                _ => None,
            };
            assert_eq!(http_host(&url), host, "0x{code:02x}");
        }
    }
}
