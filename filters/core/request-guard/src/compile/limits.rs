//! What a request may cost.

use agent_messages::Limits;

use super::{Compiled, wrong};
use crate::config;

pub(super) fn limits(limits: &config::Limits) -> Compiled<Limits> {
    let named = [
        ("max_body_bytes", limits.max_body_bytes),
        ("max_json_depth", limits.max_json_depth),
        ("max_json_nodes", limits.max_json_nodes),
        ("max_token_bytes", limits.max_token_bytes),
        ("max_sse_event_bytes", limits.max_sse_event_bytes),
    ];
    if let Some((name, _)) = named.iter().find(|(_, limit)| *limit == 0) {
        return Err(wrong(&format!("limits.{name}"), "0 would refuse everything; leave it out for the default"));
    }
    if limits.max_json_depth > MAX_JSON_DEPTH {
        let problem = format!("at most {MAX_JSON_DEPTH}: deeper values would exhaust the stack of the VM");
        return Err(wrong("limits.max_json_depth", problem));
    }
    Ok(Limits {
        max_body_bytes: limits.max_body_bytes,
        max_json_depth: limits.max_json_depth,
        max_json_nodes: limits.max_json_nodes,
        max_sse_event_bytes: limits.max_sse_event_bytes,
    })
}

/// Cedar has no recursion guard inside wasm; far below where it was seen to trap (800).
const MAX_JSON_DEPTH: usize = 64;
