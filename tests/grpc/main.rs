//! `sagate.v1` over real gRPC, and the Open Inference Protocol beside it.

#[path = "../support/bad_files/mod.rs"]
mod bad_files;
#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/exif/mod.rs"]
mod exif;
#[path = "../support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "../support/jpeg_file/mod.rs"]
mod jpeg_file;
#[path = "../support/nifti_file/mod.rs"]
mod nifti_file;
#[path = "../support/oip/mod.rs"]
mod oip;
#[path = "../support/otlp_collector/mod.rs"]
mod otlp_collector;
#[path = "../support/server/mod.rs"]
mod server;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod bad_input;
mod bad_interpret;
mod cancel;
mod connections;
mod ends;
mod health;
mod interpret;
mod limits;
mod loading;
mod model_admin;
mod oip_grpc;
mod oip_http;
mod oip_routing;
mod pictures;
mod privacy;
mod refusals;
mod segment;
mod stream;
mod web;
mod wire;
