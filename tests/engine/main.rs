//! The engine: an image's way, its queue, and models that come and go.

#[path = "../engine_rig/mod.rs"]
mod engine_rig;
#[path = "../program/mod.rs"]
mod program;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod folder;
mod models;
mod service;
mod whole;
