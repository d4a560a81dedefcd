//! An axial CT of the chest with diffuse ground-glass lesions in both lungs, annotated by a hurried reader: stands for
//! COVID-19 CT.

use sagate_core::imaging::Plane;

use super::field::Field;
use super::point::Point;
use super::profile::{Drawn, Profile};
use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};
use super::scene::{Pose, PoseRanges, Scene, graded, mix, step};
use super::shape::{Blob, Irregular, Shape, Tube, Within};

/// Signal in a window from -1000 to 200 HU.
const AIR: f32 = 0.0;
const LUNG: f32 = 0.14;
const FAT: f32 = 0.72;
const MUSCLE: f32 = 0.86;
const HEART: f32 = 0.88;
const BONE: f32 = 1.05;
const GLASS: f32 = 0.48;

const POSE_RANGES: PoseRanges = PoseRanges {
    shift: 0.05,
    scale: 0.06,
    turn: 0.08,
    bend: 0.03,
};

pub(super) const PROFILE: Profile = Profile {
    description: "Ground-glass lesions in axial CT slices of the chest, with an annotator's errors: a phantom that \
        stands in for COVID-19 CT",
    plane: Some(Plane::Axial),
    channels: &["CT"],
    values: "whole numbers 0 to 4095; 0 is -1000 HU and below, 3071 is 200 HU",
    class: "ground glass",
    colour: [204, 121, 167],
    noise: Noise::Gaussian,
    ranges: Ranges {
        gain: [0.02, 0.08],
        gamma: [0.02, 0.15],
        bias: [0.0, 0.05],
        blur: [0.004, 0.011],
        noise: [0.015, 0.060],
    },
    draw,
};

fn draw(side: usize, difficulty: f32, rng: &mut PhantomRng) -> Drawn {
    let pose = Pose::draw(rng, &POSE_RANGES);
    let mut scene = Scene::new(side, pose, [AIR]);
    chest_wall(&mut scene, rng);
    let lungs = lungs(rng);
    let haze = Field::new(rng, 0.25);
    let denser_behind = rng.uniform(0.01, graded(0.05, 0.12, difficulty));
    let cloudy = graded(0.015, 0.05, difficulty);
    for lung in &lungs {
        scene.paint(lung, 0.02, |spot| {
            [LUNG + denser_behind * spot.at[1] + cloudy * haze.at(spot.at)]
        });
    }
    mediastinum(&mut scene, rng);
    let glass = graded(0.80, 0.06, difficulty) * rng.uniform_around(0.95, 0.1);
    let mottle = Field::new(rng, 0.07);
    let frayed = Field::new(rng, 0.13);
    let count = rng.count(3, 7);
    for number in 0..count {
        let lung = &lungs[if rng.bernoulli(0.5) { 0 } else { 1 }];
        let lesion = lesion(number, lung, difficulty, rng);
        let whole = Irregular(&lesion, &frayed, 0.04);
        let whole = Within(&whole, lung, 0.0);
        let strength = glass * rng.uniform(0.7, 1.0);
        scene.paint(&whole, graded(0.08, 0.20, difficulty), |spot| {
            let dense = strength * (1.0 + 0.25 * mottle.at(spot.at));
            mix(spot.under, [GLASS], dense.clamp(0.0, 1.0))
        });
        annotate(&mut scene, &lesion, lung, number, difficulty, rng);
    }
    for lung in &lungs {
        vessels(&mut scene, lung, rng);
    }
    scene.finish()
}

/// Skin, fat, muscle, ribs and spine.
fn chest_wall(scene: &mut Scene<1>, rng: &mut PhantomRng) {
    let body = Blob::new([0.0, 0.02], [1.24, 1.08], 0.0);
    let inner = Blob::new(
        [0.0, 0.02],
        [rng.uniform(1.10, 1.16), rng.uniform(0.94, 0.99)],
        0.0,
    );
    scene.paint(&body, 0.02, |_| [FAT]);
    let strands = Field::new(rng, 0.06);
    scene.paint(&inner, 0.04, |spot| [MUSCLE + 0.02 * strands.at(spot.at)]);
    for side in [-1.0, 1.0] {
        for place in 0..7 {
            let angle = -1.15 + 0.38 * place as f32 + rng.uniform_around(0.0, 0.07);
            let (sin, cos) = angle.sin_cos();
            let centre = [side * 1.04 * cos, 0.02 + 0.90 * sin];
            let rib = Blob::new(centre, [0.035, 0.10], side * (angle * 0.8));
            scene.paint(&rib, 0.02, |spot| {
                [mix([BONE], [0.9], step(0.01, 0.03, spot.depth))[0]]
            });
        }
    }
    let vertebra = Blob::new([0.0, 0.64], [0.16, 0.14], 0.0);
    let spine = Tube::through(&[([0.0, 0.75], 0.07), ([0.0, 0.96], 0.03)]);
    for (bone, depth) in [(&spine as &dyn Shape, 0.04), (&vertebra, 0.05)] {
        scene.paint(&bone, 0.02, |spot| {
            mix([BONE], [0.93], step(0.0, depth, spot.depth - 0.02))
        });
    }
}

