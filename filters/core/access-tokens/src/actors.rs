//! Who acts for the subject (`act`, RFC 8693 section 4.1).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

/// The current actor and those before it. Only the current one may count for access; the others are history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub(crate) struct Actors {
    claim: Value,
    /// The current one first. Never empty.
    names: Vec<String>,
}

/// A chain that is longer than [`MAX_ACTORS`], or a link without a `sub`.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("not a chain of at most {MAX_ACTORS} actors")]
pub(crate) struct NotActors;

/// History ends somewhere: the claim is copied into every token that follows.
pub(crate) const MAX_ACTORS: usize = 4;

// === impl Actors ===

impl Actors {
    pub(crate) fn parse(claim: Value) -> Result<Self, NotActors> {
        let mut names = Vec::new();
        let mut next = Some(&claim);
        while let Some(actor) = next {
            let name = actor.get("sub").and_then(Value::as_str).filter(|name| !name.is_empty()).ok_or(NotActors)?;
            if names.len() == MAX_ACTORS {
                return Err(NotActors);
            }
            names.push(name.to_owned());
            next = actor.get("act");
        }
        Ok(Self { claim, names })
    }

    /// With `actor` as the current one. An actor that is current already is not named twice.
    pub(crate) fn followed_by(earlier: Option<&Self>, actor: &str) -> Result<Self, NotActors> {
        match earlier {
            Some(earlier) if earlier.current() == Some(actor) => Ok(earlier.clone()),
            Some(earlier) => Self::parse(json!({ "sub": actor, "act": earlier.claim })),
            None => Self::parse(json!({ "sub": actor })),
        }
    }

    pub(crate) fn current(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn into_claim(self) -> Value {
        self.claim
    }
}

impl TryFrom<Value> for Actors {
    type Error = NotActors;

    fn try_from(claim: Value) -> Result<Self, NotActors> {
        Self::parse(claim)
    }
}

impl From<Actors> for Value {
    fn from(actors: Actors) -> Self {
        actors.into_claim()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Actors, NotActors};

    #[test]
    fn the_current_actor_comes_first() {
        let actors = Actors::parse(json!({ "sub": "b", "iss": "x", "act": { "sub": "a" } })).unwrap();
        assert_eq!(actors.names(), ["b", "a"]);
        assert_eq!(actors.current(), Some("b"));
    }

    #[test]
    fn an_actor_without_a_name_is_refused() {
        for claim in [
            json!("a"),
            json!(null),
            json!([]),
            json!({}),
            json!({ "sub": 1 }),
            json!({ "sub": "" }),
            json!({ "sub": "b", "act": null }),
            json!({ "sub": "b", "act": { "iss": "x" } }),
        ] {
            assert_eq!(Actors::parse(claim.clone()), Err(NotActors), "{claim}");
        }
    }

    #[test]
    fn a_new_actor_is_put_before_the_earlier_ones_as_they_were() {
        let first = Actors::followed_by(None, "a").unwrap();
        let second = Actors::followed_by(Some(&first), "b").unwrap();
        assert_eq!(second.clone().into_claim(), json!({ "sub": "b", "act": { "sub": "a" } }));
        assert_eq!(Actors::followed_by(Some(&second), "b"), Ok(second));
        let detailed = Actors::parse(json!({ "sub": "a", "iss": "https://idp.example" })).unwrap();
        let followed = Actors::followed_by(Some(&detailed), "b").unwrap().into_claim();
        assert_eq!(followed, json!({ "sub": "b", "act": { "sub": "a", "iss": "https://idp.example" } }));
    }

    #[test]
    fn a_chain_ends_after_four() {
        let chain = |length: usize| {
            (0..length).fold(Value::Null, |act, n| match act {
                Value::Null => json!({ "sub": n.to_string() }),
                act => json!({ "sub": n.to_string(), "act": act }),
            })
        };
        let four = Actors::parse(chain(4)).unwrap();
        assert_eq!(four.names().len(), 4);
        assert_eq!(Actors::parse(chain(5)), Err(NotActors));
        assert_eq!(Actors::followed_by(Some(&four), "new"), Err(NotActors));
        assert!(Actors::followed_by(Some(&Actors::parse(chain(3)).unwrap()), "new").is_ok());
    }
}
