//! An axial slice of the male pelvis in T2 and ADC with one round organ among look-alikes: stands for the prostate task of
//! the Medical Segmentation Decathlon.

use ndarray::{Array3, Axis, Slice};
use sagate_core::imaging::Plane;

use super::field::Field;
use super::point::Point;
use super::profile::{Drawn, Profile};
use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};
use super::scene::{Pose, PoseRanges, Scene, Spot, graded, mix, scaled, step};
use super::shape::{Blob, Dilated, Irregular, Tube};
use crate::data::corruption::blur::convolve_gaussian;

/// T2, ADC.
type Tissue = [f32; 2];

const OUTSIDE: Tissue = [0.02, 0.02];
const FAT: Tissue = [0.80, 0.22];
const MUSCLE: Tissue = [0.30, 0.48];
const CORTEX: Tissue = [0.08, 0.10];
const MARROW: Tissue = [0.60, 0.52];
const GLAND: Tissue = [0.54, 0.52];
const PERIPHERAL: Tissue = [0.66, 0.60];
const WALL: Tissue = [0.30, 0.40];
const URINE: Tissue = [0.92, 0.95];

/// How much coarser the diffusion image is than T2: its point spread as a share of the side.
const ADC_SPREAD: f32 = 0.010;
/// How far it may be off at difficulty 1, as a share of the side.
const DISTORTION: f32 = 0.03;

const POSE_RANGES: PoseRanges = PoseRanges {
    shift: 0.14,
    scale: 0.10,
    turn: 0.10,
    bend: 0.035,
};

pub(super) const PROFILE: Profile = Profile {
    description: "The prostate among organs that look like it in axial slices of the pelvis: a phantom that stands in \
        for the prostate task of the Medical Segmentation Decathlon",
    plane: Some(Plane::Axial),
    channels: &["T2", "ADC"],
    values: "whole numbers 0 to 4095, in no unit, as MR magnitude images have them",
    class: "prostate",
    colour: [0, 158, 115],
    noise: Noise::Rician,
    ranges: Ranges {
        gain: [0.05, 0.20],
        gamma: [0.05, 0.30],
        bias: [0.10, 0.60],
        blur: [0.004, 0.012],
        noise: [0.020, 0.130],
    },
    draw,
};

fn draw(side: usize, difficulty: f32, rng: &mut PhantomRng) -> Drawn {
    let pose = Pose::draw(rng, &POSE_RANGES);
    let off = graded(0.0, DISTORTION, difficulty) * rng.uniform_around(0.0, 1.0);
    let mut scene = Scene::new(side, pose, OUTSIDE);
    anatomy(&mut scene, difficulty, rng);
    let (mut image, labels) = scene.finish();
    diffusion(&mut image, off * side as f32);
    (image, labels)
}

/// What sets a diffusion image apart: it is coarser, and drawn off along the phase-encoding direction, here by so many rows.
fn diffusion(image: &mut Array3<f32>, rows: f32) {
    let mut adc = image.slice_axis(Axis(0), Slice::from(1..2)).to_owned();
    let (_, height, width) = adc.dim();
    convolve_gaussian(&mut adc, f64::from(ADC_SPREAD * height as f32));
    for row in 0..height {
        let from = (row as f32 - rows).clamp(0.0, (height - 1) as f32);
        let (first, share) = (from.floor() as usize, from.fract());
        let second = (first + 1).min(height - 1);
        for column in 0..width {
            let (a, b) = (adc[[0, first, column]], adc[[0, second, column]]);
            image[[1, row, column]] = a + (b - a) * share;
        }
    }
}

fn anatomy(scene: &mut Scene<2>, difficulty: f32, rng: &mut PhantomRng) {
    let grain = Field::new(rng, 0.05);
    let rough =
        |tissue: Tissue, amount: f32, spot: &Spot<2>| scaled(tissue, 1.0 + amount * grain.at(spot.at));
    let body = Blob::new([0.0, 0.0], [1.28, 1.0], 0.0).wavy(rng, 0.02);
    scene.paint(&body, 0.02, |spot| rough(FAT, 0.08, spot));
    walls(scene, &grain, rng);
    // The tissue of the pelvic floor around the gland, the more like it the harder the image.
    let floor = mix(mix(FAT, WALL, 0.5), GLAND, graded(0.45, 1.0, difficulty));
    let around = Blob::new([0.0, 0.08], [0.38, 0.46], 0.0).wavy(rng, 0.08);
    scene.paint(&around, 0.06, |spot| {
        rough(mix(spot.under, floor, 0.8), 0.10, spot)
    });
    hollow_organs(scene, &grain, difficulty, rng);

    let frayed = Field::new(rng, 0.15);
    let centre = rng.uniform_point([0.0, 0.06], graded(0.06, 0.16, difficulty));
    let size = graded(0.29, 0.20, difficulty) * rng.uniform_around(1.0, 0.25);
    let gland = Blob::new(centre, [size, size * rng.uniform(0.72, 0.98)], 0.0).wavy(rng, 0.05);
    let gland = Irregular(&gland, &frayed, 0.012);
    let capsule = graded(0.6, 0.0, difficulty);
    let bright = graded(0.9, 0.1, difficulty) * rng.uniform_around(0.9, 0.1);
    scene.paint(&Dilated(&gland, 0.02), 0.02, |spot| {
        mix(spot.under, WALL, capsule)
    });
    scene.paint(&gland, graded(0.02, 0.10, difficulty), |spot| {
        // The peripheral zone is the brighter crescent behind.
        let behind = step(
            0.0,
            0.10,
            spot.at[1] - centre[1] - 0.2 * size + (spot.at[0] - centre[0]).abs() * 0.5,
        );
        rough(mix(GLAND, PERIPHERAL, behind * bright), 0.10, spot)
    });
    for _ in 0..rng.count(1, 4) {
        let node = Blob::disc(
            rng.uniform_point([centre[0], centre[1] - 0.2 * size], 0.4 * size),
            size * rng.uniform(0.12, 0.25),
        );
        let tissue = mix(WALL, PERIPHERAL, rng.uniform(0.0, 1.0));
        let plain = graded(0.5, 0.1, difficulty);
        scene.paint(&node, 0.03, |spot| mix(spot.under, tissue, plain));
    }
    scene.mark(&gland);
}

