//! Where the pixels of an image lie in the patient.

use ndarray::{Array3, ArrayView2};

use super::geometry::Geometry;
use super::transform::Affine;
use crate::imaging::Plane;

/// The grid that an image has in its NIfTI file: one slice of a volume, or a file of two dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceGeometry {
    /// Of a volume that is one voxel thick across `plane`.
    pub(super) grid: Geometry,
    plane: Plane,
}

impl SliceGeometry {
    /// Slice `index` along `plane` of a volume from a NIfTI file; none where it comes from elsewhere.
    pub(in crate::imaging) fn of_slice(volume: &Geometry, plane: Plane, index: usize) -> Option<Self> {
        volume.oriented()?;
        Some(Self {
            grid: volume.slice(plane.axis(), index),
            plane,
        })
    }

    /// Whether the file says how its axes lie in the patient. Where it does not (`sform_code` and `qform_code` 0), they
    /// are taken to run to the left, to the front and to the head.
    pub fn is_oriented(&self) -> bool {
        self.grid.oriented() == Some(true)
    }

    /// From row and column to x, y, z in millimetres (RAS+): a row for each of x, y and z, which holds the step per row, the
    /// step per column, and the place of the first pixel's centre.
    pub fn affine(&self) -> [[f64; 3]; 3] {
        self.laid_out(&self.grid.ras_affine())
    }

    fn laid_out(&self, ras: &Affine) -> [[f64; 3]; 3] {
        let extent = self.grid.ras_extent();
        let last = |axis: usize| (extent[axis] - 1) as f64;
        // As `Plane::slice` lays a slice out.
        let (row, column, mirrored) = match self.plane {
            Plane::Sagittal => (2, 1, true),
            Plane::Coronal => (2, 0, false),
            Plane::Axial => (1, 0, false),
        };
        ras.map(|world| {
            let first = world[3] + world[row] * last(row);
            if mirrored {
                [-world[row], -world[column], first + world[column] * last(column)]
            } else {
                [-world[row], world[column], first]
            }
        })
    }

    /// Labels `[row, column]` as a volume `[x, y, z]` on the grid; none where their shape is not the grid's.
    pub(super) fn volume(&self, labels: ArrayView2<'_, u8>) -> Option<Array3<u8>> {
        let mut volume = Array3::zeros(self.grid.ras_extent());
        let mut slice = self.plane.slice_mut(volume.view_mut(), 0);
        if slice.dim() != labels.dim() {
            return None;
        }
        slice.assign(&labels);
        Some(volume)
    }
}
