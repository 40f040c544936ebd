//! What policy says of a call, and what of it the caller learns.

use access_policy::{AuthorizedCall, Caller, Decision, Grant, Grounds, Policies, Rehearsal};
use agent_messages::{AgentCall, Announced, ListItem};

use crate::audit::{Count, ShadowAnswer};
use crate::journal::Journal;
use crate::rejection::Rejection;

/// Compiled policies, and how denials are told.
pub(crate) struct PolicyCheck {
    pub(crate) policies: Policies,
    pub(crate) shadow: Shadow,
    pub(crate) hide_denied: bool,
}

/// What is asked beside, and decides nothing.
pub(crate) enum Shadow {
    /// Nothing: policy is enforced.
    None,
    /// Other policies, beside those that are enforced.
    Candidate(Box<Policies>),
    /// The policies themselves: what they deny goes on.
    Unenforced,
}

// === impl PolicyCheck ===

impl PolicyCheck {
    pub(crate) fn decide(
        &self,
        journal: &mut Journal,
        caller: &Caller<'_>,
        server: &str,
        call: AgentCall,
    ) -> Result<AuthorizedCall, Rejection> {
        let decision = match &self.shadow {
            Shadow::None => self.policies.decide(caller, server, call),
            Shadow::Candidate(candidate) => {
                let rehearsal = candidate.rehearse(caller, server, &call);
                let decision = self.policies.decide(caller, server, call);
                if differs(&decision, &rehearsal) {
                    note(journal, rehearsal, candidate.digest());
                }
                decision
            }
            Shadow::Unenforced => {
                let (decision, rehearsal) = self.policies.let_pass(caller, server, call);
                if let Some(rehearsal) = rehearsal {
                    note(journal, rehearsal, self.policies.digest());
                }
                decision
            }
        };
        match decision {
            Decision::Allow(call) => Ok(call),
            Decision::Deny(denial) => Err(Rejection::of(denial, self.hide_denied)),
        }
    }

    /// With what a call of which only the target is known could go on at most.
    pub(crate) fn foresee(&self, caller: &Caller<'_>, server: &str, announced: &Announced) -> Result<Grant, Rejection> {
        match self.policies.foresee(caller, server, &announced.operation) {
            Ok(grant) => Ok(grant),
            // The body is judged all the same, and it is noted then.
            Err(grounds) if self.is_unenforced() && grounds.reason.is_said_by_policies() => Ok(Grant::default()),
            Err(grounds) => {
                // What would help tells that it is there.
                let step_up = grounds.step_up.filter(|_| !self.hide_denied);
                Err(Rejection::foreseen(Grounds { step_up, ..grounds }, announced))
            }
        }
    }

    /// Whether the caller sees an item of a list.
    pub(crate) fn lists(&self, caller: &Caller<'_>, server: &str, item: ListItem<'_>) -> bool {
        self.is_unenforced() || self.policies.lists(caller, server, item)
    }

    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        self.policies.reason(id)
    }

    fn is_unenforced(&self) -> bool {
        matches!(self.shadow, Shadow::Unenforced)
    }
}

/// Whether the caller would be told something else, or the server get another token.
fn differs(decision: &Decision, rehearsal: &Rehearsal) -> bool {
    match (decision, &rehearsal.outcome) {
        (Decision::Allow(call), Ok(grant)) => call.grant() != grant,
        (Decision::Deny(_), Err(_)) => false,
        (Decision::Allow(_), Err(_)) | (Decision::Deny(_), Ok(_)) => true,
    }
}

fn note(journal: &mut Journal, rehearsal: Rehearsal, digest: &str) {
    journal.count(Count::ShadowDifference);
    journal.facts.shadow = Some(ShadowAnswer::of(rehearsal, digest));
}

#[cfg(test)]
mod tests;
