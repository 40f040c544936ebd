//! Resource URIs: one spelling each.
//!
//! A policy or the catalogue names resources by the text of their URIs, while servers resolve `..`, decode `%65` and
//! ignore the case of a scheme. Whatever some server could take for another URI than the text says is denied.

/// Whether the URI is in the normal form of RFC 3986 section 6.2.2, the case of its authority apart.
pub(crate) fn is_normal(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let of_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.');
    let Some(decoded) = decoded(rest) else { return false };
    let path = decoded.split(['?', '#']).next().unwrap_or_default();
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(of_scheme)
        && !path.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

/// The URI with its authority in lower case, if that is another spelling: to some servers they are the same
/// (RFC 3986 section 6.2.2.1), to others not.
pub(crate) fn with_lowercase_authority(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let lower = authority.to_ascii_lowercase();
    (lower != authority).then(|| format!("{scheme}://{lower}{path}"))
}

/// The text without percent-encoding; nothing if a character is encoded that need not be, or that has no place in a
/// URI. What is encoded may be a `?`: then the path seems shorter than it is, hence the two characters in its place.
fn decoded(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match encoded_byte(bytes.next()?, bytes.next()?)? {
                b'?' | b'#' => out.push('_'),
                byte if is_unreserved(byte) => return None,
                byte => out.push(char::from(byte)),
            },
            byte if is_unreserved(byte) || b":/?#[]@!$&'()*+,;=".contains(&byte) => out.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(out)
}

/// RFC 3986 section 6.2.2.1: hexadecimal digits in upper case.
fn encoded_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    };
    Some(digit(high)?.wrapping_mul(16).wrapping_add(digit(low)?))
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{is_normal, with_lowercase_authority};

    #[test]
    fn ordinary_uris_are_normal() {
        for uri in [
            "doc://hr/policies/work-from-home",
            "file:///home/Maria/notes%20of%20today.txt",
            "repo://Owner/repo/contents/src%2Flib.rs",
            "https://a.example:8443/x?q=..%2F&r=../y#z",
            "urn:isbn:0451450523",
            "ui://a/.hidden/...",
            "a:",
        ] {
            assert!(is_normal(uri), "{uri}");
        }
    }

    #[test]
    fn every_second_spelling_is_refused() {
        for uri in [
            "",
            "doc",
            "//exec/x",
            ":x",
            "1a:b",
            "DOC://exec/x",
            "doc://exec/../hr/x",
            "doc://exec/./x",
            "doc://exec/x/..",
            "doc://hr/%2e%2e/exec",
            "doc://hr/%2E%2E/exec",
            "doc://hr/..%2Fexec",
            "doc://hr/..%5Cexec",
            "doc://hr/a%3F/../exec",
            "doc://%65xec/x",
            "doc://exec/%2f",
            "doc://exec/%",
            "doc://exec/%4",
            "doc://exec/%zz",
            "doc:\\\\exec\\x",
            "doc://exec/a b",
            " doc://exec/x",
            "doc://exec/x\n",
            "doc://exec/ä",
            "a:..",
        ] {
            assert!(!is_normal(uri), "{uri}");
        }
    }

    #[test]
    fn every_byte_is_a_character_of_a_uri_or_not() {
        let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=";
        for code in 0..=255_u8 {
            let uri = format!("doc://x/{}y", char::from(code));
            assert_eq!(is_normal(&uri), allowed.contains(&code), "0x{code:02x}");
        }
    }

    #[test]
    fn only_the_authority_is_put_in_lower_case() {
        assert_eq!(with_lowercase_authority("doc://EXEC/Plan").as_deref(), Some("doc://exec/Plan"));
        assert_eq!(with_lowercase_authority("doc://Exec?Q").as_deref(), Some("doc://exec?Q"));
        assert_eq!(with_lowercase_authority("doc://exec/Plan"), None);
        assert_eq!(with_lowercase_authority("urn:A:B"), None);
    }
}
