//! From a call to a decision.

use std::collections::BTreeSet;
use std::rc::Rc;

use agent_messages::{AgentCall, Operation, PushNotificationKind, ServerTaskKind, TaskKind};
use cedar_policy::{Decision as Answer, EntityUid, PolicySet, Response};
use thiserror::Error;

use crate::arguments::Arguments;
use crate::catalogue::{KnownServer, Thing};
use crate::error::said;
use crate::policies::Policies;
use crate::question::{Caller, Shown, Supposed};
use crate::schema::Action;
use crate::step_up::StepUp;
use crate::uri;

/// What policy says.
#[derive(Debug)]
pub enum Decision {
    /// The call may go on.
    Allow(AuthorizedCall),
    /// It may not.
    Deny(Denial),
}

/// Proof that policy allows this very call, or is not enforced. Only [`Policies::decide`] and
/// [`Policies::let_pass`] make one.
#[derive(Debug, PartialEq)]
pub struct AuthorizedCall {
    call: AgentCall,
    server: String,
    policies: Vec<String>,
    grant: Grant,
}

/// With what the call may go on, as the permits say that allow it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// At most these scopes, all of them the caller's own; nothing = all of the caller's.
    pub scopes: Option<BTreeSet<String>>,
    /// The audience of the smaller token; nothing = the server's.
    pub audience: Option<String>,
    /// How long the smaller token may live, in seconds; nothing = as configured.
    pub ttl_seconds: Option<u64>,
}

/// A call that may not go on, and why: for the operator, not for the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    /// The call, as it came.
    pub call: AgentCall,
    /// In short.
    pub reason: DenialReason,
    /// Ids of the policies that determine it, sorted; none on a default denial.
    pub policies: Vec<String>,
    /// What failed, each bounded in length.
    pub errors: Vec<String>,
    /// What a stronger token would need, where one could help.
    pub step_up: Option<StepUp>,
}

/// Why a call may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DenialReason {
    /// The catalogue does not know the server.
    #[error("the server is unknown")]
    UnknownServer,
    /// The server speaks another protocol than the call is in.
    #[error("the server does not speak this protocol")]
    OtherProtocol,
    /// There is neither a user nor a workload to judge.
    #[error("neither a user nor a workload is known")]
    NoPrincipal,
    /// Servers could take the URI for another one than the policies do.
    #[error("the resource's URI has a second spelling")]
    AmbiguousUri,
    /// A `forbid` applies.
    #[error("a policy forbids it")]
    Forbidden,
    /// No `permit` applies.
    #[error("no policy permits it")]
    NotPermitted,
    /// A policy could not be evaluated: it may have been the one that forbids.
    #[error("a policy failed")]
    PolicyFailed,
    /// The call does not fit the schema.
    #[error("the call can't be put to the policies")]
    Unanswerable,
    /// Two permits want the smaller token to be for two audiences.
    #[error("the permits name different audiences")]
    ConflictingAudiences,
}

/// One call as policies see it, with the policies that can concern it.
pub(crate) struct Case<'a> {
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) principal: EntityUid,
    pub(crate) action: Action,
    pub(crate) thing: Thing,
    pub(crate) shown: Shown,
    pub(crate) policies: Rc<PolicySet>,
}

/// Why a call may not go on, of which only the target need be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// In short.
    pub reason: DenialReason,
    /// Ids of the policies that determine it, sorted; none on a default denial.
    pub policies: Vec<String>,
    /// What failed, each bounded in length.
    pub errors: Vec<String>,
    /// What a stronger token would need, where one could help.
    pub step_up: Option<StepUp>,
}

// === impl Policies ===

impl Policies {
    /// Whether the caller may make the call to the server. Denied is what no policy permits, what any policy forbids,
    /// and whatever makes any policy fail.
    #[must_use]
    pub fn decide(&self, caller: &Caller<'_>, server: &str, call: AgentCall) -> Decision {
        match self.judge_call(caller, server, &call) {
            Ok((policies, grant)) => Decision::Allow(AuthorizedCall::new(call, server, policies, grant)),
            Err(Grounds { reason, policies, errors, step_up }) => {
                Decision::Deny(Denial { call, reason, policies, errors, step_up })
            }
        }
    }

    pub(crate) fn judge_call(
        &self,
        caller: &Caller<'_>,
        server: &str,
        call: &AgentCall,
    ) -> Result<(Vec<String>, Grant), Grounds> {
        if call.is_opaque() {
            self.judge_one(caller, server, call.operation(), true)
        } else {
            self.judge(caller, server, call.operation())
        }
    }

