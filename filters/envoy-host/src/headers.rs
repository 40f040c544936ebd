//! Header maps, as bytes: a value may hold any byte, and a name may repeat.

use request_guard::Header;

use crate::abi::{self, HostError};

/// Which header map of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderMap {
    /// What the client sent.
    Request,
    /// What the client sent after the body.
    RequestTrailers,
    /// What the upstream answered.
    Response,
    /// Of a document that was fetched.
    CallResponse,
}

/// All headers in the order received, pseudo-headers included, repeats kept.
///
/// # Errors
/// The host refused, or its serialisation is not that of the ABI.
pub(crate) fn read_headers(map: HeaderMap) -> Result<Vec<Header>, HostError> {
    let bytes = abi::get_header_map_pairs(map.number())?;
    deserialize(&bytes).ok_or(HostError::Malformed { call: "proxy_get_header_map_pairs" })
}

/// Sets a header to exactly one value, whatever was there.
///
/// # Errors
/// The host refused: the phase in which headers can be changed has passed.
pub(crate) fn set_header(map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError> {
    abi::replace_header(map.number(), name.as_bytes(), value)
}

/// Removes every value of a header; one that is not there is no error.
///
/// # Errors
/// The host refused: the phase in which headers can be changed has passed.
pub(crate) fn remove_header(map: HeaderMap, name: &[u8]) -> Result<(), HostError> {
    abi::remove_header(map.number(), name)
}

/// `count, (name size, value size)*, (name NUL value NUL)*`, all sizes 32 bit little endian.
pub(crate) fn serialize(headers: &[(String, String)]) -> Vec<u8> {
    let size = |bytes: &str| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (name, value) in headers {
        out.extend(size(name));
        out.extend(size(value));
    }
    for (name, value) in headers {
        out.extend(name.as_bytes());
        out.push(0);
        out.extend(value.as_bytes());
        out.push(0);
    }
    out
}

fn deserialize(bytes: &[u8]) -> Option<Vec<Header>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let number = |at: usize| -> Option<usize> {
        let word: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    };
    let count = number(0)?;
    // The sizes of `count` pairs must be there before anything is reserved for them.
    let mut text = count.checked_mul(8)?.checked_add(4)?;
    bytes.get(..text)?;
    let mut pairs = Vec::with_capacity(count);
    for pair in 0..count {
        let sizes = pair.checked_mul(8)?.checked_add(4)?;
        let mut part = |size: usize| -> Option<Vec<u8>> {
            let end = text.checked_add(size)?;
            let part = bytes.get(text..end)?.to_vec();
            text = end.checked_add(1)?;
            Some(part)
        };
        let name = part(number(sizes)?)?;
        let value = part(number(sizes.checked_add(4)?)?)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

// === impl HeaderMap ===

impl HeaderMap {
    fn number(self) -> u32 {
        match self {
            Self::Request => 0,
            Self::RequestTrailers => 1,
            Self::Response => 2,
            Self::CallResponse => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{deserialize, serialize};

    #[test]
    fn pairs_survive_the_round_trip() {
        let headers = [(":path".to_owned(), "/mcp".to_owned()), ("empty".to_owned(), String::new())];
        let bytes = serialize(&headers);
        let expected = vec![(b":path".to_vec(), b"/mcp".to_vec()), (b"empty".to_vec(), Vec::new())];
        assert_eq!(deserialize(&bytes), Some(expected));
    }

    #[test]
    fn a_value_may_hold_any_byte() {
        let mut bytes = serialize(&[("a".to_owned(), "??".to_owned())]);
        let at = bytes.len() - 3;
        bytes[at] = 0xff;
        bytes[at + 1] = 0x00;
        assert_eq!(deserialize(&bytes), Some(vec![(b"a".to_vec(), vec![0xff, 0x00])]));
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = serialize(&[("name".to_owned(), "value".to_owned())]);
        for end in 1..bytes.len() - 1 {
            assert_eq!(deserialize(&bytes[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_count_without_its_pairs_is_refused() {
        assert_eq!(deserialize(&u32::MAX.to_le_bytes()), None);
    }
}
