//! Every refusal: its status, its code, and that no upstream saw anything.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, Caller, Credential, HttpCall, Identities, McpCall, Revision, Server, Token, World, tampered,
};

const FORBIDDEN: (u16, i64) = (403, -31_403);
const UNAUTHENTICATED: (u16, i64) = (401, -31_401);

fn own_time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"}))
}

/// Status and JSON-RPC code.
fn codes(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_default())
}

/// Sends, and checks the answer and that nothing went on.
async fn refused(
    world: &World,
    agent: &Caller,
    what: &str,
    call: impl Into<HttpCall>,
    expected: (u16, i64),
) -> Result<Answer> {
    let answer = agent.send(call).await.with_context(|| what.to_owned())?;
    assert_eq!(codes(&answer), expected, "{what}: {}", answer.text());
    world.no_server_saw_anything();
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_known_workloads_come_in() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).federated().start().await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let ids = world.identities();

        // The listener itself refuses these: the connection ends in the handshake.
        let odd: [(&str, Option<Credential>); 5] = [
            ("no certificate", None),
            ("an expired certificate", Some(ids.expired_assistant()?)),
            ("no URI in the certificate", Some(ids.with_uris(&[])?)),
            ("a name of a domain that nobody trusts", Some(ids.with_uris(&["spiffe://other.example/agent"])?)),
            ("a name that is no SPIFFE ID", Some(ids.with_uris(&["https://acme.example/agent/assistant"])?)),
        ];
        for (what, credential) in odd {
            let agent = world.caller(credential.as_ref())?;
            let error = agent.send(own_time_off().token(&token)).await.err().context(what)?;
            assert!(error.is_tls_refusal(), "{what}: {error}");
            world.no_server_saw_anything();
        }
        let forged = world.caller(Some(&forged_by_evil(ids)?))?;
        let error = forged.send(own_time_off().token(&token)).await.err().context("another domain's authority")?;
        assert!(error.is_tls_refusal(), "{error}");

        // The listener lets this one in, as a partner's; the guard does not.
        let stranger = world.caller(Some(&ids.stranger))?;
        refused(&world, &stranger, "another trust domain", own_time_off().token(&token), FORBIDDEN).await?;
        // A certificate with two names is nobody's, whichever comes first.
        let ours = "spiffe://acme.example/agent/assistant";
        for uris in [[ours, "spiffe://acme.example/agent/batch"], [ours, "https://acme.example"]] {
            let two = world.caller(Some(&ids.with_uris(&uris)?))?;
            refused(&world, &two, "two names", own_time_off().token(&token), FORBIDDEN).await?;
        }
        // Known, but not one that may act for users.
        let batch = world.caller(Some(&ids.batch))?;
        refused(&world, &batch, "an agent that may not act for users", own_time_off().token(&token), FORBIDDEN).await?;
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// Our assistant's name in a certificate of another company's authority.
fn forged_by_evil(ids: &Identities) -> Result<Credential> {
    ids.evil.issue(&testbed::Leaf {
        uris: vec!["spiffe://acme.example/agent/assistant".to_owned()],
        ..testbed::Leaf::default()
    })
}

