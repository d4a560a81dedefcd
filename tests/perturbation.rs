//! Perturbation calibration with a bundled model on real slices. If these fail, the quality score says nothing of how reliable a mask
//! is, or differs between runs.

use std::path::Path;

use ndarray::{Array2, Array3};
use sagate_core::executor::ModelExecutor;
use sagate_core::gate::QualityScore;
use sagate_core::gate::evaluation::{Scored, spearman};
use sagate_core::imaging::preprocess::Step;
use sagate_core::model::Model;
use sagate_lab::data::folder;
use sagate_lab::perturbation::{self, CalibrationImage, PerturbationSample, perturb};
use tch::Device;

const TIMES: u32 = 20;

/// The clean slices of t1-brain and their perturbed copies.
fn samples() -> Vec<PerturbationSample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pass = ModelExecutor::load(
        &Model::open(&root.join("models/t1-brain/1")).unwrap(),
        Device::Cpu,
    )
    .unwrap();
    let mut examples = folder(&root.join("samples/t1-brain")).unwrap();
    examples.retain(|example| example.name.contains("clean"));
    let images: Vec<CalibrationImage<'_>> = examples
        .iter()
        .map(|example| (pass.prepare(&example.image).unwrap(), example.truth.as_ref()))
        .collect();
    perturbation::sample(&pass, &images, TIMES, &mut || ()).unwrap()
}

fn fit(images: impl Fn(&PerturbationSample) -> bool, all: &[PerturbationSample]) -> Option<QualityScore> {
    let chosen = all.iter().filter(|it| images(it));
    QualityScore::fit(&chosen.map(|it| (it.features(), it.self_dice)).collect::<Vec<_>>())
}

#[test]
fn it_ranks_images_that_it_never_saw_by_their_true_dice() {
    let all = samples();
    assert!(all.len() > TIMES as usize * 5);
    let score = fit(|it| it.image % 2 == 0, &all).unwrap();
    assert!(score.is_sound());
    let unseen: Vec<&PerturbationSample> = all.iter().filter(|it| it.image % 2 == 1 && !it.fault).collect();
    let values: Vec<f64> = unseen.iter().map(|it| score.score(&it.features())).collect();
    assert!(
        values.iter().all(|value| (0.0..=1.0).contains(value)),
        "{values:?}"
    );
    // No truth was used to fit it.
    let dice: Vec<f64> = unseen.iter().map(|it| it.true_dice.unwrap()).collect();
    let rho = spearman(&Scored::new(&values, &dice).all()).unwrap();
    assert!(rho > 0.6, "Spearman's rho with the true Dice is {rho}");
    let perturbed = unseen.iter().filter(|it| it.perturbed).map(|it| it.self_dice);
    assert!(
        perturbed.clone().any(|dice| dice < 0.7),
        "some copies change the output much"
    );
    assert!(perturbed.clone().any(|dice| dice > 0.95), "and some hardly");
}

#[test]
fn the_same_images_give_the_same_score() {
    let [first, second] = [samples(), samples()].map(|all| fit(|_| true, &all).unwrap());
    assert_eq!(first, second);
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<QualityScore>(&text).unwrap(), first);
}

#[test]
fn too_few_images_or_values_that_are_not_finite_give_no_score() {
    let all = samples();
    assert_eq!(fit(|it| it.image == 0, &all), None);
    let mut broken = all.clone();
    broken[3].units[0] = f64::NAN;
    assert_eq!(fit(|_| true, &broken), None);
    let score = fit(|_| true, &all).unwrap();
    assert!(score.score(&broken[3].features()).is_nan());
    let mut low = serde_json::to_value(&score).unwrap();
    low["low"][0] = 2.into();
    low["high"][0] = 1.into();
    assert!(!serde_json::from_value::<QualityScore>(low).unwrap().is_sound());
}

/// The random draws depend on the seed alone, so that the truth undergoes the same transform as the output; sizes and labels stay.
#[test]
fn truth_and_output_are_perturbed_alike() {
    let (height, width) = (40, 56);
    let wave = |seed: f32| {
        Array3::from_shape_fn((2, height, width), |(channel, row, column)| {
            (row as f32 / 5.0 + seed).sin() * (column as f32 / 7.0 + channel as f32).cos()
        })
    };
    let (pixels, other) = (wave(0.0), wave(2.0));
    let mask = Array2::from_shape_fn((height, width), |(row, column)| {
        u8::from(row > 10 && row < 30 && column > 15)
    });
    let mut moved = 0;
    for seed in 0..60 {
        let copy = |mask: &Array2<u8>| perturb(&pixels, mask, &other, &[Step::ZScore], seed).unwrap();
        let (one, two) = (copy(&mask), copy(&mask.mapv(|label| 2 * label)));
        assert_eq!(one.pixels, two.pixels, "seed {seed}");
        assert_eq!(one.labels.mapv(|label| 2 * label), two.labels, "seed {seed}");
        assert_eq!(one.pixels.dim(), pixels.dim());
        assert!(one.pixels.iter().all(|value| value.is_finite()), "seed {seed}");
        assert!(one.pixels != pixels, "seed {seed} changes nothing");
        moved += usize::from(one.labels != mask);
    }
    assert!((3..40).contains(&moved), "{moved} of 60 are moved");
}
