//! The service over gRPC: `sagate.v1.QualityControl`, health and reflection.

pub mod v1;
