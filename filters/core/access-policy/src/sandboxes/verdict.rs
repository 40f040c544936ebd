//! What a case came to, against what it says.

use std::collections::BTreeSet;

use super::{Case, Outcome};
use crate::decide::Decision;
use crate::step_up::StepUp;

/// How a case or an item of a list came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Of the case.
    pub name: String,
    /// Ids of the policies that determined it.
    pub policies: Vec<String>,
    /// In what it differs from what was expected; empty when it does not.
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `decision`, `reason`, `policies`, …
    pub what: &'static str,
    /// As the case has it.
    pub expected: String,
    /// As it is.
    pub found: String,
}

// === impl Verdict ===

impl Verdict {
    pub(super) fn impossible(name: &str, problem: String) -> Self {
        let difference = Difference { what: "case", expected: "can be put".to_owned(), found: problem };
        Self { name: name.to_owned(), policies: Vec::new(), differences: vec![difference] }
    }

    pub(super) fn of_list(name: String, expected: bool, found: bool) -> Self {
        let word = |shown| if shown { "shown" } else { "hidden" };
        let differences = difference("list", word(expected), word(found)).into_iter().collect();
        Self { name, policies: Vec::new(), differences }
    }
}

// === impl Case ===

impl Case {
    pub(super) fn verdict(&self, decision: &Decision) -> Verdict {
        let (outcome, policies) = match decision {
            Decision::Allow(call) => ("allow", call.policies()),
            Decision::Deny(denial) => ("deny", denial.policies.as_slice()),
        };
        let expected = match self.decision {
            Outcome::Allow => "allow",
            Outcome::Deny => "deny",
        };
        let mut differences: Vec<Difference> = Vec::new();
        let mut compare = |what, expected: &str, found: &str| differences.extend(difference(what, expected, found));
        compare("decision", expected, outcome);
        compare("policies", &list(&self.policies), &list(policies));
        match (self.decision, decision) {
            (Outcome::Allow, Decision::Allow(call)) => {
                let grant = call.grant();
                compare("scopes", &scopes(self.scopes.as_ref()), &scopes(grant.scopes.as_ref()));
                compare("audience", &optional(self.audience.clone()), &optional(grant.audience.clone()));
                compare("ttl_seconds", &number(self.ttl_seconds), &number(grant.ttl_seconds));
            }
            (Outcome::Deny, Decision::Deny(denial)) => {
                let reason = self.reason.map(|reason| reason.is().to_string());
                compare("reason", &reason.unwrap_or_else(|| "not given".to_owned()), &denial.reason.to_string());
                compare("errors", &self.errors.to_string(), &denial.errors.len().to_string());
                let step_up = self.step_up.as_ref();
                let step_up = step_up.map(|step| StepUp { scopes: step.scopes.clone(), acr: step.acr.clone() });
                compare("step_up", &stronger(step_up.as_ref()), &stronger(denial.step_up.as_ref()));
            }
            (Outcome::Allow, Decision::Deny(denial)) => compare("reason", "none", &denial.reason.to_string()),
            (Outcome::Deny, Decision::Allow(_)) => {}
        }
        Verdict { name: self.name.clone(), policies: policies.to_vec(), differences }
    }
}

fn difference(what: &'static str, expected: &str, found: &str) -> Option<Difference> {
    (expected != found).then(|| Difference { what, expected: expected.to_owned(), found: found.to_owned() })
}

fn list<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<&str> = all.into_iter().map(String::as_str).collect();
    optional(Some(all.join(", ")).filter(|text| !text.is_empty()))
}

/// Without a limit, the caller's own are what goes on: something else than none.
fn scopes(limit: Option<&BTreeSet<String>>) -> String {
    limit.map_or_else(|| "all of the caller's".to_owned(), list)
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
}

fn number(number: Option<u64>) -> String {
    optional(number.map(|number| number.to_string()))
}

fn stronger(step_up: Option<&StepUp>) -> String {
    optional(step_up.map(|step_up| format!("scopes {}, acr {}", list(&step_up.scopes), optional(step_up.acr.clone()))))
}
