//! What a built module holds: whoever wants one stage gets its code and no other's.
//!
//! The compiler leaves the names of source files in a module, for messages of panics: `rsa-0.9.10/src/…`. A crate whose
//! code is there is nearly always named so.

use std::fmt;

/// A family of crates that only some modules need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingredient {
    /// Cedar: policies.
    Policies,
    /// The signature algorithms of tokens.
    Signatures,
}

/// What a module may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The module, without `.wasm`.
    pub module: &'static str,
    /// What it may hold; it must hold nothing else.
    pub may_hold: &'static [Ingredient],
    /// The most that it may weigh.
    pub max_bytes: Option<usize>,
}

/// What is too much in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surplus {
    /// Code of a crate that it does not need.
    Code {
        /// The module.
        module: &'static str,
        /// What was found.
        mark: &'static str,
    },
    /// It is too large.
    Bytes {
        /// The module.
        module: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// 1.2 MB: what Envoy compiles in well below a second.
const SMALL: Option<usize> = Some(1_258_291);
/// 1.5 MB: with exchanges, proofs of possession and transactions it is no longer small; it is to become so again.
const TOKENS: Option<usize> = Some(1_572_864);

// === impl Ingredient ===

impl Ingredient {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Policies, Self::Signatures];

    /// What only its crates leave in a module.
    #[must_use]
    pub fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Policies => &["cedar-policy"],
            Self::Signatures => &["jwt-simple", "rsa-", "p256-", "ed25519-compact-", "superboring-"],
        }
    }

    /// Whether a module holds any of it.
    #[must_use]
    pub fn is_in(self, module: &[u8]) -> bool {
        self.found(module).next().is_some()
    }

    fn found(self, module: &[u8]) -> impl Iterator<Item = &'static str> {
        let marks = self.marks().iter().copied();
        marks.filter(|mark| module.windows(mark.len()).any(|window| window == mark.as_bytes()))
    }
}

// === impl Recipe ===

impl Recipe {
    /// Of every module that is built.
    pub const ALL: [Self; 5] = [
        Self { module: "spiffe_identity", may_hold: &[Ingredient::Signatures], max_bytes: SMALL },
        Self { module: "mcp_parser", may_hold: &[], max_bytes: SMALL },
        Self { module: "jwt_auth", may_hold: &[Ingredient::Signatures], max_bytes: TOKENS },
        Self { module: "cedar_authz", may_hold: &[Ingredient::Policies], max_bytes: None },
        Self { module: "agent_guard", may_hold: &Ingredient::ALL, max_bytes: None },
    ];
}

/// What is too much in a module.
pub fn surplus(recipe: &Recipe, module: &[u8]) -> Vec<Surplus> {
    let name = recipe.module;
    let unwanted = Ingredient::ALL.into_iter().filter(|ingredient| !recipe.may_hold.contains(ingredient));
    let code =
        unwanted.flat_map(|ingredient| ingredient.found(module)).map(|mark| Surplus::Code { module: name, mark });
    let limit = recipe.max_bytes.filter(|limit| module.len() > *limit);
    let bytes = limit.map(|limit| Surplus::Bytes { module: name, bytes: module.len(), limit });
    code.chain(bytes).collect()
}

// === impl Surplus ===

impl fmt::Display for Surplus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { module, mark } => {
                write!(f, "{module}: there is code of `{mark}…` in it, which it has no use for")
            }
            Self::Bytes { module, bytes, limit } => write!(f, "{module}: {bytes} bytes, {limit} are allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(may_hold: &'static [Ingredient]) -> Recipe {
        Recipe { module: "m", may_hold, max_bytes: Some(30) }
    }

    #[test]
    fn what_a_module_has_no_use_for_is_named() {
        let module = b"\x00asm..rsa-0.9.10/src/lib.rs";
        assert_eq!(surplus(&recipe(&[]), module), [Surplus::Code { module: "m", mark: "rsa-" }]);
        assert_eq!(surplus(&recipe(&[Ingredient::Signatures]), module), []);
        assert_eq!(surplus(&recipe(&[Ingredient::Policies]), module).len(), 1);
        assert_eq!(surplus(&recipe(&[]), b"universal"), []);
    }

    #[test]
    fn a_module_that_is_too_large_is_named_with_its_size() {
        let large = Surplus::Bytes { module: "m", bytes: 31, limit: 30 };
        assert_eq!(surplus(&recipe(&[]), &[0; 31]), std::slice::from_ref(&large));
        assert_eq!(large.to_string(), "m: 31 bytes, 30 are allowed");
        assert_eq!(surplus(&recipe(&[]), &[0; 30]), []);
    }
}
