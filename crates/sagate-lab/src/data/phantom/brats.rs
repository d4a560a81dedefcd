//! An axial slice of a brain without its skull in four MR modalities, with a bright lesion: stands for BraTS.

use sagate_core::imaging::Plane;

use super::field::Field;
use super::point::Point;
use super::profile::{Drawn, Profile};
use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};
use super::scene::{Pose, PoseRanges, Scene, Spot, graded, mix, scaled, step};
use super::shape::{Blob, Irregular, Shape, Tube, Within};

/// T1, T1ce, T2, FLAIR.
type Tissue = [f32; 4];

const AIR: Tissue = [0.0; 4];
const FLUID: Tissue = [0.16, 0.17, 0.84, 0.08];
const GREY: Tissue = [0.40, 0.42, 0.54, 0.46];
const WHITE: Tissue = [0.64, 0.66, 0.38, 0.35];
const OEDEMA: Tissue = [0.36, 0.38, 0.86, 1.00];
const RIM: Tissue = [0.40, 0.95, 0.76, 0.90];
const NECROSIS: Tissue = [0.22, 0.24, 0.95, 0.66];

const POSE_RANGES: PoseRanges = PoseRanges {
    shift: 0.06,
    scale: 0.08,
    turn: 0.15,
    bend: 0.025,
};

pub(super) const PROFILE: Profile = Profile {
    description: "A bright lesion (oedema and core) in axial slices of a brain without its skull: a phantom that stands \
        in for BraTS",
    plane: Some(Plane::Axial),
    channels: &["T1", "T1ce", "T2", "FLAIR"],
    values: "whole numbers 0 to 4095, in no unit, as MR magnitude images have them",
    class: "whole tumour",
    colour: [213, 94, 0],
    noise: Noise::Rician,
    ranges: Ranges {
        gain: [0.05, 0.20],
        gamma: [0.05, 0.25],
        bias: [0.05, 0.40],
        blur: [0.003, 0.010],
        noise: [0.012, 0.055],
    },
    draw,
};

fn draw(side: usize, difficulty: f32, rng: &mut PhantomRng) -> Drawn {
    let pose = Pose::draw(rng, &POSE_RANGES);
    let mut scene = Scene::new(side, pose, AIR);
    let grain = Field::new(rng, 0.05);
    let brain = brain(&mut scene, &grain, rng);
    let (size, angle) = (graded(1.0, 0.4, difficulty.powi(2)), rng.angle());
    let radius = size * rng.uniform(0.27, 0.42);
    let centre = [rng.sign() * rng.uniform(0.14, 0.38), rng.uniform(-0.48, 0.48)];
    distractors(&mut scene, &brain, difficulty, rng);

    let frayed = Field::new(rng, 0.16);
    let swelling = Blob::new(centre, [radius, radius * rng.uniform(0.65, 1.0)], angle).wavy(rng, 0.12);
    let swelling = Irregular(&swelling, &frayed, 0.16 * radius);
    let swelling = Within(&swelling, &brain, 0.035);
    // Most lesions have high contrast; the hardest few have hardly any.
    let contrast = graded(1.0, 0.03, difficulty.powi(2)) * rng.uniform_around(0.93, 0.07);
    let mottle = Field::new(rng, 0.12);
    scene.paint(&swelling, graded(0.03, 0.10, difficulty), |spot| {
        let tissue = scaled(OEDEMA, 1.0 + 0.06 * mottle.at(spot.at));
        mix(spot.under, tissue, contrast)
    });

    let core = Blob::new(
        rng.uniform_point(centre, radius * 0.2),
        [radius * rng.uniform(0.35, 0.55), radius * rng.uniform(0.35, 0.5)],
        angle,
    )
    .wavy(rng, 0.15);
    let core = Within(&core, &swelling, 0.0);
    let thick = radius * rng.uniform(0.10, 0.22);
    scene.paint(&core, 0.025, |spot| {
        let tissue = mix(RIM, NECROSIS, step(thick, 1.6 * thick, spot.depth));
        mix(spot.under, tissue, contrast)
    });
    scene.mark(&swelling);
    scene.finish()
}

/// Brain with fluid around it, folded cortex, white matter, deep grey nuclei and ventricles.
fn brain(scene: &mut Scene<4>, grain: &Field, rng: &mut PhantomRng) -> Blob {
    let outline =
        Blob::new([0.0; 2], [rng.uniform(0.68, 0.78), rng.uniform(0.82, 0.92)], 0.0).wavy(rng, 0.02);
    let folds = Field::new(rng, 0.11);
    scene.paint(&outline, 0.02, |spot| {
        // A fold of the cortex reaches in along the lines where the field is 0.
        let fold = folds.at(spot.at).abs();
        let reach = (1.0 - fold).max(0.0).powi(2);
        let white = step(-0.015, 0.015, spot.depth - 0.08 - 0.14 * reach);
        let furrow = step(0.34, 0.10, fold) * step(0.20, 0.12, spot.depth);
        let open = step(0.025, 0.0, spot.depth - 0.01).max(furrow);
        let grain = 1.0 + 0.03 * grain.at(spot.at);
        scaled(mix(mix(GREY, WHITE, white), FLUID, open * 0.85), grain)
    });
    let fluid = |_: &Spot<4>| FLUID;
    for [top, bottom] in [[-0.9, -0.42], [0.46, 0.9]] {
        let fissure = Tube::through(&[([0.0, top], 0.012), ([0.0, bottom], 0.012)]);
        scene.paint(&Within(&fissure, &outline, 0.0), 0.015, fluid);
    }
    let wide = rng.uniform(0.6, 1.5);
    for side in [-1.0, 1.0] {
        let at = |x: f32, y: f32| -> Point { [side * x, y] };
        for (centre, radii, angle) in [
            (at(0.17, -0.20), [0.05, 0.12], -0.3),
            (at(0.29, -0.02), [0.07, 0.15], -0.2),
            (at(0.11, 0.10), [0.08, 0.11], 0.4),
        ] {
            let nucleus = Blob::new(centre, radii, side * angle);
            scene.paint(&nucleus, 0.03, |spot| mix(spot.under, GREY, 0.85));
        }
        let (front, back) = (
            rng.uniform_around(0.045, 0.01) * wide,
            rng.uniform_around(0.05, 0.01) * wide,
        );
        let horn = Tube::through(&[
            (at(0.15, -0.33), front * 0.5),
            (at(0.08, -0.22), front),
            (at(0.06, -0.03), front * 0.6),
            (at(0.14, 0.20), back * 0.8),
            (at(0.24, 0.36), back),
        ]);
        scene.paint(&horn, 0.02, fluid);
    }
    let third = Tube::through(&[([0.0, 0.0], 0.014 * wide), ([0.0, 0.16], 0.014 * wide)]);
    scene.paint(&third, 0.015, fluid);
    outline
}

/// Small bright white-matter spots that are no lesion.
fn distractors(scene: &mut Scene<4>, brain: &impl Shape, difficulty: f32, rng: &mut PhantomRng) {
    for _ in 0..rng.count(0, 2 + (4.0 * difficulty) as usize) {
        let centre = [rng.uniform_around(0.0, 0.42), rng.uniform_around(0.0, 0.5)];
        let spot = Blob::disc(centre, rng.uniform(0.02, graded(0.05, 0.08, difficulty))).wavy(rng, 0.2);
        let strength = rng.uniform(0.3, 0.7);
        scene.paint(&Within(&spot, brain, 0.1), 0.03, |spot| {
            mix(spot.under, OEDEMA, strength)
        });
    }
}
