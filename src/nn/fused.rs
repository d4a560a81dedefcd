//! oneDNN's convolution fused with its ReLU (`fused.cc`): operators of libtorch that tch does not bind.

use std::ffi::{CStr, c_char};

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn sagate_reorder_weight(
        weight: *const C_tensor,
        padding: i64,
        input_size: *const i64,
        error: *mut *mut c_char,
    ) -> *mut C_tensor;

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
}

/// Weight `[out, in, k, k]` in oneDNN's own order for inputs of about the size `[B, in, H, W]`. For [`convolution`] only.
pub(super) fn reorder_weight(
    weight: &Tensor,
    padding: i64,
    input_size: [i64; 4],
) -> Result<Tensor, TchError> {
    // SAFETY: tch's tensors are `at::Tensor` pointers, live for the call; four sizes are read; the outcome is checked.
    unsafe { take(|error| sagate_reorder_weight(weight.as_ptr(), padding, input_size.as_ptr(), error)) }
}

/// `conv2d(x, weight) + bias` with stride 1, followed by a ReLU if asked for. Keeps channels-last inputs channels-last.
pub(super) fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    padding: i64,
    relu: bool,
) -> Result<Tensor, TchError> {
    // SAFETY: as above.
    unsafe {
        take(|error| sagate_convolution(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), padding, relu, error))
    }
}

/// `relu(sum + conv2d(x, weight))` with stride 1, in the memory of `sum`.
pub(super) fn convolution_onto(
    sum: Tensor,
    x: &Tensor,
    weight: &Tensor,
    padding: i64,
) -> Result<Tensor, TchError> {
    // SAFETY: as above; `sum` is ours alone to write to.
    unsafe {
        take(|error| sagate_convolution_onto(sum.as_ptr(), x.as_ptr(), weight.as_ptr(), padding, error))
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
