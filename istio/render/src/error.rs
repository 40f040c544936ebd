//! Why nothing is rendered.

use thiserror::Error;

/// What is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}`: {problem}")]
pub struct RenderError {
    /// The option (`--place`) or the field of the configuration (`identity.sources`).
    pub field: String,
    /// What is wrong with it, and the remedy.
    pub problem: String,
}

pub(crate) type Rendered<T> = Result<T, RenderError>;

pub(crate) fn wrong(field: impl Into<String>, problem: impl Into<String>) -> RenderError {
    RenderError { field: field.into(), problem: problem.into() }
}
