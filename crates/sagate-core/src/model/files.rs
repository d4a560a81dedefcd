//! The names of a model's files.

/// The manifest.
pub const MANIFEST: &str = "manifest.toml";
/// The network's weights.
pub const WEIGHTS: &str = "weights.safetensors";
/// mu of the calibration images.
pub const CALIBRATION: &str = "calibration.json";
/// SA score of every unit on each calibration image.
pub const UNIT_SCORES: &str = "calibration.safetensors";
/// An image and the model's result for it.
pub const GOLDEN: &str = "golden.safetensors";
/// The checksums of all of them.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// Every file of a model but the checksums.
pub const ALL: [&str; 5] = [MANIFEST, WEIGHTS, CALIBRATION, UNIT_SCORES, GOLDEN];
