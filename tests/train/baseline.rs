//! Three steps of a training here and in PyTorch (`tests/support/baselines/train.py`) from the same weights on the same images. If this fails,
//! networks are not trained as the paper says, or not as they were yesterday.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use ndarray::{Array2, Array3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::UNetConfig;
use sagate_lab::train::stepper::Stepper;
use sagate_lab::train::{Loss, Recipe, Sample};
use tch::{Device, Kind, Tensor};

const STEPS: usize = 3;
const BATCH: usize = 4;
/// The paper's.
const RATE: f64 = 1e-4;
const LOSS_TOLERANCE: f64 = 1e-4;
/// Of how far a tensor moved in all steps (Euclidean norms). Not of single weights: where rounding makes one maximum of a pool or one
/// ReLU fall the other way, which depends on the CPU's instructions and its threads, Adam moves weights with hardly any gradient by a
/// whole step the other way. 0.005 to 0.018 was seen of that, otherwise at most 0.0004.
const WEIGHT_TOLERANCE: f64 = 0.05;

const CONFIG: UNetConfig = UNetConfig {
    in_channels: 2,
    classes: 2,
    base_width: 4,
};

/// Blobs of two classes with noise; the last rows of one image are left out.
fn sample(random: &mut ChaCha8Rng, padded: bool) -> Sample {
    let (height, width) = (48, 32);
    let centres: Vec<[f32; 2]> = (0..2)
        .map(|_| [random.gen_range(10.0..38.0), random.gen_range(8.0..24.0)])
        .collect();
    let labels = Array2::from_shape_fn((height, width), |(row, column)| {
        let near = |[y, x]: &[f32; 2]| (row as f32 - y).hypot(column as f32 - x) < 6.0;
        centres.iter().position(near).map_or(0, |class| class as u8 + 1)
    });
    let pixels = Array3::from_shape_fn((2, height, width), |(channel, row, column)| {
        let signal = if usize::from(labels[[row, column]]) == channel + 1 {
            2.0
        } else {
            0.0
        };
        signal + random.gen_range(-1.0..1.0)
    });
    let valid = padded.then(|| Array2::from_shape_fn((height, width), |(row, _)| u8::from(row < 40)));
    Sample {
        pixels,
        labels,
        valid,
    }
}

/// The batches as the baseline reads them: pixels `[steps, batch, channels, height, width]`, labels -100 where a pixel is left out.
fn write_batches(path: &Path, batches: &[Vec<Sample>]) {
    let all = || batches.iter().flatten();
    let pixels: Vec<u8> = all()
        .flat_map(|sample| sample.pixels.iter().flat_map(|value| value.to_le_bytes()))
        .collect();
    let labels: Vec<u8> = all()
        .flat_map(|sample| {
            sample.labels.indexed_iter().flat_map(|(at, &label)| {
                let kept = sample.valid.as_ref().is_none_or(|valid| valid[at] > 0);
                (if kept { i64::from(label) } else { -100 }).to_le_bytes()
            })
        })
        .collect();
    let (height, width) = batches[0][0].labels.dim();
    let shape = vec![batches.len(), BATCH, 2, height, width];
    let tensors = [
        ("pixels", TensorView::new(Dtype::F32, shape, &pixels).unwrap()),
        (
            "labels",
            TensorView::new(Dtype::I64, vec![batches.len(), BATCH, height, width], &labels).unwrap(),
        ),
    ];
    std::fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn three_steps_are_those_of_pytorch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `make peers` installs PyTorch (`make test` does it by itself)",
        python.display()
    );
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let batches: Vec<Vec<Sample>> = (0..STEPS)
        .map(|step| {
            (0..BATCH)
                .map(|image| sample(&mut random, step == 1 && image == 0))
                .collect()
        })
        .collect();
    write_batches(&path("batches.safetensors"), &batches);
    let start = Stepper::new(&CONFIG, 3, Device::Cpu).unwrap().weights().unwrap();
    start.write(&path("start.safetensors"), false).unwrap();

    let output = Command::new(python)
        .env_remove("LD_LIBRARY_PATH")
        .arg(root.join("tests/support/baselines/train.py"))
        .arg("steps")
        .args(["start", "batches", "theirs"].map(|name| path(&format!("{name}.safetensors"))))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = std::fs::read(path("theirs.safetensors")).unwrap();
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    let theirs: HashMap<String, Vec<f64>> = theirs
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let kind = if view.dtype() == Dtype::F64 {
                Kind::Double
            } else {
                Kind::Float
            };
            let size: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            (name, values(&Tensor::from_data_size(view.data(), &size, kind)))
        })
        .collect();

    let begun: HashMap<&str, &Tensor> = start.iter().collect();
    for loss in [Loss::Offline, Loss::Online] {
        let recipe = Recipe {
            loss,
            ..Recipe::default()
        };
        let mut stepper = Stepper::new(&CONFIG, 99, Device::Cpu).unwrap();
        let start = Weights::read(&path("start.safetensors"), &CONFIG).unwrap();
        stepper.begin_from(&start).unwrap();
        for (step, batch) in batches.iter().enumerate() {
            let ours = stepper.step(&recipe, batch, RATE).unwrap().total;
            let theirs = theirs[&format!("{loss}.losses")][step];
            assert!(
                (ours - theirs).abs() < LOSS_TOLERANCE,
                "{loss}, loss of step {step}: {ours}, PyTorch's {theirs}"
            );
        }
        for (name, tensor) in stepper.weights().unwrap().iter() {
            let (ours, begun) = (values(tensor), values(begun[name]));
            let theirs = &theirs[&format!("{loss}.{name}")];
            assert_eq!(ours.len(), theirs.len(), "{name}");
            let (off, moved) = (distance(&ours, theirs), distance(&begun, theirs));
            assert!(
                off <= WEIGHT_TOLERANCE * moved,
                "{loss}, {name} is off by {off}, PyTorch's moved by {moved}"
            );
        }
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}
