//! Methods of extensions.

use agent_messages::{ExtraList, ExtraMethod, ExtraMethods, ItemKind, JudgedAs, ListKind, Pointer, ServerTaskKind};

use super::{Compiled, unless, wrong};
use crate::config::{self, Action, ItemAction, Protocol};

/// Compiles what the server at `at` has beside the methods of MCP.
pub(super) fn extra_methods(at: usize, server: &config::Server) -> Compiled<ExtraMethods> {
    let mut methods = ExtraMethods::default();
    let field = format!("servers[{at}].extra_methods");
    let of_mcp = server.protocol == Protocol::Mcp || server.extra_methods.is_empty();
    unless(of_mcp, &field, "only MCP has methods of extensions; leave it out")?;
    for (n, extra) in server.extra_methods.iter().enumerate() {
        let field = format!("{field}[{n}]");
        let judged = judged(&field, extra)?;
        let list = extra.list.as_ref().map(|written| list(&format!("{field}.list"), written)).transpose()?;
        methods
            .admit(&extra.method, ExtraMethod { judged, list })
            .map_err(|problem| wrong(&format!("{field}.method"), format!("`{}` {problem}", extra.method)))?;
    }
    Ok(methods)
}

fn judged(field: &str, extra: &config::ExtraMethod) -> Compiled<JudgedAs> {
    let target = || match &extra.target {
        Some(text) => pointer(&format!("{field}.target"), text),
        None => Err(wrong(&format!("{field}.target"), "say where the target is, as in `/uri`")),
    };
    let arguments = || extra.arguments.as_ref().map(|text| pointer(&format!("{field}.arguments"), text)).transpose();
    if !matches!(extra.action, Action::CallTool | Action::GetPrompt) {
        let problem = "only tools and prompts have arguments; leave it out";
        unless(extra.arguments.is_none(), &format!("{field}.arguments"), problem)?;
    }
    if matches!(extra.action, Action::Connect | Action::ListTasks) {
        let problem = "this action is about the server itself; leave it out";
        unless(extra.target.is_none(), &format!("{field}.target"), problem)?;
    }
    Ok(match extra.action {
        Action::Connect => JudgedAs::Connect,
        Action::CallTool => JudgedAs::CallTool { name: target()?, arguments: arguments()? },
        Action::GetPrompt => JudgedAs::GetPrompt { name: target()?, arguments: arguments()? },
        Action::ReadResource => JudgedAs::ReadResource { uri: target()? },
        Action::SubscribeResource => JudgedAs::SubscribeResource { uri: target()? },
        Action::GetTask => JudgedAs::Task { kind: ServerTaskKind::Get, id: target()? },
        Action::ListTasks => JudgedAs::ListTasks,
        Action::UpdateTask => JudgedAs::Task { kind: ServerTaskKind::Update, id: target()? },
        Action::CancelTask => JudgedAs::Task { kind: ServerTaskKind::Cancel, id: target()? },
    })
}

fn list(field: &str, list: &config::ExtraList) -> Compiled<ListKind> {
    unless(!list.member.is_empty(), &format!("{field}.member"), "name the member of the result that holds the items")?;
    Ok(ListKind::of_extension(ExtraList {
        member: list.member.clone(),
        item: pointer(&format!("{field}.item"), &list.item)?,
        kind: match list.action {
            ItemAction::CallTool => ItemKind::Tool,
            ItemAction::GetPrompt => ItemKind::Prompt,
            ItemAction::ReadResource => ItemKind::Resource,
            ItemAction::GetTask => ItemKind::Task,
        },
    }))
}

fn pointer(field: &str, text: &str) -> Compiled<Pointer> {
    let problem = || format!("`{text}` is no JSON pointer to a member: write one as in `/uri` or `/skill/uri`");
    Pointer::parse(text).ok_or_else(|| wrong(field, problem()))
}
