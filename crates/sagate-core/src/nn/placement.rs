//! Where a network lies, and how wide its numbers are.

use tch::{Device, Kind};

use super::winograd;

/// How wide a network's weights and feature maps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Precision {
    /// IEEE 754 single precision.
    #[default]
    Float32,
    /// IEEE 754 half precision.
    ///
    /// Half the memory, and faster where a GPU has units for it. Probabilities, prototypes and scores are as wide as ever. What does not
    /// fit (beyond 65504) becomes infinite; in the output or the layers of mu that is a fault, which never passes the gate.
    Half,
}

impl Precision {
    /// As settings have it.
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

/// What computes convolutions.
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
    /// As settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Convolutions::Libtorch => "libtorch",
            Convolutions::Winograd => "winograd",
        }
    }
}

/// Where a network lies, how wide its numbers are, and what computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The width of weights and feature maps.
    pub precision: Precision,
    /// What computes convolutions.
    pub convolutions: Convolutions,
}

impl Placement {
    /// Why Winograd's convolutions cannot be had here; `None` where they can.
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

    /// Whether Winograd's convolutions are asked for and can be had. Where they can't, the service refuses to start.
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