    pub(crate) fn judge(
        &self,
        caller: &Caller<'_>,
        server: &str,
        operation: &Operation,
    ) -> Result<(Vec<String>, Grant), Grounds> {
        match operation {
            Operation::Batch { calls, .. } => {
                self.judge_each(caller, server, "message", calls.iter().map(AgentCall::operation))
            }
            Operation::Listen { targets } => self.judge_targets(caller, server, targets),
            one => self.judge_one(caller, server, one, false),
        }
    }

    /// Of an opaque one, the server gets more arguments than can be seen.
    fn judge_one(
        &self,
        caller: &Caller<'_>,
        server: &str,
        operation: &Operation,
        opaque: bool,
    ) -> Result<(Vec<String>, Grant), Grounds> {
        let server = self.catalogue.server(server).ok_or(DenialReason::UnknownServer)?;
        let (action, thing, mut shown) = self.subject(server, operation)?;
        if opaque && let Shown::Known(arguments) = &mut shown {
            arguments.complete = false;
        }
        let case = self.case(caller, action, thing, shown).ok_or(DenialReason::NoPrincipal)?;
        let response = self
            .answer(&case)
            .map_err(|error| Grounds { errors: vec![error], ..Grounds::from(DenialReason::Unanswerable) })?;
        let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        policies.sort_unstable();
        let mut errors: Vec<String> = response.diagnostics().errors().map(said).collect();
        errors.sort_unstable();
        match response.decision() {
            _ if !errors.is_empty() => {
                Err(Grounds { reason: DenialReason::PolicyFailed, policies, errors, step_up: None })
            }
            Answer::Allow => match self.grant(&policies, caller) {
                Some(grant) => Ok((policies, grant)),
                None => Err(Grounds { policies, ..Grounds::from(DenialReason::ConflictingAudiences) }),
            },
            Answer::Deny => {
                let step_up = self.step_up(&case, &policies);
                let reason = if policies.is_empty() { DenialReason::NotPermitted } else { DenialReason::Forbidden };
                Err(Grounds { reason, policies, errors, step_up })
            }
        }
    }

    pub(crate) fn subject(
        &self,
        server: &KnownServer,
        operation: &Operation,
    ) -> Result<(Action, Thing, Shown), DenialReason> {
        if operation.protocol() != server.protocol() {
            return Err(DenialReason::OtherProtocol);
        }
        let none = || Shown::Known(Arguments::none());
        // The server, or the agent.
        let itself = |action, arguments| (action, server.itself(), Shown::Known(Arguments::read(arguments)));
        Ok(match operation {
            Operation::Connect => (Action::Connect, server.itself(), none()),
            Operation::CallTool { name, arguments } => {
                let shown = Shown::Known(Arguments::read(arguments));
                (Action::CallTool, server.tool(name, &self.words), shown)
            }
            Operation::GetPrompt { name, arguments } => {
                let shown = Shown::Known(Arguments::read(arguments));
                (Action::GetPrompt, server.prompt(name, &self.words), shown)
            }
            Operation::ReadResource { uri } => (Action::ReadResource, self.resource(server, uri)?, none()),
            Operation::SubscribeResource { uri } => (Action::SubscribeResource, self.resource(server, uri)?, none()),
            Operation::ServerTask { kind, arguments } => match kind {
                ServerTaskKind::Get => itself(Action::GetTask, arguments),
                ServerTaskKind::List => itself(Action::ListTasks, arguments),
                ServerTaskKind::Update => itself(Action::UpdateTask, arguments),
                ServerTaskKind::Cancel => itself(Action::CancelTask, arguments),
            },
            // Of several things; each of them is asked about alone.
            Operation::Batch { .. } | Operation::Listen { .. } => return Err(DenialReason::Unanswerable),
            Operation::SendMessage { arguments } => itself(Action::SendMessage, arguments),
            Operation::Task { kind, arguments } => match kind {
                TaskKind::Get | TaskKind::Subscribe => itself(Action::GetTask, arguments),
                TaskKind::List => itself(Action::ListTasks, arguments),
                TaskKind::Cancel => itself(Action::CancelTask, arguments),
            },
            Operation::PushNotification { kind, arguments } => match kind {
                PushNotificationKind::Set => itself(Action::SetPushNotification, arguments),
                PushNotificationKind::Get => itself(Action::GetPushNotification, arguments),
                PushNotificationKind::List => itself(Action::ListPushNotifications, arguments),
                PushNotificationKind::Delete => itself(Action::DeletePushNotification, arguments),
            },
            Operation::AgentCard { arguments } => itself(Action::GetAgentCard, arguments),
        })
    }

    /// The resource of that name, if the name can't be taken for another's.
    pub(crate) fn resource(&self, server: &KnownServer, uri: &str) -> Result<Thing, DenialReason> {
        let same_in_lowercase =
            || uri::with_lowercase_authority(uri).is_none_or(|lower| server.same_entry(uri, &lower));
        if uri::is_normal(uri) && same_in_lowercase() {
            Ok(server.resource(uri, &self.words))
        } else {
            Err(DenialReason::AmbiguousUri)
        }
    }

