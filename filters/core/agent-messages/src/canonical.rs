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
}
