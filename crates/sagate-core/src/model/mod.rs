//! A model as a user keeps it: a folder `NAME/VERSION/` with everything that is known of it.
//!
//! | file | what it holds |
//! |---|---|
//! | `manifest.toml` | [`Manifest`]: architecture, input contract, preprocessing, classes, layers of mu, provenance |
//! | `weights.safetensors` | the network's weights |
//! | `calibration.json` | mu of the calibration images; without it the gate rejects everything as `NOT_CALIBRATED` |
//! | `calibration.safetensors` | what every unit said of each calibration image |
//! | `golden.safetensors` | [`Golden`]: an image and what the model says of it; a model that says something else is never served |
//! | `SHA256SUMS` | the sum of each of them, in the format of `sha256sum`; checked whenever the model is opened |
//!
//! [`Repository`] finds folders by name and version, [`Model`] opens one, [`verify`] lists everything that is wrong with
//! one, [`write_model`], [`write_calibration`] and [`write_golden`] make one.

mod date;
mod error;
pub mod files;
mod folder;
mod golden;
mod manifest;
mod repository;
mod sums;
mod verify;
mod write;

pub use date::today;
pub use error::{Finding, ModelError, Severity};
pub use folder::Model;
pub use golden::Golden;
pub use manifest::{Architecture, Class, FORMAT, Input, Kind, Manifest, Mu, Provenance, Score};
pub use repository::{Located, ModelReference, Repository, Scan, Unreadable};
pub use sums::content_hash;
pub use verify::verify;
pub use write::{refresh_sums, write_calibration, write_golden, write_model};
