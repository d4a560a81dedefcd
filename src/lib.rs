//! sagate segments a medical image with a U-Net, estimates the mask's reliability without ground truth (the mean SA score, mu),
//! and accepts the image or refers it to a human.
//!
//! [`sagate_core`] holds the processing of one image, [`protoseg`] the method, [`sagate_lab`] training and study. This crate holds the service.
//! Its modules form layers: each imports only from lower ones.
//!
//! | layer | module | content |
//! |---|---|---|
//! | 1 | [`engine`] | serving of models: queues, batches, a thread per instance |
//! | 1 | [`security`] | TLS, authentication, authorization, rate limits, audit log |
//! | 1 | [`capacity`] | capacity planning by simulation: many replicas behind a load balancer |
//! | 2 | [`grpc`], [`oip`] | the service: `sagate.v1`, health, reflection; the Open Inference Protocol over gRPC and HTTP |
//! | 3 | [`client`] | a client of the service |
//! | 4 | [`cli`] | the command line |
//! | any | [`config`], [`device`], [`telemetry`], [`proto`], [`jitter`] | settings; CPU or GPU; logs, metrics, traces; messages of the protocols; random delays |

pub mod capacity;
pub mod cli;
pub mod client;
pub mod config;
pub mod device;
pub mod engine;
pub mod grpc;
pub mod jitter;
pub mod oip;
pub mod proto;
pub mod security;
pub mod telemetry;
