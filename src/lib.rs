//! sagate segments a medical image with a U-Net, says how far its own answer can be trusted (the mean SA score, mu),
//! and lets the image through or hands it to a human.
//!
//! What happens to one image is in [`sagate_core`], the method in [`protoseg`], training and study in [`sagate_lab`]. Here is what serves:
//! the modules are floors, each imports only from those below its own.
//!
//! | floor | module | what lives there |
//! |---|---|---|
//! | 1 | [`engine`] | models as a service: queues, batches, a thread for each instance |
//! | 1 | [`security`] | TLS, who a caller is and what it may do, rate limits, the audit log |
//! | 1 | [`capacity`] | capacity planning by simulation: many replicas behind a load balancer |
//! | 2 | [`grpc`], [`oip`] | the service: `sagate.v1`, health, reflection; the Open Inference Protocol over gRPC and HTTP |
//! | 3 | [`client`] | a client of the service, in the library's own types |
//! | 4 | [`cli`] | the command line |
//! | beside | [`config`], [`device`], [`telemetry`], [`proto`], [`jitter`] | settings; CPU or GPU; logs, metrics, traces; messages of the protocols; random delays |

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
