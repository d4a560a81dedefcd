//! Weights are data. What would break: a way to load TorchScript or a pickle, by which a model's file would be a program that runs here.

use std::fs;
use std::path::Path;

use crate::binary::Place;
use sha2::{Digest, Sha256};

/// libtorch's ways to open a module or a pickle, as tch and C++ name them.
const LOADERS: [&str; 11] = [
    "CModule",
    "TrainableCModule",
    "jit::load",
    "load_multi",
    "load_hwc",
    "read_npz",
    "pickle_load",
    "torch::load",
    "store.load",
    "Tensor::load",
    "load_partial",
];

fn sources(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, into),
            false => into.push(path),
        }
    }
}

#[test]
fn no_source_file_uses_a_loader_of_code() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 100, "these are not all");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let found = LOADERS.iter().find(|loader| line.contains(**loader));
            assert!(
                found.is_none(),
                "{}:{}: {}",
                file.display(),
                number + 1,
                found.unwrap()
            );
        }
    }
}

/// A pickle that makes a file when it is opened, and a TorchScript archive's beginning, each with a right sum.
#[test]
fn a_model_of_code_is_refused_and_nothing_of_it_runs() {
    let pickle = b"cos\nsystem\n(S'touch executed'\ntR.".to_vec();
    let archive = b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0f\0\0\0module/data.pkl".to_vec();
    for bytes in [pickle, archive] {
        let place = Place::new(1, &[0.0, 1.0]);
        let folder = "models/tiny/1";
        let sums = fs::read_to_string(place.path(&format!("{folder}/SHA256SUMS"))).unwrap();
        let sum: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let line = |line: &str| match line.split_once("  ") {
            Some((_, "weights.safetensors")) => format!("{sum}  weights.safetensors\n"),
            _ => format!("{line}\n"),
        };
        let sums: String = sums.lines().map(line).collect();
        place.write(&format!("{folder}/SHA256SUMS"), sums.as_bytes());
        place.write(&format!("{folder}/weights.safetensors"), &bytes);
        let file = place.picture("image.png", 1, 40, 52);
        place
            .run(&["segment", &file])
            .assert_refused(1, &["weights.safetensors", "safetensors file"]);
        assert!(!place.path("executed").exists());
    }
}
