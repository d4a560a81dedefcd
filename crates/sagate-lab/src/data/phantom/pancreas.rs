//! An axial CT of the upper abdomen with a small, lobulated organ that is as bright as those around it: stands for the
//! pancreas task of the Medical Segmentation Decathlon. The patient's right is on the image's left, as radiologists
//! look at it.

use sagate_core::imaging::Plane;

use super::field::Field;
use super::point::Point;
use super::profile::{Drawn, Profile};
use super::rng::PhantomRng;
use super::scanner::{Noise, Ranges};
use super::scene::{Pose, PoseRanges, Scene, Spot, graded, mix, step};
use super::shape::{Blob, Dilated, Irregular, Tube, Within};

/// Signal in a window from -160 to 240 HU.
const AIR: f32 = 0.0;
const FAT: f32 = 0.16;
const MUSCLE: f32 = 0.56;
const PANCREAS: f32 = 0.62;
const LIVER: f32 = 0.65;
const SPLEEN: f32 = 0.67;
const KIDNEY: f32 = 0.72;
const BOWEL: f32 = 0.58;
const VESSEL: f32 = 0.70;
const BONE: f32 = 1.0;

const POSE_RANGES: PoseRanges = PoseRanges {
    shift: 0.05,
    scale: 0.08,
    turn: 0.08,
    bend: 0.03,
};

pub(super) const PROFILE: Profile = Profile {
    description: "The pancreas among organs of nearly the same signal in axial CT slices of the abdomen: a phantom that \
        stands in for the pancreas task of the Medical Segmentation Decathlon",
    plane: Some(Plane::Axial),
    channels: &["CT"],
    values: "whole numbers 0 to 4095; 0 is -160 HU and below, 3071 is 240 HU",
    class: "pancreas",
    colour: [230, 159, 0],
    noise: Noise::Gaussian,
    ranges: Ranges {
        gain: [0.02, 0.08],
        gamma: [0.02, 0.15],
        bias: [0.0, 0.05],
        blur: [0.004, 0.010],
        noise: [0.015, 0.090],
    },
    draw,
};

fn draw(side: usize, difficulty: f32, rng: &mut PhantomRng) -> Drawn {
    let pose = Pose::draw(rng, &POSE_RANGES);
    let mut scene = Scene::new(side, pose, [AIR]);
    let mottle = Field::new(rng, 0.10);
    let cavity = wall(&mut scene, rng);
    spine(&mut scene, rng);
    let organ = |brightness: f32| {
        let mottle = &mottle;
        move |spot: &Spot<1>| [brightness + 0.012 * mottle.at(spot.at)]
    };
    // The harder the image, the closer the signal of all soft tissue is to that of the pancreas.
    let same = graded(0.9, 0.15, difficulty);
    let signal = |signal: f32, rng: &mut PhantomRng| {
        PANCREAS + (signal - PANCREAS) * same + rng.uniform_around(0.0, 0.02)
    };

    for side in [-1.0, 1.0] {
        let centre = [
            side * rng.uniform_around(0.43, 0.03),
            rng.uniform_around(0.30, 0.05),
        ];
        let kidney = Blob::new(centre, [0.13, 0.19], side * -0.35).wavy(rng, 0.04);
        scene.paint(&kidney, 0.02, organ(signal(KIDNEY, rng)));
        let sinus = Blob::new(
            [centre[0] - side * 0.06, centre[1] - 0.02],
            [0.05, 0.09],
            side * -0.3,
        )
        .wavy(rng, 0.1);
        scene.paint(&sinus, 0.03, |_| [FAT]);
    }
    let liver = Blob::new(
        [-0.52, -0.16],
        [rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.48)],
        -0.4,
    )
    .wavy(rng, 0.06);
    scene.paint(&Within(&liver, &cavity, 0.02), 0.02, organ(signal(LIVER, rng)));
    let lobe = Blob::new([-0.12, -0.46], [rng.uniform(0.2, 0.4), 0.14], 0.1).wavy(rng, 0.08);
    scene.paint(&Within(&lobe, &cavity, 0.02), 0.02, organ(signal(LIVER, rng)));
    let spleen = Blob::new(
        [0.72, 0.02],
        [rng.uniform(0.13, 0.19), rng.uniform(0.22, 0.32)],
        -0.25,
    )
    .wavy(rng, 0.05);
    scene.paint(&Within(&spleen, &cavity, 0.02), 0.02, organ(signal(SPLEEN, rng)));
    bowel(&mut scene, &cavity, &mottle, same, rng);
    vessels(&mut scene, signal(VESSEL, rng));
    pancreas(&mut scene, &mottle, difficulty, rng);
    scene.finish()
}

