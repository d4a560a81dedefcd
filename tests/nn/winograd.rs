//! Winograd's convolutions against libtorch's: the same network, another order of its sums. And what must not depend on company, place or
//! threads.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

use sagate_core::executor::{ModelExecutor, Segmentation};
use sagate_core::gate::Policy;
use sagate_core::model::Model;
use sagate_core::nn::inference::{InferenceNet, Output};
use sagate_core::nn::layers::LAYER_COUNT;
use sagate_core::nn::placement::{Convolutions, Placement, Precision};
use sagate_core::nn::threads::on_one_thread;
use sagate_core::nn::unet::UNetConfig;
use sagate_core::nn::winograd::{Form, Winograd};
use tch::{Device, Kind, Tensor};

use crate::binary::segment;
use crate::samples::{here, samples};
use crate::tiny_model::weights;

/// Largest distance of a feature map's value from libtorch's, as a share of the map's largest.
const TOLERANCE: f64 = 1e-5;

const WINOGRAD: Placement = Placement {
    device: Device::Cpu,
    precision: Precision::Float32,
    convolutions: Convolutions::Winograd,
};

/// The same network, convolved by libtorch and by Winograd.
fn both(in_channels: i64, base_width: i64) -> [InferenceNet; 2] {
    let config = UNetConfig {
        in_channels,
        classes: 2,
        base_width,
    };
    let weights = weights(&config, 3);
    [Device::Cpu.into(), WINOGRAD].map(|placement| InferenceNet::new(&weights, &config, placement).unwrap())
}

fn images(batch: i64, channels: i64, height: i64, width: i64) -> Tensor {
    tch::manual_seed(11);
    Tensor::randn([batch, channels, height, width], (Kind::Float, Device::Cpu))
}

fn all() -> Vec<usize> {
    (1..=LAYER_COUNT).collect()
}

#[test]
fn this_processor_has_it() {
    assert!(
        !Form::available().is_empty(),
        "the tests below are of nothing where AVX2 and FMA are missing"
    );
}

/// Sides of the deepest maps that are odd, or 1; widths of which some channels do not come in whole vectors; a batch.
#[test]
fn every_feature_map_is_libtorchs_but_for_its_last_digits() {
    for (channels, base) in [(1, 8), (3, 16), (1, 24), (8, 32)] {
        let [libtorch, winograd] = both(channels, base);
        for [height, width] in [[16, 16], [16, 112], [48, 80], [50, 37], [240, 16]] {
            let image = images(2, channels, height, width);
            let (expected, found) = (
                libtorch.forward(&image, &all()).unwrap(),
                winograd.forward(&image, &all()).unwrap(),
            );
            assert!(
                !expected.probability.equal(&found.probability),
                "base {base}: both are the same convolutions"
            );
            let about = format!("{channels} channels, base {base}, {height} x {width}");
            assert_near(&expected.probability, &found.probability, &about);
            for layer in all() {
                let about = format!("{about}, layer {layer}");
                assert_near(&expected.taps[&layer], &found.taps[&layer], &about);
            }
        }
    }
}

#[track_caller]
fn assert_near(expected: &Tensor, found: &Tensor, about: &str) {
    assert_eq!(expected.size(), found.size(), "{about}");
    let largest = expected.abs().max().double_value(&[]);
    let off = (expected - found).abs().max().double_value(&[]);
    assert!(off <= TOLERANCE * largest, "{about}: off by {off} of {largest}");
}

/// The same bits alone, in any batch, in a bucket of larger images, and by another number of threads.
#[test]
fn nothing_depends_on_company_or_threads() {
    let [_, net] = both(1, 16);
    let same = |expected: &Output, found: &Output, about: &str| {
        for layer in all() {
            assert!(
                expected.taps[&layer].equal(&found.taps[&layer]),
                "layer {layer} {about}"
            );
        }
    };
    let batch = images(3, 1, 80, 48);
    let together = net.forward(&batch, &all()).unwrap();
    for index in 0..3 {
        let image = batch.narrow(0, index, 1);
        let alone = net.forward(&image, &all()).unwrap();
        for layer in all() {
            assert!(
                alone.taps[&layer].equal(&together.taps[&layer].narrow(0, index, 1)),
                "layer {layer} of image {index} in a batch"
            );
        }
        let larger = images(1, 1, 112, 96);
        let bucket = net
            .forward_bucket(&[larger.squeeze_dim(0), image.squeeze_dim(0)], &all())
            .unwrap();
        same(&alone, &bucket[1], "in a bucket");
        let on_one = on_one_thread(|| net.forward(&image, &all()).unwrap());
        same(&alone, &on_one, "on one thread");
    }
}

