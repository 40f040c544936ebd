//! SPIFFE IDs.

use std::fmt;

use thiserror::Error;

use crate::trust_domain::{TrustDomain, TrustDomainError};

/// A SPIFFE ID with a path (SPIFFE-ID section 2). Values are always valid and spelt in the one way there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    text: String,
    trust_domain: TrustDomain,
    path_at: usize,
}

/// Why a text is no SPIFFE ID of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpiffeIdError {
    /// It has more than 2,048 bytes.
    #[error("a SPIFFE ID has at most 2048 bytes, this one has {0}")]
    TooLong(usize),
    /// It does not begin with `spiffe://`, in lower case.
    #[error("a SPIFFE ID begins with `spiffe://`")]
    Scheme,
    /// The trust domain is not valid.
    #[error(transparent)]
    TrustDomain(#[from] TrustDomainError),
    /// There is no path: the ID names a trust domain, not a workload (X509-SVID section 4.1).
    #[error("a workload's SPIFFE ID has a path")]
    NoPath,
    /// A path segment is empty, or the path ends in `/`.
    #[error("a path segment cannot be empty")]
    EmptySegment,
    /// A path segment is `.` or `..`.
    #[error("a path segment cannot be `.` or `..`")]
    DotSegment,
    /// The path holds something else than letters, digits, `.`, `-` and `_`.
    #[error("a path has letters, digits, `.`, `-` and `_` only, not byte 0x{0:02x}")]
    BadByte(u8),
}

/// SPIFFE-ID section 2.3.
const MAX_BYTES: usize = 2048;
const SCHEME: &str = "spiffe://";

// === impl SpiffeId ===

impl SpiffeId {
    /// Parses the ID of a workload.
    ///
    /// # Errors
    /// Anything that SPIFFE-ID section 2 does not allow, and an ID without a path.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAX_BYTES {
            return Err(SpiffeIdError::TooLong(text.len()));
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
        let (name, path) = match rest.split_once('/') {
            Some((name, path)) => (name, Some(path)),
            None => (rest, None),
        };
        let trust_domain = TrustDomain::parse(name)?;
        path.ok_or(SpiffeIdError::NoPath)?.split('/').try_for_each(check_segment)?;
        let path_at = SCHEME.len().saturating_add(name.len());
        Ok(Self { text: text.to_owned(), trust_domain, path_at })
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Its path, with the leading `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// SPIFFE-ID section 2.2.
fn check_segment(segment: &str) -> Result<(), SpiffeIdError> {
    match segment {
        "" => Err(SpiffeIdError::EmptySegment),
        "." | ".." => Err(SpiffeIdError::DotSegment),
        _ => match segment.bytes().find(|&byte| !is_path_byte(byte)) {
            Some(byte) => Err(SpiffeIdError::BadByte(byte)),
            None => Ok(()),
        },
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::{SpiffeId, SpiffeIdError, TrustDomainError};

    #[track_caller]
    fn refused(text: &str, error: SpiffeIdError) {
        assert_eq!(SpiffeId::parse(text), Err(error), "{text}");
    }

    #[test]
    fn the_parts_are_as_written() {
        let id = SpiffeId::parse("spiffe://acme.example/ns/prod/sa/Agent_1").unwrap();
        assert_eq!(id.as_str(), "spiffe://acme.example/ns/prod/sa/Agent_1");
        assert_eq!(id.trust_domain().as_str(), "acme.example");
        assert_eq!(id.path(), "/ns/prod/sa/Agent_1");
    }

    #[test]
    fn every_byte_of_a_path_is_allowed_or_refused_as_the_standard_says() {
        let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
        for byte in 0..=127_u8 {
            let text = format!("spiffe://a/b{}c", char::from(byte));
            match byte {
                b'/' => assert!(SpiffeId::parse(&text).is_ok()),
                byte if allowed.contains(&byte) => assert!(SpiffeId::parse(&text).is_ok(), "byte 0x{byte:02x}"),
                byte => refused(&text, SpiffeIdError::BadByte(byte)),
            }
        }
        for code in 128..=255_u8 {
            let first = char::from(code).to_string().as_bytes()[0];
            refused(&format!("spiffe://a/b{}", char::from(code)), SpiffeIdError::BadByte(first));
        }
    }

    #[test]
    fn what_is_nearly_an_id_is_none() {
        for scheme in ["", "a/b", "Spiffe://a/b", "SPIFFE://a/b", "spiffe:/a/b", " spiffe://a/b", "https://a/b"] {
            refused(scheme, SpiffeIdError::Scheme);
        }
        refused("spiffe://", SpiffeIdError::TrustDomain(TrustDomainError::Empty));
        refused("spiffe:///b", SpiffeIdError::TrustDomain(TrustDomainError::Empty));
        refused("spiffe://A/b", SpiffeIdError::TrustDomain(TrustDomainError::BadByte(b'A')));
        refused("spiffe://a:1/b", SpiffeIdError::TrustDomain(TrustDomainError::BadByte(b':')));
        refused("spiffe://u@a/b", SpiffeIdError::TrustDomain(TrustDomainError::BadByte(b'@')));
        refused("spiffe://a", SpiffeIdError::NoPath);
        refused("spiffe://a/", SpiffeIdError::EmptySegment);
        refused("spiffe://a/b/", SpiffeIdError::EmptySegment);
        refused("spiffe://a//b", SpiffeIdError::EmptySegment);
        refused("spiffe://a/./b", SpiffeIdError::DotSegment);
        refused("spiffe://a/b/..", SpiffeIdError::DotSegment);
        refused("spiffe://a/b?c", SpiffeIdError::BadByte(b'?'));
        refused("spiffe://a/b#c", SpiffeIdError::BadByte(b'#'));
        refused("spiffe://a/%62", SpiffeIdError::BadByte(b'%'));
        refused("spiffe://a/b,spiffe://a/c", SpiffeIdError::BadByte(b','));
    }

    #[test]
    fn dots_within_a_segment_are_legal() {
        for text in ["spiffe://a/...", "spiffe://a/.hidden", "spiffe://a/b.c"] {
            assert!(SpiffeId::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let longest = format!("spiffe://a/{}", "b".repeat(2048 - 11));
        assert!(SpiffeId::parse(&longest).is_ok());
        refused(&format!("{longest}b"), SpiffeIdError::TooLong(2049));
    }
}
