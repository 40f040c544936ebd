//! What is denied looks like what is not there: the words of the specification for each kind of thing.

use serde_json::{Value, json};

use crate::step::Reply;
use crate::testing::{exchange_with, reply, request_end, request_headers};

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// The reply to a denied request, its policies hiding what they deny.
fn denied(version: &str, method: &str, mut params: Value) -> Reply {
    let mut headers = vec![("mcp-protocol-version", version)];
    let target = params.get("name").or(params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    if version == MODERN {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
        });
        headers.push(("mcp-method", method));
        headers.extend(target.as_deref().map(|name| ("mcp-name", name)));
    }
    let mut exchange = exchange_with(|configuration| configuration["hide_denied"] = true.into());
    request_headers(&mut exchange, &headers);
    let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}).to_string();
    reply(request_end(&mut exchange, &body))
}

#[test]
fn each_kind_of_thing_is_missing_in_its_own_words() {
    let argument = json!({"name": "a", "value": "v"});
    let prompt = json!({"ref": {"type": "ref/prompt", "name": "p"}, "argument": argument});
    let template = json!({"ref": {"type": "ref/resource", "uri": "doc://x"}, "argument": argument});
    let tool = json!({"code": -32_602, "message": "Unknown tool: t"});
    let unknown_prompt = json!({"code": -32_602, "message": "Unknown prompt: p"});
    let resource = |code: i64| json!({"code": code, "message": "Resource not found", "data": {"uri": "doc://x"}});
    for (version, method, params, error) in [
        (LEGACY, "tools/call", json!({"name": "t"}), tool.clone()),
        (MODERN, "tools/call", json!({"name": "t"}), tool.clone()),
        // More scope would help, but that would tell.
        (LEGACY, "tools/call", json!({"name": "write"}), json!({"code": -32_602, "message": "Unknown tool: write"})),
        (LEGACY, "prompts/get", json!({"name": "p"}), unknown_prompt.clone()),
        (MODERN, "prompts/get", json!({"name": "p"}), unknown_prompt.clone()),
        (LEGACY, "completion/complete", prompt.clone(), unknown_prompt.clone()),
        (MODERN, "completion/complete", prompt, unknown_prompt),
        (LEGACY, "resources/read", json!({"uri": "doc://x"}), resource(-32_002)),
        (MODERN, "resources/read", json!({"uri": "doc://x"}), resource(-32_602)),
        (LEGACY, "resources/subscribe", json!({"uri": "doc://x"}), resource(-32_002)),
        (LEGACY, "completion/complete", template.clone(), resource(-32_602)),
        (MODERN, "completion/complete", template, resource(-32_602)),
    ] {
        let reply = denied(version, method, params);
        let body = json!({"jsonrpc": "2.0", "id": "a", "error": error}).to_string();
        assert_eq!((reply.status, String::from_utf8(reply.body).unwrap()), (200, body), "{version} {method}");
        assert_eq!(reply.headers, [("content-type".to_owned(), "application/json".to_owned())], "{version} {method}");
    }
}

#[test]
fn without_held_headers_nothing_says_what_would_help() {
    let mut exchange = exchange_with(|configuration| {
        configuration["hide_denied"] = true.into();
        configuration["hold_headers"] = false.into();
    });
    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "write")];
    let reply = reply(request_headers(&mut exchange, &headers));
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &body["error"]["message"]), (403, &json!("denied by policy")));
    assert!(reply.headers.iter().all(|(name, _)| name != "www-authenticate"), "{:?}", reply.headers);
}
