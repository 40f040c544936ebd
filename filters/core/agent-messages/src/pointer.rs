//! Where in an object something is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ParamsProblem;
use crate::params::could_be;

/// A JSON pointer (RFC 6901) through members of objects. None leads into an array: of several elements, one would be
/// judged and all of them acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    text: String,
    members: Vec<String>,
}

// === impl Pointer ===

impl Pointer {
    /// Reads a pointer as it is written, such as `/skill/uri`; nothing if it is none, or empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let members = text.strip_prefix('/')?.split('/').map(unescaped).collect::<Option<_>>()?;
        Some(Self { text: text.to_owned(), members })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is there, if anything.
    ///
    /// # Errors
    /// It would have to be inside something that is no object, or a member on the way has a second spelling.
    pub(crate) fn find<'a>(&self, object: &'a Map<String, Value>) -> Result<Option<&'a Value>, ParamsProblem> {
        let mut inside = object;
        let mut found: Option<&Value> = None;
        for (n, member) in self.members.iter().enumerate() {
            if n > 0 {
                inside = match found {
                    None => return Ok(None),
                    Some(Value::Object(object)) => object,
                    Some(_) => return Err(ParamsProblem::WrongType),
                };
            }
            if inside.keys().any(|name| name != member && could_be(name, member)) {
                return Err(ParamsProblem::Ambiguous);
            }
            found = inside.get(member);
        }
        Ok(found)
    }
}

impl TryFrom<String> for Pointer {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a JSON pointer")
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.text
    }
}

/// One member's name; a tilde stands before `0` (a tilde) or `1` (a slash) only.
fn unescaped(name: &str) -> Option<String> {
    let mut pieces = name.split('~');
    let mut plain = pieces.next().filter(|_| !name.is_empty())?.to_owned();
    for piece in pieces {
        plain.push(match piece.chars().next()? {
            '0' => '~',
            '1' => '/',
            _ => return None,
        });
        plain.push_str(piece.get(1..)?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ParamsProblem, Pointer};

    fn found(pointer: &str, object: &Value) -> Result<Option<Value>, ParamsProblem> {
        Pointer::parse(pointer).unwrap().find(object.as_object().unwrap()).map(Option::<&Value>::cloned)
    }

    #[test]
    fn a_pointer_leads_through_objects() {
        let object = json!({"uri": "a", "skill": {"a/b~c": 1, "0": 2}, "list": [{"uri": "b"}], "text": "t"});
        assert_eq!(found("/uri", &object), Ok(Some(json!("a"))));
        assert_eq!(found("/skill/a~1b~0c", &object), Ok(Some(json!(1))));
        assert_eq!(found("/skill/0", &object), Ok(Some(json!(2))));
        for absent in ["/name", "/name/more", "/skill/uri"] {
            assert_eq!(found(absent, &object), Ok(None), "{absent}");
        }
        for through in ["/list/0", "/list/0/uri", "/text/more"] {
            assert_eq!(found(through, &object), Err(ParamsProblem::WrongType), "{through}");
        }
    }

    #[test]
    fn a_second_spelling_on_the_way_is_ambiguous() {
        for odd in [
            json!({"skillId": "a", "skill_id": "b"}),
            json!({"skillId": "a", "SKILLID": "b"}),
            json!({"skill_id": "b"}),
        ] {
            assert_eq!(found("/skillId", &odd), Err(ParamsProblem::Ambiguous), "{odd}");
        }
        let inside = json!({"skill": {"uri": "a", "Uri": "b"}});
        assert_eq!(found("/skill/uri", &inside), Err(ParamsProblem::Ambiguous));
        assert_eq!(found("/skill", &inside), Ok(Some(inside["skill"].clone())));
    }

    #[test]
    fn what_is_no_pointer_is_none() {
        for odd in ["", "/", "uri", "/a/", "//a", "/a~", "/a~2", "#/a", "/a~é"] {
            assert_eq!(Pointer::parse(odd), None, "{odd}");
        }
    }
}
