//! The element types of tensors.

use crate::proto::{inference, v1};

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    Uint8,
    Int16,
    Uint16,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

impl Datatype {
    const ALL: [Datatype; 7] = [
        Datatype::Uint8,
        Datatype::Int16,
        Datatype::Uint16,
        Datatype::Fp16,
        Datatype::Fp32,
        Datatype::Fp64,
        Datatype::Bytes,
    ];

    /// Parses its name in the protocol.
    pub fn named(name: &str) -> Option<Datatype> {
        Datatype::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Datatype::Uint8 => "UINT8",
            Datatype::Int16 => "INT16",
            Datatype::Uint16 => "UINT16",
            Datatype::Fp16 => "FP16",
            Datatype::Fp32 => "FP32",
            Datatype::Fp64 => "FP64",
            Datatype::Bytes => "BYTES",
        }
    }

    /// Its name in a model's configuration.
    pub fn in_config(self) -> inference::DataType {
        match self {
            Datatype::Uint8 => inference::DataType::TypeUint8,
            Datatype::Int16 => inference::DataType::TypeInt16,
            Datatype::Uint16 => inference::DataType::TypeUint16,
            Datatype::Fp16 => inference::DataType::TypeFp16,
            Datatype::Fp32 => inference::DataType::TypeFp32,
            Datatype::Fp64 => inference::DataType::TypeFp64,
            Datatype::Bytes => inference::DataType::TypeString,
        }
    }

    /// Bytes of an element; `None` for variable size.
    pub fn size(self) -> Option<usize> {
        match self {
            Datatype::Uint8 => Some(1),
            Datatype::Int16 | Datatype::Uint16 | Datatype::Fp16 => Some(2),
            Datatype::Fp32 => Some(4),
            Datatype::Fp64 => Some(8),
            Datatype::Bytes => None,
        }
    }

    /// The `sagate.v1` type of pixels, with its size in bytes; `None` if pixels cannot have this type.
    pub fn of_pixels(self) -> Option<(v1::DataType, usize)> {
        match self {
            Datatype::Uint8 => Some((v1::DataType::Uint8, 1)),
            Datatype::Int16 => Some((v1::DataType::Int16, 2)),
            Datatype::Uint16 => Some((v1::DataType::Uint16, 2)),
            Datatype::Fp16 => Some((v1::DataType::Float16, 2)),
            Datatype::Fp32 => Some((v1::DataType::Float32, 4)),
            Datatype::Fp64 | Datatype::Bytes => None,
        }
    }
}
