//! Policies and entities as they are written, for tools that explain them. Nothing here decides.

use std::str::FromStr;

use agent_messages::{ListItem, Operation};
use cedar_policy::{EntityTypeName, EntityUid, Policy, PolicySet};
use serde_json::{Value, json};

use crate::decide::DenialReason;
use crate::error::{PolicyError, said};
use crate::policies::Policies;
use crate::question::Caller;
use crate::schema::entity;
use crate::text;

/// A policy as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its `@id`; empty if it has none.
    pub id: String,
    /// What it does where it applies.
    pub effect: Effect,
    /// Where it begins, counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// `@mode("shadow")`: it decides nothing.
    pub shadow: bool,
    /// Scope and conditions in Cedar's JSON format for policies.
    pub json: Value,
}

/// What a policy does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows what nothing forbids.
    Permit,
    /// It forbids, whatever permits.
    Forbid,
}

/// The policies of a text, in its order.
///
/// # Errors
/// It is not in the grammar of Cedar.
pub fn statements(cedar: &str) -> Result<Vec<Statement>, PolicyError> {
    let statement = |(policy, line, column): (Policy, usize, usize)| {
        let text = |name| policy.annotation(name).map(str::to_owned);
        Ok(Statement {
            id: text("id").unwrap_or_default(),
            effect: match policy.effect() {
                cedar_policy::Effect::Permit => Effect::Permit,
                cedar_policy::Effect::Forbid => Effect::Forbid,
            },
            line,
            column,
            reason: text("reason"),
            shadow: text("mode").is_some(),
            json: policy.to_json().map_err(|error| PolicyError::Schema { problem: said(error) })?,
        })
    };
    text::in_order(cedar)?.into_iter().map(statement).collect()
}

// === impl Policies ===

impl Policies {
    /// An entity as policies see it, in Cedar's JSON format, everything that it is in among its `parents`: a group, a
    /// role, a workload, or what the catalogue says of a server, an agent or a tool. Nothing for other types, and for
    /// servers that the catalogue does not know.
    #[must_use]
    pub fn describe(&self, ty: &str, id: &str) -> Option<Value> {
        let uid = entity(&EntityTypeName::from_str(ty).ok()?, id);
        let known = self.hierarchy.named(&uid, &self.words).or_else(|| self.catalogue.named(&uid, &self.words));
        match known {
            Some(known) => known.to_json_value().ok(),
            None => self.is_bare(&uid).then(|| json!({"uid": {"type": ty, "id": id}, "attrs": {}, "parents": []})),
        }
    }

    /// A tool, a prompt or a resource of a server, likewise; a name that the catalogue does not have is described as the
    /// catalogue's entry for it says, or as one that it says nothing of. Nothing for a template or a task, and for a server that
    /// the catalogue does not know.
    #[must_use]
    pub fn describe_item(&self, server: &str, item: ListItem<'_>) -> Option<Value> {
        let server = self.catalogue.server(server)?;
        let thing = match item {
            ListItem::Tool(name) => server.tool(name, &self.words),
            ListItem::Prompt(name) => server.prompt(name, &self.words),
            ListItem::Resource(uri) => server.resource(uri, &self.words),
            ListItem::ResourceTemplate(_) | ListItem::Task(_) => return None,
        };
        thing.entity().ok()?.to_json_value().ok()
    }

