//! A small model with random weights, in a folder of its own: what it answers is worthless, how it answers is not.

#![allow(dead_code, reason = "every test file uses a part")]

use std::path::{Path, PathBuf};

use sagate_core::imaging::preprocess::Step;
use sagate_core::model::{
    Architecture, Class, FORMAT, Input, Manifest, Mu, Provenance, refresh_checksums, write_calibration,
    write_model,
};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::{UNet, UNetConfig};
use tch::{Device, Tensor, nn};

pub const NAME: &str = "tiny";

/// Weights whose head is shifted until a random image is part object, part background.
pub fn weights(config: &UNetConfig, seed: u64) -> Weights {
    let store = nn::VarStore::new(Device::Cpu);
    let net = UNet::new(&store.root(), config, seed).unwrap();
    tch::manual_seed(7);
    let image = Tensor::randn([1, config.in_channels, 64, 64], (tch::Kind::Float, Device::Cpu));
    let logits = net.forward_t(&image, false).unwrap().logits;
    tch::no_grad(|| {
        let mut bias = store.variables()["head.bias"].shallow_clone();
        bias.copy_(&-logits.mean_dim([0i64, 2, 3].as_slice(), false, tch::Kind::Float));
    });
    Weights::from_store(&store).unwrap()
}

pub fn config(classes: i64) -> UNetConfig {
    UNetConfig {
        in_channels: 1,
        classes,
        base_width: 4,
    }
}

/// Writes `DIR/tiny/1`, calibrated on the given scores where there are any, and returns its folder.
pub fn write(dir: &Path, classes: i64, preprocessing: Vec<Step>, calibration: &[f64]) -> PathBuf {
    write_as(NAME, dir, classes, preprocessing, calibration)
}

/// The same under another name.
pub fn write_as(
    name: &str,
    dir: &Path,
    classes: i64,
    preprocessing: Vec<Step>,
    calibration: &[f64],
) -> PathBuf {
    let config = config(classes);
    let manifest = Manifest {
        format: FORMAT,
        name: name.into(),
        version: 1,
        description: "random weights for tests".into(),
        licence: "MIT".into(),
        architecture: Architecture::unet2d(config),
        input: Input {
            channels: vec!["any".into()],
            plane: Some(sagate_core::imaging::Plane::Axial),
            range: None,
            min_size: None,
            max_size: None,
        },
        preprocessing,
        classes: (1..=classes)
            .map(|class| Class {
                name: format!("class {class}"),
                colour: [200, 40 * class as u8, 0],
            })
            .collect(),
        mu: Mu { layers: vec![17, 18] },
        score: Default::default(),
        provenance: Provenance {
            data: "none".into(),
            command: "none".into(),
            seed: 1,
            date: "2026-01-01".into(),
            loss: "none".into(),
            epochs: None,
            validation_dice: None,
        },
    };
    let folder = dir.join(name).join("1");
    std::fs::create_dir_all(&folder).unwrap();
    write_model(&folder, &manifest, &weights(&config, 3), false).unwrap();
    if !calibration.is_empty() {
        let entries = calibration
            .iter()
            .enumerate()
            .map(|(index, &mu)| sagate_core::gate::Entry {
                name: format!("image-{index}"),
                mu,
                score: None,
                dice: None,
            })
            .collect();
        let calibration = sagate_core::gate::Calibration {
            format: sagate_core::gate::FORMAT,
            model: name.into(),
            model_version: 1,
            data: "made up".into(),
            created: "2026-01-01".into(),
            seed: None,
            coverage: 0.9,
            entries,
            score: None,
        };
        write_calibration(&folder, &calibration, None).unwrap();
    }
    folder
}

/// Copies `DIR/NAME/1` as another version, its manifest and calibration changed to say so, and returns its folder.
pub fn copy_version(dir: &Path, name: &str, version: u32) -> PathBuf {
    let (from, to) = (dir.join(name).join("1"), dir.join(name).join(version.to_string()));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    change(
        &to,
        "manifest.toml",
        "version = 1",
        &format!("version = {version}"),
    );
    let stated = format!("\"model_version\": {version}");
    change(&to, "calibration.json", "\"model_version\": 1", &stated);
    refresh_checksums(&to).unwrap();
    to
}

/// Changes the first place in a model's file that holds these words.
pub fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}: {text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}
