//! Smooth random fields: textures, ragged borders, deformations.

use super::point::Point;
use super::rng::PhantomRng;

/// The field is defined on this square about the origin and goes on as at its border beyond it.
const REACH: f32 = 1.6;

/// What brings a cubic B-spline with knots of variance 1 to a mean variance of 1: the variance of one axis is the mean
/// over a cell of the sum of its four squared weights, 151/315.
const SCALE: f32 = 315.0 / 151.0;

/// A random function of the plane with mean 0, standard deviation 1 and no detail finer than its cells: a uniform cubic
/// B-spline surface over normally distributed knots.
pub(super) struct Field {
    cells: usize,
    knots: Vec<f32>,
    bound: f32,
}

impl Field {
    /// Draws a field whose details are about `grain` wide; the image is 2 wide.
    pub fn new(rng: &mut PhantomRng, grain: f32) -> Self {
        let cells = (2.0 * REACH / grain).ceil().max(1.0) as usize;
        let knots: Vec<f32> = (0..(cells + 3) * (cells + 3)).map(|_| rng.normal()).collect();
        // No spline leaves the range of its knots.
        let bound = SCALE
            * knots
                .iter()
                .copied()
                .fold(0.0, |most, knot| f32::max(most, knot.abs()));
        Self { cells, knots, bound }
    }

    /// No value is farther from 0 than this.
    pub fn bound(&self) -> f32 {
        self.bound
    }

    /// The value at a point.
    pub fn at(&self, [x, y]: Point) -> f32 {
        let (column, across) = self.place(x);
        let (row, down) = self.place(y);
        let width = self.cells + 3;
        let mut sum = 0.0;
        for (i, weight) in down.into_iter().enumerate() {
            let start = (row + i) * width + column;
            let line = &self.knots[start..start + 4];
            sum += weight
                * line
                    .iter()
                    .zip(across)
                    .map(|(knot, weight)| knot * weight)
                    .sum::<f32>();
        }
        sum * SCALE
    }

    /// The first of the four knots that count along an axis, and their weights.
    fn place(&self, at: f32) -> (usize, [f32; 4]) {
        let last = self.cells as f32 - 1e-3;
        let scaled = ((at + REACH) / (2.0 * REACH) * self.cells as f32).clamp(0.0, last);
        let (first, t) = (scaled.floor(), scaled.fract());
        let (t2, t3) = (t * t, t * t * t);
        let weights = [
            (1.0 - 3.0 * t + 3.0 * t2 - t3) / 6.0,
            (4.0 - 6.0 * t2 + 3.0 * t3) / 6.0,
            (1.0 + 3.0 * t + 3.0 * t2 - 3.0 * t3) / 6.0,
            t3 / 6.0,
        ];
        (first as usize, weights)
    }
}
