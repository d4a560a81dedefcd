//! Maximum connection age with jitter, so that clients that connected together, as after a start, do not reconnect together. At its age a
//! connection gets a GOAWAY (tonic); after the grace period it is closed, which tonic cannot do in addition. A connection is also closed
//! if it sends no HTTP/2 preface in time, or reads none of its responses.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, Sleep};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::Connected;

use super::outgoing::Stalls;
use crate::config::ConnectionSettings;
use crate::jitter;

/// Largest relative jitter of `server.max_connection_age_seconds`, as in gRPC's proposal A9.
pub const AGE_SPREAD: f64 = 0.1;

/// Time for the HTTP/2 connection preface, and its length in bytes.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
const PREFACE_BYTES: usize = 24;
/// Checks for a stall per stall timeout.
const STALL_CHECKS: u32 = 8;

/// When one connection ends, counted from its start.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionAge {
    /// When it gets a GOAWAY; `None`: never.
    pub goaway_after: Option<Duration>,
    /// When it is closed; `None`: never.
    pub close_after: Option<Duration>,
}

impl ConnectionAge {
    /// Draws an age with jitter.
    pub fn draw(settings: &ConnectionSettings) -> ConnectionAge {
        let seconds = Duration::from_secs;
        let age = settings.max_connection_age_seconds;
        let grace = settings.max_connection_age_grace_seconds;
        let goaway_after =
            (age > 0).then(|| jitter::around(seconds(age), AGE_SPREAD, &mut rand::thread_rng()));
        ConnectionAge {
            goaway_after,
            close_after: goaway_after
                .filter(|_| grace > 0)
                .map(|goaway_after| goaway_after + seconds(grace)),
        }
    }
}

/// Serves each connection by its own server, since tonic gives all connections of a server the same age. Accepts none after `closed`, and
/// returns when all have ended.
pub(crate) async fn serve_each<C, F>(
    mut incoming: mpsc::Receiver<io::Result<C>>,
    serve: impl Fn(C) -> F,
    closed: impl Future<Output = ()>,
) where
    F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
{
    let mut serving = JoinSet::new();
    let mut closed = pin!(closed);
    loop {
        tokio::select! {
            () = &mut closed => break,
            Some(_) = serving.join_next() => {}
            connection = incoming.recv() => match connection {
                Some(Ok(connection)) => {
                    serving.spawn(serve(connection));
                }
                Some(Err(error)) => tracing::debug!(%error, "a connection was lost before it was served"),
                None => break,
            },
        }
    }
    drop(incoming);
    while serving.join_next().await.is_some() {}
}

/// A stream of one connection that ends when the connection does.
pub(crate) fn single_connection<S>(
    stream: S,
    age: ConnectionAge,
    send_timeout: Duration,
) -> impl Stream<Item = io::Result<LimitedConnection<S>>> {
    let (ends, ended) = mpsc::channel::<Infallible>(1);
    let connection = LimitedConnection::new(stream, age, send_timeout, ends);
    tokio_stream::once(Ok(connection)).chain(ReceiverStream::new(ended).map(|never| match never {}))
}

/// A connection whose reads fail once it has to end.
pub(crate) struct LimitedConnection<S> {
    stream: S,
    end: Option<Pin<Box<Sleep>>>,
    /// Missing bytes of the preface, and its timeout.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    stalls: Arc<Stalls>,
    stall_checks: Interval,
    /// How long none of its responses may be read. A single call is reset earlier.
    stall_timeout: Duration,
    /// Dropped with the connection, which closes the channel.
    _ends: mpsc::Sender<Infallible>,
}

impl<S> LimitedConnection<S> {
    fn new(
        stream: S,
        age: ConnectionAge,
        send_timeout: Duration,
        ends: mpsc::Sender<Infallible>,
    ) -> LimitedConnection<S> {
        let stall_timeout = 2 * send_timeout;
        LimitedConnection {
            stream,
            end: age
                .close_after
                .map(|close_after| Box::pin(tokio::time::sleep(close_after))),
            preface: Some((PREFACE_BYTES, Box::pin(tokio::time::sleep(PREFACE_TIMEOUT)))),
            stalls: Arc::default(),
            stall_checks: tokio::time::interval(stall_timeout / STALL_CHECKS),
            stall_timeout,
            _ends: ends,
        }
    }

    /// Ready with the reason when it has to end.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<&'static str> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(
                "the connection is older than server.max_connection_age_seconds and its grace",
            );
        }
        if let Some((_, preface)) = &mut self.preface
            && preface.as_mut().poll(context).is_ready()
        {
            return Poll::Ready("the client sent no HTTP/2 preface in time");
        }
        while self.stall_checks.poll_tick(context).is_ready() {
            if self.stalls.is_stalled(self.stall_timeout) {
                return Poll::Ready(
                    "the client reads none of its responses (setting server.send_timeout_seconds)",
                );
            }
        }
        Poll::Pending
    }
}

impl<S: Connected> Connected for LimitedConnection<S> {
    type ConnectInfo = (S::ConnectInfo, Arc<Stalls>);

    fn connect_info(&self) -> Self::ConnectInfo {
        (self.stream.connect_info(), self.stalls.clone())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedConnection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(why) = self.poll_end(context) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((missing, _)) = &mut self.preface {
            *missing = missing.saturating_sub(buffer.filled().len() - before);
            if *missing == 0 {
                self.preface = None;
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedConnection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
