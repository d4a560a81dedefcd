//! The inference form of the network against its training form, and what must not depend on company, size or threads.

use protoseg::{MaskKind, MeanSa, Prediction, ProtoSeg, mean_sa};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::inference::InferenceNet;
use sagate_core::nn::unet::{UNet, UNetConfig};
use tch::{Device, Kind, Tensor, nn};

fn images(batch: i64, height: i64, width: i64) -> Tensor {
    tch::manual_seed(11);
    Tensor::randn([batch, 1, height, width], (Kind::Float, Device::Cpu))
}

fn inference(classes: i64) -> InferenceNet {
    let config = crate::tiny_model::config(classes);
    InferenceNet::new(&crate::tiny_model::weights(&config, 3), &config, Device::Cpu).unwrap()
}

fn score(net: &InferenceNet, image: &Tensor) -> (Vec<MeanSa>, Tensor) {
    let output = net.forward(image, &[17, 18]).unwrap();
    let reference = Prediction::new(&output.probability, output.valid.as_ref(), MaskKind::Hard).unwrap();
    let units: Vec<_> = output
        .taps
        .values()
        .map(|tap| ProtoSeg::default().units(tap, &reference).unwrap())
        .collect();
    (mean_sa(&units), output.crop(&output.probability).contiguous())
}

/// Folding, layout and fusion change the order of sums and nothing else.
#[test]
fn both_forms_give_the_same_output_and_taps() {
    for classes in [1, 3] {
        let config = UNetConfig {
            in_channels: 2,
            classes,
            base_width: 8,
        };
        let store = nn::VarStore::new(Device::Cpu);
        let training = UNet::new(&store.root(), &config, 5).unwrap();
        let image = Tensor::randn([2, 2, 64, 48], (Kind::Float, Device::Cpu));
        // Running statistics away from their start, so that folding has something to fold.
        tch::no_grad(|| (0..3).for_each(|_| drop(training.forward_t(&image, true).unwrap())));
        let expected = tch::no_grad(|| training.forward_t(&image, false).unwrap());
        let weights = Weights::from_store(&store).unwrap();
        let all: Vec<usize> = (1..=18).collect();
        let output = InferenceNet::new(&weights, &config, Device::Cpu)
            .unwrap()
            .forward(&image, &all)
            .unwrap();
        let probability = expected.logits.softmax(1, Kind::Float).narrow(1, 1, classes);
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(off(&output.probability, &probability) <= 1e-4);
        for (index, tap) in expected.taps.iter().enumerate() {
            assert!(off(&output.taps[&(index + 1)], tap) <= 1e-3, "tap {}", index + 1);
        }
        assert!(output.valid.is_none());
    }
}

/// The same image gets the same bits alone, in any batch, in any order.
#[test]
fn nothing_depends_on_the_batch() {
    let net = inference(1);
    let images = images(5, 96, 80);
    let (together, probability) = score(&net, &images);
    let (reversed, _) = score(&net, &images.flip([0]));
    for (index, expected) in together.iter().enumerate() {
        let (alone, own) = score(&net, &images.narrow(0, index as i64, 1));
        assert_eq!(alone[0], *expected, "image {index} alone");
        assert_eq!(
            reversed[4 - index],
            *expected,
            "image {index} in the reversed batch"
        );
        assert!(
            own.equal(&probability.narrow(0, index as i64, 1)),
            "probabilities of image {index}"
        );
        assert!(
            expected.fault.is_none() && expected.mu > 0.0,
            "the test image is scored"
        );
    }
}

/// Any size goes in; what comes out has that size, and padding is in no prototype and no score.
#[test]
fn sizes_that_are_no_multiple_of_16_are_padded_and_left_out() {
    let net = inference(1);
    let image = images(1, 50, 37);
    let output = net.forward(&image, &[17, 18]).unwrap();
    assert_eq!(output.probability.size(), [1, 1, 64, 48]);
    let valid = output.valid.as_ref().unwrap();
    assert_eq!(valid.sum(Kind::Int64).int64_value(&[]), 50 * 37);
    let (padded, probability) = score(&net, &image);
    assert_eq!(probability.size(), [1, 1, 50, 37]);

    // At full resolution the padding can be cut off instead, which must come to the same.
    let reference = Prediction::new(&probability, None, MaskKind::Hard).unwrap();
    let units: Vec<_> = output
        .taps
        .values()
        .map(|tap| {
            ProtoSeg::default()
                .units(&output.crop(tap).contiguous(), &reference)
                .unwrap()
        })
        .collect();
    let cut = &mean_sa(&units)[0];
    assert!(
        (padded[0].mu - cut.mu).abs() < 1e-12,
        "{} {}",
        padded[0].mu,
        cut.mu
    );
    for (index, tap) in (1..=18).map(|layer| (layer, net.forward(&image, &[layer]).unwrap())) {
        assert_eq!(tap.taps.len(), 1, "only layer {index} is kept");
    }
    for size in [[1, 1], [16, 16], [17, 200]] {
        let (scores, probability) = score(&net, &images(1, size[0], size[1]));
        assert_eq!(probability.size()[2..], size);
        assert!(scores[0].mu.is_finite());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = inference(1);
    let refused = |shape: &[i64], taps: &[usize]| {
        let image = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        net.forward(&image, taps).err().unwrap().to_string()
    };
    assert!(refused(&[1, 2, 32, 32], &[]).contains("[1, 2, 32, 32]; [B, 1, H, W]"));
    assert!(refused(&[1, 1, 0, 32], &[]).contains("no side 0"));
    assert!(
        refused(&[1, 1, 32, 32], &[19])
            .contains("layer 19 does not exist; the network has the layers 1 to 18")
    );
}
