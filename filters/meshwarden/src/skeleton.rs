//! A catalogue and permits to start from, made of what a server says of its tools.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A tool as `tools/list` tells of it (MCP server/tools).
#[derive(Debug, Deserialize)]
pub(crate) struct Tool {
    name: String,
    description: Option<String>,
    #[serde(default)]
    annotations: Annotations,
    #[serde(default, rename = "inputSchema")]
    input: Input,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    read_only_hint: Option<bool>,
    destructive_hint: Option<bool>,
    idempotent_hint: Option<bool>,
    open_world_hint: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Input {
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    required: Vec<String>,
}

/// The tools of an answer to `tools/list`: the JSON-RPC message, its `result`, or the array alone.
pub(crate) fn tools(text: &str) -> Result<Vec<Tool>, String> {
    let mut json = request_guard::strict_json(text.as_bytes())?;
    let list = match &mut json {
        Value::Array(_) => Some(json),
        _ => ["/result/tools", "/tools"].into_iter().find_map(|path| json.pointer_mut(path).map(Value::take)),
    };
    let list = list.ok_or("no tools: give the answer to `tools/list`, an object with `result.tools` or `tools`")?;
    let tools: Vec<Tool> =
        serde_json::from_value(list).map_err(|error| format!("no answer to `tools/list`: {error}"))?;
    if tools.is_empty() { Err("the server has no tools".to_owned()) } else { Ok(tools) }
}

/// YAML for `servers` and `policy`. What the server claims of its tools is in comments: taken for true it could make
/// policies allow more, and a server that lies would like that.
pub(crate) fn skeleton(server: &str, tools: &[Tool]) -> String {
    let mut text = String::new();
    let name = serde_json::to_string(server).unwrap_or_default();
    let _ = write!(
        text,
        "\
# Hints that are marked as claimed are the server's own word. Uncomment those that you have checked: without hints a
# tool counts as one that destroys.
servers:
- name: {name}
  protocol: mcp
  match: {{ hosts: [change-me.example], path_prefix: /mcp }}
  audience: https://change-me.example/mcp
  tools:
"
    );
    for tool in tools {
        let key = serde_json::to_string(&tool.name).unwrap_or_default();
        let _ = writeln!(text, "    {key}:\n      groups: []\n      data_class: 0");
        let claims = tool.annotations.claims();
        if !claims.is_empty() {
            let _ = writeln!(text, "      # hints: {{ {} }} # claimed", claims.join(", "));
        }
    }
    text.push_str("policy:\n  cedar: |\n");
    for tool in tools {
        for line in stub(server, tool) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// A permit that allows nobody until its group is one that exists.
fn stub(server: &str, tool: &Tool) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = tool.description.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    let summary: String = summary.chars().filter(|c| !c.is_control()).take(100).collect();
    if !summary.trim().is_empty() {
        lines.push(format!("// {}", summary.trim()));
    }
    lines.extend(tool.input.properties.iter().filter_map(|(name, schema)| {
        let bag = bag(schema)?;
        let path = string(&name.replace('\\', "\\\\").replace('.', "\\."));
        let need = if tool.input.required.contains(name) { "required" } else { "optional" };
        Some(format!("//   context.arguments.{bag}.getTag({path}), {need}"))
    }));
    let id: String = tool.name.chars().filter(|c| !c.is_control()).take(60).collect();
    lines.push(format!("@id({})", string(&format!("{server}-{id}"))));
    lines.push("@reason(\"CHANGE-ME: why these people may\")".to_owned());
    let resource = string(&format!("{server}/{}", tool.name));
    lines.push("permit (principal in Group::\"CHANGE-ME\", action == Action::\"tools/call\",".to_owned());
    lines.push(format!("  resource == Tool::{resource});"));
    lines
}

/// In which bag an argument of that JSON Schema is to be found.
fn bag(schema: &Value) -> Option<&'static str> {
    let ty = |schema: &Value| schema.get("type").and_then(Value::as_str).map(str::to_owned);
    match ty(schema)?.as_str() {
        "string" => Some("string"),
        "integer" => Some("long"),
        "number" => Some("decimal"),
        "boolean" => Some("bool"),
        "array" if schema.get("items").and_then(ty).as_deref() == Some("string") => Some("strings"),
        _ => None,
    }
}

/// A string in Cedar's grammar.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

// === impl Annotations ===

impl Annotations {
    fn claims(&self) -> Vec<String> {
        let all = [
            ("read_only", self.read_only_hint),
            ("destructive", self.destructive_hint),
            ("idempotent", self.idempotent_hint),
            ("open_world", self.open_world_hint),
        ];
        all.into_iter().filter_map(|(name, claim)| Some(format!("{name}: {}", claim?))).collect()
    }
}
