//! Another number of threads, in a file of its own: the number belongs to the whole process.

#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use protoseg::{MaskKind, Prediction, ProtoSeg, mean_sa};
use sagate_core::nn::inference::InferenceNet;
use tch::{Device, Kind, Tensor};

/// Another number of threads may change the last digits of the network's sums, no more.
#[test]
fn another_number_of_threads_moves_mu_by_less_than_1e_5() {
    let config = tiny_model::config(1);
    let net = InferenceNet::new(&tiny_model::weights(&config, 3), &config, Device::Cpu).unwrap();
    let image = Tensor::randn([1, 1, 128, 128], (Kind::Float, Device::Cpu));
    let score_with = |threads: i32| {
        tch::set_num_threads(threads);
        let output = net.forward(&image, &[17, 18]).unwrap();
        let reference = Prediction::new(&output.probability, None, MaskKind::Hard).unwrap();
        let units: Vec<_> = output
            .taps
            .values()
            .map(|tap| ProtoSeg::default().units(tap, &reference).unwrap())
            .collect();
        mean_sa(&units)[0].mu
    };
    let (one, two) = (score_with(1), score_with(2));
    assert!((one - two).abs() < 1e-5, "{one} with one thread, {two} with two");
}
