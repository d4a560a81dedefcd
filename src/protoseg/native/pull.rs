//! Prototype weights at a layer's resolution: the adjoint of the interpolation, two additions a value and axis.

use tch::{TchError, Tensor};

use crate::protoseg::interpolation::Axis;

/// Pulls `[.., *S]` double on the CPU down to `[.., *s]`: `U^T x`, outermost axis first.
pub fn pull_down(x: &Tensor, axes: &[Axis]) -> Result<Tensor, TchError> {
    let mut size = x.size();
    let mut values = Vec::<f64>::try_from(x.f_contiguous()?.f_flatten(0, -1)?)?;
    let leading = size.len() - axes.len();
    for (index, axis) in axes.iter().enumerate() {
        if axis.is_identity() {
            continue;
        }
        let inner = size[leading + index + 1..].iter().product::<i64>() as usize;
        values = pull_axis(&values, axis, inner);
        size[leading + index] = axis.cells as i64;
    }
    Tensor::f_from_slice(&values)?.f_view(size.as_slice())
}

/// One axis of `[.., S, inner]`.
fn pull_axis(values: &[f64], axis: &Axis, inner: usize) -> Vec<f64> {
    let outer = values.len() / (axis.pixels() * inner);
    let mut pulled = vec![0.0; outer * axis.cells * inner];
    let blocks = values.chunks_exact(axis.pixels() * inner);
    for (block, pulled) in blocks.zip(pulled.chunks_exact_mut(axis.cells * inner)) {
        for (pixel, row) in block.chunks_exact(inner).enumerate() {
            let weight = axis.weight[pixel];
            add(
                &mut pulled[axis.first[pixel] as usize * inner..][..inner],
                row,
                1.0 - weight,
            );
            add(
                &mut pulled[axis.second[pixel] as usize * inner..][..inner],
                row,
                weight,
            );
        }
    }
    pulled
}

#[inline]
fn add(sums: &mut [f64], row: &[f64], weight: f64) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += weight * value;
    }
}
