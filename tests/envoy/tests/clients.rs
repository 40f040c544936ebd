//! The official client of the Rust SDK, in both families of revisions: it shakes hands, lists, calls, reads and prompts, gets
//! a typed error for what is denied, and stays usable after it.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use rmcp::model::{CallToolRequestParams, GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::{Value, json};
use testbed::{ALICE, Answers, SdkRevision, Server, World};

fn time_off(employee_id: &str) -> CallToolRequestParams {
    let arguments = json!({ "employee_id": employee_id });
    CallToolRequestParams::new("get_time_off").with_arguments(arguments.as_object().cloned().unwrap_or_default())
}

/// No policy of the story speaks of prompts.
fn with_a_prompt(guard: &mut Value) {
    let permit = "@id(\"prompt\") permit (principal, action == Action::\"prompts/get\", resource == Prompt::\"docs/summarize\");";
    if let Some(Value::String(policies)) = guard.pointer_mut("/policy/cedar") {
        policies.push_str(permit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_client_works_and_keeps_working_after_a_denial() -> Result<()> {
    in_both_forms(async |form| {
        for answers in [Answers::Json, Answers::Sse, Answers::Sessions] {
            let world = World::builder().form(form).answers(answers).guard(with_a_prompt).start().await?;
            let token = world.sign(&world.identities().token(&ALICE))?;
            let agent = world.assistant()?;
            for revision in [SdkRevision::Legacy, SdkRevision::Modern] {
                let about = || format!("{answers:?} {revision:?}");
                let hr = agent.sdk(Server::Hr.host(), Some(&token), revision).await.with_context(about)?;
                let tools = hr.list_all_tools().await.with_context(about)?;
                assert_eq!(
                    tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>(),
                    ["get_time_off"],
                    "{}",
                    about()
                );

                let own = hr.call_tool(time_off("E1001")).await.with_context(about)?;
                assert!(format!("{own:?}").contains("12 vacation days"), "{own:?}");
                drop(world.received());
                let denied = hr.call_tool(time_off("E1002")).await;
                assert!(denied.is_err(), "{}: {denied:?}", about());
                let bobs = world.received().into_iter().find(|(_, got)| format!("{:?}", got.json()).contains("E1002"));
                assert!(bobs.is_none(), "{}: {bobs:?}", about());
                let again = hr.call_tool(time_off("E1001")).await.with_context(about)?;
                assert!(format!("{again:?}").contains("12 vacation days"), "{again:?}");
                hr.cancel().await?;

                let docs = agent.sdk(Server::Docs.host(), Some(&token), revision).await.with_context(about)?;
                let resources = docs.list_all_resources().await.with_context(about)?;
                assert_eq!(resources.len(), 1, "{resources:?}");
                let policy = ReadResourceRequestParams::new("doc://hr/policies/work-from-home");
                let policy = docs.read_resource(policy).await.with_context(about)?;
                assert!(format!("{policy:?}").contains("three days a week"), "{policy:?}");
                let plans = ReadResourceRequestParams::new("doc://exec/reorganization-2027");
                assert!(docs.read_resource(plans).await.is_err(), "{}", about());
                let prompts = docs.list_all_prompts().await.with_context(about)?;
                assert_eq!(prompts.iter().map(|prompt| prompt.name.as_str()).collect::<Vec<_>>(), ["summarize"]);
                let prompt = docs.get_prompt(GetPromptRequestParams::new("summarize")).await.with_context(about)?;
                assert!(format!("{prompt:?}").contains("three sentences"), "{prompt:?}");
                assert!(docs.get_prompt(GetPromptRequestParams::new("rewrite")).await.is_err(), "{}", about());
                docs.cancel().await?;
            }
            assert!(agent.sdk(Server::Hr.host(), None, SdkRevision::Legacy).await.is_err(), "no token, no session");
            world.guard_never_failed();
        }
        Ok(())
    })
    .await
}
