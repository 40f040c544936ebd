//! What callers send: MCP messages, and any other HTTP.

use std::convert::Infallible;

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};

use super::http::{Protocol, SendBodyError, SendError};

/// A revision of MCP, as far as requests differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Revision {
    /// Handshake first, then requests that say little about themselves.
    V2025_11_25,
    /// Every request stands alone and repeats in headers what its body says.
    #[default]
    V2026_07_28,
}

/// A JSON-RPC message of MCP and the headers that belong to it; each can be overridden to be wrong.
#[derive(Debug, Clone)]
pub struct McpCall {
    host: String,
    revision: Revision,
    method: String,
    params: Value,
    id: Option<Value>,
    headers: Vec<(String, Vec<u8>)>,
    protocol: Protocol,
}

/// Any HTTP request that an HTTP library can send; for the others there is [`RawConnection`](super::RawConnection).
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// The method.
    pub method: String,
    /// Where to: `Host` and the TLS server name.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Headers, in this order, repeats included.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Body,
    /// HTTP/1.1 or HTTP/2.
    pub protocol: Protocol,
}

/// How a body is sent.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// Not at all.
    #[default]
    None,
    /// In one piece, with its length.
    Whole(Bytes),
    /// In these pieces, its length unknown, and then trailers if there are any.
    Pieces {
        /// The pieces.
        pieces: Vec<Bytes>,
        /// The trailers.
        trailers: Vec<(String, String)>,
    },
    /// This much, and then nothing for ever: the call never ends, and is given up by dropping it.
    Stalled(Bytes),
}

// === impl Revision ===

impl Revision {
    /// As clients and servers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }
}

// === impl McpCall ===

impl McpCall {
    /// Any method of the server that answers for `host`.
    #[must_use]
    pub fn new(host: &str, method: &str, params: Value) -> Self {
        Self {
            host: host.to_owned(),
            revision: Revision::default(),
            method: method.to_owned(),
            params,
            id: Some(json!(1)),
            headers: Vec::new(),
            protocol: Protocol::default(),
        }
    }

    /// `tools/call`.
    #[must_use]
    pub fn tool(host: &str, name: &str, arguments: Value) -> Self {
        Self::new(host, "tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// `resources/read`.
    #[must_use]
    pub fn read(host: &str, uri: &str) -> Self {
        Self::new(host, "resources/read", json!({ "uri": uri }))
    }

    /// `tools/list`, `resources/list`, …: `kind` is the first half.
    #[must_use]
    pub fn list(host: &str, kind: &str) -> Self {
        Self::new(host, &format!("{kind}/list"), json!({}))
    }

    /// `initialize`, in its own revision.
    #[must_use]
    pub fn initialize(host: &str) -> Self {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "testbed", "version": "1" },
        });
        Self::new(host, "initialize", params).revision(Revision::V2025_11_25)
    }

    /// Speaks another revision.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// Sets the id; `None` makes it a notification.
    #[must_use]
    pub fn id(mut self, id: Option<Value>) -> Self {
        self.id = id;
        self
    }

    /// Presents a token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a header, beside those that belong to the message.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Speaks another version of HTTP.
    #[must_use]
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The body, as JSON.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut params = self.params.clone();
        if self.revision == Revision::V2026_07_28
            && self.id.is_some()
            && let Some(params) = params.as_object_mut()
        {
            let meta = params.entry("_meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), self.revision.as_str().into());
                let extensions = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
                meta.insert("io.modelcontextprotocol/clientCapabilities".to_owned(), extensions);
            }
        }
        let mut message = Map::new();
        message.insert("jsonrpc".to_owned(), "2.0".into());
        message.extend(self.id.clone().map(|id| ("id".to_owned(), id)));
        message.insert("method".to_owned(), self.method.clone().into());
        message.insert("params".to_owned(), params);
        Value::Object(message)
    }

    /// As HTTP, to be changed further.
    #[must_use]
    pub fn into_http(self) -> HttpCall {
        let mut headers = vec![
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("accept".to_owned(), b"application/json, text/event-stream".to_vec()),
        ];
        if self.method != "initialize" {
            headers.push(("mcp-protocol-version".to_owned(), self.revision.as_str().into()));
        }
        if self.revision == Revision::V2026_07_28 {
            headers.push(("mcp-method".to_owned(), self.method.clone().into_bytes()));
            let name = ["name", "uri", "taskId"].iter().find_map(|member| self.params.get(member)?.as_str());
            headers.extend(name.map(|name| ("mcp-name".to_owned(), header_value(name).into_bytes())));
        }
        let body = Body::Whole(Bytes::from(self.body().to_string()));
        headers.extend(self.headers);
        HttpCall {
            method: "POST".to_owned(),
            host: self.host,
            path: "/mcp".to_owned(),
            headers,
            body,
            protocol: self.protocol,
        }
    }
}

