//! A model on disk: a folder `NAME/VERSION/`.
//!
//! | file | what it holds |
//! |---|---|
//! | `manifest.toml` | [`Manifest`]: architecture, input, preprocessing, classes, layers of mu, provenance |
//! | `weights.safetensors` | the network's weights |
//! | `calibration.json` | mu of the calibration images; without it the gate rejects everything as `NOT_CALIBRATED` |
//! | `calibration.safetensors` | the SA score of every unit on each calibration image |
//! | `golden.safetensors` | [`Golden`]: an image and the model's result for it; a model that does not reproduce it is never served |
//! | `SHA256SUMS` | the checksum of each file, in the format of `sha256sum`; verified whenever the model is opened |
//!
//! [`Repository`] finds folders by name and version, [`Model`] opens one, [`verify`] lists every problem of one, [`write_model`],
//! [`write_calibration`] and [`write_golden`] write one.

mod checksums;
mod date;
mod error;
pub mod files;
mod folder;
mod golden;
mod manifest;
mod repository;
mod verify;
mod write;

pub use checksums::content_hash;
pub use date::today;
pub use error::{Finding, ModelError, Severity};
pub use folder::Model;
pub use golden::Golden;
pub use manifest::{Architecture, Class, FORMAT, Input, Kind, Manifest, Mu, Provenance, Score};
pub use repository::{Located, ModelReference, Repository, Scan, Unreadable};
pub use verify::verify;
pub use write::{refresh_checksums, write_calibration, write_golden, write_model};
