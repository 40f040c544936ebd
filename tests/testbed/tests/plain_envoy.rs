//! The testbed itself, with an Envoy that has no guard: if this fails, no other test means anything.

#![cfg(test)]

use rmcp::model::{CallToolRequestParams, ReadResourceRequestParams};
use serde_json::json;
use testbed::{ALICE, Answers, McpCall, Protocol, Revision, SdkRevision, Server, World};

#[tokio::test(flavor = "multi_thread")]
async fn calls_reach_all_three_servers_over_mtls() {
    let world = World::builder().without_guard().start().await.unwrap();
    let caller = world.assistant().unwrap();
    let token = world.sign(&world.identities().token(&ALICE)).unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            let calls = [
                (Server::Hr, McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" }))),
                (Server::Docs, McpCall::read(Server::Docs.host(), "doc://hr/policies/work-from-home")),
                (Server::Tickets, McpCall::list(Server::Tickets.host(), "tools")),
            ];
            for (server, call) in calls {
                let answer = caller.send(call.token(&token).revision(revision).over(protocol)).await.unwrap();
                assert_eq!((answer.status, answer.json()["id"].as_u64()), (200, Some(1)), "{}", answer.text());
                let received = world.recorder(server).unwrap().take_one();
                assert_eq!(received.claims().unwrap()["sub"], "alice");
                assert!(answer.request_id().is_some());
            }
        }
    }
    world.no_server_saw_anything();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_reaches_the_servers_in_every_way() {
    for answers in [Answers::Json, Answers::Sse, Answers::Sessions] {
        let world = World::builder().without_guard().answers(answers).start().await.unwrap();
        let caller = world.assistant().unwrap();
        for revision in [SdkRevision::Legacy, SdkRevision::Modern] {
            let hr = caller.sdk(Server::Hr.host(), Some("t"), revision).await.unwrap();
            let tools = hr.list_all_tools().await.unwrap();
            assert_eq!(
                tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(),
                ["get_time_off", "query_compensation"]
            );
            let arguments = json!({ "employee_id": "E1001" }).as_object().cloned().unwrap();
            let result =
                hr.call_tool(CallToolRequestParams::new("get_time_off").with_arguments(arguments)).await.unwrap();
            assert!(format!("{result:?}").contains("12 vacation days"), "{result:?}");
            hr.cancel().await.unwrap();

            let docs = caller.sdk(Server::Docs.host(), None, revision).await.unwrap();
            assert_eq!(docs.list_all_resources().await.unwrap().len(), 2);
            let uri = "doc://hr/policies/work-from-home";
            let result = docs.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
            assert!(format!("{result:?}").contains("three days a week"), "{result:?}");
            docs.cancel().await.unwrap();
        }
        assert!(world.recorder(Server::Hr).unwrap().count() >= 4);
    }
}
