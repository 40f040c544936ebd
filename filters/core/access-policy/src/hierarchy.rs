//! Who belongs where, as the operator states it.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entities, Entity, EntityTypeName, EntityUid};
use peer_identity::SpiffeId;
use serde_json::{Map, Value};

use crate::error::{EntityProblem, PolicyError, bounded, said};
use crate::schema::Vocabulary;

/// Groups within groups, roles within roles, and the groups of workloads. Nothing but membership comes from here:
/// attributes come from what a request proves.
pub(crate) struct Hierarchy {
    /// Everything above each group, role and workload that is stated to be in something.
    above: HashMap<EntityUid, Vec<EntityUid>>,
}

const FIELDS: [&str; 4] = ["attrs", "parents", "tags", "uid"];

// === impl Hierarchy ===

impl Hierarchy {
    /// Reads a JSON array in Cedar's format for entities, where `attrs` may be left out.
    pub(crate) fn read(entities: &Value, words: &Vocabulary) -> Result<Self, PolicyError> {
        let all = entities.as_array().ok_or(PolicyError::NotEntities)?;
        let stated: Vec<Entity> = all
            .iter()
            .enumerate()
            .map(|(index, value)| read(value, words).map_err(|problem| PolicyError::Entity { index, problem }))
            .collect::<Result<_, _>>()?;
        let uids: Vec<EntityUid> = stated.iter().map(Entity::uid).collect();
        let closed =
            Entities::from_entities(stated, None).map_err(|error| PolicyError::Hierarchy { problem: said(error) })?;
        let ancestors = |uid: &EntityUid| closed.ancestors(uid).into_iter().flatten().cloned().collect();
        Ok(Self { above: uids.into_iter().map(|uid| (uid.clone(), ancestors(&uid))).collect() })
    }

    /// These, and everything above them.
    pub(crate) fn closure(&self, direct: impl IntoIterator<Item = EntityUid>) -> HashSet<EntityUid> {
        let mut all = HashSet::new();
        for uid in direct {
            all.extend(self.above(&uid).iter().cloned());
            all.insert(uid);
        }
        all
    }

    /// Everything above one.
    pub(crate) fn above(&self, uid: &EntityUid) -> &[EntityUid] {
        self.above.get(uid).map_or(&[], Vec::as_slice)
    }

    /// Each group, role and workload that is stated to be in something, with everything above it.
    #[cfg(feature = "prove")]
    pub(crate) fn stated(&self) -> impl Iterator<Item = (&EntityUid, &[EntityUid])> {
        self.above.iter().map(|(uid, above)| (uid, above.as_slice()))
    }

    /// A group, role or workload that a policy speaks of by name, if it is in anything.
    pub(crate) fn named(&self, uid: &EntityUid, words: &Vocabulary) -> Option<Entity> {
        if *uid.type_name() == words.workload {
            return self.workload(&SpiffeId::parse(uid.id().unescaped()).ok()?, words).ok();
        }
        let above = self.above(uid);
        (!above.is_empty()).then(|| Entity::new_no_attrs(uid.clone(), above.iter().cloned().collect()))
    }
}

fn read(value: &Value, words: &Vocabulary) -> Result<Entity, EntityProblem> {
    let mut fields: Map<String, Value> =
        value.as_object().cloned().ok_or_else(|| EntityProblem::Malformed("not an object".to_owned()))?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(EntityProblem::Malformed(format!("unknown field `{}`", bounded(unknown))));
    }
    fields.entry("attrs").or_insert_with(|| Value::Object(Map::new()));
    let entity = Entity::from_json_value(Value::Object(fields), None)
        .map_err(|error| EntityProblem::Malformed(chain(&error)))?;
    let uid = entity.uid();
    let parent = parent_type(&uid, words)?;
    if entity.attrs().next().is_some() || entity.tags().next().is_some() {
        return Err(EntityProblem::Attributes);
    }
    let (_, _, parents) = entity.into_inner();
    match parents.iter().filter(|uid| uid.type_name() != parent).min() {
        Some(odd) => Err(EntityProblem::Parent(bounded(&odd.to_string()))),
        None => Ok(Entity::new_no_attrs(uid, parents)),
    }
}

