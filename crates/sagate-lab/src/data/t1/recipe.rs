//! The two tasks: which plane, which object, which slices, and which split each belongs to.

use ndarray::{Array2, Array3, s};
use sagate_core::imaging::Plane;

use super::volume::Head;
use crate::data::Split;

/// How many consecutive slices make a block; blocks, not slices, are dealt to training and validation.
pub const BLOCK: usize = 4;
/// Of so many consecutive blocks ...
pub const BLOCKS: usize = 5;
/// ... this one (from 0) validates, the others train.
pub const VALIDATION_BLOCK: usize = 2;

/// What a pixel value of the 8-bit source is multiplied by to fill 16 bits.
pub const VALUE_SCALE: f32 = 256.0;

/// One task's recipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub name: &'static str,
    pub description: &'static str,
    pub plane: Plane,
    pub class: &'static str,
    pub colour: [u8; 3],
    /// Slices (sagittal) or columns (coronal) nearer to the middle than or as near as this are left out, in voxels.
    pub band: usize,
    /// The least number of object pixels a slice must show to be kept.
    pub minimum: usize,
}

/// The brain in the head.
pub(super) const BRAIN: Recipe = Recipe {
    name: "t1-brain",
    description: "The brain in sagittal slices of a T1-weighted head",
    plane: Plane::Sagittal,
    class: "brain",
    colour: [0, 158, 115],
    band: 5,
    minimum: 500,
};

/// The deep grey nuclei in half a coronal slice.
pub(super) const NUCLEI: Recipe = Recipe {
    name: "t1-nuclei",
    description: "The deep grey nuclei (caudate, putamen, pallidum, thalamus) in coronal half slices of a T1-weighted head",
    plane: Plane::Coronal,
    class: "deep grey nuclei",
    colour: [230, 159, 0],
    band: 2,
    minimum: 100,
};

/// One slice to be written.
pub(super) struct Slice {
    pub position: usize,
    /// Raw values of the 16-bit image.
    pub image: Array2<f32>,
    pub truth: Option<Array2<u8>>,
}

/// A side of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Recipe {
    /// What slice names begin with.
    pub fn plane_name(&self) -> &'static str {
        self.plane.name()
    }

    fn object<'a>(&self, head: &'a Head) -> Option<&'a Array3<u8>> {
        match self.plane {
            Plane::Sagittal => Some(&head.brain),
            _ => head.nuclei.as_ref(),
        }
    }

    /// The slices of one hemisphere that show enough of the object, in the order of their positions. A right
    /// hemisphere's coronal half is mirrored, so that it looks like a left one; a sagittal slice looks the same from
    /// both sides. Where the object is not known, `at` says which positions to keep.
    pub fn slices(&self, head: &Head, side: Side, at: Option<&[usize]>) -> Vec<Slice> {
        let (nx, ny, _) = head.t1.dim();
        let middle = (nx - 1) / 2;
        let positions = match self.plane {
            Plane::Sagittal => self.band + 1..middle + 1,
            _ => 0..ny,
        };
        positions
            .filter_map(|position| {
                let image = self
                    .half(&head.t1, side, position)?
                    .mapv(|v| (v * VALUE_SCALE).round().clamp(0.0, f32::from(u16::MAX)));
                let truth = match self.object(head) {
                    Some(object) => Some(self.half(object, side, position)?),
                    None => None,
                };
                let keep = match (&truth, at) {
                    (_, Some(at)) if !at.contains(&position) => false,
                    (Some(truth), _) => truth.iter().filter(|&&v| v != 0).count() >= self.minimum,
                    (None, _) => image.iter().any(|&v| v > 0.0),
                };
                keep.then_some(Slice {
                    position,
                    image,
                    truth,
                })
            })
            .collect()
    }

    /// The slice of one hemisphere at a position: for a sagittal slice the distance from the middle in voxels, for a
    /// coronal one the voxel's index from the back.
    fn half<T: Copy>(&self, volume: &Array3<T>, side: Side, position: usize) -> Option<Array2<T>> {
        let nx = volume.dim().0;
        // With an even number of voxels the middle lies between two of them, which are then both at distance 0.
        let (left, right) = ((nx - 1) / 2, nx / 2);
        match self.plane {
            Plane::Sagittal => {
                let x = match side {
                    Side::Left => left.checked_sub(position)?,
                    Side::Right => right + position,
                };
                (x < nx).then(|| self.plane.slice(volume.view(), x).to_owned())
            }
            plane => {
                let slice = plane.slice(volume.view(), position);
                let edge = left.checked_sub(self.band)?;
                Some(match side {
                    Side::Left => slice.slice(s![.., ..edge]).to_owned(),
                    Side::Right => slice.slice(s![.., ..;-1]).slice(s![.., ..edge]).to_owned(),
                })
            }
        }
    }

    /// How the splits are made, in words.
    pub fn left_out(&self) -> String {
        match self.plane {
            Plane::Sagittal => format!(
                "the middle slice and the {} on each side of it; slices with fewer than {} pixels of {}",
                self.band, self.minimum, self.class
            ),
            _ => format!(
                "in each slice the middle column and the {} on each side of it; slices with fewer than {} pixels of {}",
                self.band, self.minimum, self.class
            ),
        }
    }
}

/// The split of a left hemisphere's slice by its rank among those that were kept.
pub(super) fn split_of(rank: usize) -> Split {
    if (rank / BLOCK) % BLOCKS == VALIDATION_BLOCK {
        Split::Validation
    } else {
        Split::Train
    }
}
