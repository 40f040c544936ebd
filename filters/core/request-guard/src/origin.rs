//! Web pages that may call a server (RFC 6454; MCP transports, "Security Warning").

use crate::headers::Headers;
use crate::rejection::Rejection;

/// The origins whose pages may call; nothing is not to look.
#[derive(Debug, Default)]
pub(crate) struct AllowedOrigins(Option<Vec<Origin>>);

/// Scheme, host and port as section 6.2 writes them, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(String);

// === impl AllowedOrigins ===

impl AllowedOrigins {
    pub(crate) fn of(origins: Option<Vec<Origin>>) -> Self {
        Self(origins)
    }

    /// No `Origin` is fine: only browsers send one, and they always do where it matters. `null` is no page's own.
    pub(crate) fn check(&self, headers: &Headers<'_>) -> Result<(), Rejection> {
        let Some(allowed) = &self.0 else { return Ok(()) };
        match headers.only("origin") {
            Ok(None) => Ok(()),
            Ok(Some(value)) if allowed.iter().any(|own| value.eq_ignore_ascii_case(own.0.as_bytes())) => Ok(()),
            Ok(Some(_)) | Err(()) => Err(Rejection::Origin),
        }
    }
}

// === impl Origin ===

impl Origin {
    /// An origin as browsers write it: no path, and no port that the scheme has anyway.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let plain = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        };
        // `u16` would take a sign and leading zeros, which no browser writes.
        let right = |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
        let good = !host.is_empty()
            && host.bytes().all(plain)
            && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
            && port.is_none_or(right)
            && !authority.ends_with(default_port);
        good.then(|| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedOrigins, Origin};
    use crate::event::Header;
    use crate::headers::Headers;
    use crate::rejection::Rejection;

    fn check(allowed: Option<&[&str]>, sent: &[&str]) -> Result<(), Rejection> {
        let origins = allowed.map(|all| all.iter().map(|origin| Origin::parse(origin).unwrap()).collect());
        let headers: Vec<Header> = sent.iter().map(|value| (b"Origin".to_vec(), value.as_bytes().to_vec())).collect();
        AllowedOrigins::of(origins).check(&Headers::new(&headers))
    }

    const APP: &str = "https://app.acme.example";

    #[test]
    fn only_pages_of_these_origins_may_call() {
        assert_eq!(check(Some(&[APP]), &[]), Ok(()));
        assert_eq!(check(Some(&["http://localhost:3000", APP]), &[APP]), Ok(()));
        assert_eq!(check(Some(&[APP]), &["HTTPS://App.acme.example"]), Ok(()));
        for odd in [
            "https://evil.example",
            "http://app.acme.example",
            "https://app.acme.example:443",
            "https://app.acme.example:8443",
            "https://app.acme.example/",
            "https://app.acme.example.evil.example",
            "https://app.acme.exampl",
            "https://app.acme.example https://evil.example",
            "https://app.acme.example, https://app.acme.example",
            "null",
            "",
        ] {
            assert_eq!(check(Some(&[APP]), &[odd]), Err(Rejection::Origin), "{odd}");
        }
        assert_eq!(check(Some(&[APP]), &[APP, APP]), Err(Rejection::Origin));
        assert_eq!(check(Some(&[]), &[APP]), Err(Rejection::Origin), "none of them");
        assert_eq!(check(None, &["null", APP]), Ok(()), "not looked at");
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in [APP, "http://localhost:3000", "https://[::1]:8443", "https://[::1]", "http://a:443"] {
            assert!(Origin::parse(good).is_some(), "{good}");
        }
        for odd in [
            "",
            "*",
            "null",
            "app.acme.example",
            "https://",
            "https://*.acme.example",
            "https://App.acme.example",
            "https://app.acme.example/",
            "https://app.acme.example:443",
            "http://app.acme.example:80",
            "https://app.acme.example:",
            "https://app.acme.example:0443",
            "https://app.acme.example:99999",
            "https://user@app.acme.example",
            "https://a:b:1",
            "ftp://app.acme.example",
        ] {
            assert_eq!(Origin::parse(odd), None, "{odd}");
        }
    }
}
