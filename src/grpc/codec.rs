//! Messages to and from bytes with one buffer each, of the right size at once.
//!
//! Left to themselves, tonic and prost grow a buffer until a message fits, and tonic makes room for a message that is there already: for
//! an image, each is a copy of all of it into memory that is new.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{BufferSettings, EncodeBuf, Encoder, HEADER_SIZE};
use tonic_prost::ProstDecoder;

/// Bytes that a buffer begins with, and after which one of a stream's is sent: the first is what most answers take, and what an allocator
/// still hands out as a small piece.
const BEGIN: usize = 14 << 10;
const SEND: usize = 32 << 10;

fn settings() -> BufferSettings {
    BufferSettings::new(BEGIN, SEND)
}

/// protobuf, as `tonic_prost::ProstCodec`, whose bytes these are; the protocols' generated code uses it.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = OneBuffer<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> OneBuffer<T> {
        OneBuffer(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::new(settings())
    }
}

/// Makes room for all of a message before it writes it.
pub(crate) struct OneBuffer<T>(PhantomData<T>);

impl<T: Message> Encoder for OneBuffer<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.encoded_len());
        item.encode(buffer)
            .map_err(|error| Status::internal(format!("there is no room for a message: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

/// A request whose first message's header, which says how long it is, comes in a frame of its own: tonic then makes room for the message
/// before it has any of it, instead of making room once more when all of it is there.
pub(super) fn header_first(request: http::Request<Body>) -> http::Request<Body> {
    request.map(|inner| {
        Body::new(HeaderFirst {
            inner,
            rest: None,
            begun: false,
        })
    })
}

struct HeaderFirst {
    inner: Body,
    /// What came with the header.
    rest: Option<Bytes>,
    begun: bool,
}

impl http_body::Body for HeaderFirst {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if self.begun {
            return Poll::Ready(frame);
        }
        self.begun = true;
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|mut header| {
                    if header.len() > HEADER_SIZE {
                        self.rest = Some(header.split_off(HEADER_SIZE));
                    }
                    header
                })
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However a request was cut into frames: the same bytes in the same order, the trailers after them, and a length that is true at
        /// every step; the first frame is no longer than a header.
        #[test]
        fn a_header_comes_first_and_nothing_is_lost(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        ) {
            let bytes = frames.concat();
            let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("last"))]);
            let data = frames.into_iter().map(|frame| Frame::data(Bytes::from(frame)));
            let frames = data.chain([Frame::trailers(trailers.clone())]).map(Ok::<_, Status>);
            let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
            let mut body = header_first(http::Request::new(body)).into_body();
            let seen = async {
                let (mut seen, mut first, mut last) = (Vec::new(), None, None);
                while let Some(frame) = body.frame().await {
                    match frame.unwrap().into_data() {
                        Ok(data) => {
                            first.get_or_insert(data.len());
                            seen.extend(data);
                        }
                        Err(frame) => last = frame.into_trailers().ok(),
                    }
                    let left = (bytes.len() - seen.len()) as u64;
                    assert!(body.size_hint().lower() <= left, "{:?}", body.size_hint());
                    assert!(last.is_some() || !body.is_end_stream(), "the trailers are still to come");
                }
                (seen, first, last)
            };
            let (seen, first, last) = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(seen);
            prop_assert_eq!(seen, bytes);
            prop_assert!(first.is_none_or(|first| first <= HEADER_SIZE), "{:?}", first);
            prop_assert_eq!(last, Some(trailers));
        }
    }
}
