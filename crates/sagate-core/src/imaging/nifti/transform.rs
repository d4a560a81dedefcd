//! From voxels to millimetres, by the sform, the qform, or neither.

use super::fields::{Field, Fields, Version};

/// Rows x, y, z; columns the steps along i, j, k, then the place of the first voxel.
pub(in crate::imaging) type Affine = [[f64; 4]; 3];

/// The transform of a header that counts.
pub(super) struct Transform {
    /// Its name for messages.
    pub field: &'static str,
    pub affine: Affine,
    /// False where the header has none.
    pub oriented: bool,
}

impl Transform {
    /// The sform where its code is set, else the qform. A header with neither says nothing of left and right: its axes are
    /// then taken to run to the left, to the front and to the head, around the middle of the volume. That is what nibabel
    /// and FSL do; the standard gives no direction.
    pub fn from_header(header: &Fields, rank: usize, extent: [usize; 3]) -> Self {
        if header.get(Field::SformCode, 0) > 0.0 {
            return Self {
                field: "sform (srow_x, srow_y, srow_z)",
                affine: Self::sform(header),
                oriented: true,
            };
        }
        if header.get(Field::QformCode, 0) > 0.0 {
            return Self {
                field: "qform (quatern_b, quatern_c, quatern_d, qoffset_x, qoffset_y, qoffset_z, pixdim)",
                affine: Self::qform(header),
                oriented: true,
            };
        }
        let mut affine = [[0.0; 4]; 3];
        for axis in 0..3 {
            let length = if axis < rank { step(header, axis) } else { 1.0 };
            let step = if axis == 0 { -length } else { length };
            affine[axis][axis] = step;
            affine[axis][3] = -step * (extent[axis] - 1) as f64 / 2.0;
        }
        Self {
            field: "pixdim",
            affine,
            oriented: false,
        }
    }

    pub fn sform(header: &Fields) -> Affine {
        [0, 1, 2].map(|row| [0, 1, 2, 3].map(|column| header.get(Field::Sform, 4 * row + column)))
    }

    pub fn qform(header: &Fields) -> Affine {
        // Below this the number that is not stored is rounding alone: 0, as nibabel has it.
        let rounding = match header.version {
            Version::One => 3.0 * f64::from(f32::EPSILON),
            Version::Two => 3.0 * f64::EPSILON,
        };
        let quaternion = [0, 1, 2].map(|index| header.get(Field::Quaternion, index));
        let rotation = rotation(quaternion, rounding);
        let mirror = if header.get(Field::Pixdim, 0) < 0.0 {
            -1.0
        } else {
            1.0
        };
        let steps = [step(header, 0), step(header, 1), step(header, 2) * mirror];
        [0, 1, 2].map(|row| {
            let [i, j, k] = [0, 1, 2].map(|axis| rotation[row][axis] * steps[axis]);
            [i, j, k, header.get(Field::QformOffset, row)]
        })
    }
}

/// The length of a step along an axis: its sign means nothing, and 0 is taken for 1.
fn step(header: &Fields, axis: usize) -> f64 {
    match header.get(Field::Pixdim, axis + 1).abs() {
        0.0 => 1.0,
        length => length,
    }
}

/// The rotation of a unit quaternion, of which the file stores all but the first number.
fn rotation([b, c, d]: [f64; 3], rounding: f64) -> [[f64; 3]; 3] {
    let square = b * b + c * c + d * d;
    let (a, b, c, d) = if square > 1.0 - rounding {
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

pub(super) fn column(affine: &Affine, axis: usize) -> [f64; 3] {
    [affine[0][axis], affine[1][axis], affine[2][axis]]
}

pub(super) fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|value| value * value).sum::<f64>().sqrt()
}
