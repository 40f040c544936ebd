//! What policies must imply, written as policies.

use std::fmt;

use cedar_policy::{Policy, PolicyId};

use super::ProofError;
use crate::error::PolicyError;
use crate::policies::Source;
use crate::schema::Vocabulary;
use crate::statements::Effect;
use crate::text::{self, Shadows};

/// The name of an invariant where it stands beside policies.
const PREFIX: &str = "invariant: ";

/// What must hold of policies: a `forbid` says what they may never allow, a `permit` what they must always allow.
#[derive(Clone)]
pub struct Invariant {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// Which of the two.
    pub effect: Effect,
    pub(super) policy: Policy,
}

/// The invariants of a text in Cedar's language, in its order. What is asked of policies is asked of them.
///
/// # Errors
/// As for policies: each has a unique `@id`, and all pass strict validation.
pub fn invariants(cedar: &str) -> Result<Vec<Invariant>, PolicyError> {
    let compiled = text::compile(Source::from(cedar), Shadows::Counted, &Vocabulary::new()?)?;
    let invariant = |policy: Policy| {
        let id = policy.id().to_string();
        let reason = policy.annotation("reason").map(str::to_owned);
        let effect = match policy.effect() {
            cedar_policy::Effect::Permit => Effect::Permit,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        };
        Invariant { id, reason, effect, policy }
    };
    Ok(compiled.policies.into_iter().map(invariant).collect())
}

// === impl Invariant ===

impl Invariant {
    /// A policy that permits what the invariant speaks of, with a name that no other policy has.
    pub(super) fn permit(&self) -> Result<Policy, ProofError> {
        let mut json = self.policy.to_json().map_err(ProofError::broken)?;
        if let Some(members) = json.as_object_mut() {
            members.insert("effect".to_owned(), "permit".into());
        }
        Policy::from_json(Some(PolicyId::new(format!("{PREFIX}{}", self.id))), json).map_err(ProofError::broken)
    }
}

impl fmt::Debug for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invariant").field("id", &self.id).field("effect", &self.effect).finish_non_exhaustive()
    }
}
