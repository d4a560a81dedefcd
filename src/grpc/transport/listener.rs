//! Accepts connections, does the TLS handshake if configured, and passes them to the gRPC server. A hanging handshake blocks no other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::connection_limit::{ConnectionLimit, ConnectionPermit, TooManyConnections};
use crate::security::{Handshake, Peer, Security, SecurityCounts, name_of};

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most concurrent handshakes. One more ends the oldest: a regular client needs only a few round trips.
const HANDSHAKES: usize = 256;
/// Accepted connections that wait to be served.
const WAITING: usize = 64;
/// Back-off when accept fails, as without free file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Time for a refused client to read the reason.
const REFUSAL: Duration = Duration::from_secs(1);

/// A connection, encrypted or not.
pub(crate) struct Connection {
    stream: Stream,
    peer: Peer,
    /// Its count in the connection limits.
    _permit: Option<ConnectionPermit>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connections that are ready for gRPC, until the receiver is dropped.
pub(crate) fn connections(
    listener: TcpListener,
    security: &Security,
    limit: Arc<ConnectionLimit>,
) -> mpsc::Receiver<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (tls, counts) = (security.tls.clone(), security.counts.clone());
    tokio::spawn(async move {
        let mut handshakes = Handshakes::default();
        loop {
            let (stream, address) = tokio::select! {
                () = sender.closed() => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "the gRPC port cannot accept a connection");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                        continue;
                    }
                },
                Some(_) = handshakes.running.join_next() => continue,
            };
            // No delay for small messages. Fails only if the client is gone.
            let _ = stream.set_nodelay(true);
            let permit = limit.open(address);
            let acceptor = tls.as_ref().map(|tls| tls.grpc());
            let (acceptor, permit) = match (acceptor, permit) {
                (None, Ok(permit)) => {
                    let connection = Connection::plain(stream, address).counted(permit);
                    let _ = sender.send(Ok(connection)).await;
                    continue;
                }
                other => other,
            };
            let (sender, of_this) = (sender.clone(), counts.clone());
            handshakes.add(&counts, async move {
                let connection = match acceptor {
                    None => Some(Connection::plain(stream, address)),
                    Some(acceptor) => handshake(acceptor, stream, address, &of_this).await,
                };
                match (connection, permit) {
                    (None, _) => {}
                    (Some(connection), Ok(permit)) => {
                        let _ = sender.send(Ok(connection.counted(permit))).await;
                    }
                    (Some(connection), Err(why)) => refuse(connection, why).await,
                }
            });
        }
    });
    receiver
}

/// Running handshakes, the oldest first.
#[derive(Default)]
struct Handshakes {
    running: JoinSet<()>,
    by_age: VecDeque<AbortHandle>,
}

impl Handshakes {
    fn add(&mut self, counts: &SecurityCounts, handshake: impl Future<Output = ()> + Send + 'static) {
        while self.by_age.front().is_some_and(AbortHandle::is_finished) {
            self.by_age.pop_front();
        }
        self.by_age.push_back(self.running.spawn(handshake));
        // Finished handshakes stay in the queue only behind the oldest running one.
        if self.by_age.len() > HANDSHAKES {
            self.by_age.retain(|handshake| !handshake.is_finished());
        }
        if self.by_age.len() > HANDSHAKES
            && let Some(oldest) = self.by_age.pop_front()
        {
            oldest.abort();
            counts.handshake(Handshake::PushedOut);
        }
    }
}

/// Refuses an HTTP/2 client with an empty SETTINGS and a GOAWAY (RFC 9113, 6.8), after which its calls fail with the retryable
/// UNAVAILABLE.
async fn refuse(mut connection: Connection, why: TooManyConnections) {
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    tracing::debug!(peer = %connection.peer.address, "{why}");
    let why = why.to_string();
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    frames.extend_from_slice(&(8 + why.len() as u32).to_be_bytes()[1..]);
    frames.extend_from_slice(&[7, 0, 0, 0, 0, 0]);
    frames.extend_from_slice(&0u32.to_be_bytes());
    frames.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    frames.extend_from_slice(why.as_bytes());
    let notify = async {
        connection.write_all(&frames).await?;
        connection.shutdown().await?;
        // Closing with unread data would reset the connection and lose the frames.
        let mut unread = [0; 1024];
        while connection.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REFUSAL, notify).await;
}

/// Does the TLS handshake; `None` if it fails or times out.
pub(crate) async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    counts: &SecurityCounts,
) -> Option<Connection> {
    let (how, connection) = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => (Handshake::Done, Some(Connection::encrypted(stream, address))),
        Ok(Err(error)) => {
            tracing::debug!(%error, peer = %address, "no TLS handshake");
            (Handshake::Failed, None)
        }
        Err(_) => (Handshake::Late, None),
    };
    counts.handshake(how);
    connection
}

impl Connection {
    /// An unencrypted connection.
    pub fn plain(stream: TcpStream, address: SocketAddr) -> Connection {
        Connection {
            stream: Stream::Plain(stream),
            peer: Peer {
                address,
                proxy: None,
                certificate: None,
            },
            _permit: None,
        }
    }

    /// Attaches the connection's count in the limits.
    pub fn counted(self, permit: ConnectionPermit) -> Connection {
        Connection {
            _permit: Some(permit),
            ..self
        }
    }

    fn encrypted(stream: TlsStream<TcpStream>, address: SocketAddr) -> Connection {
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|chain| name_of(chain.first()?));
        Connection {
            stream: Stream::Tls(Box::new(stream)),
            peer: Peer {
                address,
                proxy: None,
                certificate: certificate.map(Arc::from),
            },
            _permit: None,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
