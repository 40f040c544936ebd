//! What a built module asks its host for.
//!
//! Envoy refuses a module with one import that it does not provide, or provides with another type, and says so only
//! when the configuration is loaded: in production, that is a proxy that does not start.

use std::fmt;

use wasmparser::{FuncType, Parser, Payload, TypeRef, ValType};

use crate::provided::PROVIDED;

/// What the module must export for Envoy to know which interface it speaks.
const ABI_VERSION: &str = "proxy_abi_version_0_2_1";

/// A function that a module imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name space: `env` or `wasi_snapshot_preview1`.
    pub module: String,
    /// The function: `proxy_log`.
    pub name: String,
    /// Parameters and result: `i32 i32 i32 -> i32`; `void` for none.
    pub signature: String,
}

/// Why Envoy would not load a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The bytes are no WebAssembly module.
    #[error("not a WebAssembly module: {0}")]
    NotAModule(String),
    /// Envoy would take the module for one of another kind.
    #[error("`proxy_abi_version_0_2_1` is not exported")]
    NoAbiVersion,
    /// A memory, a table or a global: Envoy provides functions only.
    #[error("`{module}.{name}` is imported, but is no function")]
    NotAFunction {
        /// The name space.
        module: String,
        /// The imported item.
        name: String,
    },
    /// Envoy has no function of that name.
    #[error("`{0}` is imported, but Envoy does not provide it")]
    NotProvided(Import),
    /// Envoy has a function of that name with other parameters or another result.
    #[error("`{import}` is imported, but Envoy provides `{provided}`")]
    OtherSignature {
        /// What the module wants.
        import: Import,
        /// What Envoy has.
        provided: &'static str,
    },
}

/// The imports of a module, when every supported Envoy provides them all.
///
/// # Errors
/// Everything that is wrong with it, not only the first.
pub fn check_module(module: &[u8]) -> Result<Vec<Import>, Vec<ImportError>> {
    let Outline { imports, mut errors, speaks_abi } =
        Outline::read(module).map_err(|error| vec![ImportError::NotAModule(error.message().to_owned())])?;
    errors.extend(imports.iter().filter_map(Import::error));
    if !speaks_abi {
        errors.push(ImportError::NoAbiVersion);
    }
    if errors.is_empty() { Ok(imports) } else { Err(errors) }
}

#[derive(Default)]
struct Outline {
    imports: Vec<Import>,
    errors: Vec<ImportError>,
    speaks_abi: bool,
}

// === impl Outline ===

impl Outline {
    fn read(module: &[u8]) -> Result<Self, wasmparser::Error> {
        let mut outline = Self::default();
        let mut types = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    types = section.into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        outline.add(&import?, &types);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        outline.speaks_abi |= export?.name == ABI_VERSION;
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    fn add(&mut self, import: &wasmparser::Import<'_>, types: &[FuncType]) {
        let (module, name) = (import.module.to_owned(), import.name.to_owned());
        let kind = match import.ty {
            TypeRef::Func(index) => usize::try_from(index).ok().and_then(|index| types.get(index)),
            _ => None,
        };
        match kind {
            Some(kind) => self.imports.push(Import { module, name, signature: signature(kind) }),
            None => self.errors.push(ImportError::NotAFunction { module, name }),
        }
    }
}

fn signature(kind: &FuncType) -> String {
    let words = |types: &[ValType]| match types {
        [] => "void".to_owned(),
        types => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    format!("{} -> {}", words(kind.params()), words(kind.results()))
}

// === impl Import ===

impl Import {
    fn error(&self) -> Option<ImportError> {
        let provided = PROVIDED.iter().find(|(module, name, _)| *module == self.module && *name == self.name);
        match provided {
            None => Some(ImportError::NotProvided(self.clone())),
            Some((_, _, provided)) if *provided == self.signature => None,
            Some((_, _, provided)) => Some(ImportError::OtherSignature { import: self.clone(), provided }),
        }
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.module, self.name, self.signature)
    }
}

#[cfg(test)]
mod tests;
