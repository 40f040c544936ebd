//! What the built modules hold.

#![cfg(test)]

use std::fs;
use std::io::Write;
use std::path::Path;

use rules::{Ingredient, Recipe, surplus};

/// A built module, or nothing where none is built.
fn module(name: &str) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    fs::read(root.join("target/filters").join(name).with_extension("wasm")).ok()
}

/// Not captured by the test runner, so that it is seen although the test passes.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

#[test]
fn a_stage_alone_holds_no_code_of_another_stage() {
    let mut all = Vec::new();
    for recipe in Recipe::ALL {
        match module(recipe.module) {
            None => say(&format!("skipped: no {}.wasm in target/filters; scripts/build makes it", recipe.module)),
            Some(module) => {
                all.extend(surplus(&recipe, &module).iter().map(ToString::to_string));
                // The marks are good only as long as the modules that hold the code show them.
                for &ingredient in recipe.may_hold {
                    assert!(ingredient.is_in(&module), "{}: no mark of {ingredient:?}", recipe.module);
                }
            }
        }
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn the_guard_would_not_pass_for_a_stage_alone() {
    let Some(guard) = module("agent_guard") else {
        say("skipped: no agent_guard.wasm in target/filters; scripts/build makes it");
        return;
    };
    for recipe in Recipe::ALL.iter().filter(|recipe| recipe.max_bytes.is_some()) {
        let found = surplus(recipe, &guard);
        let unwanted = Ingredient::ALL.iter().filter(|ingredient| !recipe.may_hold.contains(ingredient)).count();
        assert!(found.len() > unwanted, "the code and the size: {found:?}");
    }
}