    /// Nothing if there is no principal.
    pub(crate) fn case<'a>(
        &self,
        caller: &'a Caller<'a>,
        action: Action,
        thing: Thing,
        shown: Shown,
    ) -> Option<Case<'a>> {
        let principal = self.world().principal(caller)?;
        let policies = self.index.slice(action, principal.type_name(), &thing.uid, &thing.ancestors);
        Some(Case { caller, principal, action, thing, shown, policies })
    }

    fn answer(&self, case: &Case<'_>) -> Result<Response, String> {
        let question = self.question(case, &Supposed::NOTHING)?;
        Ok(self.authorizer.is_authorized(&question.request, &case.policies, &question.entities))
    }

    /// What the permits together grant; nothing if they contradict each other.
    pub(crate) fn grant(&self, permits: &[String], caller: &Caller<'_>) -> Option<Grant> {
        let mut grant = Grant::default();
        for annotations in permits.iter().filter_map(|id| self.rules.get(id)).map(|rule| &rule.annotations) {
            if let Some(scopes) = &annotations.scopes {
                let so_far = grant.scopes.take();
                grant.scopes = Some(so_far.map_or_else(|| scopes.clone(), |so_far| &so_far & scopes));
            }
            match (&grant.audience, &annotations.audience) {
                (Some(one), Some(other)) if one != other => return None,
                (None, Some(audience)) => grant.audience = Some(audience.clone()),
                _ => {}
            }
            grant.ttl_seconds = grant.ttl_seconds.into_iter().chain(annotations.ttl_seconds).min();
        }
        let own = caller.token.map(|token| token.scopes().clone()).unwrap_or_default();
        grant.scopes = grant.scopes.map(|scopes| &scopes & &own);
        Some(grant)
    }
}

// === impl AuthorizedCall ===

impl AuthorizedCall {
    pub(crate) fn new(call: AgentCall, server: &str, policies: Vec<String>, grant: Grant) -> Self {
        Self { call, server: server.to_owned(), policies, grant }
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> &AgentCall {
        &self.call
    }

    /// The server that it may go to.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Ids of the permits that allow it, sorted; none where policy is not enforced and would deny it.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// With what it may go on.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

// === impl Grounds ===

impl From<DenialReason> for Grounds {
    fn from(reason: DenialReason) -> Self {
        Self { reason, policies: Vec::new(), errors: Vec::new(), step_up: None }
    }
}

#[cfg(test)]
mod tests {
    use agent_messages::{AgentCall, Limits, ListItem, MessageHeaders, Protocol};
    use serde_json::json;

    use super::{Decision, DenialReason};
    use crate::testing::{NOW, peer};
    use crate::{Caller, Policies, Server};

    #[test]
    fn a_call_in_another_protocol_than_the_servers_is_denied() {
        let server = |name: &str, protocol| Server { name: name.to_owned(), protocol, ..Server::default() };
        let servers = [server("s", Protocol::Mcp), server("a", Protocol::A2a)];
        let any = "@id(\"any\") permit (principal, action, resource);";
        let policies = Policies::compile(any, &json!([]), &servers).unwrap();
        let peer = peer("spiffe://acme.example/agent/assistant");
        let caller = Caller { token: None, actor: Some(&peer), now: NOW, source_ip: None };
        let limits =
            Limits { max_body_bytes: 1_000, max_json_depth: 8, max_json_nodes: 100, max_sse_event_bytes: 1_000 };
        let ask = |server: &str, protocol, method: &str| {
            let headers: [(&[u8], &[u8]); 2] = [(b":method", b"POST"), (b"content-type", b"application/json")];
            let headers = MessageHeaders::read(protocol, headers).unwrap();
            let params = if protocol == Protocol::Mcp { json!({"name": "t"}) } else { json!({}) };
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
            let call = AgentCall::parse(&headers, body.as_bytes(), &limits).unwrap();
            match policies.decide(&caller, server, call) {
                Decision::Allow(_) => None,
                Decision::Deny(denial) => Some(denial.reason),
            }
        };
        assert_eq!(ask("s", Protocol::Mcp, "tools/call"), None);
        assert_eq!(ask("a", Protocol::Mcp, "tools/call"), Some(DenialReason::OtherProtocol));
        assert_eq!(ask("a", Protocol::A2a, "ListTasks"), None);
        assert_eq!(ask("s", Protocol::A2a, "ListTasks"), Some(DenialReason::OtherProtocol));
        let listed = ["s", "a"].map(|server| policies.lists(&caller, server, ListItem::Tool("t")));
        assert_eq!(listed, [true, false]);
    }
}
