//! An issuer's key set as it is fetched, with everything that can go wrong.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Serves one document at `/jwks`, in plain HTTP on loopback. It stops when dropped.
pub struct KeyServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    answer: Mutex<(u16, String)>,
    asked: AtomicUsize,
    open: watch::Sender<bool>,
}

// === impl KeyServer ===

impl KeyServer {
    /// Answers with this text.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(text: impl ToString) -> Result<Self> {
        let (open, _) = watch::channel(true);
        let desk = Arc::new(Desk { answer: Mutex::new((200, text.to_string())), asked: AtomicUsize::new(0), open });
        let router = Router::new().route("/jwks", get(answer)).with_state(Arc::clone(&desk));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, desk, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.desk.asked.load(Ordering::SeqCst)
    }

    /// From now on answers with this status and text.
    pub fn answer(&self, status: u16, text: impl ToString) {
        *self.desk.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, text.to_string());
    }

    /// Holds all answers back, or lets them go.
    pub fn hold(&self, held: bool) {
        self.desk.open.send_replace(!held);
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(desk): State<Arc<Desk>>) -> (StatusCode, String) {
    desk.asked.fetch_add(1, Ordering::SeqCst);
    // The sender lives as long as the desk.
    let _ = desk.open.subscribe().wait_for(|open| *open).await;
    let (status, text) = desk.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), text)
}
