//! Data sets for training and evaluation, and corruption of images.
//!
//! * [`Task`] is a segmentation task as a folder of 2D images with ground truth in three [`Split`]s;
//!   [`folder`] reads any plain folder of images.
//! * [`t1`] makes two tasks of real T1 MRI slices from the volumes of Debian's `mricron-data`.
//! * [`phantom`] draws five families of synthetic images in place of data sets that cannot be redistributed.
//! * [`published`] makes tasks of published data sets that lie on disk.
//! * [`corruption`] corrupts an image as scanners and operators do, seeded and in three severities.
//! * [`samples`] picks the handful of clean and corrupted slices that the demo segments.

pub mod corruption;
mod difficulty;
mod error;
mod example;
mod files;
pub mod phantom;
pub mod published;
pub mod samples;
pub mod t1;
mod task;

pub use corruption::{Corruption, CorruptionKind, Severity};
pub use error::DataError;
pub use example::{Example, file, folder};
pub use files::{image_extension, write_image, write_mask};
pub use task::{Class, Source, SourceFile, Split, Splits, Task, TaskFile};
