//! The method against tensors computed elsewhere in float64 by the published Algorithm 1 (`tests/support/golden/README.md`).
//!
//! Breaks when a prototype, a SAM or a score differs from the published method, in either backend, in either memory layout.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use protoseg::cpu::Native;
use protoseg::platform::Isa;
use protoseg::{Backend, BackendKind, MaskKind, Prediction, ProtoSeg, Prototypes, mean_sa};
use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};

const PROBABILITY_TOLERANCE: f64 = 2e-5;
const SCORE_TOLERANCE: f64 = 1e-4;
/// Closer to one half than this, float32 features do not settle the side of a pixel.
const UNDECIDED: f64 = 1e-5;

struct Case {
    name: String,
    feature: Tensor,
    reference: Prediction,
    sam_probability: Tensor,
    sam: Tensor,
    layer_sa: Vec<f64>,
    unit_sa: Vec<f64>,
    mean_sa: Vec<f64>,
}

fn cases() -> Vec<Case> {
    cases_on(Device::Cpu)
}

fn cases_on(device: Device) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/golden");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "safetensors")
    });
    paths.sort();
    assert_eq!(paths.len(), 11, "all golden files are there");
    paths.iter().map(|path| case(path, device)).collect()
}

fn case(path: &PathBuf, device: Device) -> Case {
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| {
        let view = tensors.tensor(name).unwrap();
        let kind = match view.dtype() {
            safetensors::Dtype::F32 => Kind::Float,
            safetensors::Dtype::F64 => Kind::Double,
            safetensors::Dtype::U8 => Kind::Uint8,
            other => panic!("{other:?} in {name}"),
        };
        let size: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        Tensor::from_data_size(view.data(), &size, kind).to_device(device)
    };
    let values = |name: &str| Vec::<f64>::try_from(tensor(name).flatten(0, -1)).unwrap();
    let valid = tensors.names().contains(&"valid").then(|| tensor("valid"));
    let mask: MaskKind = MaskKind::from_str(&metadata["mask"], false).unwrap();
    Case {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        feature: tensor("feature"),
        reference: Prediction::new(&tensor("probability"), valid.as_ref(), mask).unwrap(),
        sam_probability: tensor("sam_probability"),
        sam: tensor("sam"),
        layer_sa: values("layer_sa"),
        unit_sa: values("unit_sa"),
        mean_sa: values("mean_sa"),
    }
}

fn channels_last(feature: &Tensor) -> Tensor {
    let dimensions = feature.dim() as i64;
    let to: Vec<i64> = std::iter::once(0).chain(2..dimensions).chain([1]).collect();
    let back: Vec<i64> = [0, dimensions - 1].into_iter().chain(1..dimensions - 1).collect();
    feature.permute(&to).contiguous().permute(&back)
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= SCORE_TOLERANCE,
            "{what}[{index}]: {found}, golden {expected}"
        );
    }
}

fn check(case: &Case, feature: &Tensor, backend: BackendKind, what: &str) {
    let what = format!("{} ({what})", case.name);
    let method = ProtoSeg {
        backend,
        ..ProtoSeg::default()
    };
    let layer = method.layer(feature, &case.reference).unwrap();
    let probability = layer.probability.squeeze_dim(1).to_kind(Kind::Double);
    let off = (&probability - &case.sam_probability)
        .abs()
        .max()
        .double_value(&[]);
    assert!(
        off <= PROBABILITY_TOLERANCE,
        "{what}: sam_probability is off by {off}"
    );
    let decided = (&case.sam_probability - 0.5).abs().gt(UNDECIDED);
    let wrong = layer
        .sam
        .not_equal_tensor(&case.sam)
        .logical_and(&decided)
        .sum(Kind::Int64);
    assert_eq!(wrong.int64_value(&[]), 0, "{what}: pixels of sam that differ");
    assert_close(&layer.score, &case.layer_sa, &format!("{what}: layer_sa"));
    let units = method.units(feature, &case.reference).unwrap();
    assert_close(&units.scores, &case.unit_sa, &format!("{what}: unit_sa"));
    let mu: Vec<f64> = mean_sa(&[units]).iter().map(|image| image.mu).collect();
    assert_close(&mu, &case.mean_sa, &format!("{what}: mean_sa"));
}

#[test]
fn native_kernels_agree_on_contiguous_features() {
    for case in cases() {
        check(&case, &case.feature, BackendKind::Native, "native, contiguous");
    }
}

#[test]
fn native_kernels_agree_on_channels_last_features() {
    for case in cases() {
        check(
            &case,
            &channels_last(&case.feature),
            BackendKind::Native,
            "native, channels-last",
        );
    }
}

fn tensor_operations_agree_on(device: Device) {
    for case in cases_on(device) {
        check(&case, &case.feature, BackendKind::Tensor, "tensor, contiguous");
        check(
            &case,
            &channels_last(&case.feature),
            BackendKind::Tensor,
            "tensor, channels-last",
        );
    }
}

#[test]
fn tensor_operations_agree_in_both_layouts() {
    tensor_operations_agree_on(Device::Cpu);
}

#[test]
#[ignore = "needs a CUDA GPU: make gpu-check"]
fn tensor_operations_agree_on_a_gpu() {
    let settings = sagate::config::DeviceSettings {
        kind: sagate::config::DeviceKind::Cuda,
        precision: sagate_core::nn::placement::Precision::default(),
        convolutions: sagate_core::nn::placement::Convolutions::default(),
        threads: 0,
    };
    tensor_operations_agree_on(sagate::device::open(&settings).unwrap());
}

/// A kernel that rounds differently on a wider instruction set would make a decision depend on the processor.
#[test]
fn every_instruction_set_gives_the_same_bits() {
    let baseline = Native::with(Isa::Baseline).unwrap();
    for case in cases() {
        for feature in [case.feature.shallow_clone(), channels_last(&case.feature)] {
            let run = |backend: &Native| {
                let sums = backend.class_sums(&feature, &case.reference).unwrap();
                let bits: Vec<u64> = sums.values.iter().map(|value| value.to_bits()).collect();
                let prototypes = Prototypes::new(sums, case.reference.classes());
                let maps = backend
                    .maps(&feature, &case.reference, &prototypes.affine())
                    .unwrap();
                let units = backend
                    .unit_counts(&feature, &case.reference, &prototypes.thresholds())
                    .unwrap();
                let probability = Vec::<f32>::try_from(maps.probability.flatten(0, -1)).unwrap();
                (
                    bits,
                    probability.into_iter().map(f32::to_bits).collect::<Vec<_>>(),
                    maps.counts,
                    units,
                )
            };
            let expected = run(&baseline);
            for isa in Isa::available() {
                assert!(
                    run(&Native::with(isa).unwrap()) == expected,
                    "{} with {isa:?}",
                    case.name
                );
            }
        }
    }
}
