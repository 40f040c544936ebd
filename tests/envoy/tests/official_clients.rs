//! The official clients for TypeScript and Python, before real servers: each sees what it may use, uses it, understands
//! what is denied, and stays usable after it. (The one for Rust is in `clients.rs`.)

#![cfg(test)]

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{ALICE, Adds, Foreign, ForeignServer, Hop, Maker, Received, Server, World};

const POLICIES: &str = r#"
@id("connect")
permit (principal, action == Action::"connect", resource);

@id("call")
@downscope_scope("hr.read")
permit (principal, action == Action::"tools/call", resource == Tool::"hr/test_simple_text");

@id("read")
@downscope_scope("docs.read")
permit (principal, action == Action::"resources/read", resource == Resource::"test://static-text");

@id("prompt")
@downscope_scope("hr.read")
permit (principal, action == Action::"prompts/get", resource == Prompt::"hr/test_simple_prompt");

@id("images")
permit (principal, action == Action::"tools/call", resource == Tool::"hr/test_image_content")
when { context.token.scopes.contains("images") };
"#;

/// A client: its packages, its program, which of its kinds, and the errors it has for a plain denial and for a lack of
/// scope.
struct Client {
    packages: Foreign,
    program: &'static str,
    kind: &'static str,
    denied: &'static str,
    scoped: &'static str,
}

const CLIENTS: [Client; 5] = [
    typescript("v1", "StreamableHTTPError", "StreamableHTTPError"),
    typescript("legacy", "SdkHttpError", "InsufficientScopeError"),
    typescript("modern", "SdkHttpError", "InsufficientScopeError"),
    python("legacy"),
    python("modern"),
];

const fn typescript(kind: &'static str, denied: &'static str, scoped: &'static str) -> Client {
    Client { packages: Foreign::McpTypescript, program: "ask.mjs", kind, denied, scoped }
}

const fn python(kind: &'static str) -> Client {
    Client { packages: Foreign::McpPython, program: "ask.py", kind, denied: "MCPError", scoped: "MCPError" }
}

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_work_and_keep_working_after_denials() -> Result<()> {
    for maker in [Maker::TypescriptSdk, Maker::PythonSdk] {
        let Some(server) = ForeignServer::start(maker, Server::Hr.host()).await? else { continue };
        let world = World::builder().other(Server::Hr, server.address()).guard(|guard| {
            if let Some(policy) = guard.pointer_mut("/policy/cedar") {
                *policy = POLICIES.into();
            }
        });
        let world = world.start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let hop = Hop::start(&world, Server::Hr, Adds::Certificate).await?;
        for client in CLIENTS {
            let Some(installed) = client.packages.find().await else { continue };
            let about = format!("{} {} at {maker:?}", client.program, client.kind);
            let url = format!("http://{}/mcp", hop.address());
            let told = installed.run(client.program, &[client.kind, &url], &token).await;
            let told: Value = serde_json::from_str(&told.with_context(|| about.clone())?)?;
            understood(&client, &told, &about);
            arrived(&world.recorder(Server::Hr)?.take(), &token, &about);
        }
        world.guard_never_failed();
    }
    Ok(())
}

fn understood(client: &Client, told: &Value, about: &str) {
    let seen = [&told["tools"], &told["prompts"], &told["resources"]];
    let allowed = ["test_simple_text", "test_simple_prompt", "test://static-text"].map(|one| json!([one]));
    assert_eq!(seen, allowed.each_ref(), "{about}: {told:#}");
    let text = |member: &str| told[member].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("called"), "This is a simple text response for testing.", "{about}");
    assert_eq!(text("read"), "This is the content of the static text resource.", "{about}");
    assert_eq!(text("prompt"), "This is a simple prompt for testing.", "{about}");
    for denied in ["denied", "deniedResource", "deniedPrompt"] {
        assert_eq!(told[denied]["error"], client.denied, "{about}: {told:#}");
        assert!(told[denied]["message"].as_str().is_some_and(|text| text.contains("denied by policy")), "{told:#}");
    }
    assert_eq!(told["scoped"]["error"], client.scoped, "{about}: {told:#}");
    if client.scoped == "InsufficientScopeError" {
        assert_eq!(told["scoped"]["scope"], "images", "{about}: {told:#}");
    }
    assert_eq!(told["again"], told["called"], "{about}: it stays usable");
}

/// What is denied never does; what is allowed has a token for this one call, by the assistant, for Alice.
fn arrived(received: &[Received], token: &str, about: &str) {
    let mut called = Vec::new();
    for request in received {
        assert_ne!(request.bearer(), Some(token), "{about}: the caller's token stays here");
        let claims = request.claims().unwrap_or_default();
        assert_eq!(claims["act"], json!({ "sub": "spiffe://acme.example/agent/assistant" }), "{about}: {claims}");
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!(Server::Hr.audience())), "{about}");
        let message = request.json();
        let method = message["method"].as_str().unwrap_or_default();
        if matches!(method, "tools/call" | "resources/read" | "prompts/get") {
            assert_eq!(claims["tctx"]["method"], method, "{about}: {claims}");
            let target = message["params"].get("name").or_else(|| message["params"].get("uri"));
            called.push((target.cloned().unwrap_or_default(), claims["scope"].clone()));
        }
    }
    let tool = (json!("test_simple_text"), json!("hr.read"));
    let resource = (json!("test://static-text"), json!("docs.read"));
    let prompt = (json!("test_simple_prompt"), json!("hr.read"));
    assert_eq!(called, [tool.clone(), resource, prompt, tool], "{about}");
}