/// A listener that knows authorities but not SPIFFE lets more in; the guard decides the rest.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_listener_that_only_knows_authorities_the_guard_still_knows_names() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder()
            .form(form)
            .envoy(|config| {
                config.tls()?["require_client_certificate"] = false.into();
                let context = &mut config.tls()?["common_tls_context"]["validation_context"];
                let bundle =
                    context["custom_validator_config"]["typed_config"]["trust_domains"][0]["trust_bundle"].take();
                *context = json!({"trusted_ca": bundle});
                Ok(())
            })
            .start()
            .await?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let ids = world.identities();
        for (what, credential) in [
            ("no certificate", None),
            ("no URI in the certificate", Some(ids.with_uris(&[])?)),
            ("a trust domain that is not allowed", Some(ids.with_uris(&["spiffe://other.example/agent"])?)),
            ("a name that is no SPIFFE ID", Some(ids.with_uris(&["https://acme.example/agent/assistant"])?)),
            ("the name of a trust domain alone", Some(ids.with_uris(&["spiffe://acme.example"])?)),
        ] {
            let agent = world.caller(credential.as_ref())?;
            let spoofed = own_time_off()
                .token(&token)
                .header("x-forwarded-client-cert", "URI=spiffe://acme.example/agent/assistant")
                .header("x-peer-spiffe-id", "spiffe://acme.example/agent/assistant");
            refused(&world, &agent, what, spoofed, FORBIDDEN).await?;
        }
        assert_eq!(world.assistant()?.send(own_time_off().token(&token)).await?.status, 200);
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_come_in() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let (agent, ids) = (world.assistant()?, world.identities());
        let good = || ids.token(&ALICE);
        let sign = |token: Token| ids.idp.sign(&token);
        let metadata = "https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp";

        let answer = refused(&world, &agent, "no token", own_time_off(), UNAUTHENTICATED).await?;
        assert_eq!(
            answer.header("www-authenticate"),
            Some(format!("Bearer resource_metadata=\"{metadata}\"").as_str())
        );

        let elsewhere = json!(["https://other.example/mcp"]);
        let bad = [
            ("an expired token", sign(good().expired(120))?),
            ("a token for another audience", sign(good().claim("aud", elsewhere))?),
            ("a token without audience", sign(good().without("aud"))?),
            ("a token for the neighbour only", sign(good().claim("aud", Server::Docs.audience()))?),
            ("a token without expiry", sign(good().without("exp"))?),
            ("a token of tomorrow", sign(good().claim("nbf", testbed::now() + 3_600))?),
            ("a token for a year", sign(good().claim("exp", testbed::now() + 31_536_000))?),
            ("a token without subject", sign(good().without("sub"))?),
            ("a token of another issuer", sign(good().claim("iss", "https://evil.example"))?),
            ("a token signed by another key", ids.impostor.sign(&good())?),
            ("a tampered token", tampered(&sign(good())?)),
            ("alg none", good().unsigned()),
            ("HS256 with the public key as secret", ids.idp.sign_with_public_key_as_secret(&good())),
            ("an unknown key", sign(good().header("kid", "idp-2"))?),
            ("an ID token's type", sign(good().header("typ", "JWT"))?),
            ("an ID-JAG", sign(good().header("typ", "oauth-id-jag+jwt"))?),
            ("a critical extension", sign(good().header("crit", json!(["exp"])))?),
            ("a token for another certificate", sign(good().claim("cnf", json!({"x5t#S256": "A".repeat(43)})))?),
            ("a token that needs DPoP", sign(good().claim("cnf", json!({"jkt": testbed::token_hash("a key")})))?),
            (
                "a token for another actor",
                sign(good().claim("act", json!({"sub": "spiffe://acme.example/agent/batch"})))?,
            ),
            ("no JWT", "opaque".to_owned()),
            ("a token that is too long", "a".repeat(20_000)),
        ];
        for (what, token) in &bad {
            let answer = refused(&world, &agent, what, own_time_off().token(token), UNAUTHENTICATED).await?;
            let challenge = format!("Bearer resource_metadata=\"{metadata}\", error=\"invalid_token\"");
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{what}");
            assert_eq!(answer.json()["error"]["message"], "invalid token", "{what} is not explained to the caller");
        }
        let token = sign(good())?;
        let twice = own_time_off().token(&token).header("authorization", format!("Bearer {token}"));
        refused(&world, &agent, "two tokens", twice, UNAUTHENTICATED).await?;
        let basic = own_time_off().header("authorization", "Basic YTpi");
        refused(&world, &agent, "another scheme", basic, UNAUTHENTICATED).await?;
        let query = own_time_off().token(&token).into_http().path(&format!("/mcp?access_token={token}"));
        refused(&world, &agent, "a token in the query", query, (400, -32_600)).await?;

        // What is bound to this very peer is good.
        let thumbprint = ids.assistant.thumbprint();
        let bound = good()
            .claim("cnf", json!({"x5t#S256": thumbprint}))
            .claim("act", json!({"sub": "spiffe://acme.example/agent/assistant"}));
        let answer = agent.send(own_time_off().token(&sign(bound)?)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        drop(world.recorder(Server::Hr)?.take_one());

        let log = world.envoy().log() + &world.envoy().access_log();
        for (what, token) in bad.iter().filter(|(_, token)| token.len() < 10_000 && token.contains('.')) {
            let signature = token.rsplit('.').next().unwrap_or_default();
            assert!(signature.is_empty() || !log.contains(signature), "{what} is in a log");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_plain_messages_come_in() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let legacy = || own_time_off().token(&token).revision(Revision::V2025_11_25);
        let body = |body: &[u8]| {
            let call = legacy().into_http();
            call.body(testbed::Body::Whole(body.to_vec().into()))
        };
        let message = |value: Value| body(value.to_string().as_bytes());

        let malformed: [(&str, HttpCall, (u16, i64)); 16] = [
            ("no JSON", body(b"{"), (400, -32_700)),
            ("an empty body", body(b""), (400, -32_700)),
            ("a byte order mark", body(b"\xef\xbb\xbf{}"), (400, -32_700)),
            ("not UTF-8", body(b"{\"a\":\"\xff\"}"), (400, -32_700)),
            ("two equal names", body(br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}"#), (400, -32_700)),
            ("too deep", body("[".repeat(5_000).as_bytes()), (400, -32_600)),
            ("too many values", body(format!("[{}0]", "0,".repeat(20_000)).as_bytes()), (400, -32_600)),
            ("a batch", body(b"[]"), (400, -32_600)),
            ("no JSON-RPC", message(json!({"id": 1, "method": "ping"})), (400, -32_600)),
            ("a null id", message(json!({"jsonrpc": "2.0", "id": null, "method": "ping"})), (400, -32_600)),
            ("an unknown method", message(json!({"jsonrpc": "2.0", "id": 1, "method": "x"})), (403, -32_601)),
            ("no tool", message(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"})), (400, -32_602)),
            (
                "another content type",
                legacy().into_http().without("content-type").with("content-type", "text/plain"),
                (415, -31_415),
            ),
            ("no content type", legacy().into_http().without("content-type"), (415, -31_415)),
            ("a content encoding", legacy().into_http().with("content-encoding", "gzip"), (415, -31_415)),
            ("another verb", HttpCall { method: "PUT".to_owned(), ..legacy().into_http() }, (405, -31_405)),
        ];
        for (what, call, expected) in malformed {
            refused(&world, &agent, what, call, expected).await?;
        }

        let modern = || own_time_off().token(&token).into_http();
        let without = |name: &str| modern().without(name);
        let mirrored: [(&str, HttpCall, (u16, i64)); 7] = [
            ("no method header", without("mcp-method"), (400, -32_020)),
            ("no name header", without("mcp-name"), (400, -32_020)),
            ("no version header", without("mcp-protocol-version"), (400, -32_020)),
            ("another method", without("mcp-method").with("mcp-method", "tools/list"), (400, -32_020)),
            ("another name", without("mcp-name").with("mcp-name", "query_compensation"), (400, -32_020)),
            ("a repeated name", modern().header("mcp-name", "get_time_off"), (400, -32_020)),
            (
                "an unknown revision",
                without("mcp-protocol-version").with("mcp-protocol-version", "2027-01-01"),
                (400, -32_022),
            ),
        ];
        for (what, call, expected) in mirrored {
            let answer = refused(&world, &agent, what, call, expected).await?;
            if expected.1 == -32_022 {
                let supported = answer.json()["error"]["data"]["supported"].clone();
                assert_eq!(supported, json!(["2026-07-28"]));
            }
        }
        let unknown = McpCall::new(Server::Hr.host(), "tools/delete", json!({})).token(&token);
        let answer = refused(&world, &agent, "an unknown modern method", unknown, (404, -32_601)).await?;
        assert_ne!(answer.json()["id"], Value::Null, "the reply names the request");

        for path in ["/", "/MCP", "/mcpx", "/admin"] {
            refused(&world, &agent, path, legacy().into_http().path(path), FORBIDDEN).await?;
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_can_look_like_nothing_at_all() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).guard(|guard| guard["hide_denied"] = true.into()).start().await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let bobs = McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1002"})).token(&token);
        let id = bobs.body()["id"].clone();
        let answer = refused(&world, &agent, "a denied tool", bobs, (200, -32_602)).await?;
        let error = json!({"code": -32_602, "message": "Unknown tool: get_time_off"});
        assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": id, "error": error}));
        let plans = McpCall::read(Server::Docs.host(), "doc://exec/reorganization-2027").token(&token);
        refused(&world, &agent, "a denied resource", plans, (200, -32_602)).await?;
        Ok(())
    })
    .await
}
