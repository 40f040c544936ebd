//! How files are named and where they stand, how long they may be, and what their text may not hold.

use std::fmt;

/// Above this many lines a Rust file is worth a look for a split; the limit is [`RUST_LINES`].
pub const LONG_RUST_FILE: usize = 400;

const RUST_LINES: usize = 600;
const SCRIPT_LINES: usize = 60;
const CONFIGURATION_LINES: usize = 150;

const FOLDERS: [&str; 5] = ["envoy-configs", "filters", "istio", "scripts", "tests"];

/// Names that say nothing of what is inside, so that anything ends up there.
const VAGUE: [&str; 8] = ["common", "helper", "helpers", "misc", "shared", "util", "utilities", "utils"];

/// The only file that calls foreign functions.
const WITH_UNSAFE: &str = "filters/envoy-host/src/abi.rs";

/// First parts of absolute paths that exist on one machine only.
const MACHINE_FOLDERS: [&str; 5] = ["Users", "home", "mnt", "root", "work"];

/// Hosts of package registries and download sites, which every machine configures for itself. In two parts, so that
/// this file passes its own rule.
const REGISTRIES: [(&str, &str); 10] = [
    ("deb.debian", ".org"),
    ("files.pythonhosted", ".org"),
    ("index.crates", ".io"),
    ("proxy.golang", ".org"),
    ("pypi", ".org"),
    ("registry.npmjs", ".org"),
    ("repo.maven.apache", ".org"),
    ("static.crates", ".io"),
    ("static.rust-lang", ".org"),
    ("sum.golang", ".org"),
];

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the repository, with `/` between its parts.
    pub path: String,
    /// `None` when it is not UTF-8: only its name is judged then.
    pub text: Option<String>,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// A top-level folder other than those of the layout; dot-folders are free.
    Folder {
        /// The folder.
        folder: String,
    },
    /// A name like `utils`.
    VagueName {
        /// The file.
        path: String,
        /// The part of its path that says nothing.
        name: String,
    },
    /// Too many lines.
    TooLong {
        /// The file.
        path: String,
        /// How many it has.
        lines: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Text that no file but one, or no file at all, may hold.
    Text {
        /// The file.
        path: String,
        /// The line, from one.
        line: usize,
        /// What was found.
        found: String,
    },
}

/// The rules that a file breaks.
pub fn breaches(file: &SourceFile) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = folder(&file.path).into_iter().chain(vague_name(&file.path)).collect();
    if let Some(text) = &file.text {
        breaches.extend(too_long(&file.path, text));
        for (line, text) in (1..).zip(text.lines()) {
            let found = machine_path(text).or_else(|| registry(text)).or_else(|| unsafe_code(&file.path, text));
            breaches.extend(found.map(|found| Breach::Text { path: file.path.clone(), line, found }));
        }
    }
    breaches
}

fn folder(path: &str) -> Option<Breach> {
    let (folder, _) = path.split_once('/')?;
    let known = folder.starts_with('.') || FOLDERS.contains(&folder);
    (!known).then(|| Breach::Folder { folder: folder.to_owned() })
}

fn vague_name(path: &str) -> Option<Breach> {
    let vague = |part: &&str| VAGUE.contains(&part.split('.').next().unwrap_or(part).to_lowercase().as_str());
    path.split('/').find(vague).map(|name| Breach::VagueName { path: path.to_owned(), name: name.to_owned() })
}

fn too_long(path: &str, text: &str) -> Option<Breach> {
    let limit = if path.ends_with(".rs") {
        RUST_LINES
    } else if path.starts_with("scripts/") || path == ".ci/run" {
        SCRIPT_LINES
    } else if path.starts_with("envoy-configs/") && (path.ends_with(".yaml") || path.ends_with(".yml")) {
        CONFIGURATION_LINES
    } else {
        return None;
    };
    let lines = text.lines().count();
    (lines > limit).then(|| Breach::TooLong { path: path.to_owned(), lines, limit })
}

/// One of the machine folders at the start of a path, not in its middle nor in a URI.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().map(|folder| format!("/{folder}/")).find(|start| {
        line.match_indices(start.as_str()).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|before| before.is_alphanumeric() || "_-.~*})>/".contains(before))
        })
    })
}

fn registry(line: &str) -> Option<String> {
    REGISTRIES.iter().map(|(name, end)| [*name, *end].concat()).find(|host| line.contains(host.as_str()))
}

fn unsafe_code(path: &str, line: &str) -> Option<String> {
    if !path.ends_with(".rs") || path == WITH_UNSAFE {
        return None;
    }
    let code = line.split("//").next().unwrap_or(line);
    let word = |character: char| !(character.is_alphanumeric() || character == '_');
    code.split(word).any(|word| word == KEYWORD).then(|| KEYWORD.to_owned())
}

const KEYWORD: &str = concat!("un", "safe");

// === impl Breach ===

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { folder } => write!(f, "{folder}/: the top-level folders are {}", FOLDERS.join(", ")),
            Self::VagueName { path, name } => write!(f, "{path}: `{name}` says nothing of what is inside"),
            Self::TooLong { path, lines, limit } => write!(f, "{path}: {lines} lines, {limit} are allowed"),
            Self::Text { path, line, found } => write!(f, "{path}:{line}: `{found}` may not stand here"),
        }
    }
}

#[cfg(test)]
mod tests;
