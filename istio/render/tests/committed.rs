//! The manifests under `istio/overlays` are what the generator makes of `istio/meshwarden.yaml`, and nothing else.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use istio_render::{RenderError, recorded_options, refresh};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn read(file: &str) -> Result<String, RenderError> {
    fs::read_to_string(root().join(file)).map_err(|error| panic!("{file}: {error}"))
}

/// All manifests with options in their heads: 3 places, each in 3 forms and with its mesh policies.
fn rendered() -> Vec<PathBuf> {
    let folders =
        |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let places: Vec<PathBuf> = folders(root().join("istio/overlays")).collect();
    let files = places.into_iter().flat_map(folders).flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| recorded_options(&fs::read_to_string(file).unwrap()).next().is_some());
    files.sort();
    files
}

#[test]
fn committed_manifests_are_up_to_date() {
    let files = rendered();
    assert_eq!(files.len(), 12, "{files:?}");
    for file in files {
        let committed = fs::read_to_string(&file).unwrap();
        let made = refresh(&committed, read).unwrap();
        let remedy = "run: scripts/istio-render --refresh istio/overlays/*/*/{guard,policies}.yaml";
        assert!(committed == made, "{} is not what is made now; {remedy}", file.display());
    }
}

#[test]
fn each_overlay_has_one_form_and_names_it_right() {
    for file in rendered() {
        let folder = |up: usize| file.ancestors().nth(up).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let words: Vec<&str> = recorded_options(&text).collect();
        let value = |option: &str| words[words.iter().position(|word| *word == option).unwrap() + 1];
        assert_eq!(value("--place"), folder(2), "{}", file.display());
        let form = folder(1).replace("mesh", "mesh-policies");
        assert_eq!(value("--form"), form, "{}", file.display());
        let kustomization = fs::read_to_string(file.with_file_name("kustomization.yaml")).unwrap();
        assert!(kustomization.contains(file.file_name().unwrap().to_str().unwrap()), "{}", file.display());
    }
}

#[test]
fn the_story_is_the_one_that_the_policies_are_tested_with() {
    let configuration: Value = yaml_serde::from_str(&read("istio/meshwarden.yaml").unwrap()).unwrap();
    let json = |file: &str| serde_json::from_str::<Value>(&read(file).unwrap()).unwrap();
    assert_eq!(configuration["servers"], json("tests/policies/acme/servers.json"));
    // Here are the mesh's names of the agents, too.
    for entity in json("tests/policies/acme/entities.json").as_array().unwrap() {
        assert!(configuration["policy"]["entities"].as_array().unwrap().contains(entity), "{entity}");
    }
}
