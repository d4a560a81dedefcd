//! Images, and volumes with the three ways to slice them into images.

use std::sync::Arc;

use ndarray::{Array3, Array4, Axis};

use super::nifti::{Geometry, SliceGeometry};
use super::orientation::Orientation;
use super::plane::Plane;

/// A two-dimensional image, as the file has it: no preprocessing yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// `[channels, height, width]`, the file's own units, every value finite.
    pub pixels: Array3<f32>,
    /// Millimetres per row step and per column step; 1.0 where the file does not say.
    pub spacing: [f64; 2],
    /// How the pixels are to be turned before they are shown. Preprocessing does it, and masks come back as the pixels are stored.
    pub orientation: Orientation,
    /// Where the pixels lie in the patient, so that a mask can be written onto the same grid; none where the image does
    /// not come from a NIfTI file.
    pub geometry: Option<Arc<SliceGeometry>>,
}

impl Image {
    /// An image without orientation and geometry.
    pub fn new(pixels: Array3<f32>, spacing: [f64; 2]) -> Image {
        Image {
            pixels,
            spacing,
            orientation: Orientation::UPRIGHT,
            geometry: None,
        }
    }

    /// The same pixels, to be turned before they are shown.
    pub fn with_orientation(self, orientation: Orientation) -> Image {
        Image { orientation, ..self }
    }

    /// The image as it is shown: its pixels turned.
    pub fn upright(self) -> Image {
        if self.orientation == Orientation::UPRIGHT {
            return self;
        }
        let pixels = self.orientation.upright(self.pixels.view());
        Image::new(
            pixels.as_standard_layout().into_owned(),
            self.orientation.upright_pair(self.spacing),
        )
    }

    /// An image of three channels that are equal everywhere, as a picture of grey values saved in colour has them, with the first
    /// of them alone; any other image as it is.
    pub fn grey_if_equal(self) -> Image {
        let channel = |index| self.pixels.index_axis(Axis(0), index);
        if self.pixels.len_of(Axis(0)) != 3 || channel(0) != channel(1) || channel(0) != channel(2) {
            return self;
        }
        let pixels = channel(0).insert_axis(Axis(0)).to_owned();
        Image { pixels, ..self }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// One image.
    Image(Image),
    /// A volume: each slice along a [`Plane`] is an image.
    Volume(Volume),
}

/// A three-dimensional picture in RAS+ order: x grows to the patient's right, y to the front, z to the head. It
/// remembers how its file had it, so that a mask can be written onto the same grid
/// ([`mask::encode_nifti`](super::mask::encode_nifti)).
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// `[channels, x, y, z]`, the file's own units, every value finite.
    pub voxels: Array4<f32>,
    /// Millimetres per step along x, y and z.
    pub spacing: [f64; 3],
    pub(super) geometry: Box<Geometry>,
}

impl Volume {
    /// A volume that comes from no file: its axes are x, y and z, and its first voxel lies at the origin.
    pub fn new(voxels: Array4<f32>, spacing: [f64; 3]) -> Self {
        let (_, x, y, z) = voxels.dim();
        Self {
            geometry: Box::new(Geometry::aligned([x, y, z], spacing)),
            voxels,
            spacing,
        }
    }

    /// From voxels `[x, y, z]` to millimetres (RAS+): a row for each of x, y and z, which holds the steps along the three
    /// axes and the place of the first voxel's centre.
    pub fn affine(&self) -> [[f64; 4]; 3] {
        self.geometry.ras_affine()
    }

    /// How many slices there are along a plane.
    pub fn extent(&self, plane: Plane) -> usize {
        self.voxels.len_of(Axis(plane.axis() + 1))
    }

    /// The plane of a volume that is one slice thick along exactly one axis.
    pub fn single_plane(&self) -> Option<Plane> {
        let mut single = Plane::ALL.into_iter().filter(|&plane| self.extent(plane) == 1);
        single.next().filter(|_| single.next().is_none())
    }

    /// Slice `index` along a plane, all channels.
    ///
    /// # Panics
    /// Where `index` is not below [`Volume::extent`].
    pub fn slice(&self, plane: Plane, index: usize) -> Image {
        let channels: Vec<_> = self
            .voxels
            .outer_iter()
            .map(|channel| plane.slice(channel, index))
            .collect();
        let (height, width) = channels.first().map_or((0, 0), |channel| channel.dim());
        let mut pixels = Array3::zeros((channels.len(), height, width));
        for (mut target, source) in pixels.outer_iter_mut().zip(channels) {
            target.assign(&source);
        }
        Image {
            geometry: SliceGeometry::of_slice(&self.geometry, plane, index).map(Arc::new),
            ..Image::new(pixels, plane.spacing(self.spacing))
        }
    }
}
