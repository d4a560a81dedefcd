//! Responses until they are written: a queue permit is held until the last byte of its response has left, and a stalled reader is
//! bounded in time.
//!
//! The bytes handed to HTTP/2 own the permits, which are released when the bytes are written or dropped. Large responses go out in pieces.
//! If no piece is read in time, the call is reset; if the whole connection reads nothing, [`Stalls`] ends the connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::engine::QueuePermit;
use crate::grpc::error::ServiceError;

/// Most bytes that are handed to HTTP/2 before those handed over earlier are written.
const PIECE: usize = 1 << 20;
/// Responses up to this size are not waited for: their trailers go out together with them.
const SMALL: usize = 64 << 10;

/// What a response message holds until it is written.
#[derive(Default)]
pub(crate) struct Permit {
    /// Queue permits of its images.
    pub queue_permits: Vec<QueuePermit>,
    /// Its slot of a stream's window.
    pub window: Option<OwnedSemaphorePermit>,
}

/// A message of a response stream, with its permit.
pub(crate) struct Outbound<T> {
    pub message: T,
    pub permit: Permit,
}

/// Permits of messages that are about to be encoded, in the extensions of a call's response.
#[derive(Clone, Default)]
pub(crate) struct Outgoing(Arc<Mutex<Vec<Permit>>>);

impl Outgoing {
    /// Attaches a permit to the next bytes of the response.
    pub fn hold(&self, permit: Permit) {
        self.lock().push(permit);
    }

    fn take(&self) -> Vec<Permit> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Permit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one response that were handed to HTTP/2 and are not written.
#[derive(Default)]
struct Unwritten(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: usize,
    /// Time of the last progress while bytes are pending.
    since: Option<Instant>,
    waiting: Option<Waker>,
}

impl Unwritten {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes += bytes;
        state.since.get_or_insert_with(Instant::now);
    }

