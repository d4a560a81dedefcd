//! Validation.

use sagate_core::nn::unet::UNet;
use tch::{Device, Kind, TchError, Tensor};

use super::batch::{Batch, LEFT_OUT, Tensors};
use super::error::TrainError;
use super::loss::cross_entropy;
use super::samples::Samples;

/// The result of a validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    /// Mean cross-entropy over the images.
    pub loss: f64,
    /// Mean Dice of the output over images: of each, the mean over the classes that output or truth holds.
    pub dice: f64,
}

/// Runs the network over the validation images with its running statistics.
pub(super) fn validate(
    network: &UNet,
    samples: &Samples,
    batch_size: usize,
    device: Device,
) -> Result<Score, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let (mut loss, mut dice) = (0.0, 0.0);
    for samples_of_batch in samples.validation.chunks(batch_size) {
        let batch = Batch::new(samples_of_batch, samples.channels).tensors(device)?;
        let logits = network.forward_t(&batch.pixels, false)?.logits;
        let images = samples_of_batch.len() as f64;
        loss += images * cross_entropy(&logits, &batch.labels)?.f_double_value(&[])?;
        dice += images * mean_dice(&logits, &batch)?;
    }
    let images = samples.validation.len() as f64;
    Ok(Score {
        loss: loss / images,
        dice: dice / images,
    })
}

/// Mean over images of the Dice between the likeliest class and the truth: of each image, the mean over the object classes
/// that either holds; 1 where neither holds any.
fn mean_dice(logits: &Tensor, batch: &Tensors) -> Result<f64, TchError> {
    let classes = logits.size4()?.1 - 1;
    let output = logits.f_argmax(1, false)?;
    let counted = batch.labels.f_ne(LEFT_OUT)?;
    let sum = |map: &Tensor| map.f_sum_dim_intlist([1, 2].as_slice(), false, Kind::Double);
    let (mut both, mut either) = (Vec::new(), Vec::new());
    for class in 1..=classes {
        let output = output.f_eq(class)?.f_logical_and(&counted)?;
        let truth = batch.labels.f_eq(class)?;
        both.push(sum(&output.f_logical_and(&truth)?)?);
        either.push(sum(&output)?.f_add(&sum(&truth)?)?);
    }
    let (both, either) = (Tensor::f_stack(&both, 0)?, Tensor::f_stack(&either, 0)?);
    let held = either.f_gt(0.0)?.f_to_kind(Kind::Double)?;
    let dice = both.f_mul_scalar(2.0)?.f_div(&either.f_clamp_min(1.0)?)?;
    let (total, count) = (
        dice.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?,
        held.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?,
    );
    let none = count.f_eq(0.0)?.f_to_kind(Kind::Double)?;
    total
        .f_add(&none)?
        .f_div(&count.f_add(&none)?)?
        .f_mean(Kind::Double)?
        .f_double_value(&[])
}