/// A header value of 2026-07-28: plain where that is unambiguous, else wrapped Base64.
fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if plain && text.trim() == text && !(text.starts_with("=?base64?") && text.ends_with("?=")) {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
}

// === impl HttpCall ===

impl HttpCall {
    /// A request without a body or headers.
    #[must_use]
    pub fn new(method: &str, host: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Body::None,
            protocol: Protocol::default(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Takes every header of this name out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        self
    }

    /// Sets a header, instead of any that has this name.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).header(name, value)
    }

    /// Sends this body instead.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sends another path.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Speaks another version of HTTP.
    #[must_use]
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The body in pieces of at most `size` bytes, followed by trailers if there are any.
    #[must_use]
    pub fn in_pieces(self, size: usize, trailers: &[(&str, &str)]) -> Self {
        let bytes = match &self.body {
            Body::None => Bytes::new(),
            Body::Whole(bytes) => bytes.clone(),
            Body::Pieces { pieces, .. } => pieces.concat().into(),
            Body::Stalled(bytes) => bytes.clone(),
        };
        let pieces = bytes.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        let trailers = trailers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.body(Body::Pieces { pieces, trailers })
    }

    pub(super) fn into_request(self, http2: bool) -> Result<Request<BoxBody<Bytes, SendBodyError>>, SendError> {
        self.build(http2).map_err(SendError::Other)
    }

    fn build(self, http2: bool) -> Result<Request<BoxBody<Bytes, SendBodyError>>> {
        // HTTP/2 has no Host header: the name is part of the URI.
        let uri = if http2 { format!("https://{}{}", self.host, self.path) } else { self.path.clone() };
        let mut request = Request::builder().method(Method::from_bytes(self.method.as_bytes())?).uri(uri);
        if !http2 && !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", &self.host);
        }
        for (name, value) in &self.headers {
            request = request.header(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
        }
        if let (false, Body::Pieces { trailers, .. }) = (http2, &self.body)
            && !trailers.is_empty()
        {
            // hyper sends only trailers that were announced.
            let names: Vec<_> = trailers.iter().map(|(name, _)| name.as_str()).collect();
            request = request.header("trailer", names.join(", "));
        }
        Ok(request.body(self.body.into_stream()?)?)
    }
}

impl From<McpCall> for HttpCall {
    fn from(call: McpCall) -> Self {
        call.into_http()
    }
}

// === impl Body ===

impl Body {
    fn into_stream(self) -> Result<BoxBody<Bytes, SendBodyError>> {
        Ok(match self {
            Self::None => http_body_util::Empty::new().boxed(),
            Self::Whole(bytes) => Full::new(bytes).boxed(),
            Self::Stalled(bytes) => {
                let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
                tokio::spawn(async move {
                    if sender.send_data(bytes).await.is_ok() {
                        // The runtime's end is its own.
                        std::future::pending::<()>().await;
                    }
                });
                body.boxed()
            }
            Self::Pieces { pieces, trailers } => {
                let mut trailer_map = HeaderMap::new();
                for (name, value) in trailers {
                    trailer_map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(&value)?);
                }
                let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
                tokio::spawn(async move {
                    for piece in pieces {
                        if sender.send_data(piece).await.is_err() {
                            return;
                        }
                        // So that each piece travels by itself.
                        tokio::task::yield_now().await;
                    }
                    if !trailer_map.is_empty() {
                        // Answered already: nobody waits for them.
                        let _ = sender.send_trailers(trailer_map).await;
                    }
                });
                body.boxed()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(call: &'a HttpCall, name: &str) -> Option<&'a [u8]> {
        call.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_slice())
    }

    #[test]
    fn a_call_of_2026_repeats_itself_in_headers() {
        let call = McpCall::tool("hr.example", "naïve", json!({})).into_http();
        assert_eq!(header(&call, "mcp-method"), Some(b"tools/call".as_slice()));
        assert_eq!(header(&call, "mcp-name"), Some(b"=?base64?bmHDr3Zl?=".as_slice()));
    }

    #[test]
    fn a_call_of_2025_does_not() {
        let call = McpCall::read("docs.example", "doc://x").revision(Revision::V2025_11_25);
        assert_eq!(call.body()["params"], json!({ "uri": "doc://x" }));
        let call = call.into_http();
        assert_eq!(header(&call, "mcp-protocol-version"), Some(b"2025-11-25".as_slice()));
        assert_eq!((header(&call, "mcp-method"), header(&call, "mcp-name")), (None, None));
    }
}
