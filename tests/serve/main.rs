//! `sagate serve` as an operator and a client meet it.

#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/nifti_file/mod.rs"]
mod nifti_file;
#[path = "../support/server/mod.rs"]
mod server;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod client;
mod command_line;
mod doctor;
mod examples;
mod jitter;
mod threads;
mod top_screen;
