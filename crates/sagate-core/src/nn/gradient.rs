//! A hook that adds a low-rank product to the gradient of a tensor (`gradient.cc`).

use std::ffi::{CStr, c_char};
use std::ptr;

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn sagate_add_to_gradient(
        x: *const C_tensor,
        positions: *const C_tensor,
        channels: *const C_tensor,
        error: *mut *mut c_char,
    );
}

/// Adds the product of `positions` `[B, n, R]` and `channels` `[B, R, C]` to the gradient of `x` `[B, C, *s]` when a backward pass arrives
/// there; `n` is the product of `*s`. Shapes that do not fit make that backward pass fail.
///
/// # Errors
/// Where `x` records no gradient.
pub fn add_to_gradient(x: &Tensor, positions: &Tensor, channels: &Tensor) -> Result<(), TchError> {
    let mut error: *mut c_char = ptr::null_mut();
    // SAFETY: tch's tensors are `at::Tensor` pointers, live for the call; the hook holds references of its own.
    unsafe { sagate_add_to_gradient(x.as_ptr(), positions.as_ptr(), channels.as_ptr(), &mut error) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the message was made by strdup, is NUL-terminated, and is freed once.
    let message = unsafe {
        let message = CStr::from_ptr(error).to_string_lossy().into_owned();
        libc::free(error.cast());
        message
    };
    Err(TchError::Torch(message))
}
