//! Answers that decide nothing: of candidate policies, and of policies that are not enforced yet.

use agent_messages::AgentCall;

use crate::decide::{AuthorizedCall, Decision, Denial, DenialReason, Grant, Grounds};
use crate::policies::Policies;
use crate::question::Caller;

/// What policies would have said of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// With what it would have gone on, or why not.
    pub outcome: Result<Grant, DenialReason>,
    /// Ids of the policies that determine it, sorted; none on a default denial.
    pub policies: Vec<String>,
    /// What failed, each bounded in length.
    pub errors: Vec<String>,
}

// === impl Policies ===

impl Policies {
    /// What these policies say of a call that others decide.
    #[must_use]
    pub fn rehearse(&self, caller: &Caller<'_>, server: &str, call: &AgentCall) -> Rehearsal {
        match self.judge_call(caller, server, call) {
            Ok((policies, grant)) => Rehearsal { outcome: Ok(grant), policies, errors: Vec::new() },
            Err(Grounds { reason, policies, errors, .. }) => Rehearsal { outcome: Err(reason), policies, errors },
        }
    }

    /// For a first roll-out: what policies deny goes on all the same, with all of the caller's scopes, and beside it
    /// comes what would have become of it. What can't be put to the policies is denied even so.
    #[must_use]
    pub fn let_pass(&self, caller: &Caller<'_>, server: &str, call: AgentCall) -> (Decision, Option<Rehearsal>) {
        match self.decide(caller, server, call) {
            Decision::Deny(denial) if denial.reason.is_said_by_policies() => {
                let Denial { call, reason, policies, errors, .. } = denial;
                let passed = AuthorizedCall::new(call, server, Vec::new(), Grant::default());
                (Decision::Allow(passed), Some(Rehearsal { outcome: Err(reason), policies, errors }))
            }
            decision => (decision, None),
        }
    }
}

// === impl DenialReason ===

impl DenialReason {
    /// Whether policies say so, and others could allow it.
    #[must_use]
    pub fn is_said_by_policies(self) -> bool {
        match self {
            Self::Forbidden | Self::NotPermitted | Self::PolicyFailed | Self::ConflictingAudiences => true,
            Self::UnknownServer | Self::OtherProtocol | Self::NoPrincipal | Self::AmbiguousUri | Self::Unanswerable => {
                false
            }
        }
    }
}
