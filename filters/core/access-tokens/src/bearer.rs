//! The `authorization` header.

use std::fmt;

use crate::error::TokenError;

/// A text that has the form of a JWS in compact serialisation (RFC 7515 section 7.1). Nothing about it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a> {
    text: &'a str,
    /// Header, payload and signature, still encoded. The signature may be empty; no algorithm accepts that.
    pub(crate) parts: [&'a str; 3],
}

// === impl BearerToken ===

impl<'a> BearerToken<'a> {
    /// Reads all values of the `authorization` header; `None` means that there is no such header.
    ///
    /// # Errors
    /// More than one value, another scheme, more than `max_token_bytes`, or a token that is not three parts of
    /// base64url.
    pub fn from_authorization(values: &[&'a [u8]], max_token_bytes: usize) -> Result<Option<Self>, TokenError> {
        match values {
            [] => Ok(None),
            [value] => Self::from_value(value, max_token_bytes).map(Some),
            _ => Err(TokenError::Repeated),
        }
    }

    /// RFC 6750 section 2.1 and RFC 9110 section 11.1: the scheme in any case, one or more spaces, the token.
    fn from_value(value: &'a [u8], max_token_bytes: usize) -> Result<Self, TokenError> {
        let end = value.iter().position(|&byte| byte == b' ').ok_or(TokenError::Scheme)?;
        let (scheme, rest) = value.split_at_checked(end).ok_or(TokenError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(TokenError::Scheme);
        }
        let start = rest.iter().position(|&byte| byte != b' ').ok_or(TokenError::Scheme)?;
        let (_, token) = rest.split_at_checked(start).ok_or(TokenError::Scheme)?;
        Self::from_compact(token, max_token_bytes)
    }

    /// A token without a scheme before it.
    pub(crate) fn from_compact(token: &'a [u8], max_token_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_token_bytes {
            return Err(TokenError::TooLong { limit: max_token_bytes });
        }
        // Envoy merges repeated headers with a comma.
        if token.contains(&b',') {
            return Err(TokenError::Repeated);
        }
        if !token.iter().all(|&byte| is_base64url(byte) || byte == b'.') {
            return Err(TokenError::NotCompact);
        }
        let text = std::str::from_utf8(token).map_err(|_| TokenError::NotCompact)?;
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(payload), Some(signature), None) if !header.is_empty() && !payload.is_empty() => {
                Ok(Self { text, parts: [header, payload, signature] })
            }
            _ => Err(TokenError::NotCompact),
        }
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }
}

impl fmt::Debug for BearerToken<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// RFC 4648 section 5.
fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::{BearerToken, TokenError};

    fn read<'a>(values: &[&'a [u8]]) -> Result<Option<&'a str>, TokenError> {
        Ok(BearerToken::from_authorization(values, 16)?.map(|token| token.as_str()))
    }

    #[track_caller]
    fn refused(value: &[u8], error: TokenError) {
        assert_eq!(read(&[value]), Err(error), "{}", value.escape_ascii());
    }

    #[test]
    fn one_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in [&b"Bearer a.b.c"[..], b"bearer a.b.c", b"BEARER   a.b.c"] {
            assert_eq!(read(&[value]), Ok(Some("a.b.c")));
        }
        assert_eq!(read(&[b"Bearer a.b."]), Ok(Some("a.b.")));
        assert_eq!(read(&[b"Bearer aaaaaaaaaaaa.b.c"]), Ok(Some("aaaaaaaaaaaa.b.c")));
    }

    #[test]
    fn no_header_is_no_token_and_no_error() {
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn two_headers_are_refused_even_when_they_are_equal_or_merged() {
        assert_eq!(read(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err(TokenError::Repeated));
        assert_eq!(read(&[b"Bearer a.b.c", b""]), Err(TokenError::Repeated));
        refused(b"Bearer a.b.c,", TokenError::Repeated);
        let merged = b"Bearer a.b.c,Bearer d.e.f";
        let read = BearerToken::from_authorization(&[merged], 100);
        assert_eq!(read, Err(TokenError::Repeated));
    }

    #[test]
    fn another_scheme_is_refused() {
        for value in [
            &b""[..],
            b" ",
            b"Bearer",
            b"Bearer ",
            b"Bearer  ",
            b" Bearer a.b.c",
            b"Basic YTpi",
            b"DPoP a.b.c",
            b"Bearera.b.c",
            b"Bearer\ta.b.c",
            b"a.b.c",
            b"\xff\xff\xff\xff\xff\xff \xff",
        ] {
            refused(value, TokenError::Scheme);
        }
    }

    #[test]
    fn what_is_not_three_parts_is_refused() {
        for value in [
            &b"Bearer a"[..],
            b"Bearer a.b",
            b"Bearer a.b.c.d",
            b"Bearer a.b.c.d.e",
            b"Bearer .b.c",
            b"Bearer a..c",
            b"Bearer ..",
            b"Bearer \ta.b.c",
            b"Bearer a.b.c ",
            b"Bearer a.b.c d",
            b"Bearer \"a.b.c\"",
        ] {
            refused(value, TokenError::NotCompact);
        }
    }

    #[test]
    fn length_is_bounded() {
        refused(b"Bearer aaaaaaaaaaaaa.b.c", TokenError::TooLong { limit: 16 });
    }

    #[test]
    fn every_byte_of_a_token_is_allowed_or_refused() {
        for byte in 0..=255_u8 {
            let value = [b"Bearer a", &[byte][..], b"b.c.d"].concat();
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => assert!(read(&[&value]).is_ok()),
                b',' => refused(&value, TokenError::Repeated),
                _ => refused(&value, TokenError::NotCompact),
            }
        }
    }

    #[test]
    fn the_debug_form_does_not_show_the_token() {
        let token = BearerToken::from_authorization(&[b"Bearer secret.b.c"], 16).unwrap().unwrap();
        assert_eq!(format!("{token:?}"), "BearerToken { bytes: 10, .. }");
    }
}
