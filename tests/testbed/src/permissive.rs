//! An MCP server of revision 2026-07-28 that looks at nothing but the body: what it has checked for it, others check.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::post;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

/// Its routes.
pub(crate) fn permissive() -> Router {
    Router::new().route("/mcp", post(answer))
}

async fn answer(body: Bytes) -> Response<Body> {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    let Some(id) = message.get("id") else {
        *response.status_mut() = StatusCode::ACCEPTED;
        return response;
    };
    let result = match text("/method") {
        "server/discover" => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {}, "prompts": {} },
            "ttlMs": 0, "cacheScope": "private",
        }),
        "tools/list" => json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "tools": [{ "name": "greet", "description": "Greets", "inputSchema": { "type": "object" } }],
        }),
        "prompts/list" => json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "prompts": [] }),
        "tools/call" => {
            json!({ "resultType": "complete", "content": [{ "type": "text", "text": text("/params/name") }] })
        }
        _ => json!({ "resultType": "complete" }),
    };
    *response.body_mut() = Body::from(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
