//! Each thing that a server has to check, wrong one at a time.

use super::*;
use crate::jose::SigningKey;

const NOW: u64 = 1_795_000_000;

struct Mesh {
    key: SigningKey,
    server: MeshTokens,
}

impl Mesh {
    fn new(key: SigningKey) -> Self {
        let jwks = json!({ "keys": [SigningKey::es256().unwrap().public_jwk("other"), key.public_jwk("k")] });
        let server = MeshTokens {
            issuer: "https://mesh".to_owned(),
            audience: "https://hr".to_owned(),
            server: "hr".to_owned(),
            keys: Arc::new(RwLock::new(jwks)),
        };
        Self { key, server }
    }

    fn check(&self, header: &Value, claims: &Value, body: &Value) -> Result<(), NotThisCall> {
        let token = self.key.jws(header, claims).unwrap();
        self.server.verify(&token, "POST", body.to_string().as_bytes(), NOW).map(|_| ())
    }
}

fn call(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn claims(context: Value) -> Value {
    json!({ "iss": "https://mesh", "aud": "https://hr", "exp": NOW + 1, "tctx": context })
}

#[test]
fn a_token_is_taken_for_its_call_with_keys_of_both_kinds_and_refused_for_each_fault() {
    let body = call("tools/list", json!({}));
    let good = claims(json!({ "protocol": "mcp", "server": "hr", "method": "tools/list" }));
    for key in [SigningKey::es256().unwrap(), SigningKey::eddsa().unwrap()] {
        let mesh = Mesh::new(key);
        let header = json!({ "alg": mesh.key.algorithm(), "kid": "k", "typ": "at+jwt" });
        assert_eq!(mesh.check(&header, &good, &body), Ok(()));
        for (header, claims, reason) in [
            (with(header.clone(), "typ", json!("txntoken+jwt")), good.clone(), "another kind of token"),
            (with(header.clone(), "kid", json!("other")), good.clone(), "not signed by the mesh"),
            (with(header.clone(), "kid", json!("unknown")), good.clone(), "not signed by the mesh"),
            (with(header.clone(), "kid", Value::Null), good.clone(), "not signed by the mesh"),
            (header.clone(), with(good.clone(), "iss", json!("https://idp")), "another issuer"),
            (header.clone(), with(good.clone(), "aud", json!("https://docs")), "another audience"),
            (header.clone(), with(good.clone(), "aud", json!(["https://hr"])), "another audience"),
            (header.clone(), with(good.clone(), "exp", json!(NOW)), "expired"),
            (header.clone(), with(good.clone(), "exp", Value::Null), "expired"),
            (header.clone(), with(good.clone(), "tctx", Value::Null), "another call"),
        ] {
            assert_eq!(mesh.check(&header, &claims, &body), Err(NotThisCall(reason)), "{header} {claims}");
        }
        assert_eq!(mesh.server.verify("a.b", "POST", b"{}", NOW), Err(NotThisCall("no token")));
        let token = mesh.key.jws(&header, &good).unwrap();
        assert_eq!(mesh.server.verify(&token, "POST", b"{", NOW), Err(NotThisCall("no JSON")));
    }
}

#[test]
fn every_kind_of_message_is_a_call_of_its_own() {
    let mesh = Mesh::new(SigningKey::es256().unwrap());
    let hash = |value: Value| sha256(&value);
    let of = |body: &Value| mesh.server.call("POST", body.to_string().as_bytes()).unwrap();
    let context = |method: &str| json!({ "protocol": "mcp", "server": "hr", "method": method });
    assert_eq!(mesh.server.call("GET", b""), Ok(context("GET")));
    let tool = with(with(context("tools/call"), "tool", json!("t")), "arguments_sha256", hash(json!({ "a": 1 })));
    assert_eq!(of(&call("tools/call", json!({ "name": "t", "arguments": { "a": 1.0 }, "_meta": {} }))), tool);
    let bare = with(with(context("prompts/get"), "prompt", json!("p")), "arguments_sha256", hash(json!({})));
    assert_eq!(of(&call("prompts/get", json!({ "name": "p" }))), bare);
    let document = with(context("resources/read"), "resource", json!("doc://a"));
    assert_eq!(of(&call("resources/read", json!({ "uri": "doc://a" }))), document);
    let task = with(context("tasks/get"), "arguments_sha256", hash(json!({ "taskId": "7" })));
    assert_eq!(of(&call("tasks/get", json!({ "taskId": "7" }))), task);
    let both = json!([call("ping", json!({})), call("tools/list", json!({}))]);
    assert_eq!(of(&both), with(context("batch"), "arguments_sha256", hash(both.clone())));
    assert_eq!(hash(json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}
