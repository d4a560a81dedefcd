//! The command line on files and folders: what it prints, writes and refuses.

#[path = "../support/bad_files/mod.rs"]
mod bad_files;
#[path = "../support/binary/mod.rs"]
mod binary;
#[path = "../support/exif/mod.rs"]
mod exif;
#[path = "../support/jpeg_file/mod.rs"]
mod jpeg_file;
#[path = "../support/nifti_file/mod.rs"]
mod nifti_file;
#[path = "../support/tiny_model/mod.rs"]
mod tiny_model;

mod bad_files_refused;
mod bad_requests;
mod calibrate;
mod config;
mod evaluate;
mod interpret;
mod inverted;
mod masks;
mod model_folder;
mod no_code_in_weights;
mod pictures;
mod protoseg;
mod segment;
