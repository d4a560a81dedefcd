//! The device that tensors run on: finds what the settings ask for.

use sagate_core::nn::placement::{Convolutions, Placement};
use sagate_core::nn::threads::use_threads;

use crate::config::{DeviceKind, DeviceSettings};

/// What was demanded and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A GPU.
    #[error(
        "device.kind is \"cuda\", but {0}; set device.kind (or --device) to \"cpu\" or \"auto\", or run `make \
         libtorch-cuda` on a machine with an NVIDIA driver"
    )]
    Missing(&'static str),
    /// Winograd's convolutions.
    #[error(
        "device.convolutions is \"winograd\", but {0}; set device.convolutions (or --convolutions) to \"libtorch\""
    )]
    Winograd(&'static str),
}

/// Where and how a model is loaded: [`open`], the precision, and what computes convolutions.
///
/// # Errors
/// As there; and when Winograd's convolutions are demanded of a GPU, in half precision, or of a processor that they are not made for.
pub fn placement(settings: &DeviceSettings) -> Result<Placement, DeviceError> {
    let placement = Placement {
        device: open(settings)?,
        precision: settings.precision,
        convolutions: settings.convolutions,
    };
    match placement.without_winograd() {
        Some(reason) if settings.convolutions == Convolutions::Winograd => Err(DeviceError::Winograd(reason)),
        _ => Ok(placement),
    }
}

/// Finds the device and tells libtorch how many threads it may use. Call once, before the first tensor.
///
/// `auto` looks for `libtorch_cuda.so` beside libtorch and for a GPU, and takes the CPU, with a log line, where
/// either is missing.
///
/// # Errors
/// `cuda` is demanded and libtorch has none, or no GPU answers.
pub fn open(settings: &DeviceSettings) -> Result<tch::Device, DeviceError> {
    use_threads(settings.threads);
    if settings.kind == DeviceKind::Cpu {
        return Ok(tch::Device::Cpu);
    }
    let missing = if !cuda_library() {
        "there is no libtorch_cuda.so beside libtorch"
    } else if !tch::Cuda::is_available() {
        "no CUDA GPU answers"
    } else {
        return Ok(tch::Device::Cuda(0));
    };
    if settings.kind == DeviceKind::Cuda {
        return Err(DeviceError::Missing(missing));
    }
    tracing::info!(reason = missing, "running on the CPU");
    Ok(tch::Device::Cpu)
}

/// Loads the CUDA half of libtorch where it lies on the library path; it registers itself with the CPU half.
fn cuda_library() -> bool {
    // SAFETY: dlopen gets a NUL-terminated name and runs the initialisers of libtorch's own library, which is made to be
    // loaded this way; the handle is kept open for the life of the process.
    !unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) }.is_null()
}
