//! Batches of samples, padded to a common size, and their tensors.

use std::borrow::Borrow;

use ndarray::{Array3, Array4, Axis, s};
use sagate_core::nn::layout::channels_last;
use sagate_core::nn::unet::padded_side;
use tch::{Device, Kind, TchError, Tensor};

use super::samples::Sample;

/// The label of a pixel that the loss ignores.
pub(super) const LEFT_OUT: i64 = -100;

/// Samples of one batch, padded with zeros at the bottom and at the right, as serving pads, to a common size of multiples
/// of 16.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    /// `[B, C, H, W]`.
    pixels: Array4<f32>,
    /// `[B, H, W]`; [`LEFT_OUT`] where a pixel comes from no image.
    labels: Array3<i64>,
    /// Whether any pixel is left out.
    padded: bool,
}

/// A batch on the device.
#[derive(Debug)]
pub(super) struct Tensors {
    /// `[B, C, H, W]` float32, channels last in memory.
    pub pixels: Tensor,
    /// `[B, H, W]` int64; [`LEFT_OUT`] where a pixel comes from no image.
    pub labels: Tensor,
    /// `[B, 1, H, W]` float32: 0 where a pixel comes from no image, 1 else. None where all do.
    pub valid: Option<Tensor>,
}

impl Batch {
    /// Puts samples together. All have `channels` channels.
    pub fn new<S: Borrow<Sample>>(samples: &[S], channels: usize) -> Batch {
        let most = |axis| {
            samples
                .iter()
                .map(|sample| sample.borrow().labels.len_of(Axis(axis)))
                .max()
        };
        let [height, width] = [0, 1].map(|axis| padded_side(most(axis).unwrap_or(0) as i64) as usize);
        let mut pixels = Array4::zeros((samples.len(), channels, height, width));
        let mut labels = Array3::from_elem((samples.len(), height, width), LEFT_OUT);
        for (index, sample) in samples.iter().map(Borrow::borrow).enumerate() {
            let (rows, columns) = sample.labels.dim();
            pixels
                .slice_mut(s![index, .., ..rows, ..columns])
                .assign(&sample.pixels);
            let mut target = labels.slice_mut(s![index, ..rows, ..columns]);
            target.zip_mut_with(&sample.labels, |target, &label| *target = i64::from(label));
            if let Some(valid) = &sample.valid {
                target.zip_mut_with(valid, |target, &valid| {
                    if valid == 0 {
                        *target = LEFT_OUT;
                    }
                });
            }
        }
        let padded = labels.iter().any(|&label| label == LEFT_OUT);
        Batch {
            pixels,
            labels,
            padded,
        }
    }

    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.pixels.dim().0
    }

    /// Copies it to a device.
    pub fn tensors(&self, device: Device) -> Result<Tensors, TchError> {
        let pixels = tensor(self.pixels.iter().copied().collect(), self.pixels.shape(), device)?;
        let labels = tensor(self.labels.iter().copied().collect(), self.labels.shape(), device)?;
        let valid = match self.padded {
            true => Some(labels.f_ne(LEFT_OUT)?.f_unsqueeze(1)?.f_to_kind(Kind::Float)?),
            false => None,
        };
        Ok(Tensors {
            pixels: channels_last(&pixels)?,
            labels,
            valid,
        })
    }
}

fn tensor<T: tch::kind::Element>(
    values: Vec<T>,
    shape: &[usize],
    device: Device,
) -> Result<Tensor, TchError> {
    let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
    Tensor::f_from_slice(&values)?
        .f_view(&shape[..])?
        .f_to_device(device)
}
