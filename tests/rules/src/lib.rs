//! The rules of this workspace, as pure functions, so that each can be tested on what it must refuse.
//!
//! `tests/workspace.rs` and `tests/modules.rs` apply them to the real workspace; the binary `check-imports` applies one to
//! built modules.

mod arrows;
mod contents;
mod files;
mod imports;
mod lints;
mod provided;

pub use arrows::{Arrow, ForbiddenArrow, Reason, forbidden};
pub use contents::{Ingredient, Recipe, Surplus, surplus};
pub use files::{Breach, LONG_RUST_FILE, SourceFile, breaches};
pub use imports::{Import, ImportError, check_module};
pub use lints::{LintError, check_lints};
