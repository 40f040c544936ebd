//! The `authorization` header.

use std::fmt;

use crate::error::TokenError;

/// The token of a request, in the form of a JWS. Nothing about it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a> {
    scheme: Scheme,
    pub(crate) jws: Jws<'a>,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By itself (RFC 6750).
    Bearer,
    /// With a proof that its bearer has the key that it is bound to (RFC 9449 section 7.1).
    Dpop,
}

/// A text that has the form of a JWS in compact serialisation (RFC 7515 section 7.1). Nothing about it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jws<'a> {
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
        let scheme = Scheme::parse(scheme).ok_or(TokenError::Scheme)?;
        let start = rest.iter().position(|&byte| byte != b' ').ok_or(TokenError::Scheme)?;
        let (_, token) = rest.split_at_checked(start).ok_or(TokenError::Scheme)?;
        Ok(Self { scheme, jws: Jws::parse(token, max_token_bytes)? })
    }

    /// How it was presented.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn as_str(&self) -> &'a str {
        self.jws.text
    }
}

impl fmt::Debug for BearerToken<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("bytes", &self.jws.text.len()).finish_non_exhaustive()
    }
}

// === impl Scheme ===

impl Scheme {
    fn parse(name: &[u8]) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case(b"bearer") => Some(Self::Bearer),
            _ if name.eq_ignore_ascii_case(b"dpop") => Some(Self::Dpop),
            _ => None,
        }
    }
}

// === impl Jws ===

impl<'a> Jws<'a> {
    /// Reads the value of a header that holds nothing else.
    pub(crate) fn parse(value: &'a [u8], max_bytes: usize) -> Result<Self, TokenError> {
        if value.len() > max_bytes {
            return Err(TokenError::TooLong { limit: max_bytes });
        }
        // Envoy merges repeated headers with a comma.
        if value.contains(&b',') {
            return Err(TokenError::Repeated);
        }
        if !value.iter().all(|&byte| is_base64url(byte) || byte == b'.') {
            return Err(TokenError::NotCompact);
        }
        let text = std::str::from_utf8(value).map_err(|_| TokenError::NotCompact)?;
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(payload), Some(signature), None) if !header.is_empty() && !payload.is_empty() => {
                Ok(Self { text, parts: [header, payload, signature] })
            }
            _ => Err(TokenError::NotCompact),
        }
    }

    /// What the signature is of: the encoded header and payload with a dot between them (RFC 7515 section 5.2).
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.text.rsplit_once('.').map_or(&[], |(input, _)| input.as_bytes())
    }
}

/// RFC 4648 section 5.
fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::{BearerToken, Scheme, TokenError};

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
    fn the_scheme_says_how_the_token_is_presented() {
        let scheme = |value: &[u8]| BearerToken::from_authorization(&[value], 16).unwrap().unwrap().scheme();
        for value in [&b"DPoP a.b.c"[..], b"dpop  a.b.c", b"DPOP a.b.c"] {
            assert_eq!(scheme(value), Scheme::Dpop);
        }
        assert_eq!(scheme(b"Bearer a.b.c"), Scheme::Bearer);
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
            b"DPo a.b.c",
            b"DPoP-RT a.b.c",
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
