//! Image files, masks, figures and what is done to an image before the network.

#[path = "../support/exif/mod.rs"]
mod exif;
#[path = "../support/jpeg_file/mod.rs"]
mod jpeg_file;
#[path = "../support/nifti_file/mod.rs"]
mod nifti_file;

mod alignment;
mod atomic;
mod figures;
mod formats;
mod masks;
mod nibabel;
mod nifti;
mod nifti_pairs;
mod nifti_refusals;
mod orientation;
mod pillow;
mod preprocess;
mod refusals;
