//! A model without its network: manifest and calibration, shared by every thread that prepares images or decides on results.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, Array3};

use super::error::ExecutorError;
use super::segmentation::Segmentation;
use crate::gate::{Calibration, Decision, Policy, ScoreCalibration, decide};
use crate::imaging::Image;
use crate::imaging::preprocess::{Prepared, prepare};
use crate::model::{Located, Manifest, Model};
use crate::nn::layers::LAYERS;

/// A model's name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
}

impl From<&Located> for ModelId {
    fn from(located: &Located) -> ModelId {
        ModelId {
            name: located.name.clone(),
            version: located.version,
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// A model's input, calibration and decision rule, without its network.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    id: ModelId,
    manifest: Manifest,
    hash: String,
    calibration: Option<Calibration>,
}

/// An image after the model's preprocessing.
#[derive(Debug, Clone)]
pub struct PreparedImage {
    pub(super) prepared: Prepared,
    /// Whether the image lies within the size and intensity range of the model's manifest.
    pub in_range: bool,
}

impl PreparedImage {
    /// Height and width on the prepared grid: images of one size fit into one batch.
    pub fn size(&self) -> [usize; 2] {
        self.prepared.size()
    }

    /// Height and width of the image itself.
    pub fn original_size(&self) -> [usize; 2] {
        self.prepared.original_size()
    }

    /// The same pixels as an image whose own grid is the prepared grid, so that results are not restored to the original grid.
    pub fn on_its_own_grid(&self) -> PreparedImage {
        PreparedImage {
            prepared: self.prepared.on_its_own_grid(),
            in_range: self.in_range,
        }
    }

    /// `[channels, height, width]`: the network's input.
    pub fn pixels(&self) -> &Array3<f32> {
        &self.prepared.pixels
    }

    /// Brings a true mask `[height, width]` to the prepared grid.
    ///
    /// # Errors
    /// A mask that is not of the image's size.
    pub fn prepare_labels(&self, truth: &Array2<u8>) -> Result<Array2<u8>, ExecutorError> {
        Ok(self.prepared.prepare_labels(truth)?)
    }

    /// The same grid with other pixels of the same shape.
    pub fn with_pixels(&self, pixels: Array3<f32>) -> PreparedImage {
        let mut image = self.clone();
        image.prepared.pixels = pixels;
        image
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        let valid = self.prepared.valid.as_ref().map_or(0, |valid| valid.len());
        (size_of_val(self.prepared.pixels.as_slice().unwrap_or_default()) + valid) as u64
    }
}

impl ModelSpec {
    /// Opens a model's folder and reads manifest and calibration. Verifies every checksum, so it reads all files.
    ///
    /// # Errors
    /// Everything that is wrong with its folder, or as [`ModelSpec::new`].
    pub fn open(located: &Located) -> Result<(Model, Arc<ModelSpec>), ExecutorError> {
        let model = located.open()?;
        let spec = Arc::new(ModelSpec::new(&model)?);
        Ok((model, spec))
    }

    /// Reads a model's manifest and calibration.
    ///
    /// # Errors
    /// A damaged calibration, or one whose quality score has another number of units than the manifest's mu layers.
    pub fn new(model: &Model) -> Result<ModelSpec, ExecutorError> {
        let manifest = model.manifest().clone();
        let calibration = model.calibration()?;
        if let Some(score) = calibration.as_ref().and_then(|it| it.score.as_ref()) {
            let units = units(&manifest);
            if score.fitted.units() != units {
                return Err(ExecutorError::ScoreUnits {
                    model: manifest.reference(),
                    found: score.fitted.units(),
                    expected: units,
                });
            }
        }
        Ok(ModelSpec {
            id: ModelId {
                name: manifest.name.clone(),
                version: manifest.version,
            },
            manifest,
            hash: model.hash().into(),
            calibration,
        })
    }

    /// The model's name and version.
    pub fn id(&self) -> &ModelId {
        &self.id
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The content hash of the model's folder.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The calibration that thresholds come from, if the model has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The quality score, if the calibration has one.
    pub fn score(&self) -> Option<&ScoreCalibration> {
        self.calibration()?.score.as_ref()
    }

    /// Applies the manifest's preprocessing to an image.
    ///
    /// # Errors
    /// A wrong number of channels, or a step that cannot be done on this image.
    pub fn prepare(&self, image: Image) -> Result<PreparedImage, ExecutorError> {
        let (found, expected) = (image.pixels.dim().0, &self.manifest.input.channels);
        if found != expected.len() {
            return Err(ExecutorError::Channels {
                found,
                model: self.manifest.reference(),
                expected: expected.clone(),
            });
        }
        let in_range = self.manifest.input.in_range(&image);
        Ok(PreparedImage {
            prepared: prepare(image, &self.manifest.preprocessing)?,
            in_range,
        })
    }

    /// The gate's decision on a segmentation.
    pub fn decide(&self, segmentation: &Segmentation, policy: &Policy) -> Decision {
        decide(&segmentation.qc_inputs(), self.calibration(), policy)
    }
}

/// The number of units in the layers of mu.
fn units(manifest: &Manifest) -> usize {
    let base = manifest.architecture.base_width;
    let channels = |&number: &usize| LAYERS[number - 1].channels(base) as usize;
    manifest.mu.layers.iter().map(channels).sum()
}
