//! A dermoscopic photograph of one large lesion, with hairs and a vignette: stands for ISIC 2017.

use super::field::Field;
use super::point::Point;
use super::profile::{Drawn, Profile};
use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};
use super::scene::{Pose, PoseRanges, Scene, graded, mix, scaled, step};
use super::shape::{Blob, Dilated, Irregular, Tube};

/// Red, green, blue.
type Colour = [f32; 3];

const FAIR: Colour = [0.93, 0.76, 0.68];
const TAN: Colour = [0.80, 0.58, 0.45];
const LIGHT_BROWN: Colour = [0.62, 0.40, 0.26];
const DARK_BROWN: Colour = [0.30, 0.17, 0.12];
const RED: Colour = [0.74, 0.36, 0.33];
const BLUE_GREY: Colour = [0.36, 0.37, 0.44];
const HAIR: Colour = [0.16, 0.11, 0.09];
const INK: Colour = [0.36, 0.22, 0.62];

const POSE_RANGES: PoseRanges = PoseRanges {
    shift: 0.18,
    scale: 0.15,
    turn: 3.1,
    bend: 0.03,
};

pub(super) const PROFILE: Profile = Profile {
    description: "One large lesion of the skin in dermoscopic photographs, with hairs and a vignette: a phantom that \
        stands in for ISIC 2017",
    plane: None,
    channels: &["red", "green", "blue"],
    values: "whole numbers 0 to 4095, linear in the photograph's own values",
    class: "lesion",
    colour: [0, 114, 178],
    noise: Noise::Gaussian,
    ranges: Ranges {
        gain: [0.05, 0.15],
        gamma: [0.05, 0.20],
        bias: [0.10, 0.60],
        blur: [0.003, 0.010],
        noise: [0.008, 0.022],
    },
    draw,
};

fn draw(side: usize, difficulty: f32, rng: &mut PhantomRng) -> Drawn {
    let pose = Pose::draw(rng, &POSE_RANGES);
    let tone = rng.uniform(0.0, 1.0);
    let skin = mix(FAIR, TAN, tone);
    let mut scene = Scene::new(side, pose, skin);
    let everywhere = Blob::disc([0.0; 2], 4.0);
    let (patches, lines) = (Field::new(rng, 0.7), Field::new(rng, 0.05));
    scene.paint(&everywhere, 0.0, |spot| {
        // Shallow furrows run where the fine field is near 0.
        let furrow = step(0.5, 0.0, lines.at(spot.at).abs());
        let patch = 0.05 * patches.at(spot.at);
        let [red, green, blue] = scaled(spot.under, 1.0 - 0.05 * furrow);
        [red, green * (1.0 - patch), blue * (1.0 - patch)]
    });
    distractors(&mut scene, skin, difficulty, rng);
    lesion(&mut scene, skin, difficulty, rng);
    if rng.bernoulli(0.15) {
        ink(&mut scene, rng);
    }
    hairs(&mut scene, difficulty, rng);
    if rng.bernoulli(0.2) {
        ruler(&mut scene, rng);
    }
    vignette(&mut scene, difficulty, rng);
    scene.finish()
}

/// Freckles, and a flush of the skin around where the lesion is.
fn distractors(scene: &mut Scene<3>, skin: Colour, difficulty: f32, rng: &mut PhantomRng) {
    let flush = Blob::disc(rng.uniform_point([0.0; 2], 0.3), rng.uniform(0.5, 0.9)).wavy(rng, 0.15);
    let strength = graded(0.05, 0.35, difficulty) * rng.uniform(0.3, 1.0);
    scene.paint(&flush, 0.5, |spot| mix(spot.under, RED, strength));
    for _ in 0..rng.count(0, 3 + (6.0 * difficulty) as usize) {
        let freckle = Blob::disc(rng.uniform_point([0.0; 2], 1.0), rng.uniform(0.02, 0.07)).wavy(rng, 0.2);
        let colour = mix(skin, LIGHT_BROWN, rng.uniform(0.3, 0.8));
        scene.paint(&freckle, 0.04, |spot| mix(spot.under, colour, 0.7));
    }
}

