//! Who may be connected, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::routes;
use crate::grpc::oip::Inference;
use crate::trust::Peer;

/// Most connections; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long a connection may be silent before a request, and a request's headers may take.
const HEADERS: Duration = Duration::from_secs(30);
/// How long an answer may wait for its reader to take any of it.
const SLOW_READER: Duration = Duration::from_secs(60);

/// Answers until the server is shutting down and every connection has ended.
pub(in crate::grpc) async fn serve(
    listener: TcpListener,
    inference: Inference,
    draining: watch::Receiver<bool>,
) {
    let router = routes::router(inference);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = draining.clone();
    loop {
        tokio::select! {
            _ = stop.wait_for(|&draining| draining) => break,
            accepted = accept(&listener, &places) => {
                connections.spawn(answer(accepted, router.clone(), draining.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection, who asks by it, and its place.
type Accepted = (TcpStream, Peer, Option<OwnedSemaphorePermit>);

/// The next connection, once there is a place for it. Out of file descriptors, or a client that is gone again: after a moment the next
/// may be fine.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let peer = Peer {
                    address,
                    certificate: None,
                };
                return (stream, peer, place);
            }
            Err(error) => {
                tracing::warn!(%error, "the HTTP port cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer((stream, peer, _place): Accepted, router: Router, mut draining: watch::Receiver<bool>) {
    // Without them it works as well, if slower and longer.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(SLOW_READER));
    let router = router.layer(Extension(peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // However it ends, the client has seen it.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = draining.wait_for(|&draining| draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
