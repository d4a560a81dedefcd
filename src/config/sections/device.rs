//! Section `device`.

use clap::ValueEnum;
use sagate_core::nn::placement::{Convolutions, Precision};

use crate::config::rule::{one_of, zero_or};
use crate::config::section::section;
use crate::config::value::named_settings;

section! {
    /// The device that models run on.
    #[derive(Copy, Eq)]
    pub struct DeviceSettings: "device" {
        /// `"cpu"`, `"cuda"` (an error if there is none), or `"auto"`: a CUDA GPU if one works, else the CPU.
        kind: DeviceKind = "auto", one_of(), flag "device";
        /// CPU threads for tensor operations.
        threads: usize = 0, zero_or("all cores", ..=1024), flag "threads";
        /// Number format of a model's weights and feature maps: `"float32"`, or `"half"` (IEEE 754, 16 bits), which takes
        /// half the memory and is faster on a GPU with units for it; on a CPU it is slow. Masks and mu differ a little
        /// (docs/operate/gpu.md): calibrate on the device and precision you serve with.
        precision: Precision = "float32", one_of(), flag "precision";
        /// Convolution algorithm on a CPU: `"libtorch"` (oneDNN), or `"winograd"`, which needs 4/9 of the multiplications.
        /// Winograd needs AVX2 and FMA, and uses AVX-512 F where the processor has it, with the same bits in the result. Its
        /// feature maps differ from libtorch's by some 1e-6 of their largest value. The gain depends on the processor
        /// (docs/operate/sizing.md). Not for a GPU, nor for half precision.
        convolutions: Convolutions = "libtorch", one_of(), flag "convolutions";
    }
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// A CUDA GPU where one works, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA GPU, or an error.
    Cuda,
}

named_settings!(DeviceKind, Precision, Convolutions);
