//! What policies imply, proven by an SMT solver; or else a request for which it is not so.
//!
//! Cedar's symbolic compiler is proven against its semantics, where a policy that fails counts as one that does not
//! apply. Here it is a denial, so proofs are about the filter only where no policy [can fail](Prover::can_fail).

mod counterexample;
mod invariant;
mod solver;
mod world;

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet};

pub use counterexample::Counterexample;
pub use invariant::{Invariant, invariants};
pub use solver::{ProofError, Prover};
#[cfg(test)]
pub(crate) use world::is_possible;

use crate::policies::Policies;
use crate::schema::Action;
use crate::statements::Effect;
use crate::{Server, index};
use solver::Answer;
use world::World;

/// What came of a question to the solver.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// It is so, for every request.
    Proven,
    /// It is not so for this request, and perhaps for others.
    Refuted(Box<Counterexample>),
    /// The solver found neither in its time, or a request that could not be read.
    Open(String),
}

/// A kind of request: types of caller and target, and an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Environment {
    /// `User` or `Workload`.
    pub principal: String,
    /// In the wire's words.
    pub action: String,
    /// `Tool`, `Server`, ….
    pub resource: String,
}

/// How one policy set stands to another for one kind of request.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// For which.
    pub environment: Environment,
    /// Whether the second allows all that the first allows.
    pub no_stricter: Proof,
    /// Whether the first allows all that the second allows.
    pub no_looser: Proof,
}

// === impl Prover ===

impl Prover {
    /// The policies that can fail, an overflow say, each with a request that makes it; or that may, where the solver
    /// does not know. Whatever a policy fails on is denied.
    ///
    /// # Errors
    /// The solver is broken.
    pub fn can_fail(&mut self, policies: &Policies) -> Result<Vec<(String, Proof)>, ProofError> {
        self.each_can_fail(policies.index.policies(), policies)
    }

    /// The invariants that can fail: where one does, it would demand nothing.
    ///
    /// # Errors
    /// The solver is broken.
    pub fn invariants_can_fail(
        &mut self,
        policies: &Policies,
        invariants: &[Invariant],
    ) -> Result<Vec<(String, Proof)>, ProofError> {
        let all: Vec<Policy> = invariants.iter().map(|one| one.policy.clone()).collect();
        self.each_can_fail(&all, policies)
    }

    /// Whether policies keep an invariant, for every request that can come with this catalogue.
    ///
    /// # Errors
    /// The solver is broken.
    pub fn keep(
        &mut self,
        policies: &Policies,
        servers: &[Server],
        invariant: &Invariant,
    ) -> Result<Proof, ProofError> {
        let all = policies.index.policies();
        let matching = invariant.permit()?;
        let world = World::new(policies, servers, all.iter().chain([&matching]));
        for environment in environments(&policies.words.schema) {
            if !concerns(&matching, &environment, policies) {
                continue;
            }
            let possible = world.with(std::slice::from_ref(&matching), &environment)?;
            let compiled = |all: &[Policy]| compiled(all, &environment, policies);
            let (matched, allowed) = (compiled(&possible)?, compiled(all)?);
            let found = match invariant.effect {
                Effect::Forbid => self.both_allow(&matched, &allowed)?,
                Effect::Permit => self.more(&matched, &allowed)?,
            };
            let read = all.iter().filter(|one| concerns(one, &environment, policies));
            let proof = proof(found, read.chain([&matching]), all)?;
            if proof != Proof::Proven {
                return Ok(proof);
            }
        }
        Ok(Proof::Proven)
    }

    /// How other policies stand to these, for each kind of request for which they are not the same. The catalogue and
    /// the operator's entities are those of the first.
    ///
    /// # Errors
    /// The solver is broken.
    pub fn compare(
        &mut self,
        policies: &Policies,
        servers: &[Server],
        others: &Policies,
    ) -> Result<Vec<Comparison>, ProofError> {
        let (ours, theirs) = (policies.index.policies(), others.index.policies());
        let world = World::new(policies, servers, ours.iter().chain(theirs));
        let schema = &policies.words.schema;
        let mut different = Vec::new();
        for environment in environments(schema) {
            let compiled = |all: &[Policy]| compiled(all, &environment, policies);
            let possible = |all: &[Policy]| compiled(&world.with(all, &environment)?);
            let read = || ours.iter().chain(theirs).filter(|one| concerns(one, &environment, policies));
            let no_stricter = proof(self.more(&possible(ours)?, &compiled(theirs)?)?, read(), ours)?;
            let no_looser = proof(self.more(&possible(theirs)?, &compiled(ours)?)?, read(), theirs)?;
            if (&no_stricter, &no_looser) != (&Proof::Proven, &Proof::Proven) {
                different.push(Comparison { environment: Environment::of(&environment), no_stricter, no_looser });
            }
        }
        Ok(different)
    }

    fn each_can_fail(&mut self, all: &[Policy], policies: &Policies) -> Result<Vec<(String, Proof)>, ProofError> {
        let mut failing = Vec::new();
        for policy in all {
            for environment in environments(&policies.words.schema) {
                if !concerns(policy, &environment, policies) {
                    continue;
                }
                let compiled = CompiledPolicy::compile(policy, &environment, &policies.words.schema);
                let found = self.failure(&compiled.map_err(ProofError::broken)?)?;
                let proof = proof(found, [policy], std::slice::from_ref(policy))?;
                if proof != Proof::Proven {
                    failing.push((policy.id().to_string(), proof));
                    break;
                }
            }
        }
        Ok(failing)
    }
}

/// What the solver's answer says, `deciding` being the policies among which those are named that apply.
fn proof<'a>(
    found: Answer,
    read: impl IntoIterator<Item = &'a Policy>,
    deciding: &[Policy],
) -> Result<Proof, ProofError> {
    Ok(match found {
        Answer::NoSuch => Proof::Proven,
        Answer::Open(problem) => Proof::Open(problem),
        Answer::Found(found) => match Counterexample::of(&found, read, &set(deciding)?) {
            Ok(counterexample) => Proof::Refuted(Box::new(counterexample)),
            Err(problem) => Proof::Open(problem),
        },
    })
}

/// In an order of their own.
fn environments(schema: &Schema) -> Vec<RequestEnv> {
    let mut all: Vec<RequestEnv> = schema.request_envs().collect();
    all.sort_by_cached_key(Environment::of);
    all
}

/// Whether the scope leaves anything of an environment: where it does not, there is nothing to ask.
fn concerns(policy: &Policy, environment: &RequestEnv, policies: &Policies) -> bool {
    let same = |action: &Action| policies.words.action(*action) == environment.action();
    let action = Action::ALL.into_iter().find(same);
    action.is_some_and(|action| index::concerns(policy, policies.words.action(action)))
        && index::admits(policy, environment.principal())
}

fn set(policies: &[Policy]) -> Result<PolicySet, ProofError> {
    PolicySet::from_policies(policies.iter().cloned()).map_err(ProofError::broken)
}

fn compiled(all: &[Policy], environment: &RequestEnv, policies: &Policies) -> Result<CompiledPolicySet, ProofError> {
    CompiledPolicySet::compile(&set(all)?, environment, &policies.words.schema).map_err(ProofError::broken)
}

/// Entities that policies name.
fn literals<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> BTreeSet<EntityUid> {
    policies.into_iter().flat_map(Policy::entity_literals).collect()
}

// === impl Environment ===

impl Environment {
    fn of(environment: &RequestEnv) -> Self {
        Self {
            principal: environment.principal().to_string(),
            action: environment.action().id().unescaped().to_owned(),
            resource: environment.resource().to_string(),
        }
    }
}
