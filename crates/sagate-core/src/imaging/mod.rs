//! Pictures in and out: readers, preprocessing, masks, figures.
//!
//! What a caller wants to do first:
//! - [`read`] a file (or [`decode`] bytes) into a [`Picture`]: an [`Image`], or a [`Volume`] whose slices are images;
//! - [`preprocess::prepare`] an image by the steps in a model's manifest, and bring probabilities back to its grid;
//! - write a mask as PNG, NIfTI, COCO run lengths or packed bits: [`mask`];
//! - draw overlays, heat maps, grids and curves: [`figure`].
//!
//! Every reader refuses incomplete data, sizes above [`Limits`] and values that are not finite. The error ([`ImagingError`]) names the file, the field, what it was and what would be right.
//! Every writer uses [`atomic`](crate::atomic), so that no partial file is left behind.

mod content;
mod error;
pub mod figure;
mod inflate;
mod jpeg;
mod limits;
pub mod mask;
mod nifti;
mod npy;
mod orientation;
mod picture;
mod placement;
mod plane;
mod png;
pub mod preprocess;
mod read;
mod samples;
mod tensor;

pub use error::ImagingError;
pub use limits::Limits;
pub use nifti::SliceGeometry;
pub use npy::encode as encode_npy;
pub use orientation::Orientation;
pub use picture::{Image, Picture, Volume};
pub use placement::{Placement, require_aligned};
pub use plane::Plane;
pub use read::{Format, decode, decode_mask, read, read_mask, recognise};
pub use samples::Dtype;
pub(crate) use samples::any_value;
