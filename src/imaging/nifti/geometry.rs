//! Where a file's voxels lie in the patient, and the way between the file's axes and RAS+ order.

use ndarray::{ArrayBase, ArrayView3};
use ndarray::{ArrayView4, Axis, Ix4, RawData};

use super::header::{Header, SIZE};
use crate::imaging::ImagingError;
use crate::imaging::samples::ByteOrder;

/// How a file had its voxels: the header as it was, and which of its axes run along x, y and z.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::imaging) struct Geometry {
    /// The file's header, 348 bytes; empty for a volume that comes from no file.
    pub(super) raw: Vec<u8>,
    pub(super) order: ByteOrder,
    /// Voxels along the file's axes i, j, k.
    pub(super) extent: [usize; 3],
    /// Millimetres along x, y, z.
    pub(super) spacing: [f64; 3],
    /// For x, y and z: the file's axis that runs along it most nearly.
    axes: [usize; 3],
    /// For x, y and z: whether that axis runs the other way.
    flipped: [bool; 3],
}

/// Rows x, y, z; columns the steps along i, j, k. The offset plays no part in reordering.
type Steps = [[f64; 3]; 3];

impl Geometry {
    /// A volume of no file, `extent` voxels along x, y, z.
    pub(in crate::imaging) fn aligned(extent: [usize; 3], spacing: [f64; 3]) -> Self {
        Self {
            raw: Vec::new(),
            order: ByteOrder::Little,
            extent,
            spacing,
            axes: [0, 1, 2],
            flipped: [false; 3],
        }
    }

    /// The geometry of a file and its spacing in millimetres along x, y and z. The sform counts where its code is
    /// set, else the qform, else the file's axes are taken for x, y and z.
    pub(super) fn of(header: &Header<'_>, extent: [usize; 3]) -> Result<(Self, [f64; 3]), ImagingError> {
        let (field, mut steps) = steps(header);
        if steps.as_flattened().iter().any(|step| !step.is_finite()) {
            return Err(header.wrong(field.to_owned(), "NaN or infinite", "finite numbers"));
        }
        if header.dimensions() == 2 && column(&steps, 2) == [0.0; 3] {
            let normal = cross(column(&steps, 0), column(&steps, 1));
            (0..3).for_each(|row| steps[row][2] = normal[row]);
        }
        let lengths = [0, 1, 2].map(|axis| norm(column(&steps, axis)));
        if lengths.contains(&0.0) || determinant(&steps, lengths).abs() < 1e-6 {
            let right = "three independent directions (or sform_code and qform_code 0 for none)";
            return Err(header.wrong(field.to_owned(), format!("{steps:?}"), right));
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
        let millimetres = match header.fields.xyzt_units & 7 {
            1 => 1e3,
            3 => 1e-3,
            _ => 1.0,
        };
        let spacing = axes.map(|axis| lengths[axis] * millimetres);
        let raw = header.raw[..SIZE].to_vec();
        Ok((
            Self {
                raw,
                order: header.order,
                extent,
                spacing,
                axes,
                flipped,
            },
            spacing,
        ))
    }

    /// For x, y and z: the file's axis that runs along it, and whether it runs the other way.
    pub(in crate::imaging) fn orientation(&self) -> [(usize, bool); 3] {
        [0, 1, 2].map(|world| (self.axes[world], self.flipped[world]))
    }

    /// Which of x, y, z (0, 1, 2) the file's axis runs along.
    pub(super) fn world_axis(&self, file_axis: usize) -> usize {
        self.axes
            .iter()
            .position(|&axis| axis == file_axis)
            .unwrap_or(file_axis)
    }

    /// Voxels along x, y, z.
    pub(super) fn ras_extent(&self) -> [usize; 3] {
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

/// The steps of the transform that counts, and its name for messages.
fn steps(header: &Header<'_>) -> (&'static str, Steps) {
    let fields = &header.fields;
    if fields.sform_code > 0 {
        let row = |row: [f32; 4]| [row[0], row[1], row[2]].map(f64::from);
        return (
            "sform (srow_x, srow_y, srow_z)",
            [row(fields.srow_x), row(fields.srow_y), row(fields.srow_z)],
        );
    }
    let spacing = [1, 2, 3].map(|axis| match f64::from(fields.pixdim[axis]).abs() {
        0.0 => 1.0,
        length => length,
    });
    if fields.qform_code > 0 {
        let quaternion = [fields.quatern_b, fields.quatern_c, fields.quatern_d].map(f64::from);
        let mut steps = rotation(quaternion);
        let mirror = if fields.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        for row in &mut steps {
            row[0] *= spacing[0];
            row[1] *= spacing[1];
            row[2] *= spacing[2] * mirror;
        }
        return ("qform (quatern_b, quatern_c, quatern_d, pixdim)", steps);
    }
    let [x, y, z] = spacing;
    ("pixdim", [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]])
}

/// The rotation of a unit quaternion, of which the file stores all but the first number.
fn rotation([b, c, d]: [f64; 3]) -> Steps {
    let square = b * b + c * c + d * d;
    let (a, b, c, d) = if square > 1.0 {
        let length = square.sqrt();
        (0.0, b / length, c / length, d / length)
    } else {
        ((1.0 - square).sqrt(), b, c, d)
    };
    [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c),
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b),
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            a * a + d * d - b * b - c * c,
        ],
    ]
}

fn column(steps: &Steps, axis: usize) -> [f64; 3] {
    [steps[0][axis], steps[1][axis], steps[2][axis]]
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The determinant of the steps with every column brought to length 1.
fn determinant(steps: &Steps, lengths: [f64; 3]) -> f64 {
    let [a, b, c] = [0, 1, 2].map(|axis| column(steps, axis).map(|value| value / lengths[axis]));
    let normal = cross(a, b);
    normal.iter().zip(c).map(|(n, c)| n * c).sum()
}
