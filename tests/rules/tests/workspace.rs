//! The rules of this repository, applied to the repository.

#![cfg(test)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};
use rules::{Arrow, LONG_RUST_FILE, SourceFile, breaches, check_lints, check_module, forbidden};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

fn folder(package: &Package) -> String {
    folder_of(package.manifest_path.parent().unwrap().as_std_path())
}

fn folder_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

fn arrows() -> Vec<Arrow> {
    let packages = metadata().packages;
    let arrows = packages.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| Arrow {
            from: folder(package),
            to: dependency.name.clone(),
            to_folder: dependency.path.as_ref().map(|path| folder_of(path.as_std_path())),
        })
    });
    arrows.collect()
}

/// What git knows or would know: tracked, or new and not ignored.
fn files() -> Vec<SourceFile> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root()).output().expect("git must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).unwrap();
    let paths = paths.split('\0').filter(|path| root().join(path).is_file());
    paths.map(|path| SourceFile { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok() }).collect()
}

/// Not captured by the test runner, so that it is seen although the test passes.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

#[track_caller]
fn none<T: ToString>(broken: &[T]) {
    let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn no_crate_depends_on_what_it_may_not_know() {
    none(&forbidden(&arrows()));
}

#[test]
fn the_arrows_that_the_design_draws_are_seen() {
    let arrows = arrows();
    for (from, to) in [
        ("filters/plugins/agent-guard", "envoy-host"),
        ("filters/envoy-host", "request-guard"),
        ("filters/core/request-guard", "access-policy"),
        ("filters/core/access-policy", "access-tokens"),
    ] {
        assert!(arrows.iter().any(|arrow| arrow.from == from && arrow.to == to), "{from} -> {to}");
    }
}

#[test]
fn every_member_has_the_lints_of_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let check = |package: &Package| {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        check_lints(&folder(package), &manifest, &workspace).err()
    };
    none(&metadata().packages.iter().filter_map(check).collect::<Vec<_>>());
}

#[test]
fn files_are_named_placed_and_sized_by_the_rules() {
    let files = files();
    assert!(files.iter().any(|file| file.path == "Cargo.toml"));
    for file in &files {
        let lines = file.text.as_ref().map_or(0, |text| text.lines().count());
        if file.path.ends_with(".rs") && lines >= LONG_RUST_FILE {
            say(&format!("look for a split: {} has {lines} lines", file.path));
        }
    }
    none(&files.iter().flat_map(breaches).collect::<Vec<_>>());
}

#[test]
fn built_modules_import_only_what_envoy_provides() {
    let built = fs::read_dir(root().join("target/filters")).map(|entries| entries.map(|entry| entry.unwrap().path()));
    let modules: Vec<PathBuf> =
        built.into_iter().flatten().filter(|path| path.extension() == Some("wasm".as_ref())).collect();
    if modules.is_empty() {
        say("skipped: no module in target/filters; scripts/build makes them");
    }
    for module in modules {
        let imports = check_module(&fs::read(&module).unwrap());
        let imports = imports.unwrap_or_else(|errors| panic!("{}: {errors:?}", module.display()));
        assert!(imports.iter().any(|import| import.name == "proxy_log"), "{}: {imports:?}", module.display());
    }
}
