//! `sagate serve` as an operator and a client meet it.

#[path = "../nifti_file/mod.rs"]
mod nifti_file;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;
#[path = "../tiny_model/mod.rs"]
mod tiny_model;

mod client;
mod command_line;
mod doctor;
mod examples;
mod jitter;
mod threads;
mod top_screen;
