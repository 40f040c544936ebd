//! What other policies would say of a request of which only an audit line is left.
//!
//! Three things tell: the claims, where somebody gives them; what follows from the names in the line alone; and what the
//! line says of the policies that were in force, for those that the candidate has word for word.

use std::collections::BTreeMap;

use access_policy::{Caller, Decision, Effect, Statement};
use serde_json::{Map, Value};

use crate::configuration::{Configuration, Taken};
use crate::explain::{parts, verified};
use crate::lints::workload_groups;
use crate::outlook::{Known, Rest, Thing};
use crate::reach::{Reach, reach};
use crate::request::AuditLine;
use crate::words::list;

/// What would be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed {
        why: String,
    },
    Denied {
        why: String,
    },
    /// It depends on what the line does not tell.
    Open {
        on: String,
    },
}

/// The candidate, and what was in force.
pub(crate) struct Judge<'a> {
    configuration: &'a Configuration,
    taken: &'a Taken,
    before: Option<Taken>,
    claims: BTreeMap<String, Map<String, Value>>,
}

// === impl Judge ===

impl<'a> Judge<'a> {
    pub(crate) fn new(
        configuration: &'a Configuration,
        taken: &'a Taken,
        claims: BTreeMap<String, Map<String, Value>>,
    ) -> Self {
        let before = configuration.replaced.as_deref().and_then(|cedar| configuration.with(cedar));
        Self { configuration, taken, before, claims }
    }

