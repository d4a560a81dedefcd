//! Connections and messages: TLS, limits, age, the codec, memory of requests being received and of responses being written.

pub(crate) mod codec;
pub(crate) mod connection_age;
pub(crate) mod connection_limit;
pub(crate) mod decode_errors;
pub(crate) mod field_limit;
pub(crate) mod header_limit;
pub(crate) mod listener;
pub(crate) mod outgoing;
pub(crate) mod receive;