/// Skin, fat and muscle; gives the cavity, which is full of fat.
fn wall(scene: &mut Scene<1>, rng: &mut PhantomRng) -> Blob {
    let body = Blob::new([0.0, 0.02], [0.98, rng.uniform(0.76, 0.86)], 0.0).wavy(rng, 0.015);
    let fat = rng.uniform(0.05, 0.11);
    let strands = Field::new(rng, 0.08);
    scene.paint(&body, 0.02, |spot| {
        let skin = step(0.03, 0.01, spot.depth);
        let muscle = step(fat, fat + 0.02, spot.depth);
        let tissue = FAT + (MUSCLE - FAT) * muscle.max(0.6 * skin);
        [tissue + 0.015 * strands.at(spot.at)]
    });
    let cavity = Blob::new([0.0, 0.0], [0.83, 0.62], 0.0).wavy(rng, 0.015);
    scene.paint(&cavity, 0.03, |spot| [FAT + 0.02 * strands.at(spot.at)]);
    cavity
}

/// Vertebra, ribs, and the muscles beside the spine.
fn spine(scene: &mut Scene<1>, rng: &mut PhantomRng) {
    for side in [-1.0, 1.0] {
        for (centre, radii) in [([0.24, 0.60], [0.18, 0.11]), ([0.17, 0.40], [0.08, 0.10])] {
            let muscle = Blob::new([side * centre[0], centre[1]], radii, side * 0.2).wavy(rng, 0.05);
            scene.paint(&muscle, 0.02, |_| [MUSCLE]);
        }
        for angle in [-0.5_f32, 0.05, 0.55] {
            let (sin, cos) = (angle + rng.uniform_around(0.0, 0.1)).sin_cos();
            let rib = Blob::new(
                [side * 0.87 * cos, 0.02 + 0.68 * sin],
                [0.022, 0.07],
                side * angle,
            );
            scene.paint(&rib, 0.02, |_| [BONE * 0.9]);
        }
    }
    let process = Tube::through(&[([0.0, 0.52], 0.06), ([0.0, 0.74], 0.025)]);
    scene.paint(&process, 0.02, |_| [BONE * 0.9]);
    let body = Blob::new([0.0, 0.42], [0.15, 0.115], 0.0).wavy(rng, 0.02);
    scene.paint(&body, 0.02, |spot| {
        mix([BONE], [0.80], step(0.015, 0.04, spot.depth))
    });
    let canal = Blob::disc([0.0, 0.555], 0.035);
    scene.paint(&canal, 0.02, |_| [0.45]);
}

