//! The examples on the pages of the filters, `filters/plugins/*/README.md`, as they stand there: so that they work.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::envoy::filters_folder;
use crate::envoy_config::{EnvoyConfig, Placeholder, fill_in, merge, workspace_root};

/// The HTTP filters that the page of a plugin shows, in order. The first example is a whole one; each of the others says
/// what differs from it: members of `vm_config`, and the configuration's `value`. The filter is called as its VM is.
///
/// # Errors
/// There is no such page; an example is no YAML, or has a placeholder that nothing is known about.
pub fn filters_of_page(plugin: &str, jwks: &str) -> Result<Vec<Value>> {
    let path = workspace_root().join("filters/plugins").join(plugin).join("README.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let folder = filters_folder().display().to_string();
    let values: [Placeholder<'_>; 2] = [("FILTERS", &folder), ("JWKS", jwks)];
    let examples = examples(&page).into_iter().map(|example| {
        let used: Vec<_> = values.into_iter().filter(|(name, _)| example.contains(&format!("${{{name}}}"))).collect();
        Ok(EnvoyConfig::parse(&fill_in(&example, &used)?)?.value().take())
    });
    let examples = examples.collect::<Result<Vec<_>>>().with_context(|| path.display().to_string())?;
    let whole = examples.first().and_then(|example| example.get(0)).context("no example")?;
    let others = examples.iter().skip(1).map(|differs| differing(whole, differs));
    [Ok(whole.clone())].into_iter().chain(others).collect()
}

fn differing(whole: &Value, differs: &Value) -> Result<Value> {
    let mut filter = whole.clone();
    let config = filter.pointer_mut("/typed_config/config").context("no plugin")?;
    let vm = differs.get("vm_config").and_then(Value::as_object).context("no vm_config")?.clone();
    let name = vm.get("vm_id").context("no vm_id")?.clone();
    merge(config.get_mut("vm_config").context("no vm_config")?, vm);
    *config.pointer_mut("/configuration/value").context("no value")? =
        differs.get("value").context("no value")?.clone();
    let name = Map::from_iter([("name".to_owned(), name)]);
    merge(config, name.clone());
    merge(&mut filter, name);
    Ok(filter)
}

/// The YAML of a page.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("\n```yaml\n").skip(1);
    blocks.filter_map(|block| Some(block.split_once("\n```")?.0.to_owned() + "\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_a_page_are_what_is_between_its_fences() {
        let page = "# A\n\n```yaml\na: 1\nb: 2\n```\n\ntext `yaml`\n\n```sh\nls\n```\n\n```yaml\nc: 3\n```\n";
        assert_eq!(examples(page), ["a: 1\nb: 2\n", "c: 3\n"]);
    }

    #[test]
    fn an_example_that_differs_has_its_own_vm_and_value() {
        let filters = filters_of_page("jwt-auth", "{}").unwrap();
        let names: Vec<_> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["jwt_auth", "jwt_downscope", "jwt_auth", "jwt_auth"]);
        let config = &filters[1]["typed_config"]["config"];
        assert_eq!(config["name"], "jwt_downscope");
        assert_eq!(config["vm_config"]["runtime"], "envoy.wasm.runtime.v8");
        assert_eq!(config["configuration"]["value"].as_object().unwrap().keys().collect::<Vec<_>>(), ["downscope"]);
    }
}
