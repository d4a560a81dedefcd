//! Connections that end, each at an age of its own: those that came together, as all do when a server starts, do not all come again
//! together. A connection that is old is told to go, which tonic does; one that stays beyond its grace is cut, which tonic does only in
//! place of telling it. One that says nothing at its beginning is cut, and one that takes none of its answers.

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

/// The part of `server.max_connection_age_seconds` by which a connection's own age lies below or above at most, as in gRPC's proposal A9.
pub const AGE_SPREAD: f64 = 0.1;

/// How long a connection may take to say that it speaks HTTP, and the bytes of which HTTP/2's preface says so.
const FIRST: Duration = Duration::from_secs(10);
const PREFACE: usize = 24;
/// Times in which a stall is looked for while it becomes one.
const LOOKS: u32 = 8;

/// When one connection ends.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionAge {
    /// It is told to go then; `None`: never.
    pub told: Option<Duration>,
    /// It is cut then; `None`: never.
    pub cut: Option<Duration>,
}

impl ConnectionAge {
    /// Draws one.
    pub fn draw(settings: &ConnectionSettings) -> ConnectionAge {
        let seconds = Duration::from_secs;
        let age = settings.max_connection_age_seconds;
        let grace = settings.max_connection_age_grace_seconds;
        let told = (age > 0).then(|| jitter::around(seconds(age), AGE_SPREAD, &mut rand::thread_rng()));
        ConnectionAge {
            told,
            cut: told.filter(|_| grace > 0).map(|told| told + seconds(grace)),
        }
    }
}

/// Serves each connection by itself, as tonic gives all connections of a server the same age. Takes none after `closed`, and ends when
/// all have ended.
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

/// One connection as a stream of them, which ends when the connection does.
pub(crate) fn alone<S>(
    stream: S,
    age: ConnectionAge,
    send_timeout: Duration,
) -> impl Stream<Item = io::Result<Aged<S>>> {
    let (ends, ended) = mpsc::channel::<Infallible>(1);
    let aged = Aged::new(stream, age, send_timeout, ends);
    tokio_stream::once(Ok(aged)).chain(ReceiverStream::new(ended).map(|never| match never {}))
}

/// A connection that cannot be read any more once it has to end.
pub(crate) struct Aged<S> {
    stream: S,
    end: Option<Pin<Box<Sleep>>>,
    /// Bytes that are missing at its beginning, and when they have to be here.
    first: Option<(usize, Pin<Box<Sleep>>)>,
    stalls: Arc<Stalls>,
    looks: Interval,
    /// How long it may take none of its answers. A call alone was reset long before.
    stalled: Duration,
    /// Dropped with the connection: who listens to it learns that it has ended.
    _ends: mpsc::Sender<Infallible>,
}

impl<S> Aged<S> {
    fn new(stream: S, age: ConnectionAge, send_timeout: Duration, ends: mpsc::Sender<Infallible>) -> Aged<S> {
        let stalled = 2 * send_timeout;
        Aged {
            stream,
            end: age.cut.map(|cut| Box::pin(tokio::time::sleep(cut))),
            first: Some((PREFACE, Box::pin(tokio::time::sleep(FIRST)))),
            stalls: Arc::default(),
            looks: tokio::time::interval(stalled / LOOKS),
            stalled,
            _ends: ends,
        }
    }

    /// Why it has to end now.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<&'static str> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(
                "the connection is older than server.max_connection_age_seconds and its grace",
            );
        }
        if let Some((_, first)) = &mut self.first
            && first.as_mut().poll(context).is_ready()
        {
            return Poll::Ready("the client did not say in time that it speaks HTTP");
        }
        while self.looks.poll_tick(context).is_ready() {
            if self.stalls.is_stalled(self.stalled) {
                return Poll::Ready(
                    "the client takes none of its answers (setting server.send_timeout_seconds)",
                );
            }
        }
        Poll::Pending
    }
}

impl<S: Connected> Connected for Aged<S> {
    type ConnectInfo = (S::ConnectInfo, Arc<Stalls>);

    fn connect_info(&self) -> Self::ConnectInfo {
        (self.stream.connect_info(), self.stalls.clone())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Aged<S> {
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
        if let Some((missing, _)) = &mut self.first {
            *missing = missing.saturating_sub(buffer.filled().len() - before);
            if *missing == 0 {
                self.first = None;
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Aged<S> {
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
