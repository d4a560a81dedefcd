//! `golden.safetensors`: an image, and the model's result for it when the file was made. A model that does not reproduce the result gets
//! no requests.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array2;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::error::{Finding, ModelError};
use super::files;
use crate::imaging::{self, Format, Image, Limits, Picture};

/// The tensor of the mask.
const MASK: &str = "mask";
/// Names in the file's metadata: mu, and millimetres per row step and column step.
const MU: &str = "mu";
const SPACING: [&str; 2] = ["row_spacing", "column_spacing"];
/// Size limits of a golden image.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 24,
    max_bytes: 1 << 28,
};

/// An image, and the model's result for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// The image as a caller would send it: no preprocessing yet.
    pub image: Image,
    /// `[height, width]`: 0 background, k object class k.
    pub labels: Array2<u8>,
    /// The mean SA score, in [0, 1].
    pub mu: f64,
}

impl Golden {
    /// The file's bytes.
    ///
    /// # Errors
    /// Values that safetensors does not take.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let (channels, height, width) = self.image.pixels.dim();
        let pixels: Vec<u8> = self
            .image
            .pixels
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let labels: Vec<u8> = self.labels.iter().copied().collect();
        let failed = |error: safetensors::SafeTensorError| ModelError::Golden(error.to_string());
        let image = TensorView::new(Dtype::F32, vec![channels, height, width], &pixels).map_err(failed)?;
        let mask = TensorView::new(Dtype::U8, self.labels.shape().to_vec(), &labels).map_err(failed)?;
        let [row, column] = self.image.spacing;
        let metadata = HashMap::from([
            (MU.to_owned(), self.mu.to_string()),
            (SPACING[0].to_owned(), row.to_string()),
            (SPACING[1].to_owned(), column.to_string()),
        ]);
        safetensors::serialize([("image", image), (MASK, mask)], Some(metadata)).map_err(failed)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or does not hold what it should.
    pub fn read(path: &Path) -> Result<Golden, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
            doing: "read",
            path: path.to_path_buf(),
            source,
        })?;
        Golden::parse(&bytes).map_err(|(field, message)| ModelError::Defective {
            folder: path.parent().unwrap_or(Path::new(".")).to_path_buf(),
            findings: vec![Finding::error(path, Some(field), message)],
        })
    }

    /// Reads the file's bytes; the error names the field and what is wrong with it.
    fn parse(bytes: &[u8]) -> Result<Golden, (&'static str, String)> {
        let image = imaging::decode(bytes, Format::Safetensors, files::GOLDEN, &LIMITS);
        let Picture::Image(mut image) = image.map_err(|error| ("image", error.to_string()))? else {
            return Err(("image", "it is a volume; one image would be right".into()));
        };
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|error| ("metadata", error.to_string()))?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let number = |field: &'static str| {
            let text = metadata.get(field).map_or("missing", String::as_str);
            let number = text.parse::<f64>().ok().filter(|it| it.is_finite() && *it >= 0.0);
            number.ok_or_else(|| (field, format!("it is {text}; a number from 0 would be right")))
        };
        image.spacing = [number(SPACING[0])?, number(SPACING[1])?];
        let mu = number(MU)?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| ("mask", error.to_string()))?;
        let mask = file
            .tensor(MASK)
            .map_err(|_| (MASK, "it is missing".to_owned()))?;
        let [_, height, width] = *image.pixels.shape() else {
            return Err(("image", "it has no [channels, height, width]".into()));
        };
        if mask.dtype() != Dtype::U8 || mask.shape() != [height, width] {
            let is = format!(
                "it is {:?} {:?}; U8 [{height}, {width}], as the image, would be right",
                mask.dtype(),
                mask.shape()
            );
            return Err((MASK, is));
        }
        let labels = Array2::from_shape_vec((height, width), mask.data().to_vec())
            .map_err(|error| (MASK, error.to_string()))?;
        Ok(Golden { image, labels, mu })
    }
}
