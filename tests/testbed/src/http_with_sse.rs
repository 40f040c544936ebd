//! The transport of MCP 2024-11-05, "HTTP with SSE": a client listens to a stream, is told there where to send its
//! messages, and gets the answers there too. Behind it is a real server of the SDK, which does not know of HTTP.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, Uri};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use ring::rand::{SecureRandom, SystemRandom};
use rmcp::ServiceExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::Mutex;

use crate::mcp_server::McpServer;

/// The ways to the servers of all sessions.
type Sessions = Arc<Mutex<HashMap<String, WriteHalf<DuplexStream>>>>;

/// What of a message is on its way at most.
const ROOM: usize = 1 << 20;

/// Streams at `/mcp/sse`, messages at `/mcp/messages`.
pub(crate) fn router(server: McpServer) -> Router {
    let sessions = Sessions::default();
    let listen = move |State(sessions): State<Sessions>| listen(server.clone(), sessions);
    Router::new().route("/mcp/sse", get(listen)).route("/mcp/messages", post(take)).with_state(sessions)
}

async fn listen(server: McpServer, sessions: Sessions) -> Response<Body> {
    let mut random = [0; 16];
    if SystemRandom::new().fill(&mut random).is_err() {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, "no randomness");
    }
    let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (ours, theirs) = duplex(ROOM);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(theirs).await {
            // Ends with the session.
            let _ = running.waiting().await;
        }
    });
    let (answers, messages) = split(ours);
    sessions.lock().await.insert(id.clone(), messages);
    let (sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        tell(&id, answers, sender).await;
        sessions.lock().await.remove(&id);
    });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response
}

/// Sends the place for messages, and then every message of the server, until nobody listens any more.
async fn tell(id: &str, answers: ReadHalf<DuplexStream>, mut sender: Sender<Bytes, Infallible>) {
    let mut event = format!("event: endpoint\ndata: /mcp/messages?sessionId={id}\n\n");
    let mut lines = BufReader::new(answers).lines();
    while sender.send_data(Bytes::from(event)).await.is_ok() {
        let Ok(Some(line)) = lines.next_line().await else { return };
        event = format!("event: message\ndata: {line}\n\n");
    }
}

async fn take(State(sessions): State<Sessions>, uri: Uri, message: Bytes) -> Response<Body> {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    let id = pairs.find_map(|pair| pair.strip_prefix("sessionId=")).unwrap_or_default();
    let mut sessions = sessions.lock().await;
    let Some(server) = sessions.get_mut(id) else {
        return answer(StatusCode::NOT_FOUND, "no such session");
    };
    match server.write_all(&[&message[..], b"\n"].concat()).await {
        Ok(()) => answer(StatusCode::ACCEPTED, "Accepted"),
        Err(_) => answer(StatusCode::NOT_FOUND, "the session has ended"),
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
