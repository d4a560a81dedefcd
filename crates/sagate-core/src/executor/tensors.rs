//! Conversion between ndarray arrays and libtorch tensors.

use ndarray::{Array2, Array3};
use tch::kind::Element;
use tch::{Device, TchError, Tensor};

/// `[C, H, W]` as a tensor on the CPU.
fn from_array(pixels: &Array3<f32>) -> Result<Tensor, TchError> {
    let (channels, height, width) = pixels.dim();
    let dense = pixels.as_standard_layout();
    let values = dense.as_slice().expect("standard layout is one slice");
    Tensor::f_from_slice(values)?.f_view([channels as i64, height as i64, width as i64])
}

/// Images `[C, H, W]` of one size as a batch `[B, C, H, W]` on a device. Copies to a GPU go through pinned memory and are asynchronous.
pub(super) fn upload<'a>(
    images: impl Iterator<Item = &'a Array3<f32>>,
    device: Device,
) -> Result<Tensor, TchError> {
    let images: Result<Vec<Tensor>, TchError> = images.map(from_array).collect();
    let batch = Tensor::f_stack(&images?, 0)?;
    match device {
        Device::Cpu => Ok(batch),
        _ => batch
            .f_pin_memory(device)?
            .f_to_device_(device, batch.f_kind()?, true, false),
    }
}

/// `[H, W]` of 0 and 1 as a tensor on the CPU.
pub(super) fn from_mask(mask: &Array2<u8>) -> Result<Tensor, TchError> {
    let dense = mask.as_standard_layout();
    let values = dense.as_slice().expect("standard layout is one slice");
    Tensor::f_from_slice(values)?.f_view([mask.nrows() as i64, mask.ncols() as i64])
}

/// A tensor `[K, H, W]` as an array of float32.
pub(super) fn to_array(tensor: &Tensor) -> Result<Array3<f32>, TchError> {
    let size: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
    let values = to_vec(tensor)?;
    Ok(Array3::from_shape_vec((size[0], size[1], size[2]), values).expect("as many values as the size says"))
}

/// A tensor `[H, W]` as an array of uint8.
pub(super) fn to_labels(tensor: &Tensor) -> Result<Array2<u8>, TchError> {
    let size: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
    Ok(Array2::from_shape_vec((size[0], size[1]), to_vec(tensor)?).expect("as many values as the size says"))
}

/// The values of a tensor, converted where it holds another type. tch's own conversion fills the vector with zeros first.
fn to_vec<T: Element + Copy>(tensor: &Tensor) -> Result<Vec<T>, TchError> {
    let dense = tensor
        .f_to_device(Device::Cpu)?
        .f_to_kind(T::KIND)?
        .f_contiguous()?;
    let count = dense.numel();
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: a dense CPU tensor of `count` values of `T`, alive and written by nobody in these lines.
    Ok(unsafe { std::slice::from_raw_parts(dense.data_ptr().cast::<T>(), count) }.to_vec())
}
