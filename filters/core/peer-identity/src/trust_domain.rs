//! The authority of a SPIFFE ID.

use std::fmt;

use thiserror::Error;

/// A trust domain name (SPIFFE-ID section 2.1). Values are always valid.
///
/// Upper case is refused, not folded: the standard demands lower case, and two spellings must never be one principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

/// Why a text is no trust domain name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustDomainError {
    /// It is empty.
    #[error("a trust domain name cannot be empty")]
    Empty,
    /// It has more than 255 bytes.
    #[error("a trust domain name has at most 255 bytes, this one has {0}")]
    TooLong(usize),
    /// It holds something else than lower-case letters, digits, `.`, `-` and `_`.
    #[error("a trust domain name has lower-case letters, digits, `.`, `-` and `_` only, not byte 0x{0:02x}")]
    BadByte(u8),
}

/// SPIFFE-ID section 2.3.
const MAX_BYTES: usize = 255;

// === impl TrustDomain ===

impl TrustDomain {
    /// Parses a bare name, as in `acme.example`.
    ///
    /// # Errors
    /// Anything that SPIFFE-ID section 2.1 does not allow.
    pub fn parse(text: &str) -> Result<Self, TrustDomainError> {
        if text.is_empty() {
            return Err(TrustDomainError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(TrustDomainError::TooLong(text.len()));
        }
        match text.bytes().find(|&byte| !is_name_byte(byte)) {
            Some(byte) => Err(TrustDomainError::BadByte(byte)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name, as in `acme.example`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::{TrustDomain, TrustDomainError};

    #[test]
    fn every_byte_is_allowed_or_refused_as_the_standard_says() {
        let allowed = b"abcdefghijklmnopqrstuvwxyz0123456789.-_";
        for byte in 0..=127_u8 {
            let parsed = TrustDomain::parse(&format!("a{}", char::from(byte)));
            if allowed.contains(&byte) {
                assert!(parsed.is_ok(), "byte 0x{byte:02x}");
            } else {
                assert_eq!(parsed, Err(TrustDomainError::BadByte(byte)));
            }
        }
        for code in 128..=255_u8 {
            // Latin-1 code points are two bytes of UTF-8; the first is named.
            let first = char::from(code).to_string().as_bytes()[0];
            assert_eq!(TrustDomain::parse(&format!("a{}", char::from(code))), Err(TrustDomainError::BadByte(first)));
        }
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(TrustDomain::parse(""), Err(TrustDomainError::Empty));
        assert!(TrustDomain::parse(&"a".repeat(255)).is_ok());
        assert_eq!(TrustDomain::parse(&"a".repeat(256)), Err(TrustDomainError::TooLong(256)));
    }
}
