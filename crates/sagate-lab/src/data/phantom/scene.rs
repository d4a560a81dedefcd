//! A canvas for tissues, at twice the image's resolution.

use ndarray::{Array2, Array3};

use super::field::Field;
use super::point::Point;
use super::rng::PhantomRng;
use super::shape::Shape;

/// Points along each side of a pixel: partial volume is their mean.
const FINE: usize = 2;

/// Pose of the body in the image.
pub(super) struct Pose {
    shift: Point,
    scale: f32,
    sin: f32,
    cos: f32,
    bend: [Field; 2],
    strength: f32,
}

/// Ranges of a [`Pose`].
pub(super) struct PoseRanges {
    /// Of the position, along both axes; the image is 2 wide.
    pub shift: f32,
    /// Of the size, as a share.
    pub scale: f32,
    /// Of the rotation, in radians.
    pub turn: f32,
    /// Standard deviation of the smooth deformation.
    pub bend: f32,
}

impl Pose {
    /// Draws position, size, rotation and deformation.
    pub fn draw(rng: &mut PhantomRng, ranges: &PoseRanges) -> Self {
        let (sin, cos) = rng.uniform_around(0.0, ranges.turn).sin_cos();
        Self {
            shift: rng.uniform_point([0.0; 2], ranges.shift),
            scale: rng.uniform_around(1.0, ranges.scale),
            sin,
            cos,
            bend: [(); 2].map(|()| Field::new(rng, 0.8)),
            strength: ranges.bend,
        }
    }

    /// The point of the body that is seen at a point of the image.
    fn body(&self, [x, y]: Point) -> Point {
        let (x, y) = ((x - self.shift[0]) / self.scale, (y - self.shift[1]) / self.scale);
        let turned = [self.cos * x + self.sin * y, self.cos * y - self.sin * x];
        let bent = |axis: usize| turned[axis] + self.strength * self.bend[axis].at(turned);
        [bent(0), bent(1)]
    }

    /// A circle of the image (centre, radius) outside of which nothing of a circle of the body is seen.
    fn seen(&self, ([x, y], radius): (Point, f32)) -> (Point, f32) {
        let turned = [self.cos * x - self.sin * y, self.sin * x + self.cos * y];
        let centre = [0, 1].map(|axis| self.shift[axis] + self.scale * turned[axis]);
        let bent = self.strength * self.bend[0].bound().hypot(self.bend[1].bound());
        (centre, self.scale * (radius + bent))
    }
}

/// A point that a tissue is painted onto.
pub(super) struct Spot<const C: usize> {
    /// Its position in the body.
    pub at: Point,
    /// How deep in the shape.
    pub depth: f32,
    /// The present signal.
    pub under: [f32; C],
}

/// The signal of `C` channels, 0 to 1, and the object, on the fine grid.
pub(super) struct Scene<const C: usize> {
    side: usize,
    pose: Pose,
    at: Vec<Point>,
    signal: Vec<[f32; C]>,
    object: Vec<f32>,
}

impl<const C: usize> Scene<C> {
    /// A scene of `side` x `side` pixels with the same signal everywhere and no object.
    pub fn new(side: usize, pose: Pose, signal: [f32; C]) -> Self {
        let fine = side * FINE;
        let along = |i: usize| (2 * i + 1) as f32 / fine as f32 - 1.0;
        let at = (0..fine * fine)
            .map(|i| pose.body([along(i % fine), along(i / fine)]))
            .collect();
        Self {
            side,
            pose,
            at,
            signal: vec![signal; fine * fine],
            object: vec![0.0; fine * fine],
        }
    }

    /// Paints `tissue` over the inside of a shape, with a transition of width `edge` at its border.
    pub fn paint(&mut self, shape: &impl Shape, edge: f32, tissue: impl Fn(&Spot<C>) -> [f32; C]) {
        let edge = self.least(edge);
        for (place, depth) in self.inside(shape, edge) {
            let under = self.signal[place];
            let spot = Spot {
                at: self.at[place],
                depth,
                under,
            };
            let cover = (depth / edge + 0.5).clamp(0.0, 1.0);
            self.signal[place] = mix(under, tissue(&spot), cover);
        }
    }

    /// Adds the inside of a shape to the object.
    pub fn mark(&mut self, shape: &impl Shape) {
        let edge = self.least(0.0);
        for (place, depth) in self.inside(shape, edge) {
            let cover = (depth / edge + 0.5).clamp(0.0, 1.0);
            self.object[place] = self.object[place].max(cover);
        }
    }

    /// The pixels in or near a shape, with their depth.
    fn inside(&self, shape: &impl Shape, edge: f32) -> Vec<(usize, f32)> {
        let ([x, y], radius) = shape.reach();
        let (centre, seen) = self.pose.seen(([x, y], radius + edge));
        let fine = self.side * FINE;
        let [columns, rows] = centre.map(|at| {
            let place = |at: f32| ((at + 1.0) / 2.0 * fine as f32).clamp(0.0, fine as f32);
            place(at - seen).floor() as usize..place(at + seen).ceil() as usize
        });
        let mut found = Vec::new();
        for place in rows.flat_map(|row| columns.clone().map(move |column| row * fine + column)) {
            let at = self.at[place];
            if (at[0] - x).powi(2) + (at[1] - y).powi(2) < (radius + edge).powi(2) {
                let depth = shape.depth(at);
                if depth > -edge / 2.0 {
                    found.push((place, depth));
                }
            }
        }
        found
    }

    /// No edge is sharper than a fine pixel.
    fn least(&self, edge: f32) -> f32 {
        edge.max(2.0 / (FINE * self.side) as f32)
    }

    /// The image `[C, side, side]` and its labels: each pixel is the mean of its fine ones, and object where that covers
    /// more than half.
    pub fn finish(self) -> (Array3<f32>, Array2<u8>) {
        let fine = self.side * FINE;
        let places = |row: usize, column: usize| {
            (0..FINE * FINE).map(move |i| (row * FINE + i / FINE) * fine + column * FINE + i % FINE)
        };
        let share = 1.0 / (FINE * FINE) as f32;
        let image = Array3::from_shape_fn((C, self.side, self.side), |(channel, row, column)| {
            let sum: f32 = places(row, column).map(|place| self.signal[place][channel]).sum();
            sum * share
        });
        let labels = Array2::from_shape_fn((self.side, self.side), |(row, column)| {
            let sum: f32 = places(row, column).map(|place| self.object[place]).sum();
            u8::from(sum * share > 0.5)
        });
        (image, labels)
    }
}

/// From `a` (share 0) to `b` (share 1).
pub(super) fn mix<const C: usize>(a: [f32; C], b: [f32; C], share: f32) -> [f32; C] {
    std::array::from_fn(|channel| a[channel] + (b[channel] - a[channel]) * share)
}

/// The tissue with every channel multiplied.
pub(super) fn scaled<const C: usize>(tissue: [f32; C], factor: f32) -> [f32; C] {
    tissue.map(|signal| signal * factor)
}

/// 0 below `low`, 1 above `high`, smooth in between.
pub(super) fn step(low: f32, high: f32, at: f32) -> f32 {
    let t = ((at - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// From `easy` at difficulty 0 to `hard` at difficulty 1.
pub(super) fn graded(easy: f32, hard: f32, difficulty: f32) -> f32 {
    easy + (hard - easy) * difficulty
}
