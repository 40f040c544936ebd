//! JSON objects that everybody reads in the same way.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Part, TokenError, shortened};

/// Decodes a part of a token; padding and stray bits are errors, so that every value has one spelling.
pub(crate) fn decode(part: Part, text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::NotBase64(part))
}

/// Decodes a part of a token that is an object, in which no name repeats at any level.
pub(crate) fn object_of(part: Part, text: &str) -> Result<Map<String, Value>, TokenError> {
    match object(&decode(part, text)?) {
        Ok(members) => Ok(members),
        Err(NotAnObject::Syntax) => Err(TokenError::NotJson(part)),
        Err(NotAnObject::Duplicate(name)) => Err(TokenError::DuplicateName { part, name }),
    }
}

/// Why a text is not an object that everybody reads in the same way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAnObject {
    /// Not JSON, not UTF-8, nested too deeply (serde_json stops at 128), or another value than an object.
    Syntax,
    /// Two members have this name, shortened.
    Duplicate(String),
}

/// Parses one object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    let read: Read = serde_json::from_slice(bytes).map_err(|_| NotAnObject::Syntax)?;
    match read {
        Read { repeated: Some(name), .. } => Err(NotAnObject::Duplicate(name)),
        Read { value: Value::Object(members), repeated: None } => Ok(members),
        Read { .. } => Err(NotAnObject::Syntax),
    }
}

/// A value, and a name that repeats somewhere in it.
struct Read {
    value: Value,
    repeated: Option<String>,
}

struct ReadVisitor;

// === impl Read ===

impl From<Value> for Read {
    fn from(value: Value) -> Self {
        Self { value, repeated: None }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor)
    }
}

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Read, E> {
        Ok(Value::from(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Read, A::Error> {
        let mut items = Vec::new();
        let mut repeated = None;
        while let Some(item) = access.next_element::<Read>()? {
            items.push(item.value);
            repeated = repeated.or(item.repeated);
        }
        Ok(Read { value: Value::Array(items), repeated })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Read, A::Error> {
        let mut members = Map::new();
        let mut repeated = None;
        while let Some((name, member)) = access.next_entry::<String, Read>()? {
            if repeated.is_none() && members.contains_key(&name) {
                repeated = Some(shortened(&name));
            }
            repeated = repeated.or(member.repeated);
            members.insert(name, member.value);
        }
        Ok(Read { value: Value::Object(members), repeated })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{NotAnObject, decode, object};
    use crate::error::{Part, TokenError};

    #[test]
    fn an_object_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,0.5,"x",null,true,{"a":{}}],"b":18446744073709551615}"#;
        let expected = json!({ "a": [1, -2, 0.5, "x", null, true, { "a": {} }], "b": u64::MAX });
        assert_eq!(object(text.as_bytes()).map(Value::Object), Ok(expected));
    }

    #[test]
    fn a_repeated_name_is_found_at_every_level_and_however_it_is_escaped() {
        let repeated = |name: &str| Err(NotAnObject::Duplicate(name.to_owned()));
        assert_eq!(object(br#"{"exp":1,"exp":2}"#), repeated("exp"));
        assert_eq!(object(br#"{"exp":1,"e\u0078p":1}"#), repeated("exp"));
        assert_eq!(object(br#"{"a":[{"b":1,"b":1}]}"#), repeated("b"));
        assert_eq!(object(br#"{"act":{"sub":"x","act":{"sub":"y","sub":"z"}},"c":1}"#), repeated("sub"));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for text in ["", "null", "[]", "\"a\"", "1", "{", "{}{}", "{} x", "\u{feff}{}", r#"{"a":1,}"#, &deep] {
            assert_eq!(object(text.as_bytes()), Err(NotAnObject::Syntax), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(NotAnObject::Syntax));
        assert_eq!(object(br#"{"a":"\ud800"}"#), Err(NotAnObject::Syntax));
    }

    #[test]
    fn every_value_has_one_spelling_in_base64url() {
        assert_eq!(decode(Part::Header, "-_8"), Ok(vec![0xfb, 0xff]));
        for odd in ["-_8=", "+/8", "-_9", "-", "-_8 ", "-\n_8"] {
            assert_eq!(decode(Part::Payload, odd), Err(TokenError::NotBase64(Part::Payload)), "{odd}");
        }
    }
}