/// What an entity that is the operator's to state can be in.
fn parent_type<'a>(uid: &EntityUid, words: &'a Vocabulary) -> Result<&'a EntityTypeName, EntityProblem> {
    let ty = uid.type_name();
    if *ty == words.group {
        Ok(&words.group)
    } else if *ty == words.role {
        Ok(&words.role)
    } else if *ty != words.workload {
        Err(EntityProblem::Type(bounded(&ty.to_string())))
    } else if SpiffeId::parse(uid.id().unescaped()).is_err() {
        Err(EntityProblem::NotSpiffe(bounded(uid.id().unescaped())))
    } else {
        Ok(&words.group)
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    bounded(&text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::entity;

    fn read(entities: &Value) -> Result<Hierarchy, PolicyError> {
        Hierarchy::read(entities, &Vocabulary::new().unwrap())
    }

    #[track_caller]
    fn refused(one: Value, problem: EntityProblem) {
        assert_eq!(read(&json!([one])).err(), Some(PolicyError::Entity { index: 0, problem }));
    }

    fn parent(ty: &str, id: &str) -> Value {
        json!({"type": ty, "id": id})
    }

    #[test]
    fn membership_goes_all_the_way_up() {
        let words = Vocabulary::new().unwrap();
        let hierarchy = read(&json!([
            {"uid": parent("Group", "engineers"), "parents": [parent("Group", "staff")]},
            {"uid": {"__entity": parent("Group", "staff")}, "attrs": {}, "parents": [parent("Group", "everyone")]},
            {"uid": parent("Workload", "spiffe://acme.example/a"), "parents": [parent("Group", "engineers")]},
        ]))
        .unwrap();
        let group = |name| entity(&words.group, name);
        let up = hierarchy.closure([group("engineers")]);
        assert_eq!(up, HashSet::from(["engineers", "staff", "everyone"].map(group)));
        assert_eq!(hierarchy.above(&entity(&words.workload, "spiffe://acme.example/a")).len(), 3);
        assert_eq!(hierarchy.closure([group("unheard of")]), HashSet::from([group("unheard of")]));
    }

    #[test]
    fn only_membership_is_the_operators_to_state() {
        let workload = "spiffe://acme.example/a";
        for ty in ["User", "Server", "Tool", "Resource", "TrustDomain", "Token", "Elsewhere"] {
            refused(json!({"uid": parent(ty, "x"), "parents": []}), EntityProblem::Type(ty.to_owned()));
        }
        let attributes = json!({"uid": parent("Workload", workload), "attrs": {"path": "/b"}, "parents": []});
        refused(attributes, EntityProblem::Attributes);
        let tags = json!({"uid": parent("Group", "a"), "parents": [], "tags": {"a": "b"}});
        refused(tags, EntityProblem::Attributes);
        let domain = json!({"uid": parent("Workload", workload), "parents": [parent("TrustDomain", "evil.example")]});
        refused(domain, EntityProblem::Parent("TrustDomain::\"evil.example\"".to_owned()));
        let role = json!({"uid": parent("Group", "a"), "parents": [parent("Role", "b")]});
        refused(role, EntityProblem::Parent("Role::\"b\"".to_owned()));
    }

    #[test]
    fn a_workload_is_named_by_its_spiffe_id() {
        for id in ["unidentified", "spiffe://acme.example", "spiffe://ACME.example/a", ""] {
            let one = json!({"uid": parent("Workload", id), "parents": []});
            refused(one, EntityProblem::NotSpiffe(id.to_owned()));
        }
    }

    #[test]
    fn what_is_no_entity_is_refused() {
        refused(json!("Group"), EntityProblem::Malformed("not an object".to_owned()));
        let typo = json!({"uid": parent("Group", "a"), "parents": [], "members": []});
        refused(typo, EntityProblem::Malformed("unknown field `members`".to_owned()));
        let no_parents = read(&json!([{"uid": parent("Group", "a")}]));
        assert!(matches!(
            no_parents.err(),
            Some(PolicyError::Entity { index: 0, problem: EntityProblem::Malformed(text) }) if text.contains("parents")
        ));
        assert_eq!(read(&json!({})).err(), Some(PolicyError::NotEntities));
    }

    #[test]
    fn a_circle_or_a_contradiction_is_refused() {
        let a = json!({"uid": parent("Group", "a"), "parents": [parent("Group", "b")]});
        let b = json!({"uid": parent("Group", "b"), "parents": [parent("Group", "a")]});
        assert!(matches!(read(&json!([a, b])).err(), Some(PolicyError::Hierarchy { .. })));
        let other = json!({"uid": parent("Group", "a"), "parents": []});
        assert!(matches!(read(&json!([a, other])).err(), Some(PolicyError::Hierarchy { .. })));
    }
}