/// Bones and muscles of the pelvis.
fn walls(scene: &mut Scene<2>, grain: &Field, rng: &mut PhantomRng) {
    let muscle = |spot: &Spot<2>| scaled(MUSCLE, 1.0 + 0.1 * grain.at(spot.at));
    let marrow = |spot: &Spot<2>| {
        let bone = mix(CORTEX, MARROW, step(0.015, 0.035, spot.depth));
        scaled(bone, 1.0 + 0.08 * grain.at(spot.at))
    };
    for side in [-1.0, 1.0] {
        let at = |x: f32, y: f32| -> Point { [side * x, y] };
        let buttock = Blob::new(at(0.62, 0.72), [0.42, 0.24], side * 0.4).wavy(rng, 0.08);
        scene.paint(&buttock, 0.03, muscle);
        let thigh = Blob::new(at(0.92, -0.55), [0.26, 0.24], 0.0).wavy(rng, 0.08);
        scene.paint(&thigh, 0.03, muscle);
        let obturator = Tube::through(&[
            (at(0.34, -0.52), 0.06),
            (at(0.46, -0.22), rng.uniform_around(0.085, 0.02)),
            (at(0.45, 0.15), rng.uniform_around(0.085, 0.02)),
            (at(0.33, 0.50), 0.05),
        ]);
        scene.paint(&obturator, 0.025, muscle);
        let socket = Tube::through(&[
            (at(0.60, -0.36), 0.06),
            (at(0.58, -0.05), 0.055),
            (at(0.62, 0.32), 0.07),
        ]);
        scene.paint(&socket, 0.02, marrow);
        let head = Blob::disc(
            at(0.88, rng.uniform_around(-0.04, 0.04)),
            rng.uniform_around(0.25, 0.03),
        )
        .wavy(rng, 0.03);
        scene.paint(&head, 0.02, marrow);
        let pubis = Blob::new(at(0.15, -0.62), [0.15, 0.09], side * -0.5);
        scene.paint(&pubis, 0.02, marrow);
        let sling = Tube::through(&[
            (at(0.30, -0.10), 0.018),
            (at(0.31, 0.2), 0.02),
            (at(0.17, 0.55), 0.02),
        ]);
        scene.paint(&sling, 0.02, muscle);
    }
    let coccyx = Blob::new([0.0, 0.80], [0.10, 0.07], 0.0);
    scene.paint(&coccyx, 0.02, marrow);
}

/// Bladder and rectum, whose contents, and in hard images walls, look like the gland.
fn hollow_organs(scene: &mut Scene<2>, grain: &Field, difficulty: f32, rng: &mut PhantomRng) {
    let alike = (graded(0.85, 1.0, difficulty) * rng.uniform_around(1.0, 0.1)).min(1.0);
    let full = rng.uniform(0.55, 1.3);
    let bladder = Blob::new(
        [rng.uniform_around(0.0, 0.12), rng.uniform_around(-0.33, 0.06)],
        [0.27 * full, 0.15 * full],
        0.0,
    )
    .wavy(rng, 0.06);
    let content = rng.uniform(-0.1, 0.1);
    let rectum = Blob::new(
        [rng.uniform_around(0.0, 0.10), rng.uniform_around(0.50, 0.06)],
        [0.15 * full, 0.12 * full],
        0.0,
    )
    .wavy(rng, 0.10);
    let (urine, stool) = (
        mix(URINE, GLAND, alike),
        mix(if rng.bernoulli(0.5) { CORTEX } else { URINE }, GLAND, alike),
    );
    for (organ, inside) in [(&bladder, urine), (&rectum, stool)] {
        scene.paint(organ, 0.02, |spot| {
            let tissue = mix(
                mix(WALL, inside, 0.8 * difficulty),
                scaled(inside, 1.0 + content),
                step(0.015, 0.035, spot.depth),
            );
            scaled(tissue, 1.0 + 0.10 * grain.at(spot.at))
        });
    }
}