/// Stomach, duodenum, colon and small bowel, some with gas.
fn bowel(scene: &mut Scene<1>, cavity: &Blob, mottle: &Field, same: f32, rng: &mut PhantomRng) {
    let stomach = Tube::through(&[
        (rng.uniform_point([0.55, -0.22], 0.04), rng.uniform(0.10, 0.15)),
        (rng.uniform_point([0.38, -0.38], 0.04), rng.uniform(0.10, 0.15)),
        (rng.uniform_point([0.08, -0.32], 0.04), rng.uniform(0.06, 0.09)),
    ]);
    let fluid = PANCREAS + (0.45 - PANCREAS) * same;
    let level = rng.uniform(-0.6, -0.3);
    let gas = rng.bernoulli(0.4);
    scene.paint(&Within(&stomach, cavity, 0.02), 0.02, |spot| {
        let content = if gas && spot.at[1] < level { AIR } else { fluid };
        mix([BOWEL], [content], step(0.02, 0.035, spot.depth))
    });
    for _ in 0..rng.count(5, 10) {
        let centre = [rng.uniform_around(0.1, 0.55), rng.uniform(-0.52, 0.12)];
        let loop_ = Blob::new(
            centre,
            [rng.uniform(0.06, 0.12), rng.uniform(0.05, 0.09)],
            rng.angle(),
        )
        .wavy(rng, 0.08);
        let brightness = PANCREAS + rng.uniform_around(0.0, 0.05);
        let gas = rng.bernoulli(0.15);
        scene.paint(&Within(&loop_, cavity, 0.03), 0.02, |spot| {
            let content = if gas {
                AIR
            } else {
                brightness + 0.02 * mottle.at(spot.at)
            };
            mix([BOWEL], [content], step(0.015, 0.03, spot.depth))
        });
    }
    for _ in 0..rng.count(1, 3) {
        let start = [rng.uniform(0.0, 0.5), rng.uniform(-0.3, 0.25)];
        let turn = rng.uniform_point(start, 0.2);
        let jejunum = Tube::through(&[
            (start, rng.uniform(0.04, 0.06)),
            (turn, rng.uniform(0.04, 0.06)),
            (rng.uniform_point(turn, 0.25), 0.045),
        ]);
        let brightness = PANCREAS + rng.uniform_around(0.0, 0.03);
        scene.paint(&Dilated(&jejunum, 0.03), 0.03, |spot| mix(spot.under, [FAT], 0.6));
        scene.paint(&jejunum, 0.02, |spot| [brightness + 0.02 * mottle.at(spot.at)]);
    }
    let duodenum = Tube::through(&[
        ([-0.26, -0.12], 0.05),
        ([-0.33, 0.06], 0.055),
        ([-0.26, 0.20], 0.05),
    ]);
    scene.paint(&Within(&duodenum, cavity, 0.02), 0.02, |_| [BOWEL]);
}

/// Aorta and the inferior caval vein.
fn vessels(scene: &mut Scene<1>, signal: f32) {
    for (centre, radius) in [
        ([0.07, 0.24], 0.06),
        ([-0.12, 0.24], 0.06),
        ([0.04, 0.11], 0.025),
        ([-0.05, 0.10], 0.035),
    ] {
        let vessel = Blob::disc(centre, radius);
        scene.paint(&Dilated(&vessel, 0.02), 0.02, |spot| mix(spot.under, [FAT], 0.5));
        scene.paint(&vessel, 0.02, |_| [signal]);
    }
}

/// Head, neck, body and tail: most slices show all of it, some only one end. Fat lies around it where the image is easy.
fn pancreas(scene: &mut Scene<1>, mottle: &Field, difficulty: f32, rng: &mut PhantomRng) {
    let slope = rng.uniform_around(-0.05, 0.25);
    let thick = graded(0.92, 0.70, difficulty) * rng.uniform_around(1.0, 0.15);
    let stops: Vec<(Point, f32)> = [
        ([-0.19, 0.16], 0.065),
        ([-0.17, 0.05], 0.080),
        ([-0.04, -0.04], 0.052),
        ([0.13, -0.08], 0.058),
        ([0.30, -0.05], 0.055),
        ([0.48, 0.00], 0.042),
    ]
    .into_iter()
    .map(|([x, y], radius)| {
        (
            rng.uniform_point([x, y + slope * x], 0.05),
            radius * thick * rng.uniform_around(1.0, 0.15),
        )
    })
    .collect();
    let shown = match rng.uniform(0.0, 1.0) {
        part if part < 0.5 => 0..6,
        part if part < 0.75 => 0..4,
        _ => 2..6,
    };
    let course = Tube::through(&stops[shown]);
    let lobes = Field::new(rng, 0.09);
    let organ = Irregular(&course, &lobes, 0.014);
    let gap = graded(0.85, 0.0, difficulty);
    scene.paint(&Dilated(&organ, 0.035), 0.03, |spot| mix(spot.under, [FAT], gap));
    scene.paint(&organ, graded(0.02, 0.05, difficulty), |spot| {
        // Fat between the lobules.
        let cleft = 0.25 * step(0.4, 0.0, lobes.at(spot.at).abs()) * step(0.05, 0.0, spot.depth);
        mix([PANCREAS + 0.02 * mottle.at(spot.at)], [FAT], cleft)
    });
    scene.mark(&organ);
}
