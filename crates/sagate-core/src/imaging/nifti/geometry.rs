//! Where a file's voxels lie in the patient, and the way between the file's axes and RAS+ order.

use ndarray::{ArrayBase, ArrayView3};
use ndarray::{ArrayView4, Axis, Ix4, RawData};

use super::fields::{Field, Fields};
use super::header::Header;
use super::transform::{Affine, Transform, column, norm};
use crate::imaging::ImagingError;

/// The grid of a file: its header as far as it says where voxels lie, and which of its axes run along x, y and z.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::imaging) struct Geometry {
    /// The header; none for a volume that comes from no NIfTI file.
    pub(super) source: Option<Fields>,
    /// Dimensions of a mask on this grid: 2 or 3.
    pub(super) rank: usize,
    /// Voxels along the file's axes i, j, k.
    pub(super) extent: [usize; 3],
    /// From i, j, k to x, y, z, in the file's own unit of length.
    affine: Affine,
    /// Millimetres in that unit.
    unit: f64,
    /// The header says how the axes lie: `sform_code` or `qform_code` is set.
    oriented: bool,
    /// For x, y and z: the file's axis that runs along it most nearly.
    axes: [usize; 3],
    /// For x, y and z: whether that axis runs the other way.
    flipped: [bool; 3],
}

impl Geometry {
    /// A volume of no file, `extent` voxels along x, y, z.
    pub(in crate::imaging) fn aligned(extent: [usize; 3], [x, y, z]: [f64; 3]) -> Self {
        Self {
            source: None,
            rank: 3,
            extent,
            affine: [[x, 0.0, 0.0, 0.0], [0.0, y, 0.0, 0.0], [0.0, 0.0, z, 0.0]],
            unit: 1.0,
            oriented: false,
            axes: [0, 1, 2],
            flipped: [false; 3],
        }
    }

    /// The geometry of a file. The sform counts where its code is set, else the qform; where neither is, the file does
    /// not say how it lies, and is taken as other readers take it ([`Transform::from_header`]).
    pub(super) fn from_header(header: &Header<'_>, extent: [usize; 3]) -> Result<Self, ImagingError> {
        let rank = header.dimensions().min(3);
        let Transform {
            field,
            affine,
            oriented,
        } = Transform::from_header(&header.fields, rank, extent);
        if affine.as_flattened().iter().any(|number| !number.is_finite()) {
            return Err(header.wrong(field.to_owned(), "NaN or infinite", "finite numbers"));
        }
        let mut steps = affine;
        if rank == 2 && column(&steps, 2) == [0.0; 3] {
            let normal = cross(column(&steps, 0), column(&steps, 1));
            (0..3).for_each(|row| steps[row][2] = normal[row]);
        }
        let lengths = [0, 1, 2].map(|axis| norm(column(&steps, axis)));
        let usable = |length: &f64| length.is_finite() && *length > 0.0;
        if !lengths.iter().all(usable) || determinant(&steps, lengths).abs() < 1e-6 {
            let was = format!("{:?}", affine.map(|[i, j, k, _]| [i, j, k]));
            let right = "three independent directions (or sform_code and qform_code 0 for none)";
            return Err(header.wrong(field.to_owned(), was, right));
        }
        let along = |world: usize, axis: usize| steps[world][axis] / lengths[axis];
        // The file's axes from the clearest to the most oblique, each to that of x, y, z left over that it runs along
        // most nearly: as nibabel does, so that both agree on any scan.
        let mut axes = [usize::MAX; 3];
        let clarity = |axis: usize| (0..3).map(|world| along(world, axis).abs()).fold(0.0, f64::max);
        let mut clearest = [0, 1, 2];
        clearest.sort_by(|&a, &b| clarity(b).total_cmp(&clarity(a)));
        for axis in clearest {
            let free = (0..3).filter(|&world| axes[world] == usize::MAX).rev();
            let nearest = free.max_by(|&a, &b| along(a, axis).abs().total_cmp(&along(b, axis).abs()));
            nearest.into_iter().for_each(|world| axes[world] = axis);
        }
        let flipped = [0, 1, 2].map(|world| along(world, axes[world]) < 0.0);
        let unit = match header.fields.get(Field::Units, 0) as i64 & 7 {
            1 => 1e3,
            3 => 1e-3,
            _ => 1.0,
        };
        Ok(Self {
            source: Some(header.fields.clone()),
            rank,
            extent,
            affine: steps,
            unit,
            oriented,
            axes,
            flipped,
        })
    }

