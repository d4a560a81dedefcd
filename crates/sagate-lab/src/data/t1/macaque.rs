//! Registration of the macaque's head to the human one, so that slices at one position show the same anatomy.

use ndarray::{Array3, ArrayView3};

use super::volume::{Head, bounds, linear, nearest};

/// The macaque's volumes as they come, `[x, y, z]` in RAS+ order on a grid of cubes.
pub(super) struct Macaque<'a> {
    /// The brain without its skull; 0 outside.
    pub t1: ArrayView3<'a, f32>,
    /// The NeuroMaps atlas, where it is at hand.
    pub nuclei: Option<ArrayView3<'a, f32>>,
    /// Whether a label of the atlas is a deep grey nucleus.
    pub is_nucleus: fn(f32) -> bool,
}

/// Resamples the macaque to the human grid by one similarity: the brain is magnified until it is as long from front to
/// back as the human one; the middles between the hemispheres (the middle of each grid) coincide, and so do the centres
/// of the brains' boxes from back to front and from bottom to top. Signal is interpolated linearly, labels are nearest.
/// None where either volume shows no brain.
pub(super) fn onto_human(macaque: &Macaque<'_>, human: &Head) -> Option<Head> {
    let (nx, ny, nz) = human.t1.dim();
    let monkey_brain = macaque.t1.mapv(|v| u8::from(v > 0.0));
    let theirs = bounds(&monkey_brain)?;
    let ours = bounds(&human.brain)?;
    let length = |bound: (usize, usize)| (bound.1 - bound.0 + 1) as f64;
    let centre = |bound: (usize, usize)| (bound.0 + bound.1) as f64 / 2.0;
    let step = length(theirs[1]) / length(ours[1]);
    let from = [(nx - 1) as f64 / 2.0, centre(ours[1]), centre(ours[2])];
    let to = [
        (macaque.t1.dim().0 - 1) as f64 / 2.0,
        centre(theirs[1]),
        centre(theirs[2]),
    ];
    let at = |x: usize, y: usize, z: usize| {
        let here = [x as f64, y as f64, z as f64];
        std::array::from_fn(|axis| to[axis] + (here[axis] - from[axis]) * step)
    };
    let t1 = Array3::from_shape_fn((nx, ny, nz), |(x, y, z)| linear(&macaque.t1, at(x, y, z)));
    let brain = t1.mapv(|v| u8::from(v > 0.0));
    let nuclei = macaque.nuclei.as_ref().map(|labels| {
        Array3::from_shape_fn((nx, ny, nz), |(x, y, z)| {
            u8::from((macaque.is_nucleus)(nearest(labels, at(x, y, z))))
        })
    });
    Some(Head { t1, brain, nuclei })
}
