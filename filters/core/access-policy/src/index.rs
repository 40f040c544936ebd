//! Which policies a question can concern.
//!
//! Cedar evaluates every policy that it is given, at a cost that grows with their number. A policy whose scope names
//! another action or another resource comes out false without an error, so leaving it out changes nothing.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
};

use crate::schema::{Action, Vocabulary};

pub(crate) struct Index {
    policies: Vec<Policy>,
    by_action: HashMap<Action, Candidates>,
    /// There are no more keys than there are entries in the catalogue and names in policies; still it is bounded.
    slices: RefCell<HashMap<Key, Rc<PolicySet>>>,
}

/// The policies that can concern an action, by number.
#[derive(Default)]
struct Candidates {
    /// Whatever the resource.
    general: Vec<usize>,
    /// By the resource, or what it is in, that the scope names.
    named: HashMap<EntityUid, Vec<usize>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    action: Action,
    principal: EntityTypeName,
    /// The names among the resource and its ancestors that some scope names, in order.
    named: Vec<EntityUid>,
}

const MAX_SLICES: usize = 1024;

// === impl Index ===

impl Index {
    pub(crate) fn new(policies: Vec<Policy>, words: &Vocabulary) -> Self {
        let mut by_action: HashMap<Action, Candidates> = HashMap::new();
        for (number, policy) in policies.iter().enumerate() {
            for action in Action::ALL.into_iter().filter(|action| concerns(policy, words.action(*action))) {
                let candidates = by_action.entry(action).or_default();
                match policy.resource_constraint() {
                    ResourceConstraint::Any => candidates.general.push(number),
                    ResourceConstraint::Is(ty) if words.applies(action, &ty) => candidates.general.push(number),
                    ResourceConstraint::Is(_) => {}
                    ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                        candidates.named.entry(uid).or_default().push(number);
                    }
                }
            }
        }
        Self { policies, by_action, slices: RefCell::default() }
    }

    /// The policies that can concern a question.
    pub(crate) fn slice(
        &self,
        action: Action,
        principal: &EntityTypeName,
        resource: &EntityUid,
        ancestors: &HashSet<EntityUid>,
    ) -> Rc<PolicySet> {
        let candidates = self.by_action.get(&action);
        let is_named = |uid: &&EntityUid| candidates.is_some_and(|all| all.named.contains_key(*uid));
        let mut named: Vec<EntityUid> = ancestors.iter().chain([resource]).filter(is_named).cloned().collect();
        named.sort_unstable();
        named.dedup();
        let key = Key { action, principal: principal.clone(), named };
        if let Some(slice) = self.slices.borrow().get(&key) {
            return Rc::clone(slice);
        }
        let slice = Rc::new(self.build(&key));
        let mut slices = self.slices.borrow_mut();
        if slices.len() >= MAX_SLICES {
            slices.clear();
        }
        slices.insert(key, Rc::clone(&slice));
        slice
    }

    /// All of them, in the order of the text.
    #[cfg(feature = "prove")]
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// All policies.
    #[cfg(test)]
    pub(crate) fn whole(&self) -> PolicySet {
        PolicySet::from_policies(self.policies.clone()).unwrap()
    }

    fn build(&self, key: &Key) -> PolicySet {
        let Some(candidates) = self.by_action.get(&key.action) else { return PolicySet::new() };
        let named = key.named.iter().filter_map(|uid| candidates.named.get(uid)).flatten();
        let mut numbers: Vec<usize> = candidates.general.iter().chain(named).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut slice = PolicySet::new();
        for policy in numbers.into_iter().filter_map(|number| self.policies.get(number)) {
            if admits(policy, &key.principal) {
                // Ids are unique, and templates were refused: nothing can clash.
                let _ = slice.add(policy.clone());
            }
        }
        slice
    }
}

pub(crate) fn concerns(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        // The schema has no groups of actions.
        ActionConstraint::In(uids) => uids.contains(action),
    }
}

