//! Streams of events, read as they come.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Caller;
use super::call::HttpCall;
use super::http::{Connection, PATIENCE, SendError};

/// A stream that is being listened to; it ends when dropped.
pub struct Listening {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    /// What has come and is no whole event yet.
    rest: Vec<u8>,
    events: VecDeque<String>,
    /// The body comes as long as it lives.
    _connection: Connection,
}

// === impl Caller ===

impl Caller {
    /// Opens a connection, sends one call, and listens to the answer.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn listen(&self, call: impl Into<HttpCall>) -> Result<Listening, SendError> {
        let call = call.into();
        let mut connection = self.connect(&call.host, call.protocol).await?;
        let (parts, body) = connection.begin(call).await?.into_parts();
        Ok(Listening {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            rest: Vec::new(),
            events: VecDeque::new(),
            _connection: connection,
        })
    }
}

// === impl Listening ===

impl Listening {
    /// The next event, without the empty line that ends it; nothing when the stream has ended well. Lines
    /// end in LF or CR LF, and are given with LF.
    ///
    /// # Errors
    /// The stream was cut off, or nothing comes.
    pub async fn event(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.context("no event comes")?;
            let Some(frame) = frame else { return Ok(None) };
            let Ok(data) = frame.context("the stream was cut off")?.into_data() else { continue };
            self.rest.extend(data.iter().filter(|byte| **byte != b'\r'));
            self.split()?;
        }
    }

    /// The JSON of the next event that has some.
    ///
    /// # Errors
    /// The stream has ended, was cut off, or nothing comes.
    pub async fn message(&mut self) -> Result<serde_json::Value> {
        while let Some(event) = self.event().await? {
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            if let Some(data) = data.filter(|data| !data.trim().is_empty()) {
                return serde_json::from_str(data).with_context(|| event.clone());
            }
        }
        bail!("the stream has ended")
    }

    fn split(&mut self) -> Result<()> {
        let Some(end) = self.rest.windows(2).rposition(|pair| pair == b"\n\n") else { return Ok(()) };
        let after = self.rest.split_off(end + 2);
        let whole = String::from_utf8(std::mem::replace(&mut self.rest, after))?;
        self.events.extend(whole.split_terminator("\n\n").map(str::to_owned));
        Ok(())
    }
}
