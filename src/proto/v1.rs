//! The messages, server and client of the protocol `sagate.v1`, made from `proto/sagate/v1` by `build.rs`. Shapes, units and ranges
//! are told there.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

tonic::include_proto!("sagate.v1");

/// The protocol's files as reflection gives them to clients.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sagate_descriptors.bin"));
