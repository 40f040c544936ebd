//! How a command ends.

use std::path::PathBuf;

use access_policy::proofs::ProofError;
use thiserror::Error;

/// What a command that could do its work found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to say: exit code 0.
    Fine,
    /// Something is not as it should be: exit code 1.
    Findings,
}

/// Why a command could not do its work: exit code 2.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    /// Not what the file should hold, with the place where there is one.
    #[error("{file}: {problem}")]
    Content { file: String, problem: String },
    /// There is a folder for invariants, and nothing in it.
    #[error("there is no `*.cedar` in the folder of invariants")]
    NothingToProve,
    #[error(
        "there is no `{0}`: proofs need the solver cvc5 (https://cvc5.github.io), on the PATH or named in the environment variable CVC5"
    )]
    NoSolver(String),
    #[error("{0}")]
    Solver(ProofError),
    #[error("can't write the output: {0}")]
    Output(#[from] std::io::Error),
}

// === impl Failure ===

impl Failure {
    pub(crate) fn content(path: &std::path::Path, problem: impl ToString) -> Self {
        Self::Content { file: path.display().to_string(), problem: problem.to_string() }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NoSolver { program } => Self::NoSolver(program),
            ProofError::Broken(_) => Self::Solver(error),
        }
    }
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read(path: &std::path::Path) -> Result<String, Failure> {
    let text =
        if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(|error| Failure::Read { path: path.to_owned(), error })
}