pub(crate) fn admits(policy: &Policy, principal: &EntityTypeName) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Is(ty) | PrincipalConstraint::IsIn(ty, _) => ty == *principal,
        PrincipalConstraint::Eq(uid) => uid.type_name() == principal,
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Authorizer, Context, Entities, Entity, Request};

    use super::*;
    use crate::schema::entity;

    const SCOPES: [&str; 3] =
        ["", "action == Action::\"tools/call\"", "action in [Action::\"connect\", Action::\"prompts/get\"]"];
    const PRINCIPALS: [&str; 6] = [
        "principal",
        "principal is User",
        "principal == User::\"i#a\"",
        "principal in Group::\"g\"",
        "principal is Workload in Group::\"g\"",
        "principal is Workload",
    ];
    const RESOURCES: [&str; 8] = [
        "resource",
        "resource is Tool",
        "resource is Server",
        "resource == Tool::\"s/t\"",
        "resource in Server::\"s\"",
        "resource in Group::\"h\"",
        "resource is Tool in Group::\"h\"",
        "resource == Prompt::\"s/t\"",
    ];

    /// Every scope; every so manieth is a forbid.
    fn policies(forbids: usize) -> Vec<Policy> {
        let mut all = Vec::new();
        for principal in PRINCIPALS {
            for action in SCOPES {
                for resource in RESOURCES {
                    let effect = if all.len() % forbids == 1 { "forbid" } else { "permit" };
                    let action = if action.is_empty() { "action" } else { action };
                    let text = format!("{effect} ({principal}, {action}, {resource});");
                    let id = cedar_policy::PolicyId::new(&text);
                    all.push(Policy::parse(Some(id), text).unwrap());
                }
            }
        }
        all
    }

    fn answer(set: &PolicySet, request: &Request, entities: &Entities) -> (bool, Vec<String>) {
        let response = Authorizer::new().is_authorized(request, set, entities);
        let mut reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        reasons.sort();
        (response.decision() == cedar_policy::Decision::Allow, reasons)
    }

    #[test]
    fn what_the_index_leaves_out_changes_nothing() {
        // Without a forbid, the determining policies are all that are satisfied.
        for forbids in [usize::MAX, 7] {
            same_answers(&policies(forbids));
        }
    }

    #[track_caller]
    fn same_answers(all: &[Policy]) {
        let words = Vocabulary::new().unwrap();
        let full = PolicySet::from_policies(all.to_vec()).unwrap();
        let index = Index::new(all.to_vec(), &words);
        let (mut sizes, mut questions) = (0, 0);
        let principals = [(&words.user, "i#a"), (&words.user, "i#b"), (&words.workload, "spiffe://d/w")];
        let things = ["s/t", "s/u"];
        let types = [&words.server, &words.tool, &words.prompt, &words.resource, &words.agent];
        let pairs = Action::ALL.into_iter().flat_map(|action| types.map(|ty| (action, ty)));
        for (action, ty_of_resource) in pairs.filter(|(action, ty)| words.applies(*action, ty)) {
            for (ty, id) in principals {
                for thing in things {
                    for groups in 0..8_u8 {
                        let principal = entity(ty, id);
                        let resource = entity(ty_of_resource, thing);
                        let member = |bit: u8, uid: EntityUid| (groups & bit != 0).then_some(uid);
                        let above: HashSet<EntityUid> = member(1, entity(&words.group, "h"))
                            .into_iter()
                            .chain(member(2, entity(&words.server, "s")))
                            .collect();
                        let entities = [
                            Entity::new_no_attrs(
                                principal.clone(),
                                member(4, entity(&words.group, "g")).into_iter().collect(),
                            ),
                            Entity::new_no_attrs(resource.clone(), above.clone()),
                        ];
                        let entities = Entities::from_entities(entities, None).unwrap();
                        let action_uid = words.action(action).clone();
                        let request =
                            Request::new(principal, action_uid, resource.clone(), Context::empty(), None).unwrap();
                        let slice = index.slice(action, ty, &resource, &above);
                        assert_eq!(answer(&slice, &request, &entities), answer(&full, &request, &entities));
                        sizes += slice.policies().count();
                        questions += 1;
                    }
                }
            }
        }
        assert!(sizes < questions * all.len() / 2, "the index leaves too much in");
    }

    #[test]
    fn a_slice_is_built_once_whatever_callers_name() {
        let words = Vocabulary::new().unwrap();
        let index = Index::new(policies(7), &words);
        let above = HashSet::from([entity(&words.server, "s")]);
        let slice = |name: &str| index.slice(Action::CallTool, &words.user, &entity(&words.tool, name), &above);
        let first = slice("s/unheard of");
        for n in 0..100 {
            assert!(Rc::ptr_eq(&first, &slice(&format!("s/{n}"))));
        }
        assert!(!Rc::ptr_eq(&first, &slice("s/t")));
        assert_eq!(index.slices.borrow().len(), 2);
    }
}
