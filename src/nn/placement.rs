//! Where a network lies, and how wide its numbers are.

use tch::{Device, Kind};

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

/// Where a network lies, and how wide its numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The width of weights and feature maps.
    pub precision: Precision,
}

impl From<Device> for Placement {
    /// In single precision.
    fn from(device: Device) -> Placement {
        Placement {
            device,
            precision: Precision::Float32,
        }
    }
}
