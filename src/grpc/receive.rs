//! Requests while they are received: their bytes count against one budget as they arrive, and receiving takes a limited time.
//!
//! A message reaches tonic only as far as memory for it is justified: tonic reserves what a message's header announces, so the header of
//! a large message is held back until all of the message is here.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::codec::HEADER_SIZE;
use tonic::{Code, Status};

use super::error::ServiceError;
use crate::trust::{Client, ClientKey, Peer};

/// Largest message of which tonic may reserve the announced length before it is here: what HTTP/2 lets any stream send at first.
const RESERVED_AT_ONCE: usize = 64 << 10;
/// Shorter parts are copied together: each would keep the whole read buffer that it is a slice of.
const SHORT: usize = 4 << 10;
/// Largest part that is put together of short ones.
const GATHERED: usize = 64 << 10;

/// Methods whose client may wait as long as it likes between two messages.
const CLIENT_STREAMS: [&str; 4] = [
    "/sagate.v1.QualityControl/SegmentStream",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// How much may be received at once, in all and from one client, and for how long.
pub(super) struct ReceiveBudget {
    limit: u64,
    client_limit: u64,
    held: AtomicU64,
    /// Those that are sending.
    clients: Mutex<HashMap<ClientKey, Arc<AtomicU64>>>,
    /// How long one request may take.
    timeout: Duration,
}

/// Bytes that are taken from the budget until this is dropped.
pub(super) struct Charge {
    budget: Arc<ReceiveBudget>,
    client: ClientKey,
    of_client: Arc<AtomicU64>,
    bytes: u64,
}

impl ReceiveBudget {
    /// A budget of so many bytes; one client has at most half of it, but room for one message.
    pub fn new(limit: u64, max_message_bytes: usize, timeout: Duration) -> Arc<ReceiveBudget> {
        Arc::new(ReceiveBudget {
            limit,
            client_limit: (limit / 2).max(max_message_bytes as u64),
            held: AtomicU64::new(0),
            clients: Mutex::default(),
            timeout,
        })
    }

    /// A charge of nothing yet, for a client.
    pub fn charge(self: &Arc<Self>, client: ClientKey) -> Charge {
        let of_client = self.lock().entry(client.clone()).or_default().clone();
        Charge {
            budget: self.clone(),
            client,
            of_client,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, Arc<AtomicU64>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to what is held, up to a limit; what is held where it would be more.
fn add(held: &AtomicU64, bytes: u64, limit: u64) -> Result<u64, u64> {
    held.fetch_update(Relaxed, Relaxed, |held| {
        held.checked_add(bytes).filter(|&sum| sum <= limit)
    })
}

impl Charge {
    /// Takes more bytes.
    ///
    /// # Errors
    /// They are not left.
    pub fn add(&mut self, bytes: usize) -> Result<(), ServiceError> {
        let (budget, bytes) = (&self.budget, bytes as u64);
        let spent = |whose, limit| move |held| ServiceError::ReceiveBudget { whose, held, limit };
        add(&self.of_client, bytes, budget.client_limit)
            .map_err(spent("of this client", budget.client_limit))?;
        if let Err(held) = add(&budget.held, bytes, budget.limit) {
            self.of_client.fetch_sub(bytes, Relaxed);
            return Err(spent("of all clients", budget.limit)(held));
        }
        self.bytes += bytes;
        Ok(())
    }

    /// How long receiving may take.
    pub fn timeout(&self) -> Duration {
        self.budget.timeout
    }

    /// What a request that came too slowly is told.
    pub fn too_slow(&self) -> ServiceError {
        ServiceError::ReceiveTimeout {
            seconds: self.budget.timeout.as_secs(),
        }
    }

    /// Gives them back.
    pub fn release(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
        self.of_client.fetch_sub(self.bytes, Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release();
        let mut clients = self.budget.lock();
        // The map's and this one: the client sends nothing else.
        if Arc::strong_count(&self.of_client) == 2 {
            clients.remove(&self.client);
        }
    }
}

/// Parts of a message in the order in which they arrived. They take little more memory than they have bytes.
#[derive(Default)]
pub(super) struct Parts {
    whole: VecDeque<Bytes>,
    short: BytesMut,
    bytes: usize,
}

impl Parts {
    pub fn push(&mut self, part: Bytes) {
        self.bytes += part.len();
        if part.len() < SHORT {
            self.short.extend_from_slice(&part);
            if self.short.len() < GATHERED {
                return;
            }
        }
        self.gather();
        if part.len() >= SHORT {
            self.whole.push_back(part);
        }
    }

    fn gather(&mut self) {
        if !self.short.is_empty() {
            self.whole.push_back(std::mem::take(&mut self.short).freeze());
        }
    }

    /// All of them, in order.
    fn drain(&mut self) -> impl Iterator<Item = Bytes> {
        self.gather();
        self.bytes = 0;
        std::mem::take(&mut self.whole).into_iter()
    }

    /// All of them as one. Each is let go of as soon as it is copied, so that they never take memory twice.
    pub fn join(mut self) -> Bytes {
        let bytes = self.bytes;
        let mut parts = self.drain();
        let Some(first) = parts.next() else {
            return Bytes::new();
        };
        if first.len() == bytes {
            return first;
        }
        let mut joined = BytesMut::with_capacity(bytes);
        joined.extend_from_slice(&first);
        drop(first);
        for part in parts {
            joined.extend_from_slice(&part);
        }
        joined.freeze()
    }
}

/// Puts a budget and a time limit on a request of gRPC.
pub(super) fn limited(
    request: http::Request<Body>,
    budget: &Arc<ReceiveBudget>,
    max_message_bytes: usize,
) -> http::Request<Body> {
    let extensions = request.extensions();
    let address = || extensions.get::<Peer>().map(|peer| peer.address);
    let client = extensions.get::<Client>().map(Client::key);
    let client = client.unwrap_or_else(|| ClientKey::of(address()));
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    let is_text = content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc-web-text"));
    let at = if is_text {
        // In base64: where its messages end is seen only behind here.
        At::Message {
            missing: usize::MAX,
            header: None,
        }
    } else {
        At::Header(BytesMut::new())
    };
    let is_stream = CLIENT_STREAMS.contains(&request.uri().path());
    request.map(|inner| {
        Body::new(Received {
            inner,
            charge: budget.charge(client),
            max_message_bytes,
            is_stream,
            at,
            here: VecDeque::new(),
            held: Parts::default(),
            next: Bytes::new(),
            last: None,
            timer: None,
        })
    })
}

/// Where in a request's messages its bytes are.
enum At {
    /// In a header, of which these bytes are here.
    Header(BytesMut),
    /// In a message of which so many bytes are missing; of a large one, this is the header.
    Message { missing: usize, header: Option<Bytes> },
    /// Nothing more is read.
    End,
}

struct Received {
    inner: Body,
    charge: Charge,
    max_message_bytes: usize,
    /// Whether the client sends several messages, each when it likes.
    is_stream: bool,
    at: At,
    /// What can be handed over.
    here: VecDeque<Bytes>,
    /// What is here of a large message.
    held: Parts,
    /// What came after the end of a message, together with it.
    next: Bytes,
    /// Trailers that wait for what was held.
    last: Option<Frame<Bytes>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Received {
    /// Takes what arrived, up to the end of a message.
    fn take(&mut self, mut data: Bytes) -> Result<(), ServiceError> {
        while !data.is_empty() {
            match &mut self.at {
                At::End => return Ok(()),
                At::Header(part) => {
                    let missing = HEADER_SIZE - part.len();
                    let more = data.split_to(missing.min(data.len()));
                    let header = if more.len() == HEADER_SIZE {
                        more
                    } else {
                        part.extend_from_slice(&more);
                        if part.len() < HEADER_SIZE {
                            continue;
                        }
                        std::mem::take(part).freeze()
                    };
                    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                    // tonic refuses one that is too long as soon as it sees the header.
                    let is_large = length > RESERVED_AT_ONCE && length <= self.max_message_bytes;
                    let header = if is_large {
                        Some(header)
                    } else {
                        self.here.push_back(header);
                        None
                    };
                    self.at = At::Message {
                        missing: length,
                        header,
                    };
                }
                At::Message { missing, header } => {
                    let part = data.split_to((*missing).min(data.len()));
                    self.charge.add(part.len())?;
                    *missing -= part.len();
                    match header {
                        Some(_) => self.held.push(part),
                        None => self.here.push_back(part),
                    }
                }
            }
            if let At::Message { missing: 0, header } = &mut self.at {
                if let Some(header) = header.take() {
                    self.here.push_back(header);
                    self.here.extend(self.held.drain());
                }
                self.at = At::Header(BytesMut::new());
                self.timer = None;
                // The next message counts once this one has been taken.
                self.next = data;
                return Ok(());
            }
        }
        Ok(())
    }

    /// The request breaks off: tonic says so when it sees what there is.
    fn break_off(&mut self) {
        match std::mem::replace(&mut self.at, At::End) {
            At::Header(part) if !part.is_empty() => self.here.push_back(part.freeze()),
            At::Message {
                header: Some(header), ..
            } => {
                // What is missing is not reserved for: the parts alone are cut short as well.
                self.held.drain().for_each(drop);
                self.here.push_back(header.slice(..HEADER_SIZE - 1));
            }
            At::Header(_) | At::Message { header: None, .. } | At::End => {}
        }
    }

    /// Whether bytes are missing that the client has to send now.
    fn is_waited_for(&self) -> bool {
        match &self.at {
            At::Header(part) => !part.is_empty() || !self.is_stream,
            At::Message { .. } => true,
            At::End => false,
        }
    }

    fn fail(&mut self, error: ServiceError) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.at = At::End;
        self.held.drain().for_each(drop);
        self.here.clear();
        self.charge.release();
        let mut status = error.status();
        status.set_source(Arc::new(error));
        Poll::Ready(Some(Err(status)))
    }
}

/// A stream whose client went away: it cancelled the call, or its connection was lost, which tonic tells as UNKNOWN. It takes the code
/// CANCELLED for the end of the stream, as if the client had sent all of it, and so is not given that one.
fn lost(status: Status) -> Status {
    if !matches!(status.code(), Code::Cancelled | Code::Unknown) {
        return status;
    }
    let mut status = Status::unavailable("the client went away");
    status.set_source(Arc::new(ServiceError::Cancelled));
    status
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some(part) = this.here.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            if let At::End = this.at {
                return Poll::Ready(this.last.take().map(Ok));
            }
            if this.is_stream && matches!(&this.at, At::Header(part) if part.is_empty()) {
                // The message before was taken: who works on it counts it from now on. That of a call of one request is taken only when
                // the request has ended.
                this.charge.release();
            }
            let arrived = if this.next.is_empty() {
                match Pin::new(&mut this.inner).poll_frame(context) {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => {
                        if !this.is_waited_for() {
                            return Poll::Pending;
                        }
                        let until = Instant::now() + this.charge.budget.timeout;
                        let sleep = || Box::pin(tokio::time::sleep_until(until.into()));
                        let timer = this.timer.get_or_insert_with(sleep);
                        return match timer.as_mut().poll(context) {
                            Poll::Pending => Poll::Pending,
                            Poll::Ready(()) => {
                                let late = this.charge.too_slow();
                                this.fail(late)
                            }
                        };
                    }
                }
            } else {
                Some(Ok(Frame::data(std::mem::take(&mut this.next))))
            };
            match arrived {
                None => this.break_off(),
                Some(Err(status)) => {
                    this.at = At::End;
                    let status = if this.is_stream { lost(status) } else { status };
                    return Poll::Ready(Some(Err(status)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Err(error) = this.take(data) {
                            return this.fail(error);
                        }
                    }
                    Err(trailers) => {
                        this.break_off();
                        this.last = Some(trailers);
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_is_left = self.here.is_empty() && self.next.is_empty() && self.last.is_none();
        nothing_is_left
            && match &self.at {
                At::End => true,
                At::Header(part) => part.is_empty() && self.inner.is_end_stream(),
                At::Message { .. } => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(work)
    }

    fn body(frames: Vec<Frame<Bytes>>, budget: &Arc<ReceiveBudget>) -> Body {
        let frames = frames.into_iter().map(Ok::<_, Status>);
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        limited(http::Request::new(body), budget, 1 << 20).into_body()
    }

    fn budget(limit: u64) -> Arc<ReceiveBudget> {
        ReceiveBudget::new(limit, limit as usize, Duration::from_secs(1))
    }

    proptest! {
        /// However a request is cut into frames: the same bytes in the same order, the trailers after them; no part reaches beyond a
        /// message, and every header comes alone.
        #[test]
        fn a_header_comes_first_and_nothing_is_lost(
            messages in prop::collection::vec(0usize..200_000, 0..4),
            cuts in prop::collection::vec(1usize..70_000, 1..12),
        ) {
            let mut bytes = Vec::new();
            for length in &messages {
                bytes.push(0);
                bytes.extend((*length as u32).to_be_bytes());
                bytes.extend((0..*length).map(|it| it as u8));
            }
            let mut frames = Vec::new();
            let (mut rest, mut cuts) = (Bytes::from(bytes.clone()), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let cut = cuts.next().unwrap().min(rest.len());
                frames.push(Frame::data(rest.split_to(cut)));
            }
            let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("last"))]);
            frames.push(Frame::trailers(trailers.clone()));
            let budget = budget(1 << 20);
            let mut body = body(frames, &budget);
            let (seen, parts, last) = run(async {
                let (mut seen, mut parts, mut last) = (Vec::new(), Vec::new(), None);
                while let Some(frame) = body.frame().await {
                    match frame.unwrap().into_data() {
                        Ok(data) => {
                            parts.push(seen.len()..seen.len() + data.len());
                            seen.extend(data);
                        }
                        Err(frame) => last = frame.into_trailers().ok(),
                    }
                    assert!(last.is_some() || !body.is_end_stream(), "the trailers are still to come");
                }
                (seen, parts, last)
            });
            prop_assert_eq!(&seen, &bytes);
            prop_assert_eq!(last, Some(trailers));
            let mut begin = 0;
            for length in messages {
                let header = begin..begin + HEADER_SIZE;
                prop_assert!(parts.contains(&header), "{header:?} in {parts:?}");
                let end = header.end + length;
                prop_assert!(parts.iter().all(|part| part.end <= end || part.start >= end));
                begin = end;
            }
            drop(body);
            prop_assert_eq!(budget.held.load(Relaxed), 0);
        }
    }

    #[test]
    fn what_a_large_message_announces_is_not_shown_before_it_is_here() {
        let budget = budget(1 << 20);
        let mut begin = vec![0];
        begin.extend((1u32 << 19).to_be_bytes());
        begin.extend([7; 1000]);
        let frames = vec![Frame::data(Bytes::from(begin))];
        let mut body = body(frames, &budget);
        let shown = run(async { body.frame().await.unwrap().unwrap().into_data().unwrap() });
        assert!(shown.len() < HEADER_SIZE, "{} bytes", shown.len());
    }

    #[test]
    fn more_than_the_budget_is_refused_as_it_arrives() {
        let budget = budget(1000);
        let other = &mut budget.charge(ClientKey::At(None));
        other.add(600).unwrap();
        let mut message = vec![0];
        message.extend(500u32.to_be_bytes());
        message.extend([7; 500]);
        let mut body = body(vec![Frame::data(Bytes::from(message))], &budget);
        let status = run(async {
            loop {
                match body.frame().await.unwrap() {
                    Ok(_) => {}
                    Err(status) => return status,
                }
            }
        });
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(budget.held.load(Relaxed), 600);
    }

    #[test]
    fn a_message_that_does_not_come_is_waited_for_so_long() {
        let budget = budget(1000);
        let begin = tokio_stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(&[
            0, 0, 0, 0, 9, 1,
        ])))]);
        let silent = tokio_stream::StreamExt::chain(begin, tokio_stream::pending());
        let request = http::Request::new(Body::new(StreamBody::new(silent)));
        let mut body = limited(request, &budget, 1 << 20).into_body();
        let status = run(async {
            loop {
                match body.frame().await.unwrap() {
                    Ok(_) => {}
                    Err(status) => return status,
                }
            }
        });
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
}
