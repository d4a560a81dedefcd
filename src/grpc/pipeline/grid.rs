//! The pixel grid of an image, which its mask needs after the pixels are dropped.

use std::sync::Arc;

use sagate_core::imaging::{Image, SliceGeometry};

/// The pixel grid of an image.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Millimetres per row step and per column step.
    pub spacing: [f64; 2],
    /// Position in the patient, if the image came as NIfTI.
    pub geometry: Option<Arc<SliceGeometry>>,
}

impl Grid {
    pub fn of(image: &Image) -> Self {
        Self {
            spacing: image.spacing,
            geometry: image.geometry.clone(),
        }
    }
}