/// One lesion of several colours with an irregular border.
fn lesion(scene: &mut Scene<3>, skin: Colour, difficulty: f32, rng: &mut PhantomRng) {
    let radius = graded(0.60, 0.42, difficulty) * rng.uniform_around(1.0, 0.25);
    let shape = Blob::new([0.0; 2], [radius, radius * rng.uniform(0.6, 1.0)], 0.0)
        .wavy(rng, graded(0.06, 0.12, difficulty));
    let frayed = Field::new(rng, 0.20);
    let shape = Irregular(&shape, &frayed, 0.07 * radius);
    let [dark, odd] = [(); 2].map(|()| Field::new(rng, 0.35));
    let network = Field::new(rng, 0.045);
    let other = if rng.bernoulli(0.5) { RED } else { BLUE_GREY };
    let depth_of_colour = rng.uniform_around(0.0, 0.5);
    let contrast = graded(1.0, 0.09, difficulty.powi(2)) * rng.uniform_around(0.92, 0.08);
    let uneven = graded(0.35, 0.8, difficulty);
    scene.paint(&shape, graded(0.04, 0.30, difficulty), |spot| {
        let brown = mix(
            LIGHT_BROWN,
            DARK_BROWN,
            step(-1.2, 1.2, dark.at(spot.at) + depth_of_colour),
        );
        let colour = mix(brown, other, uneven * step(0.6, 1.4, odd.at(spot.at)));
        let net = 1.0 - 0.14 * step(0.5, 0.0, network.at(spot.at).abs());
        let fading = uneven * 0.5 * step(0.4, 1.6, -dark.at(spot.at));
        mix(
            mix(skin, spot.under, 0.5),
            scaled(colour, net),
            contrast * (1.0 - fading),
        )
    });
    // Where a border fades, annotators differ on where it is.
    let apart = graded(0.01, 0.15, difficulty);
    scene.mark(&Dilated(&shape, rng.uniform_around(0.0, apart)));
}

/// A point far out in some direction.
fn outside(rng: &mut PhantomRng, radius: f32) -> Point {
    let (sin, cos) = rng.angle().sin_cos();
    [radius * cos, radius * sin]
}

fn hairs(scene: &mut Scene<3>, difficulty: f32, rng: &mut PhantomRng) {
    let hairy = rng.bernoulli(graded(0.35, 0.85, difficulty));
    let most = if hairy {
        3 + (11.0 * difficulty) as usize
    } else {
        1
    };
    let colour = mix(HAIR, LIGHT_BROWN, rng.uniform(0.0, 0.5));
    for _ in 0..rng.count(0, most) {
        let (start, end) = (outside(rng, 1.2), outside(rng, 1.2));
        let middle = rng.uniform_point([(start[0] + end[0]) / 2.0, (start[1] + end[1]) / 2.0], 0.35);
        let width = rng.uniform(0.006, 0.014);
        let hair = Tube::through(&[(start, width), (middle, width * 1.2), (end, width * 0.5)]);
        scene.paint(&hair, 0.012, |spot| mix(spot.under, colour, 0.9));
    }
}

/// What a surgeon's pen left.
fn ink(scene: &mut Scene<3>, rng: &mut PhantomRng) {
    let rim = rng.uniform(0.7, 1.0);
    let from = outside(rng, rim);
    let stroke = Tube::through(&[
        (from, 0.05),
        (rng.uniform_point(from, 0.3), 0.06),
        (rng.uniform_point(from, 0.5), 0.04),
    ]);
    let faint = Field::new(rng, 0.08);
    scene.paint(&stroke, 0.05, |spot| {
        mix(spot.under, INK, (0.55 + 0.2 * faint.at(spot.at)).clamp(0.0, 0.9))
    });
}

/// The ticks of a ruler along one side.
fn ruler(scene: &mut Scene<3>, rng: &mut PhantomRng) {
    let (offset, gap) = (rng.uniform_around(0.85, 0.08), rng.uniform(0.10, 0.16));
    for tick in 0..(2.4 / gap) as usize {
        let along = -1.2 + gap * tick as f32;
        let long = if tick % 5 == 0 { 0.16 } else { 0.09 };
        let mark = Tube::through(&[([along, offset], 0.008), ([along, offset + long], 0.008)]);
        scene.paint(&mark, 0.012, |spot| mix(spot.under, HAIR, 0.85));
    }
}

/// The dark ring of the dermoscope.
fn vignette(scene: &mut Scene<3>, difficulty: f32, rng: &mut PhantomRng) {
    let radius = rng.uniform(graded(1.15, 1.0, difficulty), 1.6);
    let (soft, dark) = (
        rng.uniform(0.08, 0.5),
        graded(0.4, 0.9, difficulty) * rng.uniform(0.6, 1.0),
    );
    let everywhere = Blob::disc([0.0; 2], 4.0);
    scene.paint(&everywhere, 0.0, |spot| {
        let away = spot.at[0].hypot(spot.at[1]);
        scaled(spot.under, 1.0 - dark * step(radius - soft, radius + soft, away))
    });
}
