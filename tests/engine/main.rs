//! The engine: processing of images, queues, loading and unloading of models.

#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/engine_rig/mod.rs"]
mod engine_rig;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod decode_permits;
mod folder;
mod models;
mod service;
mod whole;
