//! Conversion of a source's values to the 16 bits of a task's images.

use std::path::Path;

use ndarray::ArrayViewMut3;

use crate::data::DataError;

/// The greatest value that 16 bits hold.
const TOP: f32 = 65535.0;

/// Conversion of one channel's stored values to 0..65535, with saturation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Values {
    /// Unchanged.
    AsStored,
    /// Unchanged; only integers of 16 bits are accepted: for pictures.
    Whole,
    /// CT in Hounsfield units (HU): plus 1024, so that air is 24 and nothing is lost above -1024.
    Hounsfield,
    /// `low` becomes 0 and `high` 65535.
    Window { low: f32, high: f32 },
    /// The volume's own least value becomes 0 and its greatest 65535; where all are equal, 0.
    OwnRange,
}

impl Values {
    /// Converts the voxels `[x, y, z]` of one channel in place. `path` is the file for messages.
    pub fn convert(self, path: &Path, mut voxels: ArrayViewMut3<'_, f32>) -> Result<(), DataError> {
        let (offset, factor) = match self {
            Self::AsStored => (0.0, 1.0),
            Self::Hounsfield => (1024.0, 1.0),
            Self::Window { low, high } => (-low, TOP / (high - low)),
            Self::Whole => {
                let odd = |v: &&f32| v.fract() != 0.0 || !(0.0..=TOP).contains(*v);
                return match voxels.iter().find(odd) {
                    None => Ok(()),
                    Some(odd) => Err(DataError::Field {
                        path: path.to_owned(),
                        field: "a pixel".to_owned(),
                        was: odd.to_string(),
                        want: "a whole number from 0 to 65535, as pictures have; scale the images first"
                            .to_owned(),
                    }),
                };
            }
            Self::OwnRange => {
                let least = voxels.iter().copied().fold(f32::INFINITY, f32::min);
                let greatest = voxels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let factor = if greatest > least {
                    TOP / (greatest - least)
                } else {
                    0.0
                };
                (-least, factor)
            }
        };
        voxels.mapv_inplace(|v| ((v + offset) * factor).clamp(0.0, TOP));
        Ok(())
    }

    /// Description of the conversion.
    pub fn words(self) -> String {
        match self {
            Self::AsStored => "as stored".to_owned(),
            Self::Whole => "as in the pictures".to_owned(),
            Self::Hounsfield => "HU + 1024".to_owned(),
            Self::Window { low, high } => format!("{low}..{high} becomes 0..{TOP}"),
            Self::OwnRange => format!("each volume's own range becomes 0..{TOP}"),
        }
    }
}
