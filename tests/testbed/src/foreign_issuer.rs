//! An authorization server that other people made, with keys that change while it runs.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::client::{Body, HttpCall, send_plain};
use crate::foreign::{Foreign, ForeignProgram};
use crate::upstream::Upstream;

/// `oidc-provider` with one client, which gets access tokens (RFC 9068, ES256) in its own name for one resource. Its keys
/// are at `/jwks`. It stops when dropped.
pub struct ForeignIssuer {
    /// Where clients ask it.
    address: SocketAddr,
    /// Where the proxy does.
    front: Upstream,
    resource: String,
    scope: String,
    _program: ForeignProgram,
}

const CLIENT_ID: &str = "acme-assistant";
const CLIENT_SECRET: &str = "secret-of-the-assistant";

// === impl ForeignIssuer ===

impl ForeignIssuer {
    /// The name that it gives itself.
    pub const ISSUER: &str = "https://login.acme.example";

    /// Starts one that adds these claims to its tokens, and has keys of these names, of which it signs with the first;
    /// `None`, with the reason printed, where it can't be had.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(resource: &str, scope: &str, claims: &Value, keys: &[&str]) -> Result<Option<Self>> {
        let Some(installed) = Foreign::OidcProvider.find().await else { return Ok(None) };
        let claims = claims.to_string();
        let arguments = [&[Self::ISSUER, CLIENT_ID, CLIENT_SECRET, resource, scope, &claims], keys].concat();
        let program = installed.start("server.mjs", &arguments).await?;
        let port: u16 = program.first_line.trim().parse().with_context(|| program.first_line.clone())?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let front = Upstream::relay(address).await?;
        Ok(Some(Self { address, front, resource: resource.to_owned(), scope: scope.to_owned(), _program: program }))
    }

    /// Where the proxy asks for its keys, in plain HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// How often the proxy has asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.front.recorder().count()
    }

    /// A new token.
    ///
    /// # Errors
    /// There is none.
    pub async fn token(&self) -> Result<String> {
        let form = [("grant_type", "client_credentials"), ("resource", &self.resource), ("scope", &self.scope)];
        let form = Serializer::new(String::new()).extend_pairs(form).finish();
        let basic = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let call = HttpCall::new("POST", "login.acme.example", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {basic}"))
            .body(Body::Whole(form.into()));
        let answer = send_plain(self.address, call).await?;
        let token = answer.json().get("access_token").and_then(Value::as_str).map(str::to_owned);
        token.with_context(|| answer.text())
    }

    /// From now on it publishes these keys, and signs with the first. Those that it had before are the same again.
    ///
    /// # Errors
    /// It does not take them.
    pub async fn keys(&self, names: &[&str]) -> Result<()> {
        let call = HttpCall::new("PUT", "login.acme.example", "/keys");
        let answer = send_plain(self.address, call.body(Body::Whole(json!(names).to_string().into()))).await?;
        if answer.status != 204 {
            bail!("{}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}
