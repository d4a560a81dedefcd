//! Streams of a GPU (`stream.cc`): what two threads ask of it runs side by side, copies of one beside computations of the other, where each
//! has a stream of its own. On a CPU there are none, and nothing is done here.

use std::ffi::{CStr, c_char};

use tch::{Device, TchError};

unsafe extern "C" {
    fn sagate_use_own_stream(index: i8) -> *mut c_char;
    fn sagate_finish_stream(index: i8) -> *mut c_char;
}

/// Gives the calling thread a stream of its own on a GPU, for all that it asks of it from now on.
///
/// # Errors
/// libtorch gives none.
pub fn use_own_stream(device: Device) -> Result<(), TchError> {
    // SAFETY: takes a number; sets what belongs to the thread.
    of_gpu(device, |index| unsafe { sagate_use_own_stream(index) })
}

/// Waits until a GPU has done all that the calling thread asked of it, so that others may use what came of it.
///
/// # Errors
/// Something of it failed.
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