    /// Whether the header defines the orientation; `None` where the voxels come from no NIfTI file.
    pub(in crate::imaging) fn oriented(&self) -> Option<bool> {
        self.source.as_ref().map(|_| self.oriented)
    }

    /// Millimetres along x, y and z.
    pub(in crate::imaging) fn spacing(&self) -> [f64; 3] {
        self.axes.map(|axis| norm(column(&self.affine, axis)) * self.unit)
    }

    /// The grid of one slice: `index` along x, y or z (0, 1, 2), counted in RAS+ order. Its mask lies in the file's space
    /// where that slice does.
    pub(in crate::imaging) fn slice(&self, world: usize, index: usize) -> Self {
        let axis = self.axes[world];
        let mut slice = self.clone();
        slice.extent[axis] = 1;
        let step = match self.flipped[world] {
            true => self.extent[axis] - 1 - index,
            false => index,
        };
        let moved = |affine: &Affine, row: usize| affine[row][3] + affine[row][axis] * step as f64;
        for row in 0..3 {
            slice.affine[row][3] = moved(&self.affine, row);
        }
        let Some(source) = slice.source.as_mut().filter(|_| self.extent[axis] > 1) else {
            return slice;
        };
        if source.get(Field::SformCode, 0) > 0.0 {
            let sform = Transform::sform(source);
            (0..3).for_each(|row| source.set(Field::Sform, 4 * row + 3, moved(&sform, row)));
        }
        if source.get(Field::QformCode, 0) > 0.0 {
            let qform = Transform::qform(source);
            (0..3).for_each(|row| source.set(Field::QformOffset, row, moved(&qform, row)));
        }
        if !self.oriented {
            // Without a transform the origin depends on the shape, which is no longer that of the volume.
            source.set(Field::SformCode, 0, 2.0);
            for (index, &number) in slice.affine.as_flattened().iter().enumerate() {
                source.set(Field::Sform, index, number);
            }
        }
        slice
    }

    /// From voxels in RAS+ order to x, y, z in millimetres.
    pub(in crate::imaging) fn ras_affine(&self) -> Affine {
        let mut ras = [[0.0; 4]; 3];
        for (row, numbers) in ras.iter_mut().enumerate() {
            numbers[3] = self.affine[row][3];
            for world in 0..3 {
                let axis = self.axes[world];
                let step = self.affine[row][axis];
                numbers[world] = if self.flipped[world] { -step } else { step };
                if self.flipped[world] {
                    numbers[3] += step * (self.extent[axis] - 1) as f64;
                }
            }
            numbers.iter_mut().for_each(|number| *number *= self.unit);
        }
        ras
    }

    /// Which of x, y, z (0, 1, 2) the file's axis runs along.
    pub(super) fn world_axis(&self, file_axis: usize) -> usize {
        self.axes
            .iter()
            .position(|&axis| axis == file_axis)
            .unwrap_or(file_axis)
    }

    /// Voxels along x, y, z.
    pub(in crate::imaging) fn ras_extent(&self) -> [usize; 3] {
        self.axes.map(|axis| self.extent[axis])
    }

    /// `[c, i, j, k]` seen as `[c, x, y, z]`.
    pub(super) fn to_ras<'a, T>(&self, stored: ArrayView4<'a, T>) -> ArrayView4<'a, T> {
        let [x, y, z] = self.axes;
        let mut ras = stored.permuted_axes([0, x + 1, y + 1, z + 1]);
        self.flip(&mut ras);
        ras
    }

    /// `[x, y, z]` seen as `[i, j, k]`.
    pub(super) fn to_file<'a, T>(&self, ras: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let mut ras = ras.insert_axis(Axis(0));
        self.flip(&mut ras);
        let [i, j, k] = [0, 1, 2].map(|axis| self.world_axis(axis) + 1);
        ras.permuted_axes([0, i, j, k]).index_axis_move(Axis(0), 0)
    }

    fn flip<S: RawData>(&self, ras: &mut ArrayBase<S, Ix4>) {
        for world in 0..3 {
            if self.flipped[world] {
                ras.invert_axis(Axis(world + 1));
            }
        }
    }
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The determinant of the steps with every column brought to length 1.
fn determinant(steps: &Affine, lengths: [f64; 3]) -> f64 {
    let [a, b, c] = [0, 1, 2].map(|axis| column(steps, axis).map(|value| value / lengths[axis]));
    let normal = cross(a, b);
    normal.iter().zip(c).map(|(n, c)| n * c).sum()
}
