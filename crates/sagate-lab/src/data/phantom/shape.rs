//! Shapes of organs as signed distance functions.

use super::field::Field;
use super::point::Point;
use super::rng::PhantomRng;

/// A shape.
pub(super) trait Shape {
    /// The distance to the border, positive inside; exact at the border and good to a fraction near it.
    fn depth(&self, at: Point) -> f32;

    /// A circle (centre, radius) that holds the whole shape.
    fn reach(&self) -> (Point, f32);
}

impl<S: Shape + ?Sized> Shape for &S {
    fn depth(&self, at: Point) -> f32 {
        (*self).depth(at)
    }

    fn reach(&self) -> (Point, f32) {
        (*self).reach()
    }
}

/// An ellipse whose outline may wave.
#[derive(Clone)]
pub(super) struct Blob {
    centre: Point,
    radii: Point,
    sin: f32,
    cos: f32,
    /// The waves of frequency 2, 3, ... around the outline: the parts of cosine and sine.
    waves: Vec<(f32, f32)>,
}

impl Blob {
    /// An ellipse with these half axes, turned clockwise by `angle` radians.
    pub fn new(centre: Point, radii: Point, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self {
            centre,
            radii,
            sin,
            cos,
            waves: Vec::new(),
        }
    }

    /// A disc.
    pub fn disc(centre: Point, radius: f32) -> Self {
        Self::new(centre, [radius; 2], 0.0)
    }

    /// The outline swings by about `amount` of the radius, less so the shorter the wave.
    pub fn wavy(mut self, rng: &mut PhantomRng, amount: f32) -> Self {
        self.waves = (2..8)
            .map(|k| {
                let (sin, cos) = rng.angle().sin_cos();
                let size = amount * rng.uniform(0.4, 1.0) * 2.0 / k as f32;
                (size * cos, size * sin)
            })
            .collect();
        self
    }
}

impl Shape for Blob {
    fn depth(&self, [x, y]: Point) -> f32 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let u = (self.cos * dx + self.sin * dy) / self.radii[0];
        let v = (self.cos * dy - self.sin * dx) / self.radii[1];
        let out = u.hypot(v);
        if out < 1e-6 {
            return self.radii[0].min(self.radii[1]);
        }
        let (cos, sin) = (u / out, v / out);
        let (mut c, mut s) = (cos, sin);
        let mut border = 1.0;
        for (even, odd) in &self.waves {
            (c, s) = (c * cos - s * sin, s * cos + c * sin);
            border += even * c + odd * s;
        }
        let slope = (cos / self.radii[0]).hypot(sin / self.radii[1]);
        (border - out) / slope
    }

    fn reach(&self) -> (Point, f32) {
        let swing: f32 = self.waves.iter().map(|(even, odd)| even.hypot(*odd)).sum();
        (self.centre, self.radii[0].max(self.radii[1]) * (1.0 + swing))
    }
}

/// A bent tube: what lies within a radius of a curve.
pub(super) struct Tube {
    /// Points of the curve with the radius there.
    spine: Vec<(Point, f32)>,
    reach: (Point, f32),
}

/// Straight pieces between two points that a tube is led through.
const PIECES: usize = 5;

impl Tube {
    /// A smooth tube through at least two points, each with the radius there.
    pub fn through(stops: &[(Point, f32)]) -> Self {
        let at = |i: usize| stops[i.min(stops.len() - 1)];
        let mut spine = Vec::with_capacity((stops.len() - 1) * PIECES + 1);
        for i in 0..stops.len() - 1 {
            let four = [at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2)];
            for piece in 0..PIECES {
                let t = piece as f32 / PIECES as f32;
                let x = catmull_rom(four.map(|(point, _)| point[0]), t);
                let y = catmull_rom(four.map(|(point, _)| point[1]), t);
                spine.push(([x, y], four[1].1 + (four[2].1 - four[1].1) * t));
            }
        }
        spine.push(at(stops.len() - 1));
        let reach = around(&spine);
        Self { spine, reach }
    }
}

/// The curve through the two inner of four values.
fn catmull_rom([a, b, c, d]: [f32; 4], t: f32) -> f32 {
    let (t2, t3) = (t * t, t * t * t);
    0.5 * (2.0 * b + (c - a) * t + (2.0 * a - 5.0 * b + 4.0 * c - d) * t2 + (3.0 * b - a - 3.0 * c + d) * t3)
}

fn around(spine: &[(Point, f32)]) -> (Point, f32) {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    for (point, radius) in spine {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis] - radius);
            high[axis] = high[axis].max(point[axis] + radius);
        }
    }
    let centre = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
    (centre, (high[0] - low[0]).hypot(high[1] - low[1]) / 2.0)
}

impl Shape for Tube {
    fn depth(&self, [x, y]: Point) -> f32 {
        let mut deepest = f32::NEG_INFINITY;
        for pair in self.spine.windows(2) {
            let ([ax, ay], start) = pair[0];
            let ([bx, by], end) = pair[1];
            let (along, across) = (bx - ax, by - ay);
            let length = (along * along + across * across).max(1e-12);
            let t = (((x - ax) * along + (y - ay) * across) / length).clamp(0.0, 1.0);
            let away = (x - ax - along * t).hypot(y - ay - across * t);
            deepest = deepest.max(start + (end - start) * t - away);
        }
        deepest
    }

    fn reach(&self) -> (Point, f32) {
        self.reach
    }
}

/// A shape whose border a field moves in and out.
pub(super) struct Irregular<'a, S>(pub &'a S, pub &'a Field, pub f32);

impl<S: Shape> Shape for Irregular<'_, S> {
    fn depth(&self, at: Point) -> f32 {
        self.0.depth(at) + self.2 * self.1.at(at)
    }

    fn reach(&self) -> (Point, f32) {
        let (centre, radius) = self.0.reach();
        (centre, radius + self.2 * self.1.bound())
    }
}

/// The part of the first shape that lies inside the second, at least at the given depth.
pub(super) struct Within<'a, A, B>(pub &'a A, pub &'a B, pub f32);

impl<A: Shape, B: Shape> Shape for Within<'_, A, B> {
    fn depth(&self, at: Point) -> f32 {
        self.0.depth(at).min(self.1.depth(at) - self.2)
    }

    fn reach(&self) -> (Point, f32) {
        self.0.reach()
    }
}

/// A shape that is wider all around.
pub(super) struct Dilated<'a, S>(pub &'a S, pub f32);

impl<S: Shape> Shape for Dilated<'_, S> {
    fn depth(&self, at: Point) -> f32 {
        self.0.depth(at) + self.1
    }

    fn reach(&self) -> (Point, f32) {
        let (centre, radius) = self.0.reach();
        (centre, radius + self.1)
    }
}
