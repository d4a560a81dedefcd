//! `sagate protoseg` through the binary: the golden files, flags over metadata, tensors that do not fit.
//!
//! What would break: another framework's features get other scores than the published method's, a flag or the file's own
//! metadata is ignored, or wrong tensors get numbers that look real.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::binary::Place;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const PROBABILITY_TOLERANCE: f64 = 2e-5;
const SCORE_TOLERANCE: f64 = 1e-4;
/// Closer to one half than this, float32 features do not settle the side of a pixel.
const UNDECIDED: f64 = 1e-5;
const OUTPUTS: [&str; 5] = ["layer_sa", "mean_sa", "sam", "sam_probability", "unit_sa"];

/// A safetensors file taken apart, so that it can be changed.
#[derive(Clone)]
struct Tensors {
    tensors: HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl Tensors {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Self {
            tensors: file.tensors().into_iter().map(tensor).collect(),
            metadata: header.metadata().clone().unwrap_or_default(),
        }
    }

    fn golden(name: &str) -> Self {
        Self::read(&golden_folder().join(name))
    }

    fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (
                name.as_str(),
                TensorView::new(*dtype, shape.clone(), data).unwrap(),
            )
        });
        let bytes = safetensors::serialize(views, Some(self.metadata.clone())).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn values(&self, name: &str) -> Vec<f64> {
        let (dtype, _, data) = &self.tensors[name];
        match dtype {
            Dtype::U8 => data.iter().map(|&value| f64::from(value)).collect(),
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|&it| f64::from(f32::from_le_bytes(it)))
                .collect(),
            Dtype::F64 => data
                .as_chunks()
                .0
                .iter()
                .map(|&it| f64::from_le_bytes(it))
                .collect(),
            other => panic!("{other:?} in {name}"),
        }
    }

    /// Puts float32 values, with the shape that was there, in a tensor's place.
    fn put(&mut self, name: &str, values: impl IntoIterator<Item = f64>) {
        let (dtype, shape, data) = self.tensors.get_mut(name).unwrap();
        *data = crate::binary::floats(values.into_iter().map(|value| value as f32));
        *dtype = Dtype::F32;
        assert_eq!(data.len(), 4 * shape.iter().product::<usize>());
    }
}

fn golden_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/golden")
}

fn assert_close(found: &[f64], golden: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), golden.len(), "{what}");
    for (index, (found, golden)) in found.iter().zip(golden).enumerate() {
        assert!(
            (found - golden).abs() <= tolerance,
            "{what}[{index}] is {found}, golden {golden}"
        );
    }
}

#[track_caller]
fn check(found: &Tensors, golden: &Tensors, what: &str) {
    let mut names: Vec<&str> = found.tensors.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, OUTPUTS, "{what}");
    for name in OUTPUTS {
        let form = |tensors: &Tensors| (tensors.tensors[name].0, tensors.tensors[name].1.clone());
        assert_eq!(form(found), form(golden), "{what}: type and shape of {name}");
    }
    let probability = golden.values("sam_probability");
    assert_close(
        &found.values("sam_probability"),
        &probability,
        PROBABILITY_TOLERANCE,
        what,
    );
    let sams = found.values("sam").into_iter().zip(golden.values("sam"));
    let wrong = sams
        .zip(&probability)
        .filter(|((a, b), p)| a != b && (*p - 0.5).abs() > UNDECIDED);
    assert_eq!(wrong.count(), 0, "{what}: pixels of sam that differ");
    for name in ["layer_sa", "unit_sa", "mean_sa"] {
        assert_close(
            &found.values(name),
            &golden.values(name),
            SCORE_TOLERANCE,
            &format!("{what}: {name}"),
        );
    }
}

/// All files, both backends, and what is printed is what is written.
#[test]
fn golden_files_come_out_as_published() {
    let place = Place::new(1, &[]);
    let mut names: Vec<String> = fs::read_dir(golden_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 11, "all golden files are there");
    for name in &names {
        let path = golden_folder().join(name);
        let golden = Tensors::read(&path);
        for backend in ["native", "tensor"] {
            let input = path.to_str().unwrap();
            let (json, code) = place.json(&["protoseg", input, "--out", "scores", "--backend", backend]);
            assert_eq!((code, &json["out"]), (0, &"scores".into()));
            let found = Tensors::read(&place.path("scores"));
            check(&found, &golden, &format!("{name} ({backend})"));
            let images = json["images"].as_array().unwrap();
            for (index, image) in images.iter().enumerate() {
                assert_eq!(image["image"], index);
                assert_eq!(
                    image["layer_sa"].as_f64().unwrap(),
                    found.values("layer_sa")[index]
                );
                assert_eq!(image["mean_sa"].as_f64().unwrap(), found.values("mean_sa")[index]);
                assert!(image["fault"].is_null());
            }
            assert_eq!(images.len(), found.values("mean_sa").len());
        }
    }
    assert_eq!(place.names("."), ["models", "scores"], "nothing else was written");
}

