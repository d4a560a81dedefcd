//! Anatomical planes: how a volume is sliced.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use serde::{Deserialize, Serialize};

/// How a volume is sliced. Every slice is shown as a radiology viewer lays it out, except that left is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Constant x. Rows run superior to inferior, columns anterior to posterior.
    Sagittal,
    /// Constant y. Rows run superior to inferior, columns left to right (x ascending).
    Coronal,
    /// Constant z. Rows run anterior to posterior, columns left to right (x ascending).
    Axial,
}

impl Plane {
    /// Every plane, in the order of the axes that they are perpendicular to.
    pub const ALL: [Plane; 3] = [Plane::Sagittal, Plane::Coronal, Plane::Axial];

    /// Its name: `sagittal`, `coronal` or `axial`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sagittal => "sagittal",
            Self::Coronal => "coronal",
            Self::Axial => "axial",
        }
    }

    /// The volume's axis that this plane is perpendicular to: 0 for x, 1 for y, 2 for z.
    pub fn axis(self) -> usize {
        match self {
            Self::Sagittal => 0,
            Self::Coronal => 1,
            Self::Axial => 2,
        }
    }

    /// Slice `index` of a volume `[x, y, z]` in RAS+ order, as `[row, column]`.
    ///
    /// # Panics
    /// Where `index` is not below the volume's extent along [`Plane::axis`].
    pub fn slice<T>(self, volume: ArrayView3<'_, T>, index: usize) -> ArrayView2<'_, T> {
        let mut slice = volume.index_axis_move(Axis(self.axis()), index).reversed_axes();
        slice.invert_axis(Axis(0));
        if self == Self::Sagittal {
            slice.invert_axis(Axis(1));
        }
        slice
    }

    /// As [`Plane::slice`], to write a slice (such as a mask's) into its place in a volume.
    ///
    /// # Panics
    /// Where `index` is not below the volume's extent along [`Plane::axis`].
    pub fn slice_mut<T>(self, volume: ArrayViewMut3<'_, T>, index: usize) -> ArrayViewMut2<'_, T> {
        let mut slice = volume.index_axis_move(Axis(self.axis()), index).reversed_axes();
        slice.invert_axis(Axis(0));
        if self == Self::Sagittal {
            slice.invert_axis(Axis(1));
        }
        slice
    }

    /// A slice's spacing (row step, column step) in a volume with spacing `[x, y, z]`.
    pub(super) fn spacing(self, [x, y, z]: [f64; 3]) -> [f64; 2] {
        match self {
            Self::Sagittal => [z, y],
            Self::Coronal => [z, x],
            Self::Axial => [y, x],
        }
    }
}
