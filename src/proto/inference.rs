//! The messages, server and client of the Open Inference Protocol, made from `proto/inference` by `build.rs`. Shapes, units and ranges
//! are told there.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

tonic::include_proto!("inference");