    fn written(&self, bytes: usize) {
        let waiting = {
            let mut state = self.lock();
            state.bytes -= bytes;
            state.since = (state.bytes > 0).then(Instant::now);
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// Bytes of a response, with their permit.
struct Piece {
    data: Bytes,
    unwritten: Arc<Unwritten>,
    _permits: Option<Arc<Vec<Permit>>>,
}

impl Piece {
    /// Hands bytes to HTTP/2.
    fn hand_over(data: Bytes, unwritten: &Arc<Unwritten>, permits: Option<Arc<Vec<Permit>>>) -> Bytes {
        unwritten.hand_over(data.len());
        Bytes::from_owner(Piece {
            data,
            unwritten: unwritten.clone(),
            _permits: permits,
        })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.unwritten.written(self.data.len());
    }
}

/// The unwritten responses of one connection.
#[derive(Default)]
pub(crate) struct Stalls(Mutex<Vec<Weak<Unwritten>>>);

impl Stalls {
    fn watch(&self, response: &Arc<Unwritten>) {
        let mut responses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if responses.len() == responses.capacity() {
            responses.retain(|it| it.strong_count() > 0);
        }
        responses.push(Arc::downgrade(response));
    }

    /// Whether one of them has made no progress for so long.
    pub fn is_stalled(&self, limit: Duration) -> bool {
        let responses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = |it: Arc<Unwritten>| it.lock().since.is_some_and(|since| since.elapsed() >= limit);
        responses.iter().filter_map(Weak::upgrade).any(stalled)
    }
}

/// Makes responses hold their permits until they are written. `limit` is the longest time without progress.
#[derive(Clone)]
pub(crate) struct Held {
    pub limit: Duration,
}

impl<S> Layer<S> for Held {
    type Service = HeldService<S>;

    fn layer(&self, inner: S) -> HeldService<S> {
        HeldService {
            inner,
            limit: self.limit,
        }
    }
}

/// The service whose responses hold their permits.
#[derive(Clone)]
pub(crate) struct HeldService<S> {
    inner: S,
    limit: Duration,
}

impl<S> Service<http::Request<Body>> for HeldService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let stalls = request.extensions().get::<Arc<Stalls>>().cloned();
        let limit = self.limit;
        let work = self.inner.call(request);
        Box::pin(async move {
            let mut response = work.await?;
            let Some(outgoing) = response.extensions_mut().remove::<Outgoing>() else {
                return Ok(response);
            };
            let unwritten = Arc::default();
            if let Some(stalls) = stalls {
                stalls.watch(&unwritten);
            }
            Ok(response.map(|inner| {
                Body::new(HeldBody {
                    inner,
                    outgoing,
                    unwritten,
                    rest: None,
                    last: None,
                    is_large: false,
                    limit,
                    timer: None,
                })
            }))
        })
    }
}

struct HeldBody {
    inner: Body,
    outgoing: Outgoing,
    unwritten: Arc<Unwritten>,
    /// The rest of a large frame.
    rest: Option<(Bytes, Option<Arc<Vec<Permit>>>)>,
    /// The trailers, while they wait.
    last: Option<Frame<Bytes>>,
    is_large: bool,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl HeldBody {
    /// Waits until at most so many bytes are unwritten.
    fn poll_written(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Result<(), Status>> {
        loop {
            let since = {
                let mut state = self.unwritten.lock();
                match state.since {
                    Some(since) if state.bytes > most => {
                        state.waiting = Some(context.waker().clone());
                        since
                    }
                    _ => {
                        drop(state);
                        self.timer = None;
                        return Poll::Ready(Ok(()));
                    }
                }
            };
            let until = since + self.limit;
            let sleep = || Box::pin(tokio::time::sleep_until(until.into()));
            let timer = self.timer.get_or_insert_with(sleep);
            ready!(timer.as_mut().poll(context));
            if until <= Instant::now() {
                return Poll::Ready(Err(stalled(self.limit)));
            }
            // There was progress meanwhile.
            timer.as_mut().reset(until.into());
        }
    }

    fn next_piece(&mut self, mut data: Bytes, permits: Option<Arc<Vec<Permit>>>) -> Frame<Bytes> {
        self.is_large |= data.len() > SMALL;
        if data.len() > PIECE {
            let rest = data.split_off(PIECE);
            self.rest = Some((rest, permits.clone()));
        }
        Frame::data(Piece::hand_over(data, &self.unwritten, permits))
    }
}

/// The error of a call whose reader stalled. It is sent as a reset of the stream, since nothing else would be read.
fn stalled(limit: Duration) -> Status {
    let error = ServiceError::Wire {
        code: Code::DeadlineExceeded,
        reason: "READER_STALLED",
        message: format!(
            "none of the answer was read for {} seconds (setting server.send_timeout_seconds)",
            limit.as_secs()
        ),
    };
    error.status()
}

impl http_body::Body for HeldBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.last.is_none() {
            ready!(this.poll_written(context, PIECE - 1))?;
            if let Some((rest, permits)) = this.rest.take() {
                return Poll::Ready(Some(Ok(this.next_piece(rest, permits))));
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let permits = this.outgoing.take();
                        let permits = (!permits.is_empty()).then(|| Arc::new(permits));
                        return Poll::Ready(Some(Ok(this.next_piece(data, permits))));
                    }
                    Err(trailers) => this.last = Some(trailers),
                },
                other => return Poll::Ready(other),
            }
        }
        if this.is_large {
            // Kept open so that it can still be reset.
            ready!(this.poll_written(context, 0))?;
        }
        Poll::Ready(this.last.take().map(Ok))
    }
}

/// Bytes of a whole response with its permit, for a transport that takes them at once.
pub(crate) fn whole(data: Bytes, permit: Permit) -> Bytes {
    Piece::hand_over(data, &Arc::default(), Some(Arc::new(vec![permit])))
}
