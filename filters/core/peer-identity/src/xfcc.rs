//! `x-forwarded-client-cert`, as Envoy writes it.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>
//!
//! Envoy copies URI and DNS SANs into the header without quotes or escapes, so a certificate with a `;` or a `,` in a
//! name could write keys of its own. That is why a second `URI` and a second element are errors and never a choice.

use thiserror::Error;

/// Why the header names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XfccError {
    /// More than one hop wrote into it; only the one that ends the client's connection may.
    #[error("it has more than one element")]
    SeveralElements,
    /// Several `URI` keys in the element: the certificate has several URI SANs.
    #[error("it has more than one `URI`")]
    SeveralUris,
    /// No `URI` key, or an empty one.
    #[error("it has no `URI`")]
    NoUri,
    /// A key that Envoy does not write.
    #[error("it has a key that Envoy does not write")]
    UnknownKey,
    /// A pair without `=`, a quote that does not close or stands in the middle, or an escape in the name.
    #[error("it is malformed")]
    Malformed,
}

/// Keys are not case-sensitive.
const OTHER_KEYS: [&[u8]; 6] = [b"by", b"hash", b"cert", b"chain", b"subject", b"dns"];

/// The one URI of the one element.
pub(crate) fn uri(header: &[u8]) -> Result<&[u8], XfccError> {
    let mut uri = None;
    let mut rest = header;
    loop {
        let (key, after_key) = key(rest)?;
        let (value, after) = value(after_key)?;
        if key.eq_ignore_ascii_case(b"uri") {
            if value.contains(&b'\\') {
                // No SPIFFE ID needs an escape, so none is decoded.
                return Err(XfccError::Malformed);
            }
            if uri.replace(value).is_some() {
                return Err(XfccError::SeveralUris);
            }
        } else if !OTHER_KEYS.iter().any(|other| key.eq_ignore_ascii_case(other)) {
            return Err(XfccError::UnknownKey);
        }
        match after.split_first() {
            None => return uri.filter(|uri| !uri.is_empty()).ok_or(XfccError::NoUri),
            Some((b';', next)) => rest = next,
            Some((b',', _)) => return Err(XfccError::SeveralElements),
            Some(_) => return Err(XfccError::Malformed),
        }
    }
}

/// What stands before the `=`, and what after it.
fn key(text: &[u8]) -> Result<(&[u8], &[u8]), XfccError> {
    let end = text.iter().position(|byte| matches!(byte, b'=' | b';' | b',' | b'"')).ok_or(XfccError::Malformed)?;
    let (key, rest) = text.split_at_checked(end).ok_or(XfccError::Malformed)?;
    Ok((key, rest.strip_prefix(b"=").ok_or(XfccError::Malformed)?))
}

/// A value without its quotes, and what follows it.
fn value(text: &[u8]) -> Result<(&[u8], &[u8]), XfccError> {
    match text.strip_prefix(b"\"") {
        Some(quoted) => {
            let (value, rest) = quoted.split_at_checked(closing_quote(quoted)?).ok_or(XfccError::Malformed)?;
            Ok((value, rest.strip_prefix(b"\"").ok_or(XfccError::Malformed)?))
        }
        None => {
            let end = text.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(text.len());
            let (value, rest) = text.split_at_checked(end).ok_or(XfccError::Malformed)?;
            if value.contains(&b'"') { Err(XfccError::Malformed) } else { Ok((value, rest)) }
        }
    }
}

/// Where the first quote is that no backslash escapes.
fn closing_quote(text: &[u8]) -> Result<usize, XfccError> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at),
            _ => {}
        }
    }
    Err(XfccError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::{XfccError, uri};

    #[track_caller]
    fn refused(header: &[u8], error: XfccError) {
        assert_eq!(uri(header), Err(error), "{}", header.escape_ascii());
    }

    #[test]
    fn the_uri_is_found_among_what_envoy_writes() {
        let header = br#"By=spiffe://a/gw;Hash=00ff;Subject="CN=a,O=\"b;c\"";URI=spiffe://a/b;DNS=x;DNS=y"#;
        assert_eq!(uri(header), Ok(&b"spiffe://a/b"[..]));
        assert_eq!(uri(br#"uri="spiffe://a/b";Cert="%2D""#), Ok(&b"spiffe://a/b"[..]));
    }

    #[test]
    fn a_uri_inside_a_quoted_subject_is_not_the_uri() {
        refused(br#"Subject="x;URI=spiffe://a/root";DNS=y"#, XfccError::NoUri);
        refused(br#"Subject="x\";URI=spiffe://a/root";DNS=y"#, XfccError::NoUri);
        let header = br#"Subject="x\\";URI=spiffe://a/b"#;
        assert_eq!(uri(header), Ok(&b"spiffe://a/b"[..]));
    }

    #[test]
    fn a_second_name_is_refused_wherever_it_stands() {
        refused(b"URI=spiffe://a/b;URI=spiffe://a/c", XfccError::SeveralUris);
        refused(b"URI=spiffe://a/b;URI=spiffe://a/b", XfccError::SeveralUris);
        refused(b"URI=;DNS=x;URI=spiffe://a/root", XfccError::SeveralUris);
        refused(b"URI=spiffe://a/b;uri=", XfccError::SeveralUris);
        refused(b"URI=spiffe://a/b,By=x", XfccError::SeveralElements);
        refused(b"URI=spiffe://a/b,", XfccError::SeveralElements);
        refused(b"Hash=00,URI=spiffe://a/b", XfccError::SeveralElements);
    }

    #[test]
    fn a_header_without_a_name_is_refused() {
        refused(b"Hash=00", XfccError::NoUri);
        refused(b"URI=", XfccError::NoUri);
        refused(br#"URI="""#, XfccError::NoUri);
    }

    #[test]
    fn a_key_that_envoy_does_not_write_is_refused() {
        refused(b"Role=admin;URI=spiffe://a/b", XfccError::UnknownKey);
        refused(b" URI=spiffe://a/b", XfccError::UnknownKey);
        refused(b"Hash=00; URI=spiffe://a/b", XfccError::UnknownKey);
        refused(b"=;URI=spiffe://a/b", XfccError::UnknownKey);
    }

    #[test]
    fn what_is_not_written_as_pairs_is_refused() {
        refused(b"", XfccError::Malformed);
        refused(b"URI", XfccError::Malformed);
        refused(b"URI=spiffe://a/b;", XfccError::Malformed);
        refused(b"Hash;URI=spiffe://a/b", XfccError::Malformed);
        refused(br#"Subject="x;URI=spiffe://a/b"#, XfccError::Malformed);
        refused(br#"URI="a"b"#, XfccError::Malformed);
        refused(br#"URI=a"b""#, XfccError::Malformed);
        refused(br#"URI="a\b""#, XfccError::Malformed);
        refused(br#"URI=a\b"#, XfccError::Malformed);
        refused(br#"URI="a\"#, XfccError::Malformed);
    }
}
