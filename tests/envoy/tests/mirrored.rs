//! What 2026-07-28 and the operator say of headers: arguments that they mirror, sessions that there are none of, and web
//! pages that may call.

#![cfg(test)]

use anyhow::Result;
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answer, HttpCall, McpCall, Revision, Server, World};

const APP: &str = "https://app.acme.example";

fn codes(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_say_what_the_body_says_and_only_known_pages_call() -> Result<()> {
    in_both_forms(async |form| {
        let change = |guard: &mut Value| {
            let hr = &mut guard["servers"][0];
            hr["allowed_origins"] = json!([APP]);
            hr["tools"]["get_time_off"]["param_headers"] = json!({ "Employee": "/employee_id" });
        };
        let world = World::builder().form(form).guard(change).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let own = || McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(&token);
        let call = || own().into_http().header("mcp-param-employee", "E1001");
        let legacy = || own().revision(Revision::V2025_11_25).into_http();

        let good: [(&str, HttpCall); 5] = [
            ("the header and the argument agree", call()),
            ("encoded", call().with("mcp-param-employee", "=?base64?RTEwMDE=?=")),
            ("a header that nobody knows", call().header("mcp-param-other", "x")),
            ("an older revision, without the header", legacy()),
            ("a known page", call().header("origin", APP)),
        ];
        for (what, call) in good {
            let answer = agent.send(call).await?;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            let received = world.recorder(Server::Hr)?.take_one();
            let other = (what == "a header that nobody knows").then_some("x");
            assert_eq!(received.header("mcp-param-other"), other, "{what}");
        }

        let mismatch = (400, -32_020);
        let forbidden = (403, -31_403);
        let bad: [(&str, HttpCall, (u16, i64)); 15] = [
            ("another employee", call().with("mcp-param-employee", "E1002"), mismatch),
            ("no header", own().into_http(), mismatch),
            ("the header twice", call().header("Mcp-Param-Employee", "E1001"), mismatch),
            ("two values on one line", call().with("mcp-param-employee", "E1001, E1001"), mismatch),
            ("bad Base64", call().with("mcp-param-employee", "=?base64?RTEwMDE?="), mismatch),
            ("an older revision, another employee", legacy().header("mcp-param-employee", "E1002"), mismatch),
            (
                "a header without its argument",
                McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": null}))
                    .token(&token)
                    .into_http()
                    .header("mcp-param-employee", "E1001"),
                mismatch,
            ),
            ("an encoded name with bad padding", call().with("mcp-name", "=?base64?Z2V0X3RpbWVfb2Zm=?="), mismatch),
            ("two versions on one line", call().with("mcp-protocol-version", "2026-07-28, 2026-07-28"), mismatch),
            ("a strange page", call().header("origin", "https://evil.example"), forbidden),
            ("a page of another port", call().header("origin", format!("{APP}:8443")), forbidden),
            ("a page of no origin", call().header("origin", "null"), forbidden),
            ("a page of two origins", call().header("origin", APP).header("origin", APP), forbidden),
            (
                "a strange page without a token",
                call().without("authorization").header("origin", "https://evil.example"),
                forbidden,
            ),
            ("a GET", HttpCall { method: "GET".to_owned(), ..call().body(testbed::Body::None) }, (405, -31_405)),
        ];
        for (what, call, expected) in bad {
            let answer = agent.send(call).await?;
            assert_eq!(codes(&answer), expected, "{what}: {}", answer.text());
            if expected.0 == 405 {
                assert_eq!(answer.header("allow"), Some("POST"), "{what}");
            }
            world.no_server_saw_anything();
        }

        // A modern request has no session, whatever it says; one of an older revision has its caller's own, or none.
        for (call, arrives) in [(call(), true), (legacy(), false)] {
            let call = call.header("mcp-session-id", "s").header("last-event-id", "7");
            assert_eq!(agent.send(call).await?.status, if arrives { 200 } else { 404 });
            for received in world.recorder(Server::Hr)?.take() {
                assert!(arrives, "{received:?}");
                assert_eq!((received.header("mcp-session-id"), received.header("last-event-id")), (None, None));
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}