    /// Whether a condition, in Cedar's JSON format for expressions, holds for a call.
    ///
    /// # Errors
    /// The condition fails, the call can't be put to policies, or the text is no expression.
    pub fn holds(
        &self,
        caller: &Caller<'_>,
        server: &str,
        operation: &Operation,
        condition: &Value,
    ) -> Result<bool, String> {
        let server = self.catalogue.server(server).ok_or(DenialReason::UnknownServer).map_err(said)?;
        let (action, thing, shown) = self.subject(server, operation).map_err(said)?;
        let case = self.case(caller, action, thing, shown).ok_or(DenialReason::NoPrincipal).map_err(said)?;
        let question = self.whole_question(&case)?;
        let all = json!({"op": "All"});
        let conditions = [json!({"kind": "when", "body": condition})];
        let policy =
            json!({"effect": "permit", "principal": all, "action": all, "resource": all, "conditions": conditions});
        let policy = Policy::from_json(None, policy).map_err(said)?;
        let set = PolicySet::from_policies([policy]).map_err(said)?;
        let response = self.authorizer.is_authorized(&question.request, &set, &question.entities);
        match response.diagnostics().errors().next() {
            Some(error) => Err(said(error)),
            None => Ok(response.decision() == cedar_policy::Decision::Allow),
        }
    }

    /// A group or a role that is in nothing.
    fn is_bare(&self, uid: &EntityUid) -> bool {
        *uid.type_name() == self.words.group || *uid.type_name() == self.words.role
    }
}

#[cfg(test)]
mod tests {
    use agent_messages::{ListItem, Operation};
    use serde_json::json;

    use super::{Effect, statements};
    use crate::{Caller, Policies, Server};

    #[test]
    fn policies_come_in_order_with_their_places() {
        let text = "// who\n@id(\"a\")\n@reason(\"r\")\npermit (principal, action, resource);\n  @id(\"b\") @mode(\"shadow\") forbid (principal, action, resource);";
        let all = statements(text).unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|one| (one.id.as_str(), one.effect, one.line, one.column, one.reason.as_deref(), one.shadow))
            .collect();
        let expected = [("a", Effect::Permit, 2, 1, Some("r"), false), ("b", Effect::Forbid, 5, 3, None, true)];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_entity_is_described_with_all_that_it_is_in() {
        let server = Server { name: "s".to_owned(), groups: vec!["inner".to_owned()], ..Server::default() };
        let entities =
            json!([{"uid": {"type": "Group", "id": "inner"}, "parents": [{"type": "Group", "id": "outer"}]}]);
        let policies = Policies::compile("@id(\"p\") permit (principal, action, resource);", &entities, &[server]);
        let policies = policies.unwrap();
        let parents =
            |ty: &str, id: &str| policies.describe(ty, id).map(|one| one["parents"].as_array().unwrap().len());
        assert_eq!(parents("Group", "inner"), Some(1));
        assert_eq!(parents("Group", "unheard of"), Some(0));
        assert_eq!(parents("Tool", "s/t"), Some(3));
        assert_eq!(parents("Tool", "elsewhere/t"), None);
        let resource = policies.describe_item("s", ListItem::Resource("doc://a")).unwrap();
        assert_eq!((&resource["uid"]["id"], &resource["attrs"]["data_class"]), (&json!("doc://a"), &json!(0)));
        assert_eq!(policies.describe("Tool", "s/t").unwrap()["attrs"]["hints"]["destructive"], json!(true));
    }

    #[test]
    fn a_condition_is_judged_as_it_would_be_in_a_policy() {
        let server = Server { name: "s".to_owned(), ..Server::default() };
        let policies = Policies::compile("@id(\"p\") permit (principal, action, resource);", &json!([]), &[server]);
        let policies = policies.unwrap();
        let peer = crate::testing::peer("spiffe://d/w");
        let caller = Caller { token: None, actor: Some(&peer), now: crate::testing::NOW, source_ip: None };
        let holds = |condition: &str| {
            let text = format!("permit (principal, action, resource) when {{ {condition} }};");
            let json = statements(&text).unwrap().remove(0).json;
            let operation = Operation::CallTool { name: "t".to_owned(), arguments: serde_json::Map::new() };
            policies.holds(&caller, "s", &operation, &json["conditions"][0]["body"])
        };
        assert_eq!(holds("resource == Tool::\"s/t\" && !context.token.present"), Ok(true));
        assert_eq!(holds("context.token.scopes.contains(\"a\")"), Ok(false));
        assert!(holds("context.arguments.long.getTag(\"n\") > 5").unwrap_err().contains('n'));
    }
}
