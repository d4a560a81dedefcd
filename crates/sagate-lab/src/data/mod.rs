//! Data sets and damage: what models are trained on, and what they are tried with.
//!
//! * [`Task`] is a segmentation task as a folder of 2D images with ground truth in three [`Split`]s;
//!   [`folder`] reads any plain folder of images.
//! * [`t1`] makes two tasks of real T1 MRI slices from the volumes of Debian's `mricron-data`.
//! * [`phantom`] draws five families of images that stand in for data sets that cannot be had here.
//! * [`published`] makes tasks of the data sets that others publish, where they lie on disk.
//! * [`damage`] spoils an image in the ways scanners and people do, seeded and in three grades.
//! * [`samples`] picks the handful of clean and damaged slices that the demo segments.

pub mod damage;
mod difficulty;
mod error;
mod example;
mod files;
pub mod phantom;
pub mod published;
pub mod samples;
pub mod t1;
mod task;

pub use damage::{Damage, Grade, Kind};
pub use error::DataError;
pub use example::{Example, file, folder};
pub use files::{image_extension, write_image, write_mask};
pub use task::{Class, Source, SourceFile, Split, Splits, Task, TaskFile};
