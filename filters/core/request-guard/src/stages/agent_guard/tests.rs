//! Every request that never comes before policy.

use crate::audit::Outcome;
use crate::event::{Connection, Event};
use crate::plugin::Stream as _;
use crate::step::Step;
use crate::testing::{AGENT, Exchange, codes, exchange, exchange_with, headers, moment, peer, reply, request_headers};

const FORBIDDEN: (u16, i64) = (403, -31_403);
const UNAUTHENTICATED: (u16, i64) = (401, -31_401);

fn from(exchange: &mut Exchange, connection: &Connection<'_>, others: &[(&str, &str)]) -> Step {
    let headers = headers(others);
    exchange.on(&Event::RequestHeaders { headers: &headers, connection, end_of_stream: false, moment: moment() })
}

#[track_caller]
fn refused(others: &[(&str, &str)], expected: (u16, i64)) {
    let mut exchange = exchange();
    assert_eq!(codes(request_headers(&mut exchange, others)), expected, "{others:?}");
    assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Refuse);
    assert!(matches!(exchange.on(&Event::RequestEnd { body: b"{}", moment: moment() }), Step::Hold));
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn there_is_no_server_but_those_configured() {
    refused(&[(":authority", "other.example")], FORBIDDEN);
    refused(&[(":authority", "")], FORBIDDEN);
    refused(&[(":authority", "hr.mcp.acme.example.")], FORBIDDEN);
    for path in ["/", "/MCP", "/mcpx", "/admin"] {
        refused(&[(":path", path)], FORBIDDEN);
    }
    for path in ["/mcp/../admin", "//mcp", "/mcp%2fx", "/mcp;x", "*"] {
        refused(&[(":path", path)], (400, -32_600));
    }
}

#[test]
fn a_token_is_never_read_from_the_query() {
    refused(&[(":path", "/mcp?access_token=x")], (400, -32_600));
    refused(&[(":path", "/mcp?a=1&access%5Ftoken=x")], (400, -32_600));
}

#[test]
fn a_peer_is_known_and_trusted() {
    let uri_sans: [Option<&[u8]>; 5] = [
        None,
        Some(b"spiffe://evil.example/agent/assistant"),
        Some(b"spiffe://acme.example"),
        Some(b"spiffe://acme.example/a,spiffe://acme.example/b"),
        Some(b"\xff"),
    ];
    for uri_san in uri_sans {
        let connection = Connection { uri_san, ..peer() };
        assert_eq!(codes(from(&mut exchange(), &connection, &[])), FORBIDDEN);
    }
    let plain = Connection { mtls: false, ..peer() };
    assert_eq!(codes(from(&mut exchange(), &plain, &[])), FORBIDDEN);
}

#[test]
fn a_header_never_names_the_peer_unless_configured() {
    let nobody = Connection::default();
    let xfcc = [("x-forwarded-client-cert", "URI=spiffe://acme.example/agent/assistant")];
    assert_eq!(codes(from(&mut exchange(), &nobody, &xfcc)), FORBIDDEN);
    let mut trusting =
        exchange_with(|configuration| configuration["identity"]["sources"] = serde_json::json!(["xfcc"]));
    assert!(matches!(from(&mut trusting, &nobody, &xfcc), Step::Hold));
    let mut trusting =
        exchange_with(|configuration| configuration["identity"]["sources"] = serde_json::json!(["xfcc"]));
    assert_eq!(codes(from(&mut trusting, &nobody, &[xfcc[0], xfcc[0]])), (400, -32_600));
}

#[test]
fn where_no_peer_is_needed_a_wrong_one_is_still_refused() {
    let optional = || exchange_with(|configuration| configuration["identity"]["required"] = false.into());
    assert!(matches!(from(&mut optional(), &Connection::default(), &[]), Step::Hold));
    let evil = Connection { uri_san: Some(b"spiffe://evil.example/a"), ..peer() };
    assert_eq!(codes(from(&mut optional(), &evil, &[])), FORBIDDEN);
}

#[test]
fn a_token_is_needed_and_good() {
    let mut without = headers(&[]);
    without.retain(|(name, _)| name != b"authorization");
    let mut exchange = exchange();
    let step = exchange.on(&Event::RequestHeaders {
        headers: &without,
        connection: &peer(),
        end_of_stream: false,
        moment: moment(),
    });
    let reply = reply(step);
    let challenge = "Bearer resource_metadata=\"https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(reply.status, 401);
    assert!(reply.headers.contains(&("www-authenticate".to_owned(), challenge.to_owned())));
    for token in [
        include_str!("../../testing/expired.jwt"),
        include_str!("../../testing/other-audience.jwt"),
        include_str!("../../testing/dpop-bound.jwt"),
        include_str!("../../testing/acted-by-other.jwt"),
        "a.b.c",
    ] {
        refused(&[("authorization", &bearer(token))], UNAUTHENTICATED);
    }
    refused(&[("authorization", "Basic YTpi")], UNAUTHENTICATED);
    refused(&[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")], UNAUTHENTICATED);
}

#[test]
fn a_bound_token_is_good_on_its_own_connection_only() {
    let token = bearer(include_str!("../../testing/bound.jwt"));
    let others = [("authorization", token.as_str())];
    refused(&others, UNAUTHENTICATED);
    let right = "ab".repeat(32);
    let connection = Connection { certificate_sha256: Some(right.as_bytes()), ..peer() };
    assert!(matches!(from(&mut exchange(), &connection, &others), Step::Hold));
    let wrong = "ac".repeat(32);
    let connection = Connection { certificate_sha256: Some(wrong.as_bytes()), ..peer() };
    assert_eq!(codes(from(&mut exchange(), &connection, &others)), UNAUTHENTICATED);
}

#[test]
fn a_token_that_names_its_actor_is_good_in_its_hands_only() {
    let token = bearer(include_str!("../../testing/acted-by-assistant.jwt"));
    let others = [("authorization", token.as_str())];
    assert!(matches!(request_headers(&mut exchange(), &others), Step::Hold));
    let other = Connection { uri_san: Some(b"spiffe://acme.example/agent/batch"), ..peer() };
    assert_ne!(other.uri_san, Some(AGENT));
    assert_eq!(codes(from(&mut exchange(), &other, &others)), UNAUTHENTICATED);
}

#[test]
fn a_message_that_can_not_be_judged_is_refused_before_its_body_is_held() {
    refused(&[("content-type", "text/plain")], (415, -31_415));
    refused(&[("content-encoding", "gzip")], (415, -31_415));
    refused(&[("content-length", "2001")], (413, -31_413));
    refused(&[("mcp-method", "a"), ("mcp-method", "a")], (400, -32_020));
    let mut exchange = exchange();
    assert!(matches!(request_headers(&mut exchange, &[]), Step::Hold));
    assert_eq!(codes(exchange.on(&Event::RequestBody { size: 2_001 })), (413, -31_413));
}

#[test]
fn a_name_that_can_not_be_logged_is_replaced() {
    for odd in ["", "a b", "\"", "a\nb", &"a".repeat(65)] {
        let mut exchange = exchange();
        request_headers(&mut exchange, &[("x-request-id", odd), (":path", "/other")]);
        let line = exchange.take_record().unwrap().line(0);
        assert!(line.contains("\"request_id\":\"07070707070707070707070707070707\""), "{line}");
    }
}
