//! Dynamic registration of public clients (RFC 7591).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use url::{Host, Url};

use super::{Client, Desk};
use crate::oauth::{Refused, answer, random_text};

/// `POST /register`.
pub(super) async fn register(State(desk): State<Arc<Desk>>, body: Bytes) -> Response<Body> {
    match desk.register(&body) {
        Ok(client) => answer(StatusCode::CREATED, &client),
        Err(refused) => refused.into_response(),
    }
}

// === impl Desk ===

impl Desk {
    fn register(&self, body: &[u8]) -> Result<Value, Refused> {
        let metadata = serde_json::from_slice(body);
        let metadata = metadata.map_err(|_| Refused::new("invalid_client_metadata", "the metadata is no JSON"))?;
        let client = Client::of(&metadata)?;
        let client_id = random_text()?;
        let registered = json!({
            "client_id": client_id,
            "client_name": metadata.get("client_name"),
            "redirect_uris": client.redirect_uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        });
        self.memory().clients.insert(client_id, client);
        Ok(registered)
    }
}

// === impl Client ===

impl Client {
    /// What metadata says of it, if it is a client that may be.
    pub(super) fn of(metadata: &Value) -> Result<Self, Refused> {
        let redirect_uris = strings(metadata, "redirect_uris").unwrap_or_default();
        if redirect_uris.is_empty() || !redirect_uris.iter().all(|uri| may_redirect_to(uri)) {
            return Err(Refused::new("invalid_redirect_uri", "redirect URIs are https, or http on loopback"));
        }
        // Absent means client_secret_basic.
        if metadata.get("token_endpoint_auth_method").is_none_or(|method| method != "none") {
            return Err(Refused::new(
                "invalid_client_metadata",
                "only public clients: token_endpoint_auth_method is none",
            ));
        }
        let all = |name, known: &[&str]| {
            strings(metadata, name).is_none_or(|values| values.iter().all(|value| known.contains(&value.as_str())))
        };
        // Refresh tokens may be asked for; there are none.
        if !all("grant_types", &["authorization_code", "refresh_token"]) || !all("response_types", &["code"]) {
            return Err(Refused::new("invalid_client_metadata", "only authorization codes"));
        }
        Ok(Self { redirect_uris })
    }
}

/// OAuth 2.1 section 2.3.1: no fragment, and no plain HTTP but to the user's own machine.
fn may_redirect_to(uri: &str) -> bool {
    let Ok(uri) = Url::parse(uri) else { return false };
    let loopback = match uri.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let scheme = uri.scheme() == "https" || (uri.scheme() == "http" && loopback);
    scheme && uri.fragment().is_none()
}

/// A member that is a list of strings; one that is anything else counts as an empty list.
fn strings(metadata: &Value, name: &str) -> Option<Vec<String>> {
    let values = metadata.get(name)?.as_array();
    let strings = values.and_then(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
    Some(strings.unwrap_or_default())
}
