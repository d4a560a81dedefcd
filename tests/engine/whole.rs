//! One image through a model, end to end, with fixed random weights.

use ndarray::{Array2, Array3, Axis};
use sagate_core::executor::{ModelExecutor, PreparedImage, Segmentation};
use sagate_core::gate::{Policy, Reason};
use sagate_core::imaging::Image;
use sagate_core::imaging::preprocess::Step;
use sagate_core::model::{Model, write_model};
use tch::Device;

fn pass(classes: i64, steps: Vec<Step>, calibration: &[f64]) -> ModelExecutor {
    let dir = tempfile::tempdir().unwrap();
    let folder = crate::tiny_model::write(dir.path(), classes, steps, calibration);
    ModelExecutor::load(&Model::open(&folder).unwrap(), Device::Cpu).unwrap()
}

/// Blobs and waves, different for each seed.
fn image(seed: usize, height: usize, width: usize) -> Image {
    let wave = |row: usize, column: usize| {
        let (y, x) = (row as f32 / 9.0 + seed as f32, column as f32 / 7.0);
        100.0 * (y.sin() * x.cos() + (x * y / 3.0).sin()) + 200.0
    };
    let pixels = Array3::from_shape_fn((1, height, width), |(_, row, column)| wave(row, column));
    Image::new(pixels, [1.0, 1.0])
}

fn all(pass: &ModelExecutor, images: &[Image]) -> Vec<Segmentation> {
    let ready: Vec<PreparedImage> = images.iter().map(|image| pass.prepare(image).unwrap()).collect();
    pass.segment(&ready.iter().collect::<Vec<_>>()).unwrap()
}

/// mu, mask and decision are bit-identical alone, in any batch and in any order.
#[test]
fn an_image_is_judged_alike_in_any_company() {
    let pass = pass(1, vec![Step::ZScore], &[0.1, 0.3, 0.5]);
    let images: Vec<Image> = (0..4).map(|seed| image(seed, 45, 61)).collect();
    let together = all(&pass, &images);
    let reversed = all(&pass, &images.iter().rev().cloned().collect::<Vec<_>>());
    for (index, expected) in together.iter().enumerate() {
        let alone = all(&pass, &images[index..=index]).remove(0);
        assert_eq!(alone, *expected, "image {index} alone");
        assert_eq!(
            reversed[3 - index],
            *expected,
            "image {index} in the reversed batch"
        );
        let policy = Policy::default();
        assert_eq!(pass.decide(&alone, &policy), pass.decide(expected, &policy));
    }
}

#[test]
fn images_of_different_sizes_are_no_batch() {
    let pass = pass(1, vec![Step::ZScore], &[]);
    let (a, b) = (
        pass.prepare(&image(0, 32, 32)).unwrap(),
        pass.prepare(&image(0, 32, 48)).unwrap(),
    );
    let error = pass.segment(&[&a, &b]).unwrap_err().to_string();
    assert!(error.contains("[32, 32] and [32, 48]"), "{error}");
    assert!(pass.segment(&[]).unwrap().is_empty());
}

#[test]
fn wrong_channels_are_refused_with_the_channels_that_would_do() {
    let pass = pass(1, vec![Step::ZScore], &[]);
    let image = Image::new(Array3::ones((3, 32, 32)), [1.0, 1.0]);
    let error = pass.prepare(&image).unwrap_err().to_string();
    assert_eq!(error, "the image has 3 channels; model tiny@1 takes 1 (any)");
}

/// A model that selects channels takes images with all that its manifest names, not with those it selects.
#[test]
fn channels_are_counted_before_any_are_selected() {
    let dir = tempfile::tempdir().unwrap();
    let folder = crate::tiny_model::write(dir.path(), 1, vec![Step::ZScore], &[]);
    let model = Model::open(&folder).unwrap();
    let mut manifest = model.manifest().clone();
    manifest.input.channels = ["t1", "t2", "flair"].map(String::from).to_vec();
    manifest.preprocessing = vec![Step::SelectChannels { channels: vec![2] }, Step::ZScore];
    let model = write_model(&folder, &manifest, &model.weights().unwrap(), false).unwrap();
    let pass = ModelExecutor::load(&model, Device::Cpu).unwrap();

    let alone = image(5, 32, 48);
    let mut all = Image::new(Array3::ones((3, 32, 48)), [1.0, 1.0]);
    let third = alone.pixels.index_axis(Axis(0), 0);
    all.pixels.index_axis_mut(Axis(0), 2).assign(&third);
    assert_eq!(pass.prepare(&all).unwrap().size(), [32, 48]);
    let error = pass.prepare(&alone).unwrap_err().to_string();
    assert_eq!(
        error,
        "the image has 1 channels; model tiny@1 takes 3 (t1, t2, flair)"
    );
}

