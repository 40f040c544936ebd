//! A server that is another's front: everything goes on as it came, and so does every answer, as it comes.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Its routes: all of them.
pub(crate) fn relay(address: SocketAddr) -> Router {
    Router::new().fallback(move |request: Request| async move {
        match forward(address, request).await {
            Ok(response) => response,
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
        }
    })
}

/// On a connection of its own, which ends with the answer, or when nobody wants that any more.
async fn forward(address: SocketAddr, request: Request) -> Result<Response<Body>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(Body::new))
}
