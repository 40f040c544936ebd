//! Policies that are made of templates.
//!
//! Cedar's language has templates and no way to link them, so links are data beside the text, in the words of Cedar's JSON
//! format for policy sets. A link becomes a policy like any other.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, SlotId, Template};
use serde_json::Value;

use crate::error::{LinkProblem, PolicyError, bounded, said};

/// A policy that is made of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateLink {
    /// `@id` of the template.
    pub template_id: String,
    /// What the policy is called.
    pub new_id: String,
    /// An entity in Cedar's JSON format (`{"type": …, "id": …}`) for each slot: `?principal`, `?resource`.
    pub values: BTreeMap<String, Value>,
}

/// The policy of each link, under its own id. `templates` are the set's, by their `@id`.
pub(crate) fn link(
    set: &mut PolicySet,
    templates: &HashMap<String, Template>,
    links: &[TemplateLink],
) -> Result<Vec<Policy>, PolicyError> {
    let mut policies = Vec::with_capacity(links.len());
    for (index, link) in links.iter().enumerate() {
        let policy = linked(set, templates, link).map_err(|problem| PolicyError::Link { index, problem })?;
        policies.push(policy);
    }
    Ok(policies)
}

fn linked(
    set: &mut PolicySet,
    templates: &HashMap<String, Template>,
    link: &TemplateLink,
) -> Result<Policy, LinkProblem> {
    if link.new_id.is_empty() {
        return Err(LinkProblem::NoId);
    }
    let template = templates
        .get(&link.template_id)
        .ok_or_else(|| LinkProblem::UnknownTemplate { template_id: bounded(&link.template_id) })?;
    let values = link.values.iter().map(|(slot, value)| Ok((slot_of(slot)?, entity_of(slot, value)?)));
    let values: HashMap<SlotId, EntityUid> = values.collect::<Result<_, LinkProblem>>()?;
    let id = PolicyId::new(&link.new_id);
    set.link(template.id().clone(), id.clone(), values).map_err(|error| LinkProblem::Values(said(error)))?;
    // With the entities in place of the slots: nothing further down has to know of templates.
    let json = set.policy(&id).map(Policy::to_json).ok_or(LinkProblem::NoId)?;
    let json = json.map_err(|error| LinkProblem::Values(said(error)))?;
    Policy::from_json(Some(id), json).map_err(|error| LinkProblem::Values(said(error)))
}

fn slot_of(name: &str) -> Result<SlotId, LinkProblem> {
    match name {
        "?principal" => Ok(SlotId::principal()),
        "?resource" => Ok(SlotId::resource()),
        _ => Err(LinkProblem::UnknownSlot { slot: bounded(name) }),
    }
}

fn entity_of(slot: &str, value: &Value) -> Result<EntityUid, LinkProblem> {
    EntityUid::from_json(value.clone())
        .map_err(|error| LinkProblem::NoEntity { slot: slot.to_owned(), problem: said(error) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policies::Source;
    use crate::{Policies, Server, ToolEntry};

    const TEMPLATES: &str = r#"
        @id("team-tool") @reason("teams have tools") permit (principal in ?principal, action, resource == ?resource);
        @id("nobody") forbid (principal, action, resource in ?resource);
    "#;

    fn servers() -> [Server; 1] {
        let tools = [("t".to_owned(), ToolEntry::default())].into();
        [Server { name: "s".to_owned(), tools, ..Server::default() }]
    }

    fn compiled(links: &[TemplateLink]) -> Result<Policies, PolicyError> {
        let text = format!("{TEMPLATES} @id(\"plain\") permit (principal, action == Action::\"connect\", resource);");
        Policies::compile(Source { cedar: &text, links }, &json!([]), &servers())
    }

    fn link(new_id: &str, values: Value) -> TemplateLink {
        let values = values.as_object().unwrap().clone().into_iter().collect();
        TemplateLink { template_id: "team-tool".to_owned(), new_id: new_id.to_owned(), values }
    }

    fn team(new_id: &str) -> TemplateLink {
        let group = json!({"type": "Group", "id": "hr"});
        link(new_id, json!({"?principal": group, "?resource": {"type": "Tool", "id": "s/t"}}))
    }

    #[test]
    fn a_link_is_a_policy_with_the_annotations_of_its_template() {
        let policies = compiled(&[team("hr-t")]).unwrap();
        assert_eq!(policies.reason("hr-t"), Some("teams have tools"));
        assert_eq!((policies.reason("team-tool"), policies.rules.len()), (None, 2));
        let text = policies.index.whole().policy(&PolicyId::new("hr-t")).unwrap().to_string();
        assert!(text.contains("principal in Group::\"hr\"") && text.contains("resource == Tool::\"s/t\""), "{text}");
        // Links say what policies say, so they are part of what the digest is of.
        assert_ne!(policies.digest(), compiled(&[team("other")]).unwrap().digest());
        assert!(policies.warnings().iter().any(|warning| warning.contains("nobody")), "{:?}", policies.warnings());
    }

    #[test]
    fn what_is_no_link_is_refused() {
        let refused = |link: TemplateLink| match compiled(&[team("good"), link]).err() {
            Some(PolicyError::Link { index: 1, problem }) => problem,
            other => panic!("{other:?}"),
        };
        let tool = json!({"type": "Tool", "id": "s/t"});
        let unknown = TemplateLink { template_id: "plain".to_owned(), ..team("x") };
        assert_eq!(refused(unknown), LinkProblem::UnknownTemplate { template_id: "plain".to_owned() });
        assert_eq!(refused(team("")), LinkProblem::NoId);
        let slot = link("x", json!({"?action": tool}));
        assert_eq!(refused(slot), LinkProblem::UnknownSlot { slot: "?action".to_owned() });
        let no_entity = refused(link("x", json!({"?resource": "Tool"})));
        assert!(matches!(no_entity, LinkProblem::NoEntity { slot, .. } if slot == "?resource"));
        assert!(matches!(refused(link("x", json!({"?resource": tool}))), LinkProblem::Values(_)));
        for taken in ["good", "plain", "team-tool"] {
            assert!(
                matches!(
                    compiled(&[team("good"), team(taken)]).err(),
                    Some(PolicyError::DuplicateId { .. } | PolicyError::Link { .. })
                ),
                "{taken}"
            );
        }
    }

    #[test]
    fn a_linked_policy_is_validated_like_any_other() {
        let group = json!({"type": "Group", "id": "hr"});
        for (ty, id) in [("Agent", "s"), ("Tool", "t")] {
            let odd = link("x", json!({"?principal": group, "?resource": {"type": ty, "id": id}}));
            assert!(matches!(compiled(&[odd]).err(), Some(PolicyError::ImpossibleEntity { .. })), "{ty}");
        }
    }
}
