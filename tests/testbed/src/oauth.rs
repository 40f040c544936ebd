//! What the testbed's OAuth servers have in common: how they answer and how they refuse.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::jose::base64url;

/// An error as OAuth writes it: to be shown as JSON, or carried by a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

// === impl Refused ===

impl Refused {
    pub(crate) fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }

    /// As RFC 6749 section 5.2 has it: 400, but 401 for a client that is not who it says.
    pub(crate) fn into_response(self) -> Response<Body> {
        let body = json!({ "error": self.error, "error_description": self.description });
        if self.error != "invalid_client" {
            return answer(StatusCode::BAD_REQUEST, &body);
        }
        let mut response = answer(StatusCode::UNAUTHORIZED, &body);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        response
    }
}

/// JSON that nobody keeps (RFC 6749 section 5.1).
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    answer_text(status, "application/json", body.to_string())
}

/// The same, for any text.
pub(crate) fn answer_text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The token endpoint takes nothing but forms.
pub(crate) fn is_form(headers: &HeaderMap) -> Result<(), Refused> {
    let form = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = form.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(())
    } else {
        Err(Refused::new("invalid_request", "the body must be a form"))
    }
}

/// 256 bits that nobody guesses.
pub(crate) fn random_text() -> Result<String, Refused> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Refused::new("server_error", "there is no randomness"))?;
    Ok(base64url(&bytes))
}
