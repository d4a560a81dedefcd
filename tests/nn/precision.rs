//! Half precision against single precision: the bundled models on the sample images, and numbers that do not fit into it.
//!
//! What would break: a model that answers otherwise because its numbers are narrower, or one whose numbers overflow and that passes all the
//! same. What it prints is in `docs/operate/gpu.md`.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use sagate_core::executor::{ModelExecutor, Segmentation};
use sagate_core::gate::{Policy, Reason};
use sagate_core::model::Model;
use sagate_core::nn::placement::{Convolutions, Placement, Precision};
use tch::Device;

use crate::binary::{segment, waves_image};
use crate::samples::{here, samples};

/// Least Dice between the two masks, and largest distance between the two mu.
const MIN_DICE: f64 = 0.99;
const MU_TOLERANCE: f64 = 0.005;

const HALF: Placement = Placement {
    device: Device::Cpu,
    precision: Precision::Half,
    convolutions: Convolutions::Libtorch,
};

#[test]
fn the_bundled_models_answer_nearly_the_same() {
    for task in ["t1-brain", "t1-nuclei"] {
        let model = Model::open(&here(&format!("models/{task}/1"))).unwrap();
        let single = ModelExecutor::load(&model, Device::Cpu).unwrap();
        let half = ModelExecutor::load(&model, HALF).unwrap();
        let (mut dice, mut apart, mut changed): (Vec<f64>, Vec<f64>, usize) = Default::default();
        let images = samples(task);
        for image in &images {
            let (wide, narrow) = (segment(&single, image), segment(&half, image));
            assert_ne!(
                wide.probability, narrow.probability,
                "{task}: both are single precision"
            );
            dice.push(narrow.dice(&wide.labels));
            apart.push((wide.mean_sa.mu - narrow.mean_sa.mu).abs());
            let accepts =
                |pass: &ModelExecutor, seen: &Segmentation| pass.decide(seen, &Policy::default()).accept;
            changed += usize::from(accepts(&single, &wide) != accepts(&half, &narrow));
        }
        let least = dice.iter().copied().fold(1.0, f64::min);
        let most = apart.iter().copied().fold(0.0, f64::max);
        let count = images.len();
        println!(
            "{task}: {count} images; Dice of the two masks at least {least:.5}, mu apart by at most {most:.6}, \
             {changed} decisions changed"
        );
        assert!(
            least >= MIN_DICE && most <= MU_TOLERANCE,
            "{task}: {dice:?}, {apart:?}"
        );
    }
}

#[test]
fn what_does_not_fit_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let model = crate::tiny_model::write(folder.path(), 1, Vec::new(), &[0.0, 1.0]);
    let model = Model::open(&model).unwrap();
    let mut image = waves_image(1, 32, 32);
    image.pixels.mapv_inplace(|pixel| pixel * 1e7);
    let reasons = |placement: Placement| {
        let pass = ModelExecutor::load(&model, placement).unwrap();
        pass.decide(&segment(&pass, &image), &Policy::default()).reasons
    };
    // Single precision holds such numbers, so that it is the width that is refused.
    assert!(!reasons(Device::Cpu.into()).contains(&Reason::NotFinite));
    assert!(reasons(HALF).contains(&Reason::NotFinite));
}
