//! `calibration.safetensors`: the SA score of every unit on each calibration image, one byte a score.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const TENSOR: &str = "unit_sa";
const NAMES: &str = "names";

/// The units' SA scores of each calibration image, in the order of the calibration's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitScores {
    names: Vec<String>,
    scores: Array2<u8>,
}

/// Why unit scores were refused.
#[derive(Debug, thiserror::Error)]
pub enum UnitScoresError {
    /// The file cannot be read.
    #[error("cannot read the unit scores {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file's content is invalid.
    #[error("{name}: {message}")]
    Form {
        /// The file.
        name: String,
        /// The error and the expected value.
        message: String,
    },
    /// A row of another length, or a score out of range.
    #[error("unit scores of image `{image}`: {message}")]
    Row {
        /// The image.
        image: String,
        /// The error and the expected value.
        message: String,
    },
}

impl UnitScores {
    /// Stores the SA scores of every unit, each 0..=1, for each named image, as `round(255 * score)`.
    ///
    /// # Errors
    /// Rows of different length, or a score that is not within 0..=1.
    pub fn new(rows: &[(String, Vec<f64>)]) -> Result<UnitScores, UnitScoresError> {
        let units = rows.first().map_or(0, |(_, scores)| scores.len());
        let mut bytes = Vec::with_capacity(rows.len() * units);
        for (name, scores) in rows {
            let refuse = |message| {
                Err(UnitScoresError::Row {
                    image: name.clone(),
                    message,
                })
            };
            if scores.len() != units {
                return refuse(format!(
                    "there are {}, but the first image has {units}",
                    scores.len()
                ));
            }
            if let Some(bad) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
                return refuse(format!("one is {bad}, but each must be a number from 0 to 1"));
            }
            bytes.extend(scores.iter().map(|score| (score * 255.0).round() as u8));
        }
        let names = rows.iter().map(|(name, _)| name.clone()).collect();
        let scores =
            Array2::from_shape_vec((rows.len(), units), bytes).map_err(|error| UnitScoresError::Form {
                name: "unit scores".into(),
                message: error.to_string(),
            })?;
        Ok(UnitScores { names, scores })
    }

    /// The images' names, in the order of the rows.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The scores as stored: `[images, units]`, each 255 times the SA score.
    pub fn bytes(&self) -> &Array2<u8> {
        &self.scores
    }

    /// The SA score of one unit on one image, 0..=1, to the nearest 1/255; `None` where there is no such image or unit.
    pub fn score(&self, image: usize, unit: usize) -> Option<f64> {
        self.scores
            .get((image, unit))
            .map(|&byte| f64::from(byte) / 255.0)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// Names that do not fit into the file's header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, UnitScoresError> {
        let form = |message: String| UnitScoresError::Form {
            name: "the new unit scores".into(),
            message,
        };
        let bytes: Vec<u8> = self.scores.iter().copied().collect();
        let view = TensorView::new(Dtype::U8, self.scores.shape().to_vec(), &bytes)
            .map_err(|error| form(error.to_string()))?;
        let names = serde_json::to_string(&self.names).map_err(|error| form(error.to_string()))?;
        let metadata = HashMap::from([(NAMES.to_string(), names)]);
        safetensors::serialize([(TENSOR, view)], Some(metadata)).map_err(|error| form(error.to_string()))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short, or lacks the tensor or the names.
    pub fn read(path: &Path) -> Result<UnitScores, UnitScoresError> {
        let bytes = std::fs::read(path).map_err(|source| UnitScoresError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        UnitScores::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads the file's bytes; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`UnitScores::read`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<UnitScores, UnitScoresError> {
        let form = |message: String| UnitScoresError::Form {
            name: name.into(),
            message,
        };
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| form(format!("it is no whole safetensors file: {error}")))?;
        let tensor = file
            .tensor(TENSOR)
            .map_err(|_| form(format!("it lacks the tensor `{TENSOR}`")))?;
        let &[images, units] = tensor.shape() else {
            return Err(form(format!(
                "`{TENSOR}` has shape {:?}, but must be [images, units]",
                tensor.shape()
            )));
        };
        if tensor.dtype() != Dtype::U8 {
            return Err(form(format!(
                "`{TENSOR}` has type {:?}, but must be U8",
                tensor.dtype()
            )));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| form(error.to_string()))?;
        let names = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(NAMES));
        let names: Vec<String> = names
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| {
                form(format!(
                    "its metadata lacks `{NAMES}`, the images' names as a JSON list of strings"
                ))
            })?;
        if names.len() != images {
            return Err(form(format!(
                "`{TENSOR}` has {images} images, but `{NAMES}` has {}",
                names.len()
            )));
        }
        let scores = Array2::from_shape_vec((images, units), tensor.data().to_vec())
            .map_err(|error| form(error.to_string()))?;
        Ok(UnitScores { names, scores })
    }
}
