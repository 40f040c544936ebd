//! What is legal and can't be meant.

use serde::Serialize;

/// One finding, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) lint: Lint,
    /// Its `@id`; nothing for what no policy says.
    pub(crate) policy: Option<String>,
    /// In the text of the policies, counted from 1.
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
    pub(crate) problem: String,
    pub(crate) advice: String,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lint {
    /// A `forbid` on an argument does not apply to a call without it.
    AbsentArgumentEscapes,
    /// No caller can ever satisfy the permit, or a forbid overrules it wherever it applies.
    NeverPermits,
    /// It speaks of what the catalogue does not have.
    NotInCatalogue,
    /// No `@reason`.
    NoReason,
    /// No permit can reach something that is in the catalogue.
    NothingPermits,
}

// === impl Lint ===

impl Lint {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AbsentArgumentEscapes => "absent-argument-escapes",
            Self::NeverPermits => "never-permits",
            Self::NotInCatalogue => "not-in-catalogue",
            Self::NoReason => "no-reason",
            Self::NothingPermits => "nothing-permits",
        }
    }
}
