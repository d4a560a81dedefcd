//! What the service tells of itself.

#[path = "../authority/mod.rs"]
mod authority;
#[path = "../otlp_collector/mod.rs"]
mod otlp_collector;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../telemetry_rig/mod.rs"]
mod telemetry_rig;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod admin;
mod collector;
mod docs;
mod metrics;
mod otlp;
mod window;
