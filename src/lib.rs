//! sagate segments a medical image with a U-Net, says how far its own answer can be trusted (the mean SA score, mu),
//! and lets the image through or hands it to a human.
//!
//! The modules are floors: each imports only from those below its own.
//!
//! | floor | module | what lives there |
//! |---|---|---|
//! | 1 | [`protoseg`] | the method: prototypes, SAMs, SA scores, mu; tensors in, tensors out |
//! | 1 | [`imaging`] | pictures in and out, preprocessing, masks, figures |
//! | 1 | [`fleet`] | many replicas behind a load balancer, simulated |
//! | 2 | [`nn`] | the U-Net in its training and inference forms, checkpoints |
//! | 2 | [`gate`] | calibration, thresholds, the decision |
//! | 3 | [`model`] | a model as a folder, and the repository of them |
//! | 4 | [`engine`] | images become results: one pass through network, scores and gate; queues and a thread a model |
//! | 4 | [`data`], [`train`] | data sets, damage, the trainer |
//! | 5 | [`rehearsal`] | calibration images spoilt at random, from which a score beside mu is learned |
//! | 4 | [`trust`] | TLS, who a caller is and what it may do, rate limits, the audit log |
//! | 5 | [`grpc`] | the service: `sagate.v1`, the Open Inference Protocol, health, reflection |
//! | 6 | [`study`] | the paper's experiments, and what it did not ask |
//! | 6 | [`client`] | a client of the service, in the library's own types |
//! | 7 | [`cli`] | the command line |
//! | beside | [`config`], [`telemetry`], [`jitter`] | settings; logs, metrics, traces; delays that are drawn |

pub mod cli;
pub mod client;
pub mod config;
pub mod data;
pub mod engine;
pub mod fleet;
pub mod gate;
pub mod grpc;
pub mod imaging;
pub mod isa;
pub mod jitter;
pub mod model;
pub mod nn;
pub mod protoseg;
pub mod rehearsal;
pub mod study;
pub mod telemetry;
pub mod train;
pub mod trust;
