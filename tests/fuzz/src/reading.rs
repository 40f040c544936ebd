//! JSON as parsers in the wild read it, none of them ours.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value in which equal names stay beside each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    /// Neither list nor object.
    Leaf(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// How a parser finds a member by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The first of equal names.
    First,
    /// The last one: `JSON.parse`, `json.loads`.
    Last,
    /// The last one that is equal when case is folded: Go's `encoding/json` into a struct.
    Folded,
}

// === impl Tree ===

impl Tree {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Leaf(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            Self::Leaf(_) | Self::Object(_) => &[],
        }
    }

    /// As a map that keeps one of several equal names. What is below a struct has no fields, so nothing is folded.
    pub(crate) fn value(&self, reading: Reading) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::List(elements) => elements.iter().map(|element| element.value(reading)).collect(),
            Self::Object(members) => {
                let mut map = Map::new();
                for (name, member) in members {
                    if reading != Reading::First || !map.contains_key(name) {
                        map.insert(name.clone(), member.value(reading));
                    }
                }
                Value::Object(map)
            }
        }
    }
}

// === impl Reading ===

impl Reading {
    pub(crate) const ALL: [Self; 3] = [Self::First, Self::Last, Self::Folded];

    pub(crate) fn member<'t>(self, tree: &'t Tree, name: &str) -> Option<&'t Tree> {
        let Tree::Object(members) = tree else { return None };
        let mut own = members.iter().filter(|(other, _)| self.finds(other, name)).map(|(_, member)| member);
        if self == Self::First { own.next() } else { own.next_back() }
    }

    pub(crate) fn at<'t>(self, tree: &'t Tree, path: &[&str]) -> Option<&'t Tree> {
        path.iter().try_fold(tree, |tree, name| self.member(tree, name))
    }

    fn finds(self, other: &str, name: &str) -> bool {
        match self {
            Self::First | Self::Last => other == name,
            Self::Folded => folded(other) == folded(name),
        }
    }
}

/// As Go folds names: the long s and the Kelvin sign are letters of ASCII then.
pub(crate) fn folded(name: &str) -> String {
    name.replace('\u{17f}', "s").replace('\u{212a}', "k").to_lowercase()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Leaf(Number::from_f64(value).map_or(Value::Null, Value::Number)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(Tree::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
