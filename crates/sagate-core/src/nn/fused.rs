//! oneDNN's convolution fused with its ReLU (`fused.cc`): operators of libtorch that tch does not bind.

use std::ffi::{CStr, c_char};

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use super::prepacked::PrepackedWeight;

unsafe extern "C" {
    fn sagate_reorder_weight(
        weight: *const C_tensor,
        transposed: bool,
        padding: i64,
        stride: i64,
        input_size: *const i64,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;

    fn sagate_order(weight: *const C_tensor, error: *mut *mut c_char) -> *mut C_tensor;

    fn sagate_convolution(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        padding: i64,
        relu: bool,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;

    fn sagate_convolution_onto(
        sum: *const C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        padding: i64,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;

    fn sagate_transposed_convolution(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        padding: i64,
        stride: i64,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;
}

/// How a kernel moves over its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Whether the convolution is a transposed one, which spreads each input over its kernel.
    pub transposed: bool,
    pub padding: i64,
    pub stride: i64,
}

impl Window {
    /// Of a convolution of stride 1.
    pub fn sliding(padding: i64) -> Window {
        Window {
            transposed: false,
            padding,
            stride: 1,
        }
    }

    /// Of the transposed convolution that doubles both sides.
    pub const DOUBLING: Window = Window {
        transposed: true,
        padding: 0,
        stride: 2,
    };
}

/// A weight, `[out, in, k, k]` or `[in, out, k, k]` of a transposed convolution, in oneDNN's own order for inputs `[B, in, H, W]` on as many
/// threads as libtorch has now. For the functions below only.
pub(super) fn reorder_weight(
    weight: &Tensor,
    window: Window,
    input_size: [i64; 4],
) -> Result<Tensor, TchError> {
    let Window {
        transposed,
        padding,
        stride,
    } = window;
    // SAFETY: tch's tensors are `at::Tensor` pointers, live for the call; four sizes are read; the outcome is checked.
    unsafe {
        take(|error| {
            sagate_reorder_weight(
                weight.as_ptr(),
                transposed,
                padding,
                stride,
                input_size.as_ptr(),
                error,
            )
        })
    }
}

/// Bytes (uint8) that identify the memory format of a reordered weight.
pub(super) fn order(weight: &Tensor) -> Result<Tensor, TchError> {
    // SAFETY: as above.
    unsafe { take(|error| sagate_order(weight.as_ptr(), error)) }
}

/// `conv2d(x, weight) + bias` with stride 1, followed by a ReLU if asked for. Keeps channels-last inputs channels-last.
pub(super) fn convolution(
    x: &Tensor,
    weight: &PrepackedWeight,
    bias: &Tensor,
    relu: bool,
) -> Result<Tensor, TchError> {
    let padding = weight.window().padding;
    let weight = weight.for_input(x)?;
    // SAFETY: as above.
    unsafe {
        take(|error| sagate_convolution(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), padding, relu, error))
    }
}

/// `relu(sum + conv2d(x, weight))` with stride 1, in the memory of `sum`.
pub(super) fn convolution_onto(
    sum: Tensor,
    x: &Tensor,
    weight: &PrepackedWeight,
) -> Result<Tensor, TchError> {
    let padding = weight.window().padding;
    let weight = weight.for_input(x)?;
    // SAFETY: as above; `sum` is ours alone to write to.
    unsafe {
        take(|error| sagate_convolution_onto(sum.as_ptr(), x.as_ptr(), weight.as_ptr(), padding, error))
    }
}

/// `conv_transpose2d(x, weight) + bias`.
pub(super) fn transposed_convolution(
    x: &Tensor,
    weight: &PrepackedWeight,
    bias: &Tensor,
) -> Result<Tensor, TchError> {
    let Window { padding, stride, .. } = weight.window();
    let weight = weight.for_input(x)?;
    // SAFETY: as above.
    unsafe {
        take(|error| {
            sagate_transposed_convolution(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), padding, stride, error)
        })
    }
}

/// Takes the tensor that `make` gives away, or the message that it leaves.
///
/// # Safety
/// `make` returns a tensor that nobody else owns, or null and a message from `malloc`.
unsafe fn take(make: impl FnOnce(*mut *mut c_char) -> *mut C_tensor) -> Result<Tensor, TchError> {
    let mut error: *mut c_char = std::ptr::null_mut();
    let tensor = make(&raw mut error);
    if tensor.is_null() {
        // SAFETY: null comes with a message (fused.cc), which is ours to free.
        let message = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
        unsafe { libc::free(error.cast()) };
        return Err(TchError::Torch(message));
    }
    // SAFETY: a new tensor that nobody else owns.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}
