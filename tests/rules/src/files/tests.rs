use super::*;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: Some(text.to_owned()) }
}

#[track_caller]
fn accepted(path: &str, text: &str) {
    assert_eq!(breaches(&file(path, text)), []);
}

#[track_caller]
fn refused_text(path: &str, text: &str, line: usize, found: &str) {
    let breach = Breach::Text { path: path.to_owned(), line, found: found.to_owned() };
    assert_eq!(breaches(&file(path, text)), [breach]);
}

#[track_caller]
fn longest(path: &str, limit: usize) {
    accepted(path, &"x\n".repeat(limit));
    let breach = Breach::TooLong { path: path.to_owned(), lines: limit + 1, limit };
    assert_eq!(breaches(&file(path, &"x\n".repeat(limit + 1))), [breach]);
}

#[test]
fn files_of_the_layout_are_accepted() {
    for path in ["Cargo.toml", ".ci/run", ".github/workflows/ci.yaml", "filters/README.md", "istio/README.md"] {
        accepted(path, "text\n");
    }
}

#[test]
fn another_top_level_folder_is_refused() {
    assert_eq!(breaches(&file("docs/x.md", "")), [Breach::Folder { folder: "docs".to_owned() }]);
}

#[test]
fn names_that_say_nothing_are_refused_for_files_and_folders() {
    for (path, name) in [
        ("filters/core/x/src/utils.rs", "utils.rs"),
        ("tests/envoy/tests/common/mod.rs", "common"),
        ("filters/helpers/src/lib.rs", "helpers"),
        ("scripts/Helper.sh", "Helper.sh"),
    ] {
        let breach = Breach::VagueName { path: path.to_owned(), name: name.to_owned() };
        assert_eq!(breaches(&file(path, "")), [breach]);
    }
    accepted("filters/core/x/src/commonwealth.rs", "");
}

#[test]
fn files_have_at_most_as_many_lines_as_their_kind_may() {
    longest("filters/core/x/src/lib.rs", 600);
    longest("scripts/build", 60);
    longest(".ci/run", 60);
    longest("envoy-configs/acme.yaml", 150);
    accepted("filters/README.md", &"x\n".repeat(1000));
}

#[test]
fn paths_of_one_machine_are_refused() {
    for folder in MACHINE_FOLDERS {
        let found = format!("/{folder}/");
        for text in [format!("cd /{folder}/x"), format!("\"/{folder}/x\"")] {
            refused_text("filters/README.md", &format!("first\n{text}"), 2, &found);
        }
        for text in ["tests/FOLDER/x", "${DIR}/FOLDER/x", "a/FOLDER-from/x", "file:///FOLDER/x"] {
            accepted("filters/README.md", &text.replace("FOLDER", folder));
        }
    }
}

#[test]
fn hosts_of_registries_are_refused() {
    for (name, end) in REGISTRIES {
        let host = [name, end].concat();
        refused_text("scripts/setup", &format!("fetch https://{host}/x"), 1, &host);
    }
    accepted("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"");
}

#[test]
fn code_that_the_compiler_does_not_check_stands_in_one_file() {
    for line in ["UNSAFE { call() }", "#[UNSAFE(no_mangle)]", "let x = UNSAFE{ call() }; // why"] {
        let line = line.replace("UNSAFE", KEYWORD);
        refused_text("filters/envoy-host/src/body.rs", &line, 1, KEYWORD);
        accepted(WITH_UNSAFE, &line);
    }
    accepted("filters/core/x/src/lib.rs", &format!("//! its defaults are {KEYWORD} here\n#![forbid({KEYWORD}_code)]"));
    accepted("filters/README.md", &format!("{KEYWORD} defaults"));
}

#[test]
fn a_file_that_is_no_text_is_judged_by_its_name() {
    let file = SourceFile { path: "docs/picture.png".to_owned(), text: None };
    assert_eq!(breaches(&file), [Breach::Folder { folder: "docs".to_owned() }]);
}
