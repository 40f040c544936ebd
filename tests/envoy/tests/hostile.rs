//! A list of hostile requests, sent twice over: every one is refused, none is seen by an upstream, and afterwards a
//! good request still succeeds.

#![cfg(test)]

use anyhow::Result;
use envoy_tests::in_both_forms;
use serde_json::json;
use testbed::{ALICE, McpCall, RawConnection, Revision, Server, World};

/// What an agent was talked into: a tool that Alice may not use without a second factor.
const DELETE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_ticket","arguments":{"ticket_id":"T-1"}}}"#;
const HOST: &str = "tickets.mcp.acme.example";

/// One hostile request: what it tries, its bytes, and the statuses that refuse it. A connection that the proxy ends
/// without an answer counts as status 0.
struct Hostile {
    what: &'static str,
    bytes: Vec<u8>,
    refused_with: &'static [u16],
}

struct Maker {
    token: String,
}

impl Maker {
    /// A whole request: `head` are header lines beside host, token and length.
    fn post(&self, head: &str, body: &[u8]) -> Vec<u8> {
        self.request("POST /mcp HTTP/1.1", head, body)
    }

    fn request(&self, line: &str, head: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let token = &self.token;
        let head = format!(
            "{line}\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n{head}connection: close\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    fn json(&self, head: &str, body: &[u8]) -> Vec<u8> {
        self.post(&format!("content-type: application/json\r\n{head}"), body)
    }

    /// Headers and body given as they are, with nothing added.
    fn bare(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let head = head.replace("TOKEN", &self.token).replace('\n', "\r\n");
        [head.as_bytes(), b"\r\n", body].concat()
    }
}

fn hostile(maker: &Maker) -> Vec<Hostile> {
    const NO: &[u16] = &[403];
    const BAD: &[u16] = &[400];
    const MEDIA: &[u16] = &[415];
    const ENDED: &[u16] = &[400, 0];
    let delete = DELETE.as_bytes();
    let utf16: Vec<u8> = DELETE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let renamed = |from: &str, to: &str| DELETE.replace(from, to).into_bytes();
    let modern = "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n";
    let meta = renamed(
        r#""arguments""#,
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"arguments""#,
    );
    let no_capabilities =
        renamed(r#""arguments""#, r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"arguments""#);
    let json = |head: &str, body: &[u8]| maker.json(head, body);
    let list: Vec<(&'static str, Vec<u8>, &'static [u16])> = vec![
        // What real servers were seen to execute.
        ("headers that name another tool", json("mcp-protocol-version: 2025-11-25\r\nmcp-method: tools/list\r\nmcp-name: create_ticket\r\n", delete), BAD),
        ("no MCP header at all", json("", delete), NO),
        ("a batch of one", json("", &[b"[", delete, b"]"].concat()), BAD),
        ("a batch of two", json("mcp-protocol-version: 2025-03-26\r\n", &[b"[", delete, b",", delete, b"]"].concat()), BAD),
        ("the name twice, a harmless one first", json("", &renamed(r#""name":"#, r#""name":"create_ticket","name":"#)), BAD),
        ("the name twice, a harmless one last", json("", &renamed(r#""delete_ticket","#, r#""delete_ticket","name":"create_ticket","#)), BAD),
        ("the method twice", json("", &renamed(r#""method":"tools/call""#, r#""method":"tools/list","method":"tools/call""#)), BAD),
        ("an argument twice", json("", &renamed(r#""ticket_id":"T-1""#, r#""ticket_id":"T-1","ticket_id":"T-2""#)), BAD),
        ("the params twice", json("", &renamed(r#""params":{"#, r#""params":{},"params":{"#)), BAD),
        ("a byte order mark", json("", &[b"\xef\xbb\xbf", delete].concat()), BAD),
        ("UTF-16", json("", &utf16), BAD),
        ("UTF-16, announced", maker.post("content-type: application/json; charset=utf-16le\r\n", &utf16), MEDIA),
        ("a compressed body", json("content-encoding: gzip\r\n", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"), MEDIA),
        ("NaN among the arguments", json("", &renamed(r#""T-1""#, "NaN")), BAD),
        ("a byte that is not UTF-8", json("", &[&DELETE.as_bytes()[..100], b"\xff", &DELETE.as_bytes()[100..]].concat()), BAD),
        ("an escaped name", json("", &renamed("delete_ticket", "delete\\u005fticket")), NO),
        ("a null id", json("", &renamed(r#""id":1"#, r#""id":null"#)), BAD),
        ("a fractional id", json("", &renamed(r#""id":1"#, r#""id":1.5"#)), BAD),
        ("a call without id", json("", &renamed(r#""id":1,"#, "")), BAD),
        ("a repeated name header", json(&format!("{modern}mcp-name: delete_ticket\r\nmcp-name: create_ticket\r\n"), &meta), BAD),
        ("a path in another case", maker.request("POST /MCP HTTP/1.1", "content-type: application/json\r\n", delete), NO),
        ("a path with a slash behind", maker.request("POST /mcp/ HTTP/1.1", "content-type: application/json\r\n", delete), NO),
        ("an escaped path", maker.request("POST /%6dcp HTTP/1.1", "content-type: application/json\r\n", delete), NO),
        ("an escaped slash", maker.request("POST /%2fmcp HTTP/1.1", "content-type: application/json\r\n", delete), &[400, 403]),
        ("a path that climbs", maker.request("POST /mcp/../admin HTTP/1.1", "content-type: application/json\r\n", delete), NO),
        ("a path with parameters", maker.request("POST /mcp;v=1 HTTP/1.1", "content-type: application/json\r\n", delete), BAD),
        ("plain text", maker.post("content-type: text/plain\r\n", delete), MEDIA),
        ("no content type", maker.post("", delete), MEDIA),
        ("a private JSON type", maker.post("content-type: application/vnd.x+json\r\n", delete), MEDIA),
        ("two content types", maker.post("content-type: application/json\r\ncontent-type: text/plain\r\n", delete), MEDIA),
        ("a name in another case beside the right one", json("", &renamed(r#""name":"#, r#""Name":"create_ticket","name":"#)), BAD),
        ("a name that folds to the right one", json("", &renamed(r#""arguments":"#, "\"argument\u{17f}\":{},\"arguments\":")), BAD),
        ("A2A's word for it", json("", &renamed("tools/call", "message/send")), NO),
        // MCP's own rules.
        ("no name header", json(modern, &meta), BAD),
        ("another name in the header", json(&format!("{modern}mcp-name: create_ticket\r\n"), &meta), BAD),
        ("a name in bad Base64", json(&format!("{modern}mcp-name: =?base64?ZGVsZXRlX3RpY2tldA=?=\r\n"), &meta), BAD),
        ("the right headers, all of them", json(&format!("{modern}mcp-name: delete_ticket\r\n"), &meta), NO),
        ("a name header with two values", json(&format!("{modern}mcp-name: delete_ticket, create_ticket\r\n"), &meta), BAD),
        ("a method header with two values", json("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call, tools/list\r\nmcp-name: delete_ticket\r\n", &meta), BAD),
        ("a method header in another case", json("mcp-protocol-version: 2026-07-28\r\nmcp-method: Tools/Call\r\nmcp-name: delete_ticket\r\n", &meta), BAD),
        ("an oversized name header", json(&format!("{modern}mcp-name: {}\r\n", "d".repeat(17_000)), &meta), BAD),
        ("nothing said of the client", json(&format!("{modern}mcp-name: delete_ticket\r\n"), &no_capabilities), BAD),
        ("a modern GET", maker.request("GET /mcp HTTP/1.1", "mcp-protocol-version: 2026-07-28\r\n", b""), &[405]),
        ("a modern DELETE", maker.request("DELETE /mcp HTTP/1.1", "mcp-protocol-version: 2026-07-28\r\nmcp-session-id: s\r\n", b""), &[405]),
        ("a modern body under an old header", json("mcp-protocol-version: 2025-11-25\r\n", &meta), BAD),
        ("a modern header over an old body", json("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: delete_ticket\r\n", delete), BAD),
        ("a revision of the future", json("mcp-protocol-version: 2099-01-01\r\n", delete), BAD),
        ("a control character in the name", json("", &renamed("delete_ticket", "delete_ticket\\u0000")), BAD),
        ("arguments that are no object", json("", &renamed(r#"{"ticket_id":"T-1"}"#, "[\"T-1\"]")), BAD),
        ("null arguments", json("", &renamed(r#"{"ticket_id":"T-1"}"#, "null")), BAD),
        ("a response in a modern session", json("mcp-protocol-version: 2026-07-28\r\n", br#"{"jsonrpc":"2.0","id":1,"result":{}}"#), BAD),
        // HTTP.
        ("a second token", json("authorization: Bearer x\r\n", delete), &[401]),
        ("a token in the query", maker.request("POST /mcp?access_token=x HTTP/1.1", "content-type: application/json\r\n", delete), BAD),
        ("bytes in a header that are no text", odd_header(maker, delete), &[403, 400, 0]),
        ("bytes in the token that are no text", maker.bare("POST /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\ncontent-type: application/json\nauthorization: Bearer \u{e9}\ncontent-length: 2\nconnection: close\n", b"{}"), &[401, 400, 0]),
        ("headers that claim a decision", json("x-meshwarden-decision: allow\r\nx-peer-spiffe-id: spiffe://acme.example/root\r\n", delete), NO),
        ("a method override", maker.request("GET /mcp HTTP/1.1", "content-type: application/json\r\nx-http-method-override: POST\r\n", delete), BAD),
        ("another verb", maker.request("PUT /mcp HTTP/1.1", "content-type: application/json\r\n", delete), &[405]),
        ("an upgrade", maker.bare("GET /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\nconnection: Upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n", b""), &[403, 400, 405]),
        ("CONNECT", maker.bare("CONNECT tickets.mcp.acme.example:443 HTTP/1.1\nhost: tickets.mcp.acme.example:443\nauthorization: Bearer TOKEN\n", b""), &[400, 403, 404, 405]),
        ("TRACE", maker.request("TRACE /mcp HTTP/1.1", "", b""), &[400, 405]),
        ("another host", maker.bare("POST /mcp HTTP/1.1\nhost: other.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 2\nconnection: close\n", b"{}"), &[403, 404]),
        ("two hosts", maker.bare("POST /mcp HTTP/1.1\nhost: hr.mcp.acme.example\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 2\nconnection: close\n", b"{}"), &[403, 400, 0]),
        ("another host in the target", maker.bare("POST http://other.example/mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 2\nconnection: close\n", b"{}"), &[400, 403, 404]),
        ("two lengths", maker.bare("POST /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 2\ncontent-length: 4\n", b"{}{}"), ENDED),
        ("a length and chunks", maker.bare("POST /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 4\ntransfer-encoding: chunked\n", b"2\r\n{}\r\n0\r\n\r\nPOST /mcp HTTP/1.1\r\n\r\n"), ENDED),
        ("a space before the colon", maker.bare("POST /mcp HTTP/1.1\nhost : tickets.mcp.acme.example\ncontent-length: 0\n", b""), ENDED),
        ("a folded header", maker.bare("POST /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer\n TOKEN\ncontent-type: application/json\ncontent-length: 2\n", b"{}"), &[400, 401, 0]),
        ("a body that is announced too large", maker.bare("POST /mcp HTTP/1.1\nhost: tickets.mcp.acme.example\nauthorization: Bearer TOKEN\ncontent-type: application/json\ncontent-length: 104857600\n", b"{}"), &[413]),
        ("a denied body behind 100-continue", json("expect: 100-continue\r\n", delete), &[403, 100]),
        // Size and depth.
        ("ten thousand brackets", json("", "[".repeat(10_000).as_bytes()), BAD),
        ("deep arguments", json("", &renamed(r#""T-1""#, &format!("{}1{}", "[".repeat(200), "]".repeat(200)))), BAD),
        ("a hundred thousand arguments", json("", &renamed(r#""T-1""#, &format!("[{}1]", "1,".repeat(100_000)))), BAD),
        ("a very long name", json("", &renamed("delete_ticket", &"d".repeat(100_000))), BAD),
        ("an empty body", json("", b""), BAD),
        ("a body of zeros", json("", &[0; 64]), BAD),
    ];
    list.into_iter().map(|(what, bytes, refused_with)| Hostile { what, bytes, refused_with }).collect()
}

fn odd_header(maker: &Maker, body: &[u8]) -> Vec<u8> {
    let whole = maker.json("x-odd: ?\r\n", body);
    let at = whole.windows(8).position(|window| window == b"x-odd: ?").unwrap_or_default() + 7;
    let mut odd = whole;
    odd[at] = 0xff;
    odd
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_request_gets_past_and_good_ones_still_do() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let hostile = hostile(&Maker { token: token.clone() });
        assert!(hostile.len() >= 60, "{}", hostile.len());
        let good = || {
            let arguments = json!({"title": "address", "description": "new"});
            McpCall::tool(Server::Tickets.host(), "create_ticket", arguments).token(&token)
        };
        for round in 1..=2 {
            for Hostile { what, bytes, refused_with } in &hostile {
                let answer = agent.send_raw(HOST, bytes).await.unwrap_or_default();
                let status = RawConnection::status(&answer).unwrap_or_default();
                assert!(refused_with.contains(&status), "round {round}, {what}: {status}\n{answer}");
                if status == 100 {
                    assert!(answer.contains("403"), "round {round}, {what}: {answer}");
                }
                world.no_server_saw_anything();
            }
            // A body that never ends, on a connection that then does.
            let head = format!("POST /mcp HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\n");
            let mut cut = agent.raw(HOST).await?;
            cut.write(format!("{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes())
                .await?;
            cut.write(b"5\r\n{\"jso\r\n").await?;
            cut.finish().await?;
            cut.read().await.ok();
            world.no_server_saw_anything();
            for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
                let answer = agent.send(good().revision(revision)).await?;
                assert_eq!(answer.status, 200, "{}", answer.text());
                drop(world.recorder(Server::Tickets)?.take_one());
            }
        }
        println!("{} hostile requests, twice over: all refused", hostile.len());
        world.guard_never_failed();
        Ok(())
    })
    .await
}
