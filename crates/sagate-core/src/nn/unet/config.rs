//! The parameters of the architecture, and the supported image sizes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The sides of an input must be multiples of this: four times halved and doubled again.
pub const SIDE_MULTIPLE: i64 = 16;

/// A side rounded up to the next multiple of 16, which the network can take.
pub fn padded_side(side: i64) -> i64 {
    (side + SIDE_MULTIPLE - 1) / SIDE_MULTIPLE * SIDE_MULTIPLE
}

/// The parameters of the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Channels of the input image, at least 1.
    pub in_channels: i64,
    /// Object classes K, 1 to 254 (a label is a byte, and 255 marks what is left out). The head has K + 1 logits: the background's first.
    pub classes: i64,
    /// Channels of the first block, at least 1; every level down doubles them. The paper's is 64.
    pub base_width: i64,
}

/// A parameter of the architecture outside its range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} is {value}; it must be from {low} to {high}")]
pub struct UNetConfigError {
    /// The field of [`UNetConfig`].
    pub field: &'static str,
    /// The value found.
    pub value: i64,
    /// The smallest allowed value.
    pub low: i64,
    /// The largest allowed value.
    pub high: i64,
}

impl UNetConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// Names the first field outside its range, with the range.
    pub fn validate(&self) -> Result<(), UNetConfigError> {
        for (field, value, high) in [
            ("in_channels", self.in_channels, 1024),
            ("classes", self.classes, 254),
            ("base_width", self.base_width, 1024),
        ] {
            if !(1..=high).contains(&value) {
                return Err(UNetConfigError {
                    field,
                    value,
                    low: 1,
                    high,
                });
            }
        }
        Ok(())
    }
}