#[test]
fn a_flag_counts_before_the_file_and_the_file_before_the_default() {
    let place = Place::new(1, &[]);
    let scores = |input: &Tensors, flags: &[&str]| {
        input.write(&place.path("in"));
        let ended = place.run(&[&["protoseg", "in", "--out", "out"][..], flags].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        Tensors::read(&place.path("out"))
    };
    let soft = Tensors::golden("2d_soft.safetensors");
    assert_eq!(soft.metadata["mask"], "soft");
    let mut hard = soft.clone();
    hard.metadata.insert("mask".into(), "hard".into());
    let mut silent = soft.clone();
    silent.metadata.clear();
    let bytes = |tensors: Tensors| OUTPUTS.map(|name| tensors.tensors[name].2.clone());

    let as_soft = bytes(scores(&soft, &[]));
    let as_hard = bytes(scores(&hard, &[]));
    assert_ne!(as_soft, as_hard, "the mask makes a difference");
    assert_eq!(bytes(scores(&hard, &["--mask", "soft"])), as_soft);
    assert_eq!(bytes(scores(&soft, &["--mask", "hard"])), as_hard);
    assert_eq!(bytes(scores(&silent, &[])), as_hard, "hard, where nobody says");
    let mut wrong = soft.clone();
    wrong.metadata.insert("mask".into(), "firm".into());
    assert_eq!(
        bytes(scores(&wrong, &["--mask", "soft"])),
        as_soft,
        "what a flag overrides is not asked"
    );

    let jaccard = scores(&soft, &["--metric", "jaccard"]);
    let dice = scores(&soft, &[]);
    for (jaccard, dice) in jaccard.values("unit_sa").iter().zip(dice.values("unit_sa")) {
        assert!((jaccard - dice / (2.0 - dice)).abs() < 1e-12);
    }
}

/// Half precision comes as near as its digits allow.
#[test]
fn features_in_half_precision_are_read() {
    let place = Place::new(1, &[]);
    let golden = Tensors::golden("2d_hard_up4.safetensors");
    let mut input = golden.clone();
    let values = golden.values("feature");
    let feature = input.tensors.get_mut("feature").unwrap();
    feature.0 = Dtype::F16;
    feature.2 = values
        .iter()
        .flat_map(|&value| half::f16::from_f64(value).to_le_bytes())
        .collect();
    input.write(&place.path("in"));
    for backend in ["native", "tensor"] {
        let ended = place.run(&["protoseg", "in", "--out", "out", "--backend", backend]);
        assert_eq!(ended.code, 0, "{ended:?}");
        let found = Tensors::read(&place.path("out"));
        assert_close(&found.values("mean_sa"), &golden.values("mean_sa"), 5e-3, backend);
        assert_close(
            &found.values("layer_sa"),
            &golden.values("layer_sa"),
            5e-3,
            backend,
        );
    }
}

/// Changes a golden file and expects a refusal with these words, and no output.
#[track_caller]
fn refused(name: &str, change: impl FnOnce(&mut Tensors), words: &[&str]) {
    let place = Place::new(1, &[]);
    let mut input = Tensors::golden(name);
    change(&mut input);
    input.write(&place.path("case.safetensors"));
    for backend in ["native", "tensor"] {
        let ended = place.run(&[
            "protoseg",
            "case.safetensors",
            "--out",
            "out",
            "--backend",
            backend,
        ]);
        ended.assert_refused(1, words);
        assert!(ended.errors()[0].starts_with("case.safetensors"), "{ended:?}");
        assert_eq!(place.names("."), ["case.safetensors", "models"], "no output");
    }
}

fn with(values: Vec<f64>, place: usize, value: f64) -> Vec<f64> {
    let mut values = values;
    values[place] = value;
    values
}

#[test]
fn tensors_that_are_not_there_are_named() {
    for name in ["feature", "probability"] {
        let change = |input: &mut Tensors| {
            input.tensors.remove(name);
        };
        let missing = format!("no tensor `{name}`");
        refused(
            "2d_hard.safetensors",
            change,
            &[&missing, "the file has:", "unit_sa"],
        );
    }
}

#[test]
fn a_factor_that_does_not_fit_the_shapes_is_refused() {
    for (factor, words) in [
        (
            "2",
            [
                "metadata `upsample` is 2",
                "`feature` has shape",
                "2 times the feature's",
            ],
        ),
        ("0", ["metadata `upsample` is `0`", "whole number", "at least 1"]),
        (
            "four",
            ["metadata `upsample` is `four`", "whole number", "at least 1"],
        ),
        (
            "9223372036854775807",
            ["metadata `upsample` is 9223372036854775807", "`feature`", "times"],
        ),
    ] {
        let change = |input: &mut Tensors| {
            input.metadata.insert("upsample".into(), factor.into());
        };
        refused("2d_hard_up4.safetensors", change, &words);
    }
    let change = |input: &mut Tensors| {
        input.metadata.insert("mask".into(), "firm".into());
    };
    refused(
        "2d_hard.safetensors",
        change,
        &["metadata `mask` is `firm`", "`hard` or `soft`"],
    );
}

#[test]
fn logits_are_no_probabilities() {
    let change = |input: &mut Tensors| {
        let logits: Vec<f64> = input
            .values("probability")
            .iter()
            .map(|p| 8.0 * (p - 0.5))
            .collect();
        input.put("probability", logits);
    };
    refused(
        "2d_soft.safetensors",
        change,
        &["`probability` spans -", "lie in 0 to 1", "logits"],
    );
}

#[test]
fn values_that_are_no_numbers_are_named_with_their_image() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for tensor in ["feature", "probability"] {
            let change = |input: &mut Tensors| {
                let values = input.values(tensor);
                let last = values.len() - 1;
                input.put(tensor, with(values, last, value));
            };
            let batch = Tensors::golden("2d_hard_up4.safetensors").tensors[tensor].1[0];
            let named = format!("`{tensor}` of image {}", batch - 1);
            refused(
                "2d_hard_up4.safetensors",
                change,
                &[&named, "NaN or infinity", "must be finite"],
            );
        }
    }
}

