//! Bytes over mTLS, for requests that no HTTP library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Caller;
use super::call::HttpCall;
use super::http::SendError;

/// A TLS connection to write anything to.
pub struct RawConnection {
    stream: TlsStream<TcpStream>,
}

/// After this long without a byte, no more is coming.
const SILENCE: Duration = Duration::from_millis(500);
/// Before the first byte, more patience.
const PATIENCE: Duration = Duration::from_secs(15);

// === impl Caller ===

impl Caller {
    /// Opens a connection for HTTP/1.1 bytes.
    ///
    /// # Errors
    /// The gateway does not take it.
    pub async fn raw(&self, host: &str) -> Result<RawConnection, SendError> {
        Ok(RawConnection { stream: self.tls(host, &["http/1.1"]).await? })
    }

    /// Opens a connection and sends a call's headers in HTTP/1.1, as if a body of this length were to come.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn begin(&self, call: impl Into<HttpCall>, length: usize) -> Result<RawConnection, SendError> {
        let call = call.into();
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", call.method, call.path, call.host).into_bytes();
        for (name, value) in &call.headers {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
        let mut connection = self.raw(&call.host).await?;
        connection.write(&head).await?;
        Ok(connection)
    }

    /// Writes these bytes to a new connection and gives what comes back.
    ///
    /// # Errors
    /// The connection broke before any answer.
    pub async fn send_raw(&self, host: &str, bytes: &[u8]) -> Result<String, SendError> {
        let mut connection = self.raw(host).await?;
        connection.write(bytes).await?;
        connection.read().await
    }
}

// === impl RawConnection ===

impl RawConnection {
    /// Writes a piece and sends it off at once.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Ends our direction.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn finish(&mut self) -> Result<(), SendError> {
        Ok(self.stream.shutdown().await?)
    }

    /// Everything that comes until the end, or until nothing comes any more.
    ///
    /// # Errors
    /// The connection broke before the first byte, or none came.
    pub async fn read(&mut self) -> Result<String, SendError> {
        let mut answer = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let patience = if answer.is_empty() { PATIENCE } else { SILENCE };
            match tokio::time::timeout(patience, self.stream.read(&mut buffer)).await {
                Err(_) if answer.is_empty() => return Err(SendError::TimedOut(patience)),
                Err(_) | Ok(Ok(0)) => break,
                Ok(Ok(size)) => answer.extend_from_slice(buffer.get(..size).unwrap_or_default()),
                Ok(Err(error)) if answer.is_empty() => return Err(error.into()),
                Ok(Err(_)) => break,
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// A header of an answer that [`read`](Self::read) gave, its name in lower case.
    #[must_use]
    pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
        let (head, _) = answer.split_once("\r\n\r\n")?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The status of an answer that [`read`](Self::read) gave; `None` when it is none.
    #[must_use]
    pub fn status(answer: &str) -> Option<u16> {
        answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}
