//! The token endpoint: a code and the proof of who asked for it, against a token for one resource.

use std::sync::Arc;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{Desk, Grant};
use crate::jose::base64url;
use crate::oauth::{Refused, answer, is_form};
use crate::parameters::Parameters;
use crate::tokens::now;

/// How long an access token is good.
const TOKEN_SECONDS: u64 = 600;

/// `POST /token`.
pub(super) async fn token(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    match desk.token(&headers, &body) {
        Ok(token) => answer(StatusCode::OK, &token),
        Err(refused) => refused.into_response(),
    }
}

// === impl Desk ===

impl Desk {
    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refused> {
        is_form(headers)?;
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(Refused::new("invalid_client", "public clients do not authenticate"));
        }
        let parameters = Parameters::parse(body)?;
        if parameters.required("grant_type", "no grant_type")? != "authorization_code" {
            return Err(Refused::new("unsupported_grant_type", "only authorization_code"));
        }
        let code = parameters.required("code", "no code")?;
        // Whatever comes of it, the code is used up: a second try with it is a thief's, or looks like one.
        let grant = self.memory().grants.remove(code);
        let grant = grant.filter(|grant| grant.issued.elapsed() < self.options.code_lifetime);
        let grant = grant.ok_or_else(|| Refused::new("invalid_grant", "the code is unknown, used or too old"))?;
        grant.check(&parameters)?;
        let access_token = self.sign(&grant).map_err(|_| Refused::new("server_error", "there is no randomness"))?;
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": grant.scope,
        }))
    }

    fn sign(&self, grant: &Grant) -> Result<String> {
        let user = &grant.user;
        let token = self
            .idp
            .token(user.name)
            .claim("exp", now() + TOKEN_SECONDS)
            .claim("aud", grant.resource.as_str())
            .claim("scope", grant.scope.as_str())
            .claim("client_id", grant.client_id.as_str())
            .claim("employee_id", user.employee_id)
            .claim("department", user.department)
            .claim("groups", json!(user.groups));
        self.idp.sign(&token)
    }
}

// === impl Grant ===

impl Grant {
    /// Whether it is the same client that asked, for the same thing.
    fn check(&self, parameters: &Parameters) -> Result<(), Refused> {
        if parameters.required("client_id", "no client_id")? != self.client_id {
            return Err(Refused::new("invalid_grant", "the code is another client's"));
        }
        if parameters.required("redirect_uri", "no redirect_uri")? != self.redirect_uri {
            return Err(Refused::new("invalid_grant", "another redirect_uri"));
        }
        let verifier = parameters.required("code_verifier", "no code_verifier")?;
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
            return Err(Refused::new("invalid_grant", "code_verifier is not what RFC 7636 allows"));
        }
        if base64url(digest(&SHA256, verifier.as_bytes()).as_ref()) != self.challenge {
            return Err(Refused::new("invalid_grant", "code_verifier does not fit code_challenge"));
        }
        if parameters.get("resource") != Some(self.resource.as_str()) {
            return Err(Refused::new("invalid_target", "the code is for another resource"));
        }
        Ok(())
    }
}
