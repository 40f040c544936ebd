//! From policy text to policies, or to the first thing that is wrong with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Effect, EntityUid, ParseErrors, Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;
use peer_identity::SpiffeId;

use crate::annotations::{self, Annotations};
use crate::conditions::Conditions;
use crate::error::{PolicyError, PolicyName, bounded, said};
use crate::policies::Rule;
use crate::question::UNIDENTIFIED;
use crate::schema::Vocabulary;
use crate::uri;

/// What is in a policy text.
#[derive(Default)]
pub(crate) struct Compiled {
    /// Those that are enforced, under their own ids, in the order of the text.
    pub(crate) policies: Vec<Policy>,
    pub(crate) rules: HashMap<String, Rule>,
    /// Ids of those that are not.
    pub(crate) shadows: Vec<String>,
    /// Entities that conditions name.
    pub(crate) mentioned: Vec<EntityUid>,
    /// Servers, agents and what is on them, by the policies that name them.
    pub(crate) named: Vec<(PolicyName, EntityUid)>,
    /// URIs of the resources that policies name.
    pub(crate) resources: Vec<String>,
    /// What works and may not be meant.
    pub(crate) warnings: Vec<String>,
}

/// A text, in which places are looked for from the beginning to the end.
struct Places<'a> {
    text: &'a str,
    from: usize,
}

/// What becomes of policies with `@mode("shadow")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shadows {
    /// They are validated and left out.
    LeftOut,
    /// They count like any other.
    Counted,
}

pub(crate) fn compile(text: &str, shadows: Shadows, words: &Vocabulary) -> Result<Compiled, PolicyError> {
    let parsed = PolicySet::from_str(text).map_err(|errors| syntax(text, &errors))?;
    let mut places = Places { text, from: 0 };
    if let Some(template) = parsed.templates().min_by_key(|template| number(template.id())) {
        let id = template.annotation("id").filter(|id| !id.is_empty()).map(|id| PolicyName::Id(bounded(id)));
        let policy = id.unwrap_or_else(|| places.next(&template.to_cedar()));
        return Err(PolicyError::Template { policy });
    }
    let mut numbered: Vec<&Policy> = parsed.policies().collect();
    numbered.sort_by_key(|policy| number(policy.id()));
    let mut ids = HashSet::new();
    let mut named: Vec<(Policy, Annotations)> = Vec::new();
    for policy in numbered {
        let place = places.next(&policy.to_cedar().unwrap_or_default());
        let (policy, annotations) = read(policy, place)?;
        if !ids.insert(policy.id().clone()) {
            return Err(PolicyError::DuplicateId { policy: name_of(&policy) });
        }
        named.push((policy, annotations));
    }
    validate(named.iter().map(|(policy, _)| policy), words)?;

    let mut compiled = Compiled::default();
    for (policy, annotations) in named {
        check_entities(&policy, words)?;
        let on_a_server = [&words.server, &words.agent, &words.tool, &words.prompt];
        let literals = policy.entity_literals().into_iter().filter(|uid| on_a_server.contains(&uid.type_name()));
        compiled.named.extend(literals.map(|uid| (name_of(&policy), uid)));
        compiled.add(policy, annotations, shadows, words)?;
    }
    compiled.resources.sort_unstable();
    compiled.resources.dedup();
    compiled.mentioned.sort_unstable();
    compiled.mentioned.dedup();
    if compiled.policies.is_empty() { Err(PolicyError::Empty) } else { Ok(compiled) }
}

/// The policies of a text in its order, each with its line and column.
pub(crate) fn in_order(text: &str) -> Result<Vec<(Policy, usize, usize)>, PolicyError> {
    let parsed = PolicySet::from_str(text).map_err(|errors| syntax(text, &errors))?;
    let mut places = Places { text, from: 0 };
    let mut numbered: Vec<&Policy> = parsed.policies().collect();
    numbered.sort_by_key(|policy| number(policy.id()));
    let placed = numbered.into_iter().map(|policy| match places.next(&policy.to_cedar().unwrap_or_default()) {
        PolicyName::At { line, column } => (policy.clone(), line, column),
        PolicyName::Id(_) => (policy.clone(), 1, 1),
    });
    Ok(placed.collect())
}

/// A policy under its own id, with its annotations.
fn read(policy: &Policy, place: PolicyName) -> Result<(Policy, Annotations), PolicyError> {
    let policy = match annotations::id_of(policy) {
        None => return Err(PolicyError::MissingId { policy: place }),
        Some(Err(problem)) => return Err(PolicyError::Annotation { policy: place, annotation: "id", problem }),
        Some(Ok(id)) => policy.new_id(PolicyId::new(id)),
    };
    let annotations = Annotations::read(&policy, &name_of(&policy))?;
    Ok((policy, annotations))
}

/// For a policy under its own id.
fn name_of(policy: &Policy) -> PolicyName {
    PolicyName::Id(policy.id().to_string())
}

