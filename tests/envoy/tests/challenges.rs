//! What a caller is told that would help: where tokens come from (RFC 9728), which scopes the call needs (RFC 6750), and
//! how strongly its user has to be authenticated (RFC 9470). Whoever does as it says gets in.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{ALICE, Answer, HttpCall, McpCall, Protocol, Server, World};

const GOLD: &str = "urn:acme:gold";
/// A call that needs two scopes, and one that needs another authentication besides.
const POLICIES: &str = r#"
@id("book-time-off")
@reason("employees book days off")
@downscope_scope("hr.read hr.write")
permit (principal in Group::"employees", action == Action::"tools/call", resource == Tool::"hr/book_time_off")
when { context.token.scopes.contains("hr.read") && context.token.scopes.contains("hr.write") };

@id("see-payslip")
@reason("employees see their payslips")
@downscope_scope("hr.read")
permit (principal in Group::"employees", action == Action::"tools/call", resource == Tool::"hr/get_payslip")
when { context.token.scopes.contains("hr.read") };

@id("payslips-in-person")
@reason("a payslip is for somebody who has just signed in with a second factor")
@step_up_acr("urn:acme:gold")
forbid (principal, action, resource == Tool::"hr/get_payslip")
unless { context.token.acr == "urn:acme:gold" };
"#;

fn call(tool: &str, token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), tool, json!({})).token(token)
}

fn challenge(answer: &Answer) -> Option<String> {
    answer.header("www-authenticate").map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_says_all_that_would_help_and_is_right() -> Result<()> {
    in_both_forms(async |form| {
        let with_policies = |guard: &mut Value| {
            if let Some(Value::String(cedar)) = guard.pointer_mut("/policy/cedar") {
                cedar.push_str(POLICIES);
            }
            for tool in ["book_time_off", "get_payslip"] {
                guard["servers"][0]["tools"][tool] = json!({ "hints": { "destructive": false } });
            }
        };
        let world = World::builder().form(form).guard(with_policies).start().await?;
        let (agent, token) = (world.assistant()?, || world.identities().token(&ALICE));
        let (host, audience) = (Server::Hr.host(), Server::Hr.audience());

        // The way to the metadata leads from the challenge, and back: it is about the URL that was used.
        let answer = agent.send(McpCall::tool(host, "get_payslip", json!({}))).await?;
        let metadata = format!("https://{host}/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            (answer.status, challenge(&answer)),
            (401, Some(format!("Bearer resource_metadata=\"{metadata}\"")))
        );
        let nobody = world.caller(Some(&world.identities().batch))?;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let path = metadata.strip_prefix(&format!("https://{host}")).context("elsewhere")?;
            let get = nobody.send(HttpCall::new("GET", host, path).over(protocol)).await?;
            let document = get.json();
            assert_eq!((get.status, get.header("content-type")), (200, Some("application/json")));
            assert_eq!(document["resource"], json!(audience));
            assert_eq!(document["authorization_servers"], json!(["https://idp.acme.example"]));
            assert_eq!(document["bearer_methods_supported"], json!(["header"]));
            // What a GET has, a HEAD has without a body (RFC 9110 section 9.3.2).
            let head = nobody.send(HttpCall::new("HEAD", host, path).over(protocol)).await?;
            assert_eq!((head.status, head.text().as_str()), (200, ""));
            assert_eq!(head.header("content-length"), get.header("content-length"));
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                let other = nobody.send(HttpCall::new(method, host, path).over(protocol)).await?;
                assert_eq!((other.status, other.json().get("resource")), (403, None), "{method}");
            }
        }
        world.no_server_saw_anything();

        // All scopes that the call needs, also those that the token has: a new one replaces it.
        let metadata = format!("resource_metadata=\"{metadata}\"");
        for scope in ["hr.read", "hr.write", "profile"] {
            let answer = agent.send(call("book_time_off", &world.sign(&token().claim("scope", scope))?)).await?;
            let expected = format!("Bearer {metadata}, error=\"insufficient_scope\", scope=\"hr.read hr.write\"");
            assert_eq!((answer.status, challenge(&answer)), (403, Some(expected)), "{}", answer.text());
            assert_eq!(answer.json()["error"]["code"], -31_403);
        }
        world.no_server_saw_anything();
        let enough = token().claim("scope", "hr.read hr.write");
        assert_eq!(agent.send(call("book_time_off", &world.sign(&enough)?)).await?.status, 200);
        let got = world.recorder(Server::Hr)?.take_one();
        assert_eq!(got.claims().context("no token")?["scope"], "hr.read hr.write");

        // Another authentication.
        for token in [token(), token().claim("acr", "urn:acme:silver")] {
            let answer = agent.send(call("get_payslip", &world.sign(&token)?)).await?;
            let expected =
                format!("Bearer {metadata}, error=\"insufficient_user_authentication\", acr_values=\"{GOLD}\"");
            assert_eq!((answer.status, challenge(&answer)), (401, Some(expected)), "{}", answer.text());
            assert_eq!(answer.json()["error"]["code"], -31_401);
        }
        world.no_server_saw_anything();
        let stronger = token().claim("acr", GOLD);
        assert_eq!(agent.send(call("get_payslip", &world.sign(&stronger)?)).await?.status, 200);
        drop(world.received());

        // What nothing would help against says nothing.
        let outsider = stronger.claim("groups", json!(["guests"]));
        for tool in ["get_payslip", "book_time_off", "unheard_of"] {
            let answer = agent.send(call(tool, &world.sign(&outsider)?)).await?;
            assert_eq!((answer.status, challenge(&answer)), (403, None), "{tool}");
        }
        world.no_server_saw_anything();
        world.guard_never_failed();
        Ok(())
    })
    .await
}