#[test]
fn shapes_and_types_that_do_not_fit_are_named() {
    let reshape = |name: &'static str, change: fn(&mut Vec<usize>)| {
        move |input: &mut Tensors| {
            let (_, shape, data) = input.tensors.get_mut(name).unwrap();
            change(shape);
            data.resize(shape.iter().product::<usize>() * 4, 0);
            input.metadata.clear();
        }
    };
    let golden = "2d_hard.safetensors";
    let flat = reshape("feature", |shape| {
        shape.pop();
    });
    refused(golden, flat, &["`feature` has shape", "2 spatial dimensions"]);
    let more = reshape("feature", |shape| shape[0] += 1);
    refused(
        golden,
        more,
        &["`feature` has shape", "would fit the probability"],
    );
    let wide = reshape("feature", |shape| shape[3] *= 2);
    refused(
        golden,
        wide,
        &["`feature` has shape", "between 1 and the image's"],
    );
    let none = reshape("feature", |shape| shape[1] = 0);
    refused(golden, none, &["`feature` has shape", "none empty"]);
    let none = reshape("probability", |shape| shape[2] = 0);
    refused(golden, none, &["`probability` has shape", "none empty"]);

    let retype = |name: &'static str, dtype: Dtype| {
        move |input: &mut Tensors| {
            let tensor = input.tensors.get_mut(name).unwrap();
            tensor.0 = dtype;
        }
    };
    refused(
        golden,
        retype("feature", Dtype::I32),
        &["`feature` holds Int values", "floating point"],
    );
    refused(
        golden,
        retype("probability", Dtype::I32),
        &["`probability` holds Int values", "floating point"],
    );
    refused(
        golden,
        retype("feature", Dtype::U32),
        &["`feature` is stored as U32", "F32, F16, BF16 or F64"],
    );
    let valid = |input: &mut Tensors| {
        let (_, shape, data) = input.tensors.get_mut("valid").unwrap();
        shape[0] += 1;
        data.resize(shape.iter().product(), 1);
    };
    refused(
        "2d_hard_valid.safetensors",
        valid,
        &["`valid` has shape", "would fit the probability"],
    );
}

/// An image without object, or without background, is no error: it scores 0, says why, and leaves the others alone.
#[test]
fn an_image_without_object_scores_nothing() {
    let place = Place::new(1, &[]);
    for (fill, fault) in [(0.1, "no object pixel"), (0.9, "no background pixel")] {
        let golden = Tensors::golden("2d_hard_up4.safetensors");
        let mut input = golden.clone();
        let mut values = golden.values("probability");
        let batch = golden.tensors["probability"].1[0];
        let pixels = values.len() / batch;
        values[..pixels].fill(fill);
        input.put("probability", values);
        input.write(&place.path("in"));
        let (json, code) = place.json(&["protoseg", "in", "--out", "out"]);
        assert_eq!(code, 0);
        assert!(
            json["images"][0]["fault"].as_str().unwrap().contains(fault),
            "{json}"
        );
        let found = Tensors::read(&place.path("out"));
        assert_eq!(
            (found.values("layer_sa")[0], found.values("mean_sa")[0]),
            (0.0, 0.0)
        );
        assert_close(
            &found.values("mean_sa")[1..],
            &golden.values("mean_sa")[1..],
            SCORE_TOLERANCE,
            "the others",
        );
    }
}
