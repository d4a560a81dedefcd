//! One subject's files in memory: image and mask on one grid, as slices.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, Axis, concatenate};
use sagate_core::imaging::{self, Image, Limits, Orientation, Picture, Plane, Volume, require_aligned};

use super::Object;
use super::plan::Case;
use crate::data::DataError;

/// A long CT has 750 slices of 512 x 512.
const LIMITS: Limits = Limits {
    max_pixels: 512 << 20,
    max_bytes: 4 << 30,
};

/// A subject's image and mask.
pub(super) struct Loaded {
    /// Values of 16 bits, not yet rounded.
    image: Volume,
    /// `[x, y, z]`: 1 in the object.
    object: Array3<u8>,
    plane: Plane,
}

impl Loaded {
    /// Reads the files of a case: first the mask, then the image, whose channels must be as many as the case has ways for
    /// their values. A picture becomes a volume of one axial slice.
    pub fn read(case: &Case, object: &Object, plane: Plane) -> Result<Self, DataError> {
        let mask = imaging::read_mask(&case.mask, &LIMITS)?;
        let placement = mask.placement();
        let object = labels(&case.mask, volume_of(&case.mask, mask)?, object)?;
        let mut parts: Vec<Volume> = Vec::with_capacity(case.images.len());
        for path in &case.images {
            let picture = imaging::read(path, &LIMITS)?;
            let (mask_name, image_name) = (case.mask.display().to_string(), path.display().to_string());
            require_aligned(
                placement.as_ref(),
                &mask_name,
                picture.placement().as_ref(),
                &image_name,
            )?;
            let part = volume_of(path, picture)?;
            let (_, x, y, z) = part.voxels.dim();
            if [x, y, z] != object.shape() {
                return Err(DataError::Grid {
                    path: case.mask.clone(),
                    was: object.dim().into(),
                    other: path.clone(),
                    want: [x, y, z],
                });
            }
            parts.push(part);
        }
        let channels: Vec<usize> = parts.iter().map(|part| part.voxels.dim().0).collect();
        if channels.iter().sum::<usize>() != case.values.len() {
            return Err(DataError::Field {
                path: case.images[0].clone(),
                field: "the number of channels".to_owned(),
                was: channels.iter().sum::<usize>().to_string(),
                want: format!("{}, as the data set has", case.values.len()),
            });
        }
        let files = case
            .images
            .iter()
            .zip(channels)
            .flat_map(|(path, channels)| std::iter::repeat_n(path, channels));
        let mut image = joined(parts);
        for ((mut channel, &values), path) in image.voxels.outer_iter_mut().zip(&case.values).zip(files) {
            values.convert(path, channel.view_mut())?;
        }
        Ok(Self { image, object, plane })
    }

    /// How many slices there are.
    pub fn slices(&self) -> usize {
        self.image.extent(self.plane)
    }

    /// A slice of the image.
    pub fn image(&self, index: usize) -> Image {
        self.image.slice(self.plane, index)
    }

    /// A slice of the mask: 1 in the object.
    pub fn truth(&self, index: usize) -> Array2<u8> {
        self.plane.slice(self.object.view(), index).to_owned()
    }
}

/// One volume of the channels of several on one grid.
fn joined(mut parts: Vec<Volume>) -> Volume {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let spacing = parts[0].spacing;
    let views: Vec<_> = parts.iter().map(|part| part.voxels.view()).collect();
    let voxels = concatenate(Axis(0), &views).expect("all parts were checked to lie on the mask's grid");
    Volume::new(voxels, spacing)
}

/// The channels of an image file.
pub(super) fn channels(path: &Path) -> Result<usize, DataError> {
    Ok(volume_of(path, imaging::read(path, &LIMITS)?)?.voxels.dim().0)
}

/// A picture becomes the one axial slice of a volume.
fn volume_of(path: &Path, picture: Picture) -> Result<Volume, DataError> {
    match picture {
        Picture::Volume(volume) => Ok(volume),
        Picture::Image(image) if image.orientation != Orientation::UPRIGHT => Err(DataError::Field {
            path: path.to_owned(),
            field: "the EXIF orientation".to_owned(),
            was: image.orientation.exif_value().to_string(),
            want: "1 or absent; turn the image and its mask upright first".to_owned(),
        }),
        Picture::Image(image) => {
            let [row, column] = image.spacing;
            let mut voxels: Array4<f32> = image.pixels.permuted_axes([0, 2, 1]).insert_axis(Axis(3));
            voxels.invert_axis(Axis(2));
            Ok(Volume::new(voxels, [column, row, 1.0]))
        }
    }
}

/// 1 where a mask's label belongs to the object.
fn labels(path: &Path, mask: Volume, object: &Object) -> Result<Array3<u8>, DataError> {
    let field = |field: &str, was: String, want: &str| DataError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        was,
        want: want.to_owned(),
    };
    let channels = mask.voxels.dim().0;
    if channels != 1 {
        let want = "1: a mask holds one label a voxel";
        return Err(field("the number of channels", channels.to_string(), want));
    }
    let voxels = mask.voxels.index_axis_move(Axis(0), 0);
    let top = f32::from(u16::MAX);
    if let Some(odd) = voxels
        .iter()
        .find(|v| v.fract() != 0.0 || !(0.0..=top).contains(*v))
    {
        return Err(field(
            "a label",
            odd.to_string(),
            "a whole number from 0 to 65535",
        ));
    }
    Ok(voxels.mapv(|v| u8::from(object.holds(v as u16))))
}
