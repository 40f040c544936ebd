//! Whether policy allows it: Cedar over who, what and context.
//!
//! Scope: compiling policies so that none of them can be misread, and answering one question at a time. Plain Cedar
//! skips a policy that fails, a `forbid` too; here whatever makes a policy fail is denied.

mod annotations;
mod arguments;
mod batch;
mod catalogue;
mod conditions;
mod decide;
mod error;
mod foresee;
mod hierarchy;
mod index;
mod lists;
mod policies;
#[cfg(feature = "prove")]
pub mod proofs;
#[cfg(test)]
mod properties;
mod question;
mod reads;
mod residual;
mod sandboxes;
mod schema;
mod shadow;
mod statements;
mod step_up;
mod templates;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod uri;

pub use catalogue::{Hints, ResourceEntry, Server, ToolEntry};
pub use decide::{AuthorizedCall, Decision, Denial, DenialReason, Grant, Grounds};
pub use error::{AnnotationProblem, CatalogueProblem, EntityProblem, LinkProblem, PolicyError, PolicyName};
pub use policies::{Policies, Source};
pub use question::Caller;
pub use sandboxes::{Difference, Sandbox, SandboxError, SandboxFiles, Verdict};
pub use schema::SCHEMA;
pub use shadow::Rehearsal;
pub use statements::{Effect, Statement, statements};
pub use step_up::StepUp;
pub use templates::TemplateLink;
