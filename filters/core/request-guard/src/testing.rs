//! A small world for this crate's tests: one server, two tools, one agent.

use std::rc::Rc;

use access_tokens::{NoReplays, TrustedCrypto};
use serde_json::{Value, json};

use crate::compile::ConfigurationError;
use crate::event::{Connection, Event, Header, Moment};
use crate::exchange::Exchange as Machine;
use crate::host::Host;
use crate::plugin::{Plugin, Stream};
use crate::stages::agent_guard::Guard;
use crate::step::{Reply, Step};

/// A stream of the guard.
pub(crate) type Exchange = Machine<Guard>;

/// The day of the tokens, in Unix seconds.
pub(crate) const NOW: u64 = 1_795_000_000;
pub(crate) const ALICE: &str = include_str!("testing/alice.jwt");
pub(crate) const AGENT: &[u8] = b"spiffe://acme.example/agent/assistant";
const SIGNING_KEY: &str = include_str!("testing/signing-key.pem");

const POLICIES: &str = r#"
@id("talk") permit (principal, action == Action::"connect", resource);
@id("seen") permit (principal, action == Action::"tools/call", resource == Tool::"hr/seen");
@id("scoped")
@downscope_scope("hr.read")
permit (principal, action == Action::"tools/call", resource == Tool::"hr/scoped");
@id("writers")
permit (principal, action == Action::"tools/call", resource == Tool::"hr/write")
when { context.token.scopes.contains("hr.write") };
"#;

pub(crate) fn configuration() -> Value {
    json!({
        "servers": [{
            "name": "hr", "protocol": "mcp", "audience": "https://hr.mcp.acme.example/mcp",
            "match": {"hosts": ["hr.mcp.acme.example"], "path_prefix": "/mcp"},
        }],
        "identity": {"sources": ["tls"], "trust_domains": ["acme.example"]},
        "tokens": {
            "issuers": [{
                "issuer": "https://idp.acme.example",
                "jwks": {"inline": include_str!("testing/jwks.json")},
                "algorithms": ["EdDSA"],
            }],
            "resource_metadata": {"authorization_servers": ["https://idp.acme.example"]},
        },
        "policy": {"cedar": POLICIES},
        "downscope": {
            "strategy": "mint",
            "mint": {
                "issuer": "https://mesh.acme.example", "algorithm": "ES256", "key_id": "2026-11",
                "signing_key_env": "MESHWARDEN_SIGNING_KEY",
            },
        },
        "limits": {"max_body_bytes": 2_000},
        "audit": {"log": "all"},
    })
}

fn environment(name: &str) -> Option<String> {
    (name == "MESHWARDEN_SIGNING_KEY").then(|| SIGNING_KEY.to_owned())
}

pub(crate) fn host() -> Host<'static> {
    Host { environment: &environment, crypto: TrustedCrypto::none(), replays: &|| Ok(Rc::new(NoReplays)) }
}

pub(crate) fn compiled(configuration: Value) -> Result<Guard, ConfigurationError> {
    Guard::configure(configuration, &host())
}

/// The world with a change to its configuration.
pub(crate) fn exchange_with(change: impl FnOnce(&mut Value)) -> Exchange {
    let mut configuration = configuration();
    change(&mut configuration);
    Exchange::new(Rc::new(compiled(configuration).unwrap()))
}

pub(crate) fn exchange() -> Exchange {
    exchange_with(|_| {})
}

pub(crate) fn moment() -> Moment {
    Moment { nanoseconds: NOW * 1_000_000_000, entropy: [7; 16] }
}

pub(crate) fn peer() -> Connection<'static> {
    Connection { mtls: true, uri_san: Some(AGENT), ..Connection::default() }
}

/// Headers of a good request, with others after them; a name that is given again takes the place of the good one.
pub(crate) fn headers(others: &[(&str, &str)]) -> Vec<Header> {
    let bearer = format!("Bearer {ALICE}");
    let good = [
        (":method", "POST"),
        (":path", "/mcp"),
        (":authority", "hr.mcp.acme.example"),
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
        ("x-request-id", "r-1"),
    ];
    let kept = good.iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name));
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    kept.map(pair).chain(others.iter().map(pair)).collect()
}

pub(crate) fn request_headers(exchange: &mut dyn Stream, others: &[(&str, &str)]) -> Step {
    let (headers, connection) = (headers(others), peer());
    exchange.on(&Event::RequestHeaders {
        headers: &headers,
        connection: &connection,
        end_of_stream: false,
        moment: moment(),
    })
}

pub(crate) fn request_end(exchange: &mut dyn Stream, body: &str) -> Step {
    exchange.on(&Event::RequestEnd { body: body.as_bytes(), moment: moment() })
}

pub(crate) fn response_headers(exchange: &mut dyn Stream, pairs: &[(&str, &str)]) -> Step {
    let headers: Vec<Header> =
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    exchange.on(&Event::ResponseHeaders { headers: &headers, end_of_stream: false })
}

pub(crate) fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string()
}

pub(crate) const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
pub(crate) const JSON: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];
pub(crate) const STREAM: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream")];

#[track_caller]
pub(crate) fn reply(step: Step) -> Reply {
    match step {
        Step::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// Status and JSON-RPC code of a reply.
#[track_caller]
pub(crate) fn codes(step: Step) -> (u16, i64) {
    let reply = reply(step);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    (reply.status, body["error"]["code"].as_i64().unwrap())
}