    /// Whether the line is of the policies that the configuration has.
    pub(crate) fn was_in_force(&self, line: &AuditLine) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| Some(before.review.policies.digest()) == line.policy_digest.as_deref())
    }

    /// For a line that came as far as policy.
    pub(crate) fn judge(&self, line: &AuditLine) -> Verdict {
        let known = self.known(line);
        if known.as_ref().is_some_and(|known| self.contradicts(line, known)) {
            return Verdict::Open {
                on: "claims that would lead to the decision of that day: those given do not".to_owned(),
            };
        }
        if let Some(decided) = self.decided(line) {
            return decided;
        }
        let Some(known) = known else {
            return Verdict::Open { on: "a call that its audit line does not describe".to_owned() };
        };
        match reach(&self.taken.statements, &known) {
            Reach::Allowed => Verdict::Allowed { why: "permitted, whatever the line does not tell".to_owned() },
            Reach::Denied { by } if by.is_empty() => Verdict::Denied { why: "nothing could permit it".to_owned() },
            Reach::Denied { by } => Verdict::Denied { why: format!("forbidden by {}", by.join(", ")) },
            Reach::Conditional { ways } => {
                let conditions =
                    |way: &crate::reach::Way| format!("{} needs: {}", way.policy, way.conditions.join(", and "));
                let open = Verdict::Open { on: ways.iter().map(conditions).collect::<Vec<_>>().join("; or ") };
                self.as_before(line, &known).unwrap_or(open)
            }
        }
    }

    /// Whether the policies of that day, with what is known now, say something else than they did.
    fn contradicts(&self, line: &AuditLine, known: &Known) -> bool {
        let Some(before) = self.before.as_ref().filter(|_| self.was_in_force(line)) else { return false };
        match reach(&before.statements, known) {
            Reach::Allowed => line.decision == "deny",
            Reach::Denied { .. } => line.decision != "deny",
            Reach::Conditional { .. } => false,
        }
    }

    /// With claims and arguments, it is decided as the filter would.
    fn decided(&self, line: &AuditLine) -> Option<Verdict> {
        let reads_address = |one: &Statement| one.json.to_string().contains("source_ip");
        if line.arguments.is_none() && line.arguments_sha256.is_some()
            || self.taken.statements.iter().any(reads_address)
        {
            return None;
        }
        let user = line.user().map(|(issuer, subject)| format!("{issuer}#{subject}"));
        let mut request = line.request(&self.taken.review, &self.configuration.value).ok()?;
        if let Some(user) = user {
            request.claims = Some(self.claims.get(&user)?.clone());
        }
        let server = line.server.as_deref()?;
        let (call, token, peer) = parts(self.configuration, self.taken, &request, server)?;
        let now = request.now().ok()?;
        let caller = Caller { token: token.as_deref(), actor: peer.as_ref(), now, source_ip: None };
        Some(match self.taken.review.policies.decide(&caller, server, call) {
            Decision::Allow(call) => Verdict::Allowed { why: format!("permitted by {}", call.policies().join(", ")) },
            Decision::Deny(denial) if denial.policies.is_empty() => Verdict::Denied { why: denial.reason.to_string() },
            Decision::Deny(denial) => {
                Verdict::Denied { why: format!("{}: {}", denial.reason, denial.policies.join(", ")) }
            }
        })
    }

    /// What follows from the decision of that day, for policies that are still the same.
    fn as_before(&self, line: &AuditLine, known: &Known) -> Option<Verdict> {
        let before = self.before.as_ref().filter(|_| self.was_in_force(line))?;
        let same = |one: &Statement| {
            before.statements.iter().any(|old| old.id == one.id && old.json == one.json && old.shadow == one.shadow)
        };
        let determined = |one: &Statement| line.policies.contains(&one.id);
        let of = |effect| self.taken.statements.iter().filter(move |one| one.effect == effect && !one.shadow);
        let never = |one: &Statement| known.rest(one) == Rest::Never;
        let allowed = matches!(line.decision.as_str(), "allow" | "error");
        if let Some(forbid) = of(Effect::Forbid).find(|one| !allowed && same(one) && determined(one)) {
            return Some(Verdict::Denied { why: format!("{} is as it was", forbid.id) });
        }
        // A default denial tells that no permit applied; any other denial says nothing of permits.
        let of_permits = allowed || (line.policies.is_empty() && line.reason.as_deref().is_some_and(no_permit));
        if !of_permits {
            return None;
        }
        // What was not among the determining permits did not apply.
        let could: Vec<&Statement> =
            of(Effect::Permit).filter(|one| (!same(one) || determined(one)) && !never(one)).collect();
        if could.is_empty() {
            return Some(Verdict::Denied { why: "no permit of the candidate applied or can apply".to_owned() });
        }
        let no_forbid = of(Effect::Forbid).all(|one| (allowed && same(one)) || never(one));
        match could.iter().find(|one| same(one) && determined(one)) {
            Some(permit) if no_forbid => Some(Verdict::Allowed { why: format!("{} is as it was", permit.id) }),
            _ => {
                let forbids = of(Effect::Forbid).filter(|one| !(never(one) || (allowed && same(one))));
                let open = could.iter().copied().chain(forbids).filter(|one| !same(one));
                let open = open.map(|one| match known.rest(one) {
                    Rest::If(parts) => format!("{}: {}", one.id, list(&parts).join(", and ")),
                    _ => one.id.clone(),
                });
                Some(Verdict::Open { on: open.collect::<Vec<_>>().join("; ") })
            }
        }
    }

    /// What the line tells of a call.
    fn known(&self, line: &AuditLine) -> Option<Known> {
        let policies = &self.taken.review.policies;
        let server = line.server.as_deref()?;
        let method = line.action.as_deref()?;
        // Several calls in one.
        if method == "batch" {
            return None;
        }
        let target = match line.resource {
            Some(_) => Some(line.target()?),
            None => None,
        };
        let (action, resource) = match &target {
            Some((ty, id)) => (action(ty, method)?, self.thing(server, ty, id)?),
            None => ("connect", Thing::described(policies, "Server", server)?),
        };
        let actor = line.actor.as_deref().and_then(|id| Thing::described(policies, "Workload", id));
        let mut scopes = None;
        let principal = match line.user() {
            Some((issuer, subject)) => {
                let id = format!("{issuer}#{subject}");
                let token =
                    self.claims.get(&id).and_then(|claims| verified(&self.configuration.value, claims, 1 << 32));
                scopes = token.as_ref().map(|token| token.scopes().clone());
                let in_groups = token.iter().flat_map(|token| token.groups()).map(|id| ("Group", id.as_str()));
                let in_roles = token.iter().flat_map(|token| token.roles()).map(|id| ("Role", id.as_str()));
                let member_of: Vec<(&str, &str)> = in_groups.chain(in_roles).collect();
                Thing { id: Some(id), may_be_in_more: token.is_none(), ..Thing::user(policies, &member_of) }
            }
            None => actor.clone()?,
        };
        let workload_groups = Some(workload_groups(policies, &self.taken.review.entities));
        let no_token = line.user().is_none();
        let no_arguments = line.arguments.as_ref().is_some_and(Map::is_empty);
        Some(Known {
            principal: Some(principal),
            action: Some(action),
            resource: Some(resource),
            actor,
            no_token,
            scopes,
            no_arguments,
            workload_groups,
        })
    }

    fn thing(&self, server: &str, ty: &str, id: &str) -> Option<Thing> {
        use agent_messages::ListItem;
        let policies = &self.taken.review.policies;
        let name = id.split_once('/').map_or(id, |(_, name)| name);
        let item = match ty {
            "Tool" => ListItem::Tool(name),
            "Prompt" => ListItem::Prompt(name),
            "Resource" => ListItem::Resource(id),
            _ => return Thing::described(policies, ty, id),
        };
        policies.describe_item(server, item).map(|json| Thing::of(ty, id, &json))
    }
}

/// As the audit tells of a default denial; what would help may follow.
fn no_permit(reason: &str) -> bool {
    reason.starts_with(&access_policy::DenialReason::NotPermitted.to_string())
}

/// The action of a method, in the vocabulary of either revision of A2A.
fn action(ty: &str, method: &str) -> Option<&'static str> {
    Some(match (ty, method) {
        ("Tool", _) => "tools/call",
        ("Prompt", _) => "prompts/get",
        ("Resource", "resources/subscribe" | "resources/unsubscribe") => "resources/subscribe",
        ("Resource", _) => "resources/read",
        ("Server", "tasks/get" | "tasks/result") => "tasks/get",
        ("Server", "tasks/list") => "tasks/list",
        ("Server", "tasks/update") => "tasks/update",
        ("Server", "tasks/cancel") => "tasks/cancel",
        ("Agent", "message/send" | "message/stream" | "SendMessage" | "SendStreamingMessage") => "message/send",
        ("Agent", "tasks/get" | "tasks/resubscribe" | "GetTask" | "SubscribeToTask") => "tasks/get",
        ("Agent", "tasks/list" | "ListTasks") => "tasks/list",
        ("Agent", "tasks/cancel" | "CancelTask") => "tasks/cancel",
        _ => return None,
    })
}
