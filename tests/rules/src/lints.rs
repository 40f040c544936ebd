//! Whether a member has the workspace's lints.

use toml::{Table, Value};

/// The only member that calls foreign functions. Its manifest repeats the workspace's lints, because Cargo has no way
/// to inherit all but one; the repetition is compared, so that a lint added to the workspace reaches it too.
const WITH_UNSAFE: &str = "filters/envoy-host";

/// Why a manifest's lints are not those of the workspace.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LintError {
    /// The text is no TOML, or the workspace's manifest has no lints.
    #[error("`{folder}`: cannot read the manifest: {message}")]
    Unreadable {
        /// The member's folder.
        folder: String,
        /// What is wrong with it.
        message: String,
    },
    /// `[lints] workspace = true` is missing, or there is more than that.
    #[error("`{folder}`: the manifest must say `[lints] workspace = true`, and nothing more about lints")]
    NotInherited {
        /// The member's folder.
        folder: String,
    },
    /// The block of the member that may use `unsafe` differs in more than `unsafe_code = "deny"`.
    #[error("`{folder}`: `[lints]` must repeat the workspace's but for `unsafe_code = \"deny\"`")]
    NotRepeated {
        /// The member's folder.
        folder: String,
    },
}

/// Checks the lints of the member in `folder` (relative to the workspace), given both manifests' text.
///
/// # Errors
/// A [`LintError`] that names the folder.
pub fn check_lints(folder: &str, manifest: &str, workspace: &str) -> Result<(), LintError> {
    let lints = parse(folder, manifest)?.get("lints").cloned();
    if folder != WITH_UNSAFE {
        let inherited = Value::Table(Table::from_iter([("workspace".to_owned(), Value::Boolean(true))]));
        return match lints {
            Some(lints) if lints == inherited => Ok(()),
            _ => Err(LintError::NotInherited { folder: folder.to_owned() }),
        };
    }
    match lints {
        Some(lints) if lints == lints_with_unsafe(&parse(".", workspace)?)? => Ok(()),
        _ => Err(LintError::NotRepeated { folder: folder.to_owned() }),
    }
}

fn lints_with_unsafe(workspace: &Table) -> Result<Value, LintError> {
    let missing = |message: &str| LintError::Unreadable { folder: ".".to_owned(), message: message.to_owned() };
    let lints = workspace.get("workspace").and_then(|workspace| workspace.get("lints"));
    let mut lints = lints.cloned().ok_or_else(|| missing("no `[workspace.lints]`"))?;
    let unsafe_code = lints.get_mut("rust").and_then(|rust| rust.get_mut("unsafe_code"));
    match unsafe_code {
        Some(level) if level.as_str() == Some("forbid") => *level = Value::String("deny".to_owned()),
        _ => return Err(missing("`[workspace.lints.rust]` must say `unsafe_code = \"forbid\"`")),
    }
    Ok(lints)
}

fn parse(folder: &str, manifest: &str) -> Result<Table, LintError> {
    manifest.parse().map_err(|error: toml::de::Error| LintError::Unreadable {
        folder: folder.to_owned(),
        message: error.message().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str =
        "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\npanic = \"deny\"";
    const REPEATED: &str = "[lints.rust]\nunsafe_code = \"deny\"\n[lints.clippy]\npanic = \"deny\"";

    fn not_inherited() -> Result<(), LintError> {
        Err(LintError::NotInherited { folder: "filters/core/x".to_owned() })
    }

    fn not_repeated() -> Result<(), LintError> {
        Err(LintError::NotRepeated { folder: WITH_UNSAFE.to_owned() })
    }

    #[test]
    fn a_member_inherits_every_lint() {
        assert_eq!(check_lints("filters/core/x", "[lints]\nworkspace = true", WORKSPACE), Ok(()));
    }

    #[test]
    fn a_member_without_lints_is_refused() {
        assert_eq!(check_lints("filters/core/x", "[package]\nname = \"x\"", WORKSPACE), not_inherited());
        assert_eq!(check_lints("filters/core/x", "[lints]\nworkspace = false", WORKSPACE), not_inherited());
    }

    #[test]
    fn only_the_host_crate_may_repeat_the_lints() {
        assert_eq!(check_lints("filters/core/x", REPEATED, WORKSPACE), not_inherited());
        assert_eq!(check_lints(WITH_UNSAFE, REPEATED, WORKSPACE), Ok(()));
    }

    #[test]
    fn a_repetition_that_lacks_or_weakens_a_lint_is_refused() {
        let without_panic = "[lints.rust]\nunsafe_code = \"deny\"";
        let weaker = REPEATED.replace("panic = \"deny\"", "panic = \"allow\"");
        let wider = REPEATED.replace("unsafe_code = \"deny\"", "unsafe_code = \"allow\"");
        for manifest in [without_panic, &weaker, &wider, "[lints]\nworkspace = true", ""] {
            assert_eq!(check_lints(WITH_UNSAFE, manifest, WORKSPACE), not_repeated(), "{manifest}");
        }
    }

    #[test]
    fn a_workspace_that_does_not_forbid_unsafe_code_is_refused() {
        let refused = check_lints(WITH_UNSAFE, REPEATED, &WORKSPACE.replace("forbid", "warn"));
        let message = "`[workspace.lints.rust]` must say `unsafe_code = \"forbid\"`".to_owned();
        assert_eq!(refused, Err(LintError::Unreadable { folder: ".".to_owned(), message }));
    }

    #[test]
    fn a_manifest_that_is_no_toml_is_refused() {
        assert!(matches!(check_lints("x", "[lints", WORKSPACE), Err(LintError::Unreadable { .. })));
    }
}
