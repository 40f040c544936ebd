//! What an upstream received: the only proof that a refusal refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::Value;
use url::form_urlencoded;

use crate::jose::decode;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; `None` when it never ended.
    pub body: Option<Bytes>,
    /// So many bytes of the body arrived, also when it never ended.
    pub body_bytes: usize,
}

/// Remembers every request from the moment its headers arrive, also when its body never does.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Received>>>);

// === impl Received ===

impl Received {
    /// A header's only value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        self.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    /// The fields of a form, in their order.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_deref().unwrap_or_default()).into_owned().collect()
    }

    /// The bearer token, when there is exactly one.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The claims of the bearer token, unverified.
    #[must_use]
    pub fn claims(&self) -> Option<Value> {
        decode(self.bearer()?).ok().map(|(_, claims)| claims)
    }
}

// === impl Recorder ===

impl Recorder {
    /// How many requests have arrived since the start or the last [`take`](Self::take).
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// Every request so far, oldest first; they are forgotten here.
    #[must_use]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.requests())
    }

    /// The one request that arrived.
    ///
    /// # Panics
    /// None arrived, or more than one.
    #[track_caller]
    #[must_use]
    pub fn take_one(&self) -> Received {
        let mut requests = self.take();
        assert_eq!(requests.len(), 1, "one request should have arrived, not these: {requests:#?}");
        requests.remove(0)
    }

    /// Nothing has arrived.
    ///
    /// # Panics
    /// Something has.
    #[track_caller]
    pub fn saw_nothing(&self) {
        let requests = self.take();
        assert!(requests.is_empty(), "nothing should have arrived, but this did: {requests:#?}");
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a layer of an axum server: records, then hands the request on unchanged.
    pub(crate) async fn record(State(recorder): State<Self>, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let index = recorder.begin(&parts);
        match recorder.finish(index, body).await {
            Some(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
            None => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    /// The same, but the answer does not wait for the body, and is given without it.
    pub(crate) async fn record_hastily(State(recorder): State<Self>, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let index = recorder.begin(&parts);
        tokio::spawn(async move { recorder.finish(index, body).await });
        next.run(Request::from_parts(parts, Body::empty())).await
    }

    /// Remembers a request whose body is still to come.
    fn begin(&self, parts: &Parts) -> usize {
        let mut requests = self.requests();
        requests.push(Received {
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers.clone(),
            body: None,
            body_bytes: 0,
        });
        requests.len() - 1
    }

    /// Reads the body to its end; nothing if there is none.
    async fn finish(&self, index: usize, mut body: Body) -> Option<Bytes> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.ok()?.into_data() else { continue };
            bytes.extend_from_slice(&data);
            if let Some(received) = self.requests().get_mut(index) {
                received.body_bytes = bytes.len();
            }
        }
        let body = bytes.freeze();
        if let Some(received) = self.requests().get_mut(index) {
            received.body = Some(body.clone());
        }
        Some(body)
    }
}
