//! Conversion of prepared samples to tensors.

use tch::{Device, Kind, TchError, Tensor};

use crate::train::Sample;

/// Samples of one size as `[B, C, H, W]` float32 on a device.
pub(in crate::study) fn pixels(samples: &[&Sample], device: Device) -> Result<Tensor, TchError> {
    let images: Result<Vec<Tensor>, TchError> = samples
        .iter()
        .map(|sample| {
            let (channels, height, width) = sample.pixels.dim();
            let values: Vec<f32> = sample.pixels.iter().copied().collect();
            Tensor::f_from_slice(&values)?.f_view([channels as i64, height as i64, width as i64])
        })
        .collect();
    Tensor::f_stack(&images?, 0)?.f_to_device(device)
}

/// Their truth as `[B, H, W]` uint8 on a device.
pub(in crate::study) fn truth(samples: &[&Sample], device: Device) -> Result<Tensor, TchError> {
    let images: Result<Vec<Tensor>, TchError> = samples
        .iter()
        .map(|sample| {
            let (height, width) = sample.labels.dim();
            let values: Vec<u8> = sample.labels.iter().copied().collect();
            Tensor::f_from_slice(&values)?.f_view([height as i64, width as i64])
        })
        .collect();
    Tensor::f_stack(&images?, 0)?.f_to_device(device)
}

/// Sums over all but the first dimension, a number an image.
pub(super) fn sums(tensor: &Tensor) -> Result<Vec<f64>, TchError> {
    let rows = tensor.f_flatten(1, -1)?.f_to_kind(Kind::Double)?;
    let sums = rows.f_sum_dim_intlist([1].as_slice(), false, Kind::Double)?;
    Vec::<f64>::try_from(sums.f_to_device(Device::Cpu)?)
}
