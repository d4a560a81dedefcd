//! Errors of the method's inputs.

use std::fmt;

/// Tensors that the method cannot work with. Each message names the tensor, what it was and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ProtosegError {
    /// A tensor has the wrong number of dimensions or sizes that do not fit the others'.
    #[error("`{tensor}` has shape {found:?}, {expected}")]
    Shape {
        /// The tensor's name as the caller knows it.
        tensor: &'static str,
        /// Its shape.
        found: Vec<i64>,
        /// The expected value.
        expected: String,
    },
    /// A tensor has values of an unusable type.
    #[error("`{tensor}` holds {found:?} values; {expected}")]
    Kind {
        /// The tensor's name.
        tensor: &'static str,
        /// Its element type.
        found: tch::Kind,
        /// The expected value.
        expected: &'static str,
    },
    /// A value is NaN, infinite or out of its range.
    #[error("`{tensor}` of image {image} holds {found}; {expected}")]
    Value {
        /// The tensor's name.
        tensor: &'static str,
        /// Index of the image in the batch.
        image: usize,
        /// The value found.
        found: &'static str,
        /// The expected value.
        expected: &'static str,
    },
    /// The native kernels were selected for a tensor that is not on the CPU.
    #[error("the native backend works on CPU tensors, `{tensor}` lies on {device:?}: use the tensor backend")]
    Device {
        /// The tensor's name.
        tensor: &'static str,
        /// Its device.
        device: tch::Device,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Why an image of a batch has no score: mu is 0 then, never NaN, and the gate names the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The output has no object pixel: the object's prototype is undefined.
    EmptyPrediction,
    /// The output has no background pixel: the background's prototype is undefined.
    FullPrediction,
    /// The output or a feature is NaN or infinite.
    NotFinite,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::EmptyPrediction => "the output holds no object pixel",
            Fault::FullPrediction => "the output holds no background pixel",
            Fault::NotFinite => "the output or a feature is NaN or infinite",
        })
    }
}
