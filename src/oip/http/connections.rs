//! Connections of the HTTP port: limits, TLS, timeouts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tonic::transport::server::Connected;

use super::routes;
use crate::grpc::transport::connection_limit::{ConnectionLimit, TooManyConnections};
use crate::grpc::transport::listener::{Connection, handshake};
use crate::oip::Inference;
use crate::security::Security;

/// Most refused connections that get a response concurrently; more are just closed.
const REFUSALS: usize = 64;
/// Time for a refused client to read the response.
const REFUSAL: Duration = Duration::from_secs(1);
/// Longest idle time before a request, and longest time of its headers.
const HEADERS: Duration = Duration::from_secs(30);

/// Serves until shutdown, and returns when every connection has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    inference: Inference,
    limit: Arc<ConnectionLimit>,
    draining: watch::Receiver<bool>,
) {
    let security = inference.security().clone();
    let send_timeout = inference.send_timeout();
    let router = routes::router(inference);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut connections = JoinSet::new();
    let mut stop = draining.clone();
    loop {
        tokio::select! {
            _ = stop.wait_for(|&draining| draining) => break,
            (stream, address) = accept(&listener) => {
                // Only an optimisation: an error is ignored.
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(send_timeout));
                match limit.open(address) {
                    Ok(permit) => {
                        let connection = connect(stream, address, security.clone());
                        let (router, draining) = (router.clone(), draining.clone());
                        connections.spawn(async move {
                            if let Some(connection) = connection.await {
                                answer(connection.counted(permit), router, draining).await;
                            }
                        });
                    }
                    Err(why) => if let Ok(queue_permit) = refusals.clone().try_acquire_owned() {
                        let refused = tokio::time::timeout(REFUSAL, refuse(stream, address, security.clone(), why));
                        connections.spawn(async move {
                            let _ = refused.await;
                            drop(queue_permit);
                        });
                    },
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Accepts the next connection; after an error, such as no free file descriptor, retries with a back-off.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "the HTTP port cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection, with TLS if configured; `None` if the handshake fails.
async fn connect(stream: TcpStream, address: SocketAddr, security: Security) -> Option<Connection> {
    match &security.tls {
        None => Some(Connection::plain(stream, address)),
        Some(tls) => handshake(tls.http(), stream, address, &security.counts).await,
    }
}

/// Refuses a client with 503.
async fn refuse(stream: TcpStream, address: SocketAddr, security: Security, why: TooManyConnections) {
    let Some(mut connection) = connect(stream, address, security).await else {
        return;
    };
    let body = serde_json::json!({ "error": why.to_string(), "reason": "TOO_MANY_CONNECTIONS" }).to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let notify = async {
        connection.write_all(answer.as_bytes()).await?;
        connection.shutdown().await?;
        // Closing with unread data would reset the connection and lose the response.
        let mut unread = [0; 1024];
        while connection.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = notify.await;
}

async fn answer(connection: Connection, router: Router, mut draining: watch::Receiver<bool>) {
    let router = router.layer(Extension(connection.connect_info()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // Errors here concern only this connection, and the client sees them.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|&draining| draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
