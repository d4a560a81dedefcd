//! Protobuf codec that allocates each buffer once, at its final size.
//!
//! tonic and prost by default grow a buffer until a message fits, and tonic copies a message that is already complete: for an image,
//! each is a copy of all its bytes into new memory.

use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use super::field_limit;

/// Initial buffer size, which fits most responses and jemalloc's small size classes, and the size at which a stream's buffer is sent.
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
    type Decoder = Counted<U>;

    fn encoder(&mut self) -> OneBuffer<T> {
        OneBuffer(PhantomData)
    }

    fn decoder(&mut self) -> Counted<U> {
        Counted(ProstDecoder::new(settings()))
    }
}

/// Decodes messages after checking their number of fields.
pub(crate) struct Counted<U>(ProstDecoder<U>);

impl<U: Message + Default + 'static> Decoder for Counted<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic passes a whole message in one contiguous piece.
        field_limit::check::<U>(message.chunk()).map_err(|error| error.status())?;
        self.0.decode(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Reserves the whole message before encoding it.
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