/// One source, compiled for several instruction sets: the same sums in the same order. Odd sides, tiles that fill no whole run of any
/// form, and two inputs that are read as if joined.
#[test]
fn every_form_gives_the_same_bits() {
    let forms = Form::available();
    println!("forms of this processor: {forms:?}");
    tch::manual_seed(5);
    let random = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
    for [outputs, first, second] in [[16, 8, 0], [48, 16, 24], [32, 64, 64]] {
        let convolution = Winograd::new(
            &random(&[outputs, first + second, 3, 3]),
            &random(&[outputs]),
            true,
        );
        let widest = convolution.unwrap().expect("whole vectors of channels");
        for [height, width] in [[1, 1], [2, 33], [17, 30], [64, 64]] {
            let mut inputs = vec![random(&[2, first, height, width])];
            if second > 0 {
                inputs.push(random(&[2, second, height, width]));
            }
            let inputs: Vec<_> = inputs.iter().collect();
            let expected = widest.forward(&inputs).unwrap();
            for &form in &forms {
                let found = widest.with(form).unwrap().forward(&inputs).unwrap();
                assert!(
                    expected.equal(&found),
                    "{form:?}, {outputs} of {first} and {second} channels, {height} x {width}"
                );
            }
        }
    }
}

/// What is not finite is not made so: it is for the gate to find.
#[test]
fn what_is_not_finite_stays_so() {
    // Eight channels, so that the first layer is Winograd's: oneDNN's ReLU makes zero of what is no number.
    let [_, net] = both(8, 16);
    for pixel in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY] {
        let image = images(1, 8, 32, 32);
        let _ = image.narrow(2, 9, 1).narrow(3, 9, 1).fill_(pixel);
        let output = net.forward(&image, &[17, 18]).unwrap();
        for (layer, tap) in &output.taps {
            assert!(
                !bool::try_from(tap.isfinite().all()).unwrap(),
                "layer {layer} of an image with {pixel}"
            );
        }
    }
}

/// What the paper's score makes of it: the same masks, mu and decisions on real images.
#[test]
fn the_bundled_models_answer_the_same() {
    for task in ["t1-brain", "t1-nuclei"] {
        let model = Model::open(&here(&format!("models/{task}/1"))).unwrap();
        let passes = [Device::Cpu.into(), WINOGRAD]
            .map(|placement: Placement| ModelExecutor::load(&model, placement).unwrap());
        let (mut pixels, mut apart) = (0, 0.0f64);
        let images = samples(task);
        for image in &images {
            let [expected, found] = [&passes[0], &passes[1]].map(|pass| segment(pass, image));
            pixels += differing(&expected, &found);
            apart = apart.max((expected.mean_sa.mu - found.mean_sa.mu).abs());
            let decisions = [(&passes[0], &expected), (&passes[1], &found)]
                .map(|(pass, seen)| pass.decide(seen, &Policy::default()).accept);
            assert_eq!(decisions[0], decisions[1], "{task}");
        }
        println!(
            "{task}: {} images; {pixels} pixels of their masks differ, mu by at most {apart:.1e}",
            images.len()
        );
        assert!(pixels <= images.len(), "{task}: {pixels} pixels");
        assert!(apart <= 1e-4, "{task}: {apart}");
    }
}

fn differing(expected: &Segmentation, found: &Segmentation) -> usize {
    let pairs = expected.labels.iter().zip(&found.labels);
    pairs.filter(|(expected, found)| expected != found).count()
}