/// Results are on the grid of the image, whatever the preprocessing did to it.
#[test]
fn results_lie_on_the_images_own_grid() {
    let steps = vec![
        Step::ZScore,
        Step::ResampleTo { size: [64, 48] },
        Step::PadTo { size: [80, 80] },
    ];
    let pass = pass(1, steps, &[]);
    let image = image(1, 90, 50);
    let result = all(&pass, std::slice::from_ref(&image)).remove(0);
    assert_eq!(result.labels.dim(), (90, 50));
    assert_eq!(result.probability.dim(), (1, 90, 50));
    assert!(result.mean_sa.fault.is_none());

    // The padding is in no score: another padding, the same mu to the digits that the network's border leaves.
    let ready = pass.prepare(&image).unwrap();
    assert_eq!(ready.size(), [80, 80]);
    let seen = pass.interpret(&ready, &(1..=18).collect::<Vec<_>>()).unwrap();
    assert_eq!(*seen.segmentation, result);
}

/// Several classes: labels, one score per class, Dice over the present ones.
#[test]
fn several_classes_go_the_same_way() {
    let pass = pass(3, vec![Step::ZScore], &[]);
    let result = all(&pass, &[image(2, 64, 64)]).remove(0);
    assert_eq!(result.probability.dim(), (3, 64, 64));
    assert!(result.labels.iter().all(|&label| label <= 3));
    assert!((0.0..=1.0).contains(&result.mean_sa.mu));
    assert_eq!(result.dice(&result.labels), 1.0);
    assert!(result.dice(&Array2::zeros((64, 64))) < 1e-12);
    let fraction = result.labels.iter().filter(|&&label| label > 0).count() as f64 / (64.0 * 64.0);
    assert_eq!(result.object_fraction(), fraction);
}

#[test]
fn every_layer_and_unit_can_be_seen() {
    let pass = pass(2, vec![Step::ZScore], &[]);
    let ready = pass.prepare(&image(3, 50, 70)).unwrap();
    let layers: Vec<usize> = (1..=18).collect();
    let seen = pass.interpret(&ready, &layers).unwrap();
    for &number in &layers {
        let view = seen.layer(number).unwrap();
        assert_eq!(view.layer.number, number);
        assert_eq!(view.probability.dim(), (2, 50, 70));
        assert_eq!(view.sam.dim(), (50, 70));
        assert!((0.0..=1.0).contains(&view.score));
        assert!(view.probability.iter().all(|p| (0.0..=1.0).contains(p)));
    }
    let ends = |scores: &[f64]| vec![0, scores.len() - 1];
    let units = seen.units(18, 2, ends, true).unwrap();
    assert_eq!(units.scores.len(), 4);
    assert_eq!(units.average.unwrap().dim(), (50, 70));
    assert_eq!(
        units
            .sams
            .iter()
            .map(|(unit, sam)| (*unit, sam.dim()))
            .collect::<Vec<_>>(),
        [(0, (50, 70)), (3, (50, 70))]
    );
    let few = pass.interpret(&ready, &[5]).unwrap();
    assert!(few.layer(5).is_ok() && few.layer(17).is_ok());
    assert!(few.layer(6).unwrap_err().to_string().contains("layer 6"));
}

/// A constant image has no information, and an uncalibrated model has no threshold: neither is accepted.
#[test]
fn what_cannot_be_judged_is_rejected() {
    let pass = pass(1, vec![Step::ZScore], &[]);
    let result = all(&pass, &[image(4, 64, 64)]).remove(0);
    let decision = pass.decide(&result, &Policy::default());
    assert!(!decision.accept);
    assert_eq!(decision.reasons, [Reason::NotCalibrated]);
}
