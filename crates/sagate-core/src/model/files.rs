//! The names of a model's files.

/// What the model is.
pub const MANIFEST: &str = "manifest.toml";
/// The network's weights.
pub const WEIGHTS: &str = "weights.safetensors";
/// mu of the calibration images.
pub const CALIBRATION: &str = "calibration.json";
/// What every unit said of the calibration images.
pub const UNIT_SCORES: &str = "calibration.safetensors";
/// An image, and what the model says of it.
pub const GOLDEN: &str = "golden.safetensors";
/// The sums of all of them.
pub const SUMS: &str = "SHA256SUMS";
/// Every file that has a meaning, but for the sums.
pub const ALL: [&str; 5] = [MANIFEST, WEIGHTS, CALIBRATION, UNIT_SCORES, GOLDEN];
