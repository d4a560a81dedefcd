//! What of an image is needed for its mask once its pixels are gone.

use std::sync::Arc;

use sagate_core::imaging::{Image, SliceGeometry};

/// Where the pixels of an image lie.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    /// Millimetres per row step and per column step.
    pub spacing: [f64; 2],
    /// Where they lie in the patient, if the image came as NIfTI.
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
