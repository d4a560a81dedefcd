//! Logs, metrics and traces of the service.

#[path = "../support/authority/mod.rs"]
mod authority;
#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/otlp_collector/mod.rs"]
mod otlp_collector;
#[path = "../support/server/mod.rs"]
mod server;
#[path = "../support/telemetry_rig/mod.rs"]
mod telemetry_rig;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod admin;
mod collector;
mod docs;
mod metrics;
mod otlp;
mod window;
