//! The authorization endpoint: what a browser would open.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use url::Url;

use super::{Client, Desk, Grant};
use crate::oauth::{Refused, random_text};
use crate::parameters::Parameters;

/// Where the answer goes, and what must go with it.
struct Destination<'a> {
    client_id: &'a str,
    redirect_uri: &'a str,
    state: Option<&'a str>,
}

/// `GET /authorize`.
pub(super) async fn authorize(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Response<Body> {
    match desk.authorize(&query.unwrap_or_default()).await {
        Ok(location) => redirect(&location),
        Err(refused) => refused.into_response(),
    }
}

// === impl Desk ===

impl Desk {
    /// Where to send the browser. An error that is not for the client to see, because it may not be one, stays here.
    async fn authorize(&self, query: &str) -> Result<String, Refused> {
        let parameters = Parameters::parse(query.as_bytes())?;
        let client_id = parameters.required("client_id", "no client_id")?;
        let client = self.client(client_id).await?;
        // Only to an address that the client named, letter by letter.
        let redirect_uri = parameters.required("redirect_uri", "no redirect_uri")?;
        if !client.redirect_uris.iter().any(|uri| uri == redirect_uri) {
            return Err(Refused::new("invalid_request", "the client did not name this redirect_uri"));
        }
        let destination = Destination { client_id, redirect_uri, state: parameters.get("state") };
        let mut location = Url::parse(destination.redirect_uri)
            .map_err(|_| Refused::new("invalid_request", "redirect_uri is no URL"))?;
        {
            let mut answer = location.query_pairs_mut();
            match self.grant(&parameters, &destination) {
                Ok(code) => answer.append_pair("code", &code),
                Err(Refused { error, description }) => {
                    answer.append_pair("error", error).append_pair("error_description", description)
                }
            };
            if let Some(state) = destination.state {
                answer.append_pair("state", state);
            }
            answer.append_pair("iss", self.idp.issuer());
        }
        Ok(location.into())
    }

    /// A client that registered, or one that a document describes.
    async fn client(&self, client_id: &str) -> Result<Client, Refused> {
        let registered = self.memory().clients.get(client_id).cloned();
        match registered {
            Some(client) => Ok(client),
            None => self.read_document(client_id).await,
        }
    }

    /// A code for what is asked, if the user may be asked for it.
    fn grant(&self, parameters: &Parameters, destination: &Destination<'_>) -> Result<String, Refused> {
        if parameters.required("response_type", "no response_type")? != "code" {
            return Err(Refused::new("unsupported_response_type", "only code"));
        }
        let challenge = parameters.required("code_challenge", "no code_challenge: PKCE is required")?;
        // RFC 7636 section 4.3: absent means plain, which proves nothing to who saw the request.
        if parameters.get("code_challenge_method") != Some("S256") {
            return Err(Refused::new("invalid_request", "code_challenge_method must be S256"));
        }
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if challenge.len() != 43 || !challenge.bytes().all(base64url) {
            return Err(Refused::new("invalid_request", "code_challenge is no SHA-256 in base64url"));
        }
        let resource = parameters.get("resource").ok_or_else(|| Refused::new("invalid_target", "no resource"))?;
        if !self.resources.iter().any(|known| known == resource) {
            return Err(Refused::new("invalid_target", "unknown resource"));
        }
        let scope = parameters.get("scope").ok_or_else(|| Refused::new("invalid_scope", "no scope"))?;
        if !scope.split(' ').all(|scope| self.scopes.iter().any(|known| known == scope)) {
            return Err(Refused::new("invalid_scope", "unknown scope"));
        }
        let code = random_text()?;
        let mut memory = self.memory();
        let user = memory.signed_in.ok_or_else(|| Refused::new("access_denied", "nobody consented"))?;
        let grant = Grant {
            user,
            client_id: destination.client_id.to_owned(),
            redirect_uri: destination.redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            resource: resource.to_owned(),
            scope: scope.to_owned(),
            issued: Instant::now(),
        };
        memory.grants.insert(code.clone(), grant);
        Ok(code)
    }
}

fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let Ok(location) = HeaderValue::from_str(location) else {
        return Refused::new("invalid_request", "redirect_uri is no header value").into_response();
    };
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
