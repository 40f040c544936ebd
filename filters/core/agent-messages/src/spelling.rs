//! Answers whose lists some clients would find and we would not: some parsers (Go's `encoding/json`) match names without
//! regard to case, the Python SDK takes them in snake_case too.

use serde_json::{Map, Value};

use crate::params::could_be;

const RESULT: [&str; 1] = ["result"];
/// Of a result.
const LISTS: [&str; 5] = ["tools", "prompts", "resources", "resourceTemplates", "tasks"];
/// Of an item, what it is called by.
const ITEMS: [&str; 4] = ["name", "uri", "uriTemplate", "taskId"];

/// Whether nothing in an answer spells the name of a list, or of what an item is called by, in another way.
pub(crate) fn is_plain(message: &Map<String, Value>) -> bool {
    let Some(result) = message.get("result").and_then(Value::as_object) else { return plain(message, &RESULT) };
    let lists = LISTS.iter().filter_map(|list| result.get(*list)?.as_array()).flatten();
    let mut items = lists.filter_map(Value::as_object);
    plain(message, &RESULT) && plain(result, &LISTS) && items.all(|item| plain(item, &ITEMS))
}

fn plain(object: &Map<String, Value>, names: &[&str]) -> bool {
    object.keys().all(|name| names.iter().all(|read| name == read || !could_be(name, read)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::is_plain;

    fn plain(message: &Value) -> bool {
        is_plain(message.as_object().unwrap())
    }

    #[test]
    fn names_that_only_some_parsers_take_for_a_list_are_found() {
        for odd in [
            json!({"id": 7, "Result": {"tools": []}}),
            json!({"id": 7, "result": {}, "re\u{17f}ult": {"tools": []}}),
            json!({"id": 7, "result": {"Tools": []}}),
            json!({"id": 7, "result": {"resource_templates": []}}),
            json!({"id": 7, "result": {"tools": [], "resourcetemplates": []}}),
            json!({"id": 7, "result": {"tools": [{"name": "seen", "Name": "hidden"}]}}),
            json!({"id": 7, "result": {"resources": [{"URI": "hidden", "uri": "seen"}]}}),
        ] {
            assert!(!plain(&odd), "{odd}");
        }
        for good in [
            json!({"id": 7, "result": {"tools": [{"name": "seen", "inputSchema": {"Name": {}}}], "nextCursor": ""}}),
            json!({"id": 7, "result": {"content": [], "structuredContent": {"Tools": [], "Result": 1}}}),
            json!({"id": 7, "error": {"code": 1, "message": "x"}}),
            json!({"method": "x", "params": {"Tools": []}}),
        ] {
            assert!(plain(&good), "{good}");
        }
    }
}
