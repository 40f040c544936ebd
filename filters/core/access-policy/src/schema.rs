//! The vocabulary of policies, and the names of everything in it.

use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::error::{PolicyError, said};

/// The schema that every policy is held to.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The schema, and its names parsed once.
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    pub(crate) group: EntityTypeName,
    pub(crate) role: EntityTypeName,
    pub(crate) trust_domain: EntityTypeName,
    pub(crate) user: EntityTypeName,
    pub(crate) workload: EntityTypeName,
    pub(crate) server: EntityTypeName,
    pub(crate) tool: EntityTypeName,
    pub(crate) prompt: EntityTypeName,
    pub(crate) resource: EntityTypeName,
    pub(crate) agent: EntityTypeName,
    pub(crate) bags: Bags,
    pub(crate) token: EntityUid,
    actions: [EntityUid; Action::ALL.len()],
}

/// The entities that hold a call's arguments; there is one call at a time, so each has one name.
pub(crate) struct Bags {
    pub(crate) all: EntityUid,
    pub(crate) string: EntityUid,
    pub(crate) long: EntityUid,
    pub(crate) decimal: EntityUid,
    pub(crate) bool: EntityUid,
    pub(crate) strings: EntityUid,
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    Connect,
    CallTool,
    GetPrompt,
    ReadResource,
    SubscribeResource,
    SendMessage,
    GetTask,
    ListTasks,
    CancelTask,
    UpdateTask,
    SetPushNotification,
    GetPushNotification,
    ListPushNotifications,
    DeletePushNotification,
    GetAgentCard,
}

// === impl Vocabulary ===

impl Vocabulary {
    /// # Errors
    /// None that a configuration could cause: the text is a constant, and a test parses it.
    pub(crate) fn new() -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(internal)?;
        let name = |text: &str| EntityTypeName::from_str(text).map_err(internal);
        let uid = |ty: &str, id: &str| Ok::<_, PolicyError>(entity(&name(ty)?, id));
        let action = name("Action")?;
        Ok(Self {
            schema,
            group: name("Group")?,
            role: name("Role")?,
            trust_domain: name("TrustDomain")?,
            user: name("User")?,
            workload: name("Workload")?,
            server: name("Server")?,
            tool: name("Tool")?,
            prompt: name("Prompt")?,
            resource: name("Resource")?,
            agent: name("Agent")?,
            bags: Bags {
                all: uid("Arguments", "call")?,
                string: uid("StringArguments", "call")?,
                long: uid("LongArguments", "call")?,
                decimal: uid("DecimalArguments", "call")?,
                bool: uid("BoolArguments", "call")?,
                strings: uid("StringsArguments", "call")?,
            },
            token: uid("Token", "call")?,
            actions: Action::ALL.map(|one| entity(&action, one.as_str())),
        })
    }

    pub(crate) fn action(&self, action: Action) -> &EntityUid {
        let [connect, tool, prompt, read, subscribe, agents @ ..] = &self.actions;
        let [message, get, list, cancel, update, set_push, get_push, list_push, delete_push, card] = agents;
        match action {
            Action::Connect => connect,
            Action::CallTool => tool,
            Action::GetPrompt => prompt,
            Action::ReadResource => read,
            Action::SubscribeResource => subscribe,
            Action::SendMessage => message,
            Action::GetTask => get,
            Action::ListTasks => list,
            Action::CancelTask => cancel,
            Action::UpdateTask => update,
            Action::SetPushNotification => set_push,
            Action::GetPushNotification => get_push,
            Action::ListPushNotifications => list_push,
            Action::DeletePushNotification => delete_push,
            Action::GetAgentCard => card,
        }
    }

    /// Whether an action can be about resources of this type.
    pub(crate) fn applies(&self, action: Action, resource: &EntityTypeName) -> bool {
        match action {
            Action::Connect | Action::UpdateTask => *resource == self.server,
            Action::CallTool => *resource == self.tool,
            Action::GetPrompt => *resource == self.prompt,
            Action::ReadResource | Action::SubscribeResource => *resource == self.resource,
            Action::GetTask | Action::ListTasks | Action::CancelTask => {
                *resource == self.server || *resource == self.agent
            }
            Action::SendMessage
            | Action::SetPushNotification
            | Action::GetPushNotification
            | Action::ListPushNotifications
            | Action::DeletePushNotification
            | Action::GetAgentCard => *resource == self.agent,
        }
    }
}

