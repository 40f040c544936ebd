//! What a stronger token would need.

use std::collections::BTreeSet;

use crate::decide::Case;
use crate::policies::Policies;
use crate::question::{Scopes, Supposed};
use crate::residual::Outlook;

/// With what the same call would be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// All scopes that the call needs, those that the token has among them; empty if it lacks none.
    pub scopes: BTreeSet<String>,
    /// The authentication that it needs (RFC 9470 section 3).
    pub acr: Option<String>,
}

/// Permits that are looked at, and scopes that are tried: each costs an evaluation.
const MAX_TRIES: usize = 16;

// === impl Policies ===

impl Policies {
    /// What would help against a denial that these policies determine. A `forbid` is final unless each that applies
    /// names the same `@step_up_acr`.
    pub(crate) fn step_up(&self, case: &Case<'_>, forbids: &[String]) -> Option<StepUp> {
        let token = case.caller.token?;
        if !forbids.is_empty() {
            let acr = self.common_acr(forbids)?;
            let stronger = Supposed { scopes: Scopes::Own, any_authentication: true };
            let helps = !self.outlook(case, &stronger)?.possible.is_empty();
            return helps.then_some(StepUp { scopes: BTreeSet::new(), acr: Some(acr) });
        }
        let any = Supposed { scopes: Scopes::Any, any_authentication: true };
        let possible = self.outlook(case, &any)?.possible;
        let offers = possible.iter().take(MAX_TRIES).filter_map(|id| self.offer(case, token.scopes(), id.as_ref()));
        // The least of them: without a stronger authentication if possible, then with the fewest new scopes.
        offers.min_by_key(|offer| (offer.acr.is_some(), offer.scopes.difference(token.scopes()).count()))
    }

    /// What would satisfy one permit.
    fn offer(&self, case: &Case<'_>, own: &BTreeSet<String>, permit: &str) -> Option<StepUp> {
        let rule = self.rules.get(permit)?;
        let tested: Vec<&String> = rule.scopes.iter().take(MAX_TRIES).collect();
        let asked = |scopes: &BTreeSet<String>| {
            let lacking = !scopes.is_subset(own);
            if lacking { scopes.clone() } else { BTreeSet::new() }
        };
        let by_scopes = |scopes: &BTreeSet<String>| {
            let supposed = Supposed { scopes: Scopes::These(scopes), any_authentication: false };
            self.outlook(case, &supposed).is_some_and(|outlook| !outlook.possible.is_empty())
        };
        if let Some(scopes) = fewest(own, &tested, by_scopes) {
            return Some(StepUp { scopes: asked(&scopes), acr: None });
        }
        let acr = rule.annotations.step_up_acr.as_ref()?;
        let by_authentication = |scopes: &BTreeSet<String>| {
            let supposed = Supposed { scopes: Scopes::These(scopes), any_authentication: true };
            self.outlook(case, &supposed).is_some_and(|outlook| !outlook.possible.is_empty())
        };
        let scopes = fewest(own, &tested, by_authentication)?;
        Some(StepUp { scopes: asked(&scopes), acr: Some(acr.clone()) })
    }

    fn common_acr(&self, forbids: &[String]) -> Option<String> {
        let mut named = forbids.iter().map(|id| self.rules.get(id)?.annotations.step_up_acr.clone());
        let first = named.next()??;
        named.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// Nothing if the question can't be put.
    pub(crate) fn outlook(&self, case: &Case<'_>, supposed: &Supposed<'_>) -> Option<Outlook> {
        let question = self.question(case, supposed).ok()?;
        let response = self.authorizer.is_authorized_partial(&question.request, &case.policies, &question.entities);
        Some(Outlook::of(&response))
    }
}

/// Of the scopes that a permit tests for, those that are needed: all together must be enough, and none of those that
/// the caller lacks can be left out. What a policy names first is kept first.
fn fewest(
    own: &BTreeSet<String>,
    tested: &[&String],
    enough: impl Fn(&BTreeSet<String>) -> bool,
) -> Option<BTreeSet<String>> {
    let mut lacking: Vec<&String> = tested.iter().copied().filter(|scope| !own.contains(*scope)).collect();
    let with =
        |lacking: &[&String]| -> BTreeSet<String> { own.iter().chain(lacking.iter().copied()).cloned().collect() };
    if !enough(&with(&lacking)) {
        return None;
    }
    for at in (0..lacking.len()).rev() {
        let mut fewer = lacking.clone();
        fewer.remove(at);
        if enough(&with(&fewer)) {
            lacking = fewer;
        }
    }
    let needed = tested.iter().filter(|scope| own.contains(**scope)).chain(&lacking);
    Some(needed.map(|scope| (*scope).clone()).collect())
}
