//! One spelling of each JSON value.

use serde::Serialize;

/// The canonical form of RFC 8785, for hashing.
///
/// Numbers are written as ECMAScript writes the double that they stand for, so integers beyond 2^53 are rounded, as
/// the RFC asks.
#[must_use]
pub fn canonical_json(value: &impl Serialize) -> Vec<u8> {
    // Maps with string keys and finite numbers always have a canonical form.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::canonical_json;

    #[test]
    fn order_space_and_spelling_make_no_difference() {
        let value = json!({"b": [1.0, "\u{e9}", 1e21, 0.000001], "a": {"z": null, "A": true}});
        let canonical = canonical_json(value.as_object().unwrap());
        assert_eq!(canonical, "{\"a\":{\"A\":true,\"z\":null},\"b\":[1,\"\u{e9}\",1e+21,0.000001]}".as_bytes());
    }

    /// Made of the numbers of RFC 8785 appendix B, its examples, and random values, by `canonicalize` 2 (npm) and `rfc8785`
    /// 0.1.4 (PyPI), which agree on all of them that both take; the second takes no integers beyond 2^53.
    #[test]
    fn other_implementations_write_the_same() {
        let pairs: Vec<(String, String)> = serde_json::from_str(include_str!("canonical/rfc8785.json")).unwrap();
        assert!(pairs.len() > 100);
        for (text, expected) in pairs {
            // As the arguments of a request are read.
            let value = crate::parse_json(text.as_bytes(), 32, 1_000).unwrap();
            assert_eq!(String::from_utf8(canonical_json(&value)).unwrap(), expected, "{text}");
        }
    }
}
