//! What policy says of a call, and what of it the caller learns.

use access_policy::{AuthorizedCall, Caller, Decision, Grant, Grounds, Policies};
use agent_messages::{AgentCall, Announced, ListItem};

use crate::rejection::Rejection;

/// Compiled policies, and how denials are told.
pub(crate) struct PolicyCheck {
    pub(crate) policies: Policies,
    pub(crate) hide_denied: bool,
}

// === impl PolicyCheck ===

impl PolicyCheck {
    pub(crate) fn decide(
        &self,
        caller: &Caller<'_>,
        server: &str,
        call: AgentCall,
    ) -> Result<AuthorizedCall, Rejection> {
        match self.policies.decide(caller, server, call) {
            Decision::Allow(call) => Ok(call),
            Decision::Deny(denial) => Err(Rejection::of(denial, self.hide_denied)),
        }
    }

    /// With what a call of which only the target is known could go on at most.
    pub(crate) fn foresee(&self, caller: &Caller<'_>, server: &str, announced: &Announced) -> Result<Grant, Rejection> {
        self.policies.foresee(caller, server, &announced.operation).map_err(|grounds| {
            // What would help tells that it is there.
            let step_up = grounds.step_up.filter(|_| !self.hide_denied);
            Rejection::foreseen(Grounds { step_up, ..grounds }, announced)
        })
    }

    /// Whether the caller sees an item of a list.
    pub(crate) fn lists(&self, caller: &Caller<'_>, server: &str, item: ListItem<'_>) -> bool {
        self.policies.lists(caller, server, item)
    }

    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        self.policies.reason(id)
    }
}
