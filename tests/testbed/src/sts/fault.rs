//! Ways to fail.

use std::future;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Desk, respond};
use crate::oauth::{answer, answer_text};
use crate::parameters::Parameters;

/// How a service fails. It is recorded what it was asked all the same.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The answer is right, and late.
    Delay(Duration),
    /// There is never an answer.
    Silence,
    /// This status with an OAuth error, whatever was asked.
    Error {
        /// The status.
        status: u16,
        /// `error`.
        error: &'static str,
    },
    /// This status with a page that is no JSON, as proxies have it.
    Page(u16),
    /// 200 with this text as `application/json`.
    Text(String),
    /// The right answer with these members replaced; null takes one out. A wider `scope`, a `token_type` of `DPoP`, no
    /// `access_token`.
    Members(Value),
    /// The right answer with these claims of the token replaced; null takes one out. Another `sub`, another `aud`, an
    /// `exp` that is past, a `scope` that is wider.
    Claims(Value),
    /// The right answer, whose member of this name is there twice: first with this value.
    Twice(&'static str, Value),
    /// The token that was given comes back.
    Echo,
    /// The right answer with a member of so many bytes.
    Padding(usize),
    /// The right answer, cut off in the middle.
    Half,
    /// A redirect (307) to here.
    Redirect(String),
}

// === impl Fault ===

impl Fault {
    pub(super) async fn answer(self, desk: &Desk, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
        let right = || desk.token(headers, body, &json!({}));
        let status = |status| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let as_text = |change: &dyn Fn(String) -> String| match right() {
            Ok(value) => answer_text(StatusCode::OK, "application/json", change(value.to_string())),
            Err(refused) => refused.into_response(),
        };
        match self {
            Self::Delay(time) => {
                tokio::time::sleep(time).await;
                respond(right())
            }
            Self::Silence => future::pending().await,
            Self::Error { status: code, error } => answer(status(code), &json!({ "error": error })),
            Self::Page(code) => answer_text(status(code), "text/html", "<html>upstream error</html>".to_owned()),
            Self::Text(text) => answer_text(StatusCode::OK, "application/json", text),
            Self::Members(members) => respond(right().map(|value| replaced(value, members))),
            Self::Claims(claims) => respond(desk.token(headers, body, &claims)),
            Self::Twice(name, value) => as_text(&|text| {
                let rest = text.strip_prefix('{').unwrap_or_default();
                format!("{{{}:{value},{rest}", json!(name))
            }),
            Self::Echo => respond(right().map(|value| {
                let form = Parameters::parse_with_lists(body, &["audience", "resource"]).ok();
                let given = form.as_ref().and_then(|form| form.get("subject_token").or(form.get("assertion")));
                replaced(value, json!({ "access_token": given }))
            })),
            Self::Padding(bytes) => {
                respond(right().map(|value| replaced(value, json!({ "padding": "x".repeat(bytes) }))))
            }
            Self::Half => as_text(&|text| text.chars().take(text.len() / 2).collect()),
            Self::Redirect(location) => {
                let mut response = answer(StatusCode::TEMPORARY_REDIRECT, &json!({}));
                if let Ok(location) = HeaderValue::from_str(&location) {
                    response.headers_mut().insert(header::LOCATION, location);
                }
                response
            }
        }
    }
}

fn replaced(mut answer: Value, members: Value) -> Value {
    if let (Some(answer), Value::Object(members)) = (answer.as_object_mut(), members) {
        for (name, value) in members {
            if value.is_null() {
                answer.remove(&name)
            } else {
                answer.insert(name, value)
            };
        }
    }
    answer
}
