//! What can become of a call before its arguments are known.

use agent_messages::{Operation, PushNotificationKind};
use cedar_policy::PolicyId;

use crate::decide::{DenialReason, Grant, Grounds};
use crate::policies::Policies;
use crate::question::{Caller, Shown, Supposed};

// === impl Policies ===

impl Policies {
    /// With what a call could go on at most: no more than [`decide`](Self::decide) will grant it, whatever the arguments
    /// of its tool, prompt, message or push notification turn out to be. Of other operations everything is known.
    ///
    /// # Errors
    /// Why every completion of it would be denied. Also when permits that could apply want different audiences, so
    /// that no token could be right for each of them.
    pub fn foresee(&self, caller: &Caller<'_>, server: &str, operation: &Operation) -> Result<Grant, Grounds> {
        let open = matches!(
            operation,
            Operation::CallTool { .. }
                | Operation::GetPrompt { .. }
                | Operation::SendMessage { .. }
                | Operation::PushNotification { kind: PushNotificationKind::Set, .. }
        );
        if !open {
            return self.judge(caller, server, operation).map(|(_, grant)| grant);
        }
        let server = self.catalogue.server(server).ok_or(DenialReason::UnknownServer)?;
        let (action, thing, _) = self.subject(server, operation)?;
        let case = self.case(caller, action, thing, Shown::Unknown).ok_or(DenialReason::NoPrincipal)?;
        let outlook = self.outlook(&case, &Supposed::NOTHING).ok_or(DenialReason::Unanswerable)?;
        let (possible, certain) = (names(&outlook.possible), names(&outlook.certain));
        if !possible.is_empty() {
            let grant = self.grant(&possible, caller).filter(|grant| self.is_settled(grant, &possible, &certain));
            return grant
                .ok_or_else(|| Grounds { policies: possible, ..Grounds::from(DenialReason::ConflictingAudiences) });
        }
        if outlook.fails {
            return Err(Grounds { policies: certain, ..Grounds::from(DenialReason::PolicyFailed) });
        }
        let step_up = self.step_up(&case, &certain);
        let reason = if certain.is_empty() { DenialReason::NotPermitted } else { DenialReason::Forbidden };
        Err(Grounds { policies: certain, step_up, ..Grounds::from(reason) })
    }

    /// Whether the audience is the same, whichever of the permits come to apply. Scopes and lifetime can only grow
    /// when fewer do.
    fn is_settled(&self, grant: &Grant, possible: &[String], certain: &[String]) -> bool {
        let names_audience = |id: &String| self.rules.get(id).is_some_and(|rule| rule.annotations.audience.is_some());
        grant.audience.is_none() || certain.iter().any(names_audience) || possible.iter().all(names_audience)
    }
}

fn names(ids: &[PolicyId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
