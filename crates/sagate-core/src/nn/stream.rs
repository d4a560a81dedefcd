//! GPU streams (`stream.cc`): with one stream for each thread, the copies of one thread overlap with the computations of another. No-ops on
//! a CPU.

use std::ffi::{CStr, c_char};

use tch::{Device, TchError};

unsafe extern "C" {
    fn sagate_use_own_stream(index: i8) -> *mut c_char;
    fn sagate_finish_stream(index: i8) -> *mut c_char;
}

/// Gives the calling thread its own stream on a GPU for all its later operations.
///
/// # Errors
/// libtorch gives none.
pub fn use_own_stream(device: Device) -> Result<(), TchError> {
    // SAFETY: takes a number; sets what belongs to the thread.
    of_gpu(device, |index| unsafe { sagate_use_own_stream(index) })
}

/// Synchronises the calling thread's stream, so that other threads may use its results.
///
/// # Errors
/// An operation of the stream failed.
pub fn finish_stream(device: Device) -> Result<(), TchError> {
    // SAFETY: takes a number; waits.
    of_gpu(device, |index| unsafe { sagate_finish_stream(index) })
}

fn of_gpu(device: Device, call: impl FnOnce(i8) -> *mut c_char) -> Result<(), TchError> {
    let Device::Cuda(index) = device else {
        return Ok(());
    };
    let index = i8::try_from(index).map_err(|_| TchError::Torch(format!("there is no GPU {index}")))?;
    let error = call(index);
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: what is not null is a message (stream.cc), which is ours to free.
    let message = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
    unsafe { libc::free(error.cast()) };
    Err(TchError::Torch(message))
}
