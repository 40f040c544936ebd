//! The `authorization` header.

use crate::error::TokenError;

/// A text that has the form of a JWS in compact serialisation. Nothing about it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a> {
    text: &'a str,
    /// Header, payload and signature, still encoded.
    pub(crate) parts: [&'a str; 3],
}

// === impl BearerToken ===

impl<'a> BearerToken<'a> {
    /// Reads all values of the `authorization` header; without any there is no token.
    ///
    /// # Errors
    /// More than one value, another scheme, or a token that is not three parts of base64url.
    pub fn from_authorization(values: &[&'a [u8]], max_token_bytes: usize) -> Result<Option<Self>, TokenError> {
        match values {
            [] => Ok(None),
            [value] => Self::from_value(value, max_token_bytes).map(Some),
            _ => Err(TokenError::Repeated),
        }
    }

    /// RFC 9110 section 11.4: the scheme, in any case, one or more spaces, the token.
    fn from_value(value: &'a [u8], max_token_bytes: usize) -> Result<Self, TokenError> {
        let (scheme, token) = value.split_at_checked(7).ok_or(TokenError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(TokenError::Scheme);
        }
        let token = token.trim_ascii_start();
        if token.len() > max_token_bytes {
            return Err(TokenError::TooLong { limit: max_token_bytes });
        }
        let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !token.iter().all(is_base64url) {
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

#[cfg(test)]
mod tests {
    use super::{BearerToken, TokenError};

    fn read(values: &[&[u8]]) -> Result<Option<String>, TokenError> {
        BearerToken::from_authorization(values, 16).map(|token| token.map(|token| token.text.to_owned()))
    }

    #[test]
    fn one_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in [&b"Bearer a.b.c"[..], b"bearer a.b.c", b"BEARER   a.b.c"] {
            assert_eq!(read(&[value]), Ok(Some("a.b.c".to_owned())));
        }
        assert_eq!(read(&[b"Bearer a.b."]), Ok(Some("a.b.".to_owned())));
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(read(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err(TokenError::Repeated));
        for value in
            [&b""[..], b"Bearer", b"Basic YTpi", b"DPoP a.b.c", b"Bearera.b.c", b"\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(read(&[value]), Err(TokenError::Scheme));
        }
        for value in [
            &b"Bearer "[..],
            b"Bearer a",
            b"Bearer a.b",
            b"Bearer a.b.c.d",
            b"Bearer a.b.c.d.e",
            b"Bearer .b.c",
            b"Bearer a..c",
        ] {
            assert_eq!(read(&[value]), Err(TokenError::NotCompact));
        }
        assert_eq!(read(&[b"Bearer aaaaaaaaaaaaa.b.c"]), Err(TokenError::TooLong { limit: 16 }));
    }

    #[test]
    fn every_byte_of_a_token_is_allowed_or_refused() {
        for byte in 0..=255_u8 {
            let value = [b"Bearer a", &[byte][..], b".b.c"].concat();
            let allowed = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            assert_eq!(read(&[&value]).is_ok(), allowed, "byte 0x{byte:02x}");
        }
    }
}