// === impl Action ===

impl Action {
    /// In the order of the declaration.
    pub(crate) const ALL: [Self; 15] = [
        Self::Connect,
        Self::CallTool,
        Self::GetPrompt,
        Self::ReadResource,
        Self::SubscribeResource,
        Self::SendMessage,
        Self::GetTask,
        Self::ListTasks,
        Self::CancelTask,
        Self::UpdateTask,
        Self::SetPushNotification,
        Self::GetPushNotification,
        Self::ListPushNotifications,
        Self::DeletePushNotification,
        Self::GetAgentCard,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::CallTool => "tools/call",
            Self::GetPrompt => "prompts/get",
            Self::ReadResource => "resources/read",
            Self::SubscribeResource => "resources/subscribe",
            Self::SendMessage => "message/send",
            Self::GetTask => "tasks/get",
            Self::ListTasks => "tasks/list",
            Self::CancelTask => "tasks/cancel",
            Self::UpdateTask => "tasks/update",
            Self::SetPushNotification => "push-notifications/set",
            Self::GetPushNotification => "push-notifications/get",
            Self::ListPushNotifications => "push-notifications/list",
            Self::DeletePushNotification => "push-notifications/delete",
            Self::GetAgentCard => "agent-card/get",
        }
    }
}

pub(crate) fn entity(ty: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(ty.clone(), EntityId::new(id))
}

fn internal(error: impl std::fmt::Display) -> PolicyError {
    PolicyError::Schema { problem: said(error) }
}

#[cfg(test)]
mod tests {
    use super::{Action, Vocabulary};

    #[test]
    fn the_schema_declares_what_the_vocabulary_names() {
        let vocabulary = Vocabulary::new().unwrap();
        let types: Vec<_> = vocabulary.schema.entity_types().collect();
        let named = [
            &vocabulary.group,
            &vocabulary.role,
            &vocabulary.trust_domain,
            &vocabulary.user,
            &vocabulary.workload,
            &vocabulary.server,
            &vocabulary.tool,
            &vocabulary.prompt,
            &vocabulary.resource,
            &vocabulary.agent,
            vocabulary.token.type_name(),
            vocabulary.bags.all.type_name(),
            vocabulary.bags.string.type_name(),
            vocabulary.bags.long.type_name(),
            vocabulary.bags.decimal.type_name(),
            vocabulary.bags.bool.type_name(),
            vocabulary.bags.strings.type_name(),
        ];
        assert!(named.iter().all(|name| types.contains(name)));
        assert_eq!(types.len(), named.len());
    }

    #[test]
    fn every_action_goes_by_its_own_name() {
        let vocabulary = Vocabulary::new().unwrap();
        for action in Action::ALL {
            assert_eq!(vocabulary.action(action).id().unescaped(), action.as_str());
        }
    }

    #[test]
    fn every_action_applies_to_what_the_schema_says() {
        let vocabulary = Vocabulary::new().unwrap();
        assert_eq!(vocabulary.schema.actions().count(), Action::ALL.len());
        for action in Action::ALL {
            let declared: Vec<_> = vocabulary.schema.resources_for_action(vocabulary.action(action)).unwrap().collect();
            for ty in vocabulary.schema.entity_types() {
                assert_eq!(vocabulary.applies(action, ty), declared.contains(&ty), "{action:?} {ty}");
            }
        }
    }
}
