//! `x-forwarded-client-cert`, as Envoy writes it.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>

use thiserror::Error;

/// Why the header names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XfccError {
    /// More than one hop wrote into it; only the one that ends the client's connection may.
    #[error("it has more than one element")]
    SeveralElements,
    /// Several `URI` keys in the element.
    #[error("it has more than one `URI`")]
    SeveralUris,
    /// No `URI` key.
    #[error("it has no `URI`")]
    NoUri,
    /// Quotes that don't close, a pair without `=`, or an escape in the name.
    #[error("it is malformed")]
    Malformed,
}

/// The one URI of the one element.
pub(crate) fn uri(value: &[u8]) -> Result<&[u8], XfccError> {
    let mut uri = None;
    let mut rest = value;
    loop {
        let (pair, separator, after) = split_pair(rest)?;
        let equals = pair.iter().position(|&byte| byte == b'=').ok_or(XfccError::Malformed)?;
        let (key, quoted) = pair.split_at_checked(equals).ok_or(XfccError::Malformed)?;
        if key.trim_ascii().eq_ignore_ascii_case(b"uri") && uri.replace(unquoted(quoted)?).is_some() {
            return Err(XfccError::SeveralUris);
        }
        match separator {
            None => return uri.filter(|uri| !uri.is_empty()).ok_or(XfccError::NoUri),
            Some(b',') => return Err(XfccError::SeveralElements),
            Some(_) => rest = after,
        }
    }
}

/// Up to the next `;` or `,` outside quotes, what that was, and what follows it.
fn split_pair(text: &[u8]) -> Result<(&[u8], Option<u8>, &[u8]), XfccError> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                let (pair, after) = text.split_at_checked(at).ok_or(XfccError::Malformed)?;
                return Ok((pair, Some(byte), after.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    if quoted { Err(XfccError::Malformed) } else { Ok((text, None, &[])) }
}

/// `="value"` or `=value`. No SPIFFE ID needs an escape, so one is refused instead of decoded.
fn unquoted(value: &[u8]) -> Result<&[u8], XfccError> {
    let value = value.strip_prefix(b"=").ok_or(XfccError::Malformed)?;
    let inner = match value.strip_prefix(b"\"") {
        Some(inner) => inner.strip_suffix(b"\"").ok_or(XfccError::Malformed)?,
        None => value,
    };
    if inner.iter().any(|byte| matches!(byte, b'"' | b'\\')) { Err(XfccError::Malformed) } else { Ok(inner) }
}

#[cfg(test)]
mod tests {
    use super::{XfccError, uri};

    #[test]
    fn the_uri_is_found_among_what_envoy_writes() {
        let value = br#"By=spiffe://a/gw;Hash=00ff;Subject="CN=a,O=\"b;c\"";URI=spiffe://a/b;DNS=x"#;
        assert_eq!(uri(value), Ok(&b"spiffe://a/b"[..]));
        assert_eq!(uri(br#"uri="spiffe://a/b""#), Ok(&b"spiffe://a/b"[..]));
    }

    #[test]
    fn a_uri_inside_a_quoted_subject_is_not_the_uri() {
        assert_eq!(uri(br#"Subject="x;URI=spiffe://a/root";DNS=y"#), Err(XfccError::NoUri));
    }

    #[test]
    fn what_could_name_somebody_else_is_refused() {
        assert_eq!(uri(b"URI=spiffe://a/b;URI=spiffe://a/c"), Err(XfccError::SeveralUris));
        assert_eq!(uri(b"URI=spiffe://a/b,By=x"), Err(XfccError::SeveralElements));
        assert_eq!(uri(b"Hash=00"), Err(XfccError::NoUri));
        assert_eq!(uri(b"URI="), Err(XfccError::NoUri));
        for odd in [&b""[..], b"URI", b"Subject=\"x;URI=spiffe://a/b", b"URI=\"a\"b\"", b"URI=\"a\\b\"", b"URI=\"a"] {
            assert_eq!(uri(odd), Err(XfccError::Malformed));
        }
    }
}