/// Strict validation. A policy that can never apply is a mistake, and a text that reads in another order than it is
/// written is worse.
fn validate<'a>(policies: impl Iterator<Item = &'a Policy> + Clone, words: &Vocabulary) -> Result<(), PolicyError> {
    let set = PolicySet::from_policies(policies.clone().cloned())
        .map_err(|error| PolicyError::Schema { problem: said(error) })?;
    let result = Validator::new(words.schema.clone()).validate(&set, ValidationMode::Strict);
    let mut problems: BTreeMap<PolicyId, Vec<String>> = BTreeMap::new();
    for error in result.validation_errors() {
        problems.entry(error.policy_id().clone()).or_default().push(with_help(error));
    }
    for warning in result.validation_warnings() {
        let (ValidationWarning::ImpossiblePolicy(_)
        | ValidationWarning::InvalidActionApplication(_)
        | ValidationWarning::BidiCharsInString(_)
        | ValidationWarning::BidiCharsInIdentifier(_)) = warning
        else {
            continue;
        };
        // An error says more.
        problems.entry(warning.policy_id().clone()).or_insert_with(|| vec![with_help(warning)]);
    }
    for policy in policies {
        if let Some(problem) = problems.remove(policy.id()).and_then(|all| all.into_iter().min()) {
            let prefix = format!("for policy `{}`, ", policy.id());
            let problem = bounded(problem.strip_prefix(&prefix).unwrap_or(&problem));
            return Err(PolicyError::Invalid { policy: name_of(policy), problem });
        }
    }
    Ok(())
}

/// Entities that can't be what the policy means: it would be silently dead.
fn check_entities(policy: &Policy, words: &Vocabulary) -> Result<(), PolicyError> {
    for uid in policy.entity_literals() {
        let (ty, id) = (uid.type_name(), uid.id().unescaped());
        let two_parts =
            |separator| id.split_once(separator).is_some_and(|(one, other)| !one.is_empty() && !other.is_empty());
        let bags = &words.bags;
        let internal = [&words.token, &bags.all, &bags.string, &bags.long, &bags.decimal, &bags.bool, &bags.strings];
        let (possible, rule) = if *ty == words.workload {
            (id == UNIDENTIFIED || SpiffeId::parse(id).is_ok(), "a workload is named by its SPIFFE ID")
        } else if *ty == words.user {
            (two_parts('#'), "a user is named `<issuer>#<subject>`")
        } else if *ty == words.tool || *ty == words.prompt {
            (two_parts('/'), "a tool or prompt is named `<server>/<name>`")
        } else if *ty == words.resource {
            (uri::is_normal(id), "a resource is named by its URI, in the normal form of RFC 3986")
        } else {
            (!internal.iter().any(|known| known.type_name() == ty), "it is reached through `context` only")
        };
        if !possible {
            let entity = bounded(&uid.to_string());
            return Err(PolicyError::ImpossibleEntity { policy: name_of(policy), entity, rule });
        }
    }
    Ok(())
}

// === impl Compiled ===

impl Compiled {
    fn add(
        &mut self,
        policy: Policy,
        annotations: Annotations,
        shadows: Shadows,
        words: &Vocabulary,
    ) -> Result<(), PolicyError> {
        let id = policy.id().to_string();
        if annotations.shadow {
            self.shadows.push(id.clone());
            if shadows == Shadows::LeftOut {
                return Ok(());
            }
        }
        let conditions = Conditions::of(&policy)?;
        let literals = policy.entity_literals();
        let resources = literals.iter().filter(|uid| *uid.type_name() == words.resource);
        self.resources.extend(resources.map(|uid| uid.id().unescaped().to_owned()));
        self.mentioned.extend(literals.into_iter().filter(|uid| conditions.mention(uid)));
        let scopes = match policy.effect() {
            Effect::Permit => conditions.tested_scopes(),
            Effect::Forbid => Vec::new(),
        };
        if policy.effect() == Effect::Forbid && conditions.trust_absence() {
            let warning = "it does not apply to arguments that it can't see; let it apply where \
                           `!context.arguments.complete` too";
            self.warnings.push(format!("{}: {warning}", name_of(&policy)));
        }
        self.rules.insert(id, Rule { annotations, scopes });
        self.policies.push(policy);
        Ok(())
    }
}

// === impl Places ===

impl Places<'_> {
    /// The next place at which this text is.
    fn next(&mut self, part: &str) -> PolicyName {
        let found = self.text.get(self.from..).and_then(|rest| rest.find(part)).unwrap_or_default();
        let at = self.from.saturating_add(found);
        self.from = at.saturating_add(part.len());
        let (line, column) = position(self.text, at);
        PolicyName::At { line, column }
    }
}

/// Line and column, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count().saturating_add(1), line.chars().count().saturating_add(1))
}

fn syntax(text: &str, errors: &ParseErrors) -> PolicyError {
    let offset =
        |error: &dyn Diagnostic| error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let first = errors.iter().min_by_key(|error| offset(*error).unwrap_or(usize::MAX));
    let (line, column) = position(text, first.and_then(|error| offset(error)).unwrap_or(text.len()));
    let problem = bounded(&first.map(ToString::to_string).unwrap_or_default());
    PolicyError::Syntax { line, column, problem }
}

/// Cedar names policies `policy0`, `policy1`, … in the order of the text.
fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.strip_prefix("policy").and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

/// An error and the help that comes with it.
fn with_help(error: &impl Diagnostic) -> String {
    match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
