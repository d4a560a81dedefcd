//! A model with random weights that answers with a plausible mask, as a folder that can be served.

use std::path::Path;

use anyhow::Context;
use ndarray::Array3;
use sagate_core::imaging::Image;
use sagate_core::imaging::preprocess::Step;
use sagate_core::model::{
    Architecture, Class, FORMAT, Input, Manifest, Model, Mu, Provenance, today, write_model,
};
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::{UNet, UNetConfig};
use tch::{Device, Kind, Tensor, nn};

/// The model's name in its repository.
pub(super) const NAME: &str = "bench";
/// Logits of the disc and around it, plus and minus: sure, as trained networks are.
const SHARPNESS: f64 = 6.0;

/// A square image of 12-bit intensities: a bright disc that covers a tenth of it, on a ground with some texture.
pub(super) fn image(size: usize, seed: usize) -> Image {
    let middle = size as f32 / 2.0;
    let pixels = Array3::from_shape_fn((1, size, size), |(_, row, column)| {
        let (y, x) = (row as f32 - middle, column as f32 - middle);
        let texture = ((row * 31 + column * 17 + seed * 13) as f32 * 12.9898).sin() * 40.0;
        let disc = if y.hypot(x) < size as f32 * 0.18 {
            1500.0
        } else {
            300.0
        };
        (disc + texture).round()
    });
    Image::new(pixels, [1.0, 1.0])
}

/// Writes `DIR/bench/1`, whose answer to [`image`] is about the disc.
///
/// # Errors
/// libtorch failing, or a folder that cannot be written.
pub(super) fn write(dir: &Path, base: i64, size: usize) -> anyhow::Result<Model> {
    let config = UNetConfig {
        in_channels: 1,
        classes: 1,
        base_width: base,
    };
    let folder = dir.join(NAME).join("1");
    std::fs::create_dir_all(&folder)?;
    Ok(write_model(
        &folder,
        &manifest(config)?,
        &weights(&config, size)?,
        false,
    )?)
}

/// Random weights with a head that finds the disc: the least squares of the last layer's units, as the time of the scores depends on
/// how often the answer changes from pixel to pixel, and a trained network's does so at edges only.
fn weights(config: &UNetConfig, size: usize) -> anyhow::Result<Weights> {
    let _no_grad = tch::no_grad_guard();
    let store = nn::VarStore::new(Device::Cpu);
    let net = UNet::new(&store.root(), config, 1)?;
    let side = size as i64;
    let pixels: Vec<f32> = image(size, 0).pixels.into_iter().collect();
    let pixels = Tensor::f_from_slice(&pixels)?.f_view([1, 1, side, side])?;
    let input = pixels
        .f_sub(&pixels.f_mean(Kind::Float)?)?
        .f_div(&pixels.f_std(true)?)?;
    let last = net.forward_t(&input, false)?.taps.pop().context("no layer")?;
    let units = last.f_flatten(2, -1)?.f_squeeze_dim(0)?.f_to_kind(Kind::Double)?;
    let units = Tensor::f_cat(&[&units.f_narrow(0, 0, 1)?.f_ones_like()?, &units], 0)?;
    // 1 in the disc, -1 around it.
    let wanted = pixels.f_flatten(0, -1)?.f_gt(900.0)?.f_to_kind(Kind::Double)?;
    let wanted = wanted.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?.f_unsqueeze(1)?;
    let squares = units.f_matmul(&units.f_transpose(0, 1)?)?;
    // A unit that never responds has no weight of its own.
    let ridge = squares.f_trace()?.f_mul_scalar(1e-9)?;
    let eye = Tensor::f_eye(squares.size()[0], (Kind::Double, Device::Cpu))?;
    let squares = squares.f_add(&eye.f_mul(&ridge)?)?;
    let best = Tensor::f_linalg_solve(&squares, &units.f_matmul(&wanted)?, true)?;
    let best = best.f_mul_scalar(SHARPNESS)?.f_to_kind(Kind::Float)?;
    let variables = store.variables();
    let (mut weight, mut bias) = (
        variables["head.weight"].shallow_clone(),
        variables["head.bias"].shallow_clone(),
    );
    let (_, _) = (weight.f_zero_()?, bias.f_zero_()?);
    bias.f_get(1)?.f_copy_(&best.f_get(0)?.f_squeeze()?)?;
    let object = best.f_narrow(0, 1, config.base_width)?;
    weight
        .f_get(1)?
        .f_copy_(&object.f_view([config.base_width, 1, 1])?)?;
    Ok(Weights::from_store(&store)?)
}

fn manifest(config: UNetConfig) -> anyhow::Result<Manifest> {
    Ok(Manifest {
        format: FORMAT,
        name: NAME.into(),
        version: 1,
        description: "random weights to measure with".into(),
        licence: "MIT OR Apache-2.0".into(),
        architecture: Architecture::unet2d(config),
        input: Input {
            channels: vec!["intensity".into()],
            plane: None,
            range: None,
            min_size: None,
            max_size: None,
        },
        preprocessing: vec![Step::ZScore],
        classes: vec![Class {
            name: "disc".into(),
            colour: [200, 40, 0],
        }],
        mu: Mu { layers: vec![17, 18] },
        score: Default::default(),
        provenance: Provenance {
            data: "none".into(),
            command: "sagate bench serve".into(),
            seed: 1,
            date: today(),
            loss: "none".into(),
            epochs: None,
            validation_dice: None,
        },
    })
}
