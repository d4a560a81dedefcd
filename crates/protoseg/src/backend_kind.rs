//! Selection of the backend.

use tch::Device;

use super::backend::Backend;
use super::cpu::Native;
use super::tensor::TensorOps;

/// Which backend is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum BackendKind {
    /// Native kernels where the tensor lies on the CPU, tensor operations elsewhere.
    #[default]
    Auto,
    /// Native CPU kernels.
    Native,
    /// libtorch operations, on any device.
    Tensor,
}

impl BackendKind {
    /// The backend for a tensor on `device`.
    pub fn on(self, device: Device) -> Box<dyn Backend> {
        match (self, device) {
            (BackendKind::Tensor, _) => Box::new(TensorOps),
            (BackendKind::Auto, device) if device != Device::Cpu => Box::new(TensorOps),
            _ => Box::new(Native::detected()),
        }
    }
}
