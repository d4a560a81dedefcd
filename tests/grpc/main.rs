//! `sagate.v1` over real gRPC, and the Open Inference Protocol beside it.

#[path = "../bad_files/mod.rs"]
mod bad_files;
#[path = "../calls/mod.rs"]
mod calls;
#[path = "../nifti_file/mod.rs"]
mod nifti_file;
#[path = "../oip/mod.rs"]
mod oip;
#[path = "../otlp_collector/mod.rs"]
mod otlp_collector;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod bad_input;
mod bad_interpret;
mod cancel;
mod connections;
mod ends;
mod health;
mod interpret;
mod loading;
mod model_admin;
mod oip_grpc;
mod oip_http;
mod privacy;
mod refusals;
mod segment;
mod stream;
mod web;
mod wire;
