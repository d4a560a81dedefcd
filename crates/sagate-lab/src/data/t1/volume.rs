//! The source volumes on one grid, and interpolation between their voxels.

use ndarray::{Array3, ArrayView3};

/// A head: its T1 picture and what is the object in it, `[x, y, z]` in RAS+ order (x from left to right, y from back to
/// front, z from bottom to top).
pub(super) struct Head {
    /// T1-weighted signal on the scale of the 8-bit source, 0..255.
    pub t1: Array3<f32>,
    /// 1 in the brain.
    pub brain: Array3<u8>,
    /// 1 in the deep grey nuclei; none where they are not known.
    pub nuclei: Option<Array3<u8>>,
}

/// The first and last index along each axis at which `inside` holds.
pub(super) fn bounds(mask: &Array3<u8>) -> Option<[(usize, usize); 3]> {
    let mut bounds: Option<[(usize, usize); 3]> = None;
    for ((x, y, z), &inside) in mask.indexed_iter() {
        if inside != 0 {
            let at = [x, y, z];
            let bounds = bounds.get_or_insert([(x, x), (y, y), (z, z)]);
            for (bound, at) in bounds.iter_mut().zip(at) {
                *bound = (bound.0.min(at), bound.1.max(at));
            }
        }
    }
    bounds
}

/// The value at a point between voxels, linear in each axis; 0 outside.
pub(super) fn linear(volume: &ArrayView3<f32>, at: [f64; 3]) -> f32 {
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut index = [0_i64; 3];
        for axis in 0..3 {
            let low = at[axis].floor();
            let upper = (corner >> axis) & 1 == 1;
            weight *= if upper {
                at[axis] - low
            } else {
                1.0 - (at[axis] - low)
            };
            index[axis] = low as i64 + i64::from(upper);
        }
        if weight > 0.0 {
            sum += weight * f64::from(get(volume, index).unwrap_or(0.0));
        }
    }
    sum as f32
}

/// The value of the nearest voxel; 0 outside.
pub(super) fn nearest(volume: &ArrayView3<f32>, at: [f64; 3]) -> f32 {
    get(volume, at.map(|a| a.round() as i64)).unwrap_or(0.0)
}

fn get(volume: &ArrayView3<f32>, index: [i64; 3]) -> Option<f32> {
    let [x, y, z] = index.map(|i| usize::try_from(i).ok());
    volume.get([x?, y?, z?]).copied()
}