/// The right lung, on the image's left, and the smaller left one.
fn lungs(rng: &mut PhantomRng) -> [Blob; 2] {
    let tall = rng.uniform(0.74, 0.84);
    [-1.0, 1.0].map(|side| {
        let width = if side < 0.0 { 0.45 } else { 0.42 };
        let radii = [width * rng.uniform_around(1.0, 0.06), tall];
        Blob::new([side * 0.55, 0.0], radii, side * rng.uniform_around(-0.16, 0.05)).wavy(rng, 0.035)
    })
}

/// Heart, great vessels and the airway between the lungs.
fn mediastinum(scene: &mut Scene<1>, rng: &mut PhantomRng) {
    let size = rng.uniform(0.85, 1.2);
    let heart = Blob::new([0.14, -0.16], [0.31 * size, 0.25 * size], 0.7).wavy(rng, 0.07);
    let between = Blob::new([0.0, 0.06], [0.13, 0.62], 0.0).wavy(rng, 0.06);
    let aorta = Blob::disc([0.15, 0.48], 0.08);
    for organ in [&between, &heart, &aorta] {
        scene.paint(organ, 0.025, |_| [HEART]);
    }
    for side in [-1.0, 1.0] {
        let airway = Blob::disc([side * rng.uniform_around(0.09, 0.015), 0.12], 0.04);
        scene.paint(&airway, 0.02, |_| [AIR]);
    }
}

/// A diffuse lesion, most often low and far out in its lung.
fn lesion(number: usize, lung: &Blob, difficulty: f32, rng: &mut PhantomRng) -> Blob {
    let (middle, _) = lung.reach();
    let out = middle[0].signum() * rng.uniform(-0.10, 0.26);
    let centre = [middle[0] + out, rng.uniform(-0.45, 0.60)];
    // The first one is never small, so that every image has a sizeable lesion.
    let least = if number == 0 { 0.30 } else { 0.12 };
    let radius = rng.uniform(least, graded(0.50, 0.42, difficulty));
    let radii = [radius, radius * rng.uniform(0.55, 1.0)];
    Blob::new(centre, radii, rng.angle()).wavy(rng, 0.15)
}

/// The annotator's outline: smoother than the lesion, a little off, too wide or too narrow, and of small lesions
/// sometimes missing.
fn annotate(
    scene: &mut Scene<1>,
    lesion: &Blob,
    lung: &Blob,
    number: usize,
    difficulty: f32,
    rng: &mut PhantomRng,
) {
    let error = graded(0.07, 0.18, difficulty);
    let (shift, wide) = (rng.uniform_point([0.0; 2], error), rng.uniform_around(0.0, error));
    let (_, radius) = lesion.reach();
    let missed = rng.bernoulli(graded(0.30, 0.8, difficulty));
    if number > 0 && radius < 0.42 && missed {
        return;
    }
    let outline = Drawing { lesion, shift, wide };
    scene.mark(&Within(&outline, lung, 0.0));
}

/// A lesion as annotated.
struct Drawing<'a> {
    lesion: &'a Blob,
    shift: Point,
    wide: f32,
}

impl Shape for Drawing<'_> {
    fn depth(&self, [x, y]: Point) -> f32 {
        self.lesion.depth([x - self.shift[0], y - self.shift[1]]) + self.wide
    }

    fn reach(&self) -> (Point, f32) {
        let ([x, y], radius) = self.lesion.reach();
        ([x + self.shift[0], y + self.shift[1]], radius + self.wide.abs())
    }
}

/// Vessels from the root of the lung outwards, each branching once, and a few seen end on: bright spots that are no
/// lesion.
fn vessels(scene: &mut Scene<1>, lung: &Blob, rng: &mut PhantomRng) {
    let (middle, _) = lung.reach();
    let root = [middle[0] * 0.5, 0.08];
    for _ in 0..rng.count(6, 9) {
        let angle = rng.uniform_around(0.0, 1.45);
        let (sin, cos) = angle.sin_cos();
        let length = rng.uniform(0.4, 0.75);
        let along = |share: f32, off: f32| -> Point {
            [
                root[0] + middle[0].signum() * length * share * cos - off * sin,
                root[1] + length * share * sin + off * cos,
            ]
        };
        let bow = rng.uniform_around(0.0, 0.06);
        let fork = along(0.55, bow);
        let trunk = Tube::through(&[
            (root, 0.024),
            (along(0.3, bow), 0.017),
            (fork, 0.011),
            (along(1.0, 0.0), 0.004),
        ]);
        let branch = Tube::through(&[(fork, 0.010), (along(0.95, rng.sign() * 0.2), 0.003)]);
        for vessel in [&trunk, &branch] {
            scene.paint(&Within(vessel, lung, 0.01), 0.02, |_| [HEART * 0.92]);
        }
    }
    for _ in 0..rng.count(3, 8) {
        let spot = Blob::disc(rng.uniform_point(middle, 0.5), rng.uniform(0.01, 0.022));
        let bright = rng.uniform(0.4, 0.8);
        scene.paint(&Within(&spot, lung, 0.03), 0.02, |_| [bright]);
    }
}
