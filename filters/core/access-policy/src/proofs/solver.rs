//! The solver, a program that is spoken to in SMT-LIB.

use std::ffi::OsStr;
use std::io::ErrorKind;

use cedar_policy_symcc::err::{Error, SolverError};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use thiserror::Error;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

use crate::error::said;

/// SMT-LIB on standard input, and a minute a question.
const ARGUMENTS: [&str; 3] = ["--lang", "smt", "--tlimit-per=60000"];

/// A solver that runs until this is dropped.
pub struct Prover {
    compiler: CedarSymCompiler<LocalSolver>,
    runtime: Runtime,
}

/// Whether there is a request of some kind.
pub(super) enum Answer {
    /// No request is so.
    NoSuch,
    /// This one is.
    Found(Box<Env>),
    /// That could not be told, and why.
    Open(String),
}

/// Why nothing can be proven.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// There is no such program.
    #[error("there is no `{program}`")]
    NoSolver {
        /// Its name or its path.
        program: String,
    },
    /// It can't be run, or it does not do what is expected of it.
    #[error("the solver fails: {0}")]
    Broken(String),
}

// === impl Prover ===

impl Prover {
    /// Starts cvc5, by its name or its path.
    ///
    /// # Errors
    /// It is not there, or can't be started.
    pub fn start(program: &OsStr) -> Result<Self, ProofError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ProofError::broken)?;
        // Processes are watched by the runtime.
        let started = runtime
            .block_on(async { LocalSolver::from_command(Command::new(program).args(ARGUMENTS).kill_on_drop(true)) });
        let solver = started.map_err(|error| match error {
            SolverError::Io(error) if error.kind() == ErrorKind::NotFound => {
                ProofError::NoSolver { program: program.to_string_lossy().into_owned() }
            }
            SolverError::Io(error) => ProofError::broken(error),
            error => ProofError::broken(error),
        })?;
        let compiler = CedarSymCompiler::new(solver).map_err(ProofError::broken)?;
        Ok(Self { compiler, runtime })
    }

    /// A request on which the policy fails.
    pub(super) fn failure(&mut self, policy: &CompiledPolicy) -> Result<Answer, ProofError> {
        answer(self.runtime.block_on(self.compiler.check_never_errors_with_counterexample_opt(policy)))
    }

    /// A request that both allow.
    pub(super) fn both_allow(
        &mut self,
        one: &CompiledPolicySet,
        other: &CompiledPolicySet,
    ) -> Result<Answer, ProofError> {
        answer(self.runtime.block_on(self.compiler.check_disjoint_with_counterexample_opt(one, other)))
    }

    /// A request that the first allows and the second does not.
    pub(super) fn more(&mut self, one: &CompiledPolicySet, other: &CompiledPolicySet) -> Result<Answer, ProofError> {
        answer(self.runtime.block_on(self.compiler.check_implies_with_counterexample_opt(one, other)))
    }
}

fn answer(found: Result<Option<Env>, Error>) -> Result<Answer, ProofError> {
    match found {
        Ok(None) => Ok(Answer::NoSuch),
        Ok(Some(found)) => Ok(Answer::Found(Box::new(found))),
        Err(Error::SolverUnknown) => Ok(Answer::Open("the solver found no answer in its time".to_owned())),
        Err(error @ (Error::DecodeModel(_) | Error::ConcretizeError(_) | Error::ModelInvalid { .. })) => {
            Ok(Answer::Open(format!("there is a request, but it can't be shown: {}", said(error))))
        }
        Err(error) => Err(ProofError::broken(error)),
    }
}

// === impl ProofError ===

impl ProofError {
    pub(super) fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(said(error))
    }
}
