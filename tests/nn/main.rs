//! The network: its layers, its forms, its memory.

#[path = "../program/mod.rs"]
mod program;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod inference;
mod memory;
mod precision;
mod samples;
mod unet;
mod winograd;
