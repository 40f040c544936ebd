//! JSON that everybody reads in the same way.
//!
//! RFC 8259 leaves duplicate names, byte order marks and depth to the parser, and parsers differ: servers built on
//! `JSON.parse` and `json.loads` take the last of two equal names, others the first.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::error::shortened;

/// Why a text is refused as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Not UTF-8 (RFC 8259 section 8.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// Begins with a byte order mark, which RFC 8259 section 8.1 forbids to send.
    #[error("begins with a byte order mark")]
    ByteOrderMark,
    /// Not the grammar of RFC 8259.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Two members of one object have the same name.
    #[error("two members are called `{name}`")]
    DuplicateName {
        /// The name, shortened.
        name: String,
    },
    /// Deeper than allowed.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The most that is allowed.
        limit: usize,
    },
    /// More values than allowed.
    #[error("more than {limit} values")]
    TooManyNodes {
        /// The most that is allowed.
        limit: usize,
    },
}

/// Parses one JSON text and nothing after it.
///
/// Numbers follow I-JSON (RFC 7493 section 2.2): integers that fit 64 bits are exact, all others are doubles.
///
/// # Errors
/// Anything that two parsers could read differently, and anything beyond the limits.
pub fn parse_json(bytes: &[u8], max_depth: usize, max_nodes: usize) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    let budget = Budget { limit: max_nodes, max_depth, left: RefCell::new(max_nodes), spent: RefCell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Node { budget: &budget, depth: 0 }.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    parsed.map_err(|error| {
        let syntax = JsonError::Syntax { line: error.line(), column: error.column() };
        budget.spent.take().unwrap_or(syntax)
    })
}

/// What is left of the limits, and which of them was hit: serde's errors can't carry that.
struct Budget {
    limit: usize,
    max_depth: usize,
    left: RefCell<usize>,
    spent: RefCell<Option<JsonError>>,
}

/// The value at one place of the text.
#[derive(Clone, Copy)]
struct Node<'b> {
    budget: &'b Budget,
    /// Arrays and objects around it.
    depth: usize,
}

// === impl Budget ===

impl Budget {
    fn refuse<E: serde::de::Error>(&self, error: JsonError) -> E {
        self.spent.replace(Some(error));
        E::custom("refused")
    }

    fn take<E: serde::de::Error>(&self) -> Result<(), E> {
        let mut left = self.left.borrow_mut();
        *left = left.checked_sub(1).ok_or_else(|| self.refuse(JsonError::TooManyNodes { limit: self.limit }))?;
        Ok(())
    }
}

// === impl Node ===

impl Node<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.budget.max_depth {
            return Err(self.budget.refuse(JsonError::TooDeep { limit: self.budget.max_depth }));
        }
        Ok(Self { depth: self.depth.saturating_add(1), ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(inner)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(self.budget.refuse(JsonError::DuplicateName { name: shortened(&name) }));
            }
            let value = access.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{JsonError, parse_json};

    #[track_caller]
    fn refused(text: &[u8], error: JsonError) {
        assert_eq!(parse_json(text, 4, 20), Err(error), "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn what_is_json_is_read() {
        let value = parse_json(br#" {"a":[1,-2,3.5,"delete\u005fall",null,true],"b":{}} "#, 4, 20);
        assert_eq!(value, Ok(json!({"a": [1, -2, 3.5, "delete_all", null, true], "b": {}})));
        assert_eq!(parse_json(b"18446744073709551615", 4, 20), Ok(json!(u64::MAX)));
    }

    #[test]
    fn two_equal_names_are_refused_at_every_level() {
        let twice = |name: &str| JsonError::DuplicateName { name: name.to_owned() };
        refused(br#"{"name":"add","name":"delete_all"}"#, twice("name"));
        refused(br#"{"a":{"b":[{"c":1,"c":1}]}}"#, twice("c"));
        refused(br#"{"name":1,"n\u0061me":2}"#, twice("name"));
    }

    #[test]
    fn encodings_other_than_plain_utf_8_are_refused() {
        refused(b"\xef\xbb\xbf{}", JsonError::ByteOrderMark);
        refused(b"{\"a\":\"\xff\"}", JsonError::NotUtf8);
        refused(
            &"{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            JsonError::Syntax { line: 1, column: 2 },
        );
        refused(b"\"\\ud800\"", JsonError::Syntax { line: 1, column: 8 });
    }

    #[test]
    fn what_only_some_parsers_take_is_refused() {
        for odd in
            ["", "NaN", "Infinity", "{} {}", "{'a':1}", "{a:1}", "[1,]", "01", "+1", "1e999", "// x\n{}", "\u{a0}{}"]
        {
            assert!(matches!(parse_json(odd.as_bytes(), 4, 20), Err(JsonError::Syntax { .. })), "{odd}");
        }
    }

    #[test]
    fn depth_is_bounded_before_it_hurts() {
        assert!(parse_json(b"[[[[]]]]", 4, 20).is_ok());
        refused(b"[[[[[]]]]]", JsonError::TooDeep { limit: 4 });
        refused("[".repeat(1_000_000).as_bytes(), JsonError::TooDeep { limit: 4 });
        refused("{\"a\":".repeat(1_000_000).as_bytes(), JsonError::TooDeep { limit: 4 });
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        assert!(parse_json(format!("[{}0]", "0,".repeat(18)).as_bytes(), 4, 20).is_ok());
        refused(format!("[{}0]", "0,".repeat(19)).as_bytes(), JsonError::TooManyNodes { limit: 20 });
    }
}
