//! How an MCP server checks that a request is the very call that the mesh allowed: an example to copy.
//!
//! The proxy puts a token of its own on each request that it lets through. Who checks no more than its signature and
//! audience has a bearer token: whoever gets hold of it can make other calls with it, as long as it lives. Its claim `tctx`
//! says for which one call it was made, so a server can refuse all others, with what it has anyway: the message itself.

use std::sync::{Arc, PoisonError, RwLock};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Value, json};

use crate::jose::decode;
use crate::tokens::now;

/// What a server knows of the mesh, and what the mesh calls the server.
#[derive(Clone)]
pub struct MeshTokens {
    /// `downscope.mint.issuer` of the proxy.
    pub issuer: String,
    /// `servers[].audience`: the server's own resource identifier.
    pub audience: String,
    /// `servers[].name`.
    pub server: String,
    /// The key set of `/.well-known/meshwarden/jwks.json`, as it was fetched; to be fetched again now and then.
    pub keys: Arc<RwLock<Value>>,
}

/// Why a token is not good for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotThisCall(pub &'static str);

// === impl MeshTokens ===

impl MeshTokens {
    /// The claims of a token that is good at `now` (Unix seconds) for a request with this HTTP method and body.
    ///
    /// # Errors
    /// What is wrong with the token, or that it is for another call.
    pub fn verify(&self, token: &str, verb: &str, body: &[u8], now: u64) -> Result<Value, NotThisCall> {
        let (header, claims) = decode(token).map_err(|_| NotThisCall("no token"))?;
        if of(&header, "typ") != "at+jwt" {
            return Err(NotThisCall("another kind of token"));
        }
        self.check_signature(token, &header).ok_or(NotThisCall("not signed by the mesh"))?;
        if of(&claims, "iss") != self.issuer.as_str() {
            return Err(NotThisCall("another issuer"));
        }
        if of(&claims, "aud") != self.audience.as_str() {
            return Err(NotThisCall("another audience"));
        }
        if of(&claims, "exp").as_u64().is_none_or(|exp| exp <= now) {
            return Err(NotThisCall("expired"));
        }
        if *of(&claims, "tctx") != self.call(verb, body)? {
            return Err(NotThisCall("another call"));
        }
        Ok(claims)
    }

    /// The key decides on the algorithm, never the token (RFC 8725 section 3.1).
    fn check_signature(&self, token: &str, header: &Value) -> Option<()> {
        let key_id = of(header, "kid").as_str()?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = of(&keys, "keys").as_array()?.iter().find(|key| of(key, "kid") == key_id)?;
        let member = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(of(key, name).as_str()?).ok();
        let (algorithm, public): (&'static dyn VerificationAlgorithm, _) = match of(key, "alg").as_str()? {
            // An uncompressed point: 4, x, y.
            "ES256" => (&ECDSA_P256_SHA256_FIXED, [vec![4], member("x")?, member("y")?].concat()),
            "EdDSA" => (&ED25519, member("x")?),
            _ => return None,
        };
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(algorithm, public).verify(signed.as_bytes(), &signature).ok()
    }

    /// What `tctx` says of this very request: the same as the proxy, from the same message.
    fn call(&self, verb: &str, body: &[u8]) -> Result<Value, NotThisCall> {
        let message: Value = match body {
            // A session is listened to (GET), or ended (DELETE).
            [] => json!({ "method": verb }),
            body => serde_json::from_slice(body).map_err(|_| NotThisCall("no JSON"))?,
        };
        let said = |method: &Value| json!({ "protocol": "mcp", "server": self.server, "method": method });
        if message.is_array() {
            return Ok(with(said(&"batch".into()), "arguments_sha256", sha256(&message)));
        }
        let (method, params) = (of(&message, "method"), of(&message, "params"));
        let arguments = || sha256(params.get("arguments").unwrap_or(&json!({})));
        let call = said(method);
        Ok(match method.as_str().unwrap_or_default() {
            "tools/call" => with(with(call, "tool", of(params, "name").clone()), "arguments_sha256", arguments()),
            "prompts/get" => with(with(call, "prompt", of(params, "name").clone()), "arguments_sha256", arguments()),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                with(call, "resource", of(params, "uri").clone())
            }
            "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => {
                with(call, "arguments_sha256", sha256(&json!({ "taskId": of(params, "taskId") })))
            }
            _ => call,
        })
    }

    /// As a layer of an axum server: a request without a token for this very call is answered with 401.
    pub(crate) async fn demand(State(tokens): State<Self>, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let token = values.next().and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let verified = match (token, values.next()) {
            (Some(token), None) => tokens.verify(token, parts.method.as_str(), &body, now()),
            _ => Err(NotThisCall("no token")),
        };
        match verified {
            Ok(_) => next.run(Request::from_parts(parts, Body::from(body))).await,
            Err(refused) => (StatusCode::UNAUTHORIZED, refused.to_string()).into_response(),
        }
    }
}

/// SHA-256 of the canonical form (RFC 8785), in hexadecimal.
fn sha256(value: &Value) -> Value {
    let canonical = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    digest(&SHA256, &canonical).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn of<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object.as_object_mut().map(|members| members.insert(name.to_owned(), value));
    object
}

#[cfg(test)]
mod tests;
