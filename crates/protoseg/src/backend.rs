//! The interface of a backend: the passes over a feature map.

use tch::Tensor;

use super::affine::{Affine, Thresholds};
use super::error::ProtosegError;
use super::reference::Prediction;

/// Weighted sums of a feature, `[B, K + 1, C]`, background first: the numerators of the prototypes (eq. 6). NaN where the
/// feature is not finite.
#[derive(Debug, Clone)]
pub struct ClassSums {
    /// Row-major values.
    pub values: Vec<f64>,
    /// Total weight of each class, `[B, K + 1]`: the denominators.
    pub mass: Vec<f64>,
    /// Channels, C.
    pub channels: usize,
}

/// A layer's SAM at the image's resolution.
pub struct SamOutput {
    /// `[B, K, *S]` float32, the probability of each object class.
    pub probability: Tensor,
    /// `[B, *S]` uint8, 0 background or the class of the nearest prototype.
    pub sam: Tensor,
    /// `[B, K]`.
    pub counts: Vec<MapCounts>,
}

/// Pixel counts of one class of a SAM against the reference, over valid pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapCounts {
    /// Pixels of the class in both.
    pub both: u64,
    /// Pixels of the class in the SAM.
    pub sam: u64,
}

/// The same for each unit's own SAM, `[B, K, C]` row-major.
pub type UnitCounts = Vec<MapCounts>;

/// The passes over a feature map `[B, C, *s]`. The computations between them handle a few numbers for each channel and are shared by all
/// backends.
pub trait Backend {
    /// Sums of the feature over each class of the reference.
    fn class_sums(&self, feature: &Tensor, reference: &Prediction) -> Result<ClassSums, ProtosegError>;

    /// The SAM of the whole feature.
    fn maps(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        affine: &Affine,
    ) -> Result<SamOutput, ProtosegError>;

    /// The counts `[B, K]` of [`Backend::maps`], without the maps.
    fn map_counts(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        affine: &Affine,
    ) -> Result<Vec<MapCounts>, ProtosegError> {
        Ok(self.maps(feature, reference, affine)?.counts)
    }

    /// The counts of each unit's own SAM.
    fn unit_counts(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        thresholds: &Thresholds,
    ) -> Result<UnitCounts, ProtosegError>;
}
