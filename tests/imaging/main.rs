//! Image files, masks, figures and what is done to an image before the network.

#[path = "../nifti_file/mod.rs"]
mod nifti_file;

mod atomic;
mod figures;
mod formats;
mod masks;
mod nifti;
mod nifti_refusals;
mod preprocess;
mod refusals;
