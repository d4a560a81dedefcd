//! Data sets: made, read, corrupted, and told wrong.

#[path = "../support/jpeg_file/mod.rs"]
mod jpeg_file;
#[path = "../support/published_tree/mod.rs"]
mod published_tree;
#[path = "../support/t1_volume/mod.rs"]
mod t1_volume;

mod commands;
mod corruption;
mod folders;
mod layouts;
mod mni152;
mod phantom;
mod published;
mod published_brats;
mod t1;
