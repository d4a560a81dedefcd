//! How good the network is on the validation images.

use tch::{Device, Kind, TchError, Tensor};

use super::batch::{Batch, LEFT_OUT, Tensors};
use super::error::TrainError;
use super::loss::cross_entropy;
use super::samples::Samples;
use crate::nn::unet::UNet;

/// What a validation gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score {
    /// Mean cross-entropy over the images.
    pub loss: f64,
    /// Mean Dice of the output over images and classes; 1 where output and truth are both empty.
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

/// Mean over images and classes of the Dice between the likeliest class and the truth.
fn mean_dice(logits: &Tensor, batch: &Tensors) -> Result<f64, TchError> {
    let classes = logits.size4()?.1 - 1;
    let output = logits.f_argmax(1, false)?;
    let counted = batch.labels.f_ne(LEFT_OUT)?;
    let sum = |map: &Tensor| map.f_sum_dim_intlist([1, 2].as_slice(), false, Kind::Double);
    let mut total = 0.0;
    for class in 1..=classes {
        let output = output.f_eq(class)?.f_logical_and(&counted)?;
        let truth = batch.labels.f_eq(class)?;
        let both = sum(&output.f_logical_and(&truth)?)?;
        let either = sum(&output)?.f_add(&sum(&truth)?)?;
        // (2 both + [either = 0]) / (either + [either = 0]): 1 where both are empty.
        let empty = either.f_eq(0.0)?.f_to_kind(Kind::Double)?;
        let dice = both
            .f_mul_scalar(2.0)?
            .f_add(&empty)?
            .f_div(&either.f_add(&empty)?)?;
        total += dice.f_mean(Kind::Double)?.f_double_value(&[])?;
    }
    Ok(total / classes as f64)
}
