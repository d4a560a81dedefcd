//! The network: its layers, its forms, its memory.

#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod inference;
mod memory;
mod precision;
mod samples;
mod unet;
mod winograd;
