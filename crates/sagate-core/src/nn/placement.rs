//! Device, precision and convolution algorithm of a network.

use tch::{Device, Kind};

use super::winograd;

/// Precision of a network's weights and feature maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Precision {
    /// IEEE 754 single precision.
    #[default]
    Float32,
    /// IEEE 754 half precision.
    ///
    /// Half the memory, and faster on GPUs with tensor cores. Probabilities, prototypes and scores keep their precision. Values beyond 65504
    /// become infinite; in the output or the layers of mu that is a fault, which the gate rejects.
    Half,
}

impl Precision {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Half => "half",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Precision::Float32 => Kind::Float,
            Precision::Half => Kind::Half,
        }
    }
}

/// Which implementation computes convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Convolutions {
    /// libtorch: oneDNN on a CPU, cuDNN on a GPU. The reference.
    #[default]
    Libtorch,
    /// On a CPU, in single precision: those of 3x3 with whole vectors of channels by Winograd's minimal filtering, the others by
    /// libtorch.
    ///
    /// Fewer multiplications, another order of the sum: feature maps differ from libtorch's by some 1e-6 of their largest value.
    Winograd,
}

impl Convolutions {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Convolutions::Libtorch => "libtorch",
            Convolutions::Winograd => "winograd",
        }
    }
}

/// Device, precision and convolution algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// Precision of weights and feature maps.
    pub precision: Precision,
    /// Which implementation computes convolutions.
    pub convolutions: Convolutions,
}

impl Placement {
    /// Why Winograd's convolutions are not supported here; `None` where they are.
    pub fn without_winograd(&self) -> Option<&'static str> {
        if self.device != Device::Cpu {
            Some("the device is a GPU")
        } else if self.precision != Precision::Float32 {
            Some("device.precision is \"half\"")
        } else if winograd::Form::available().is_empty() {
            Some("this processor lacks AVX2 or FMA")
        } else {
            None
        }
    }

    /// Whether Winograd convolutions are enabled and supported. Where they are enabled and not supported, the service refuses to start.
    pub(super) fn has_winograd(&self) -> bool {
        self.convolutions == Convolutions::Winograd && self.without_winograd().is_none()
    }
}

impl From<Device> for Placement {
    /// In single precision, by libtorch.
    fn from(device: Device) -> Placement {
        Placement {
            device,
            precision: Precision::default(),
            convolutions: Convolutions::default(),
        }
    }
}
