//! Convolutions of the inference form: direct, by Winograd, transposed, and over a skip connection.

use tch::{TchError, Tensor};

use crate::nn::fused;
use crate::nn::prepacked::PrepackedWeight;
use crate::nn::winograd::Winograd;

/// A convolution of stride 1 with its optional ReLU.
pub(super) enum Convolution {
    /// A direct convolution by libtorch or oneDNN.
    Direct {
        weight: Weight,
        bias: Tensor,
        padding: i64,
        relu: bool,
    },
    /// Winograd's minimal filtering, with fewer multiplications.
    Winograd(Winograd),
}

/// A weight in the memory format of its implementation.
pub(super) enum Weight {
    /// For libtorch's own convolution.
    Plain(Tensor),
    /// For oneDNN's, in its own memory format.
    Prepacked(PrepackedWeight),
}

/// A block of the decoder.
pub(super) struct Decoder {
    pub up: TransposedConv,
    pub first: SkipConcatConv,
    pub second: Convolution,
}

/// The convolution over the concatenation of the upsampled map and the skip connection, `[up, skip]`.
pub(super) enum SkipConcatConv {
    /// Both are concatenated and convolved.
    Whole(Convolution),
    /// `conv([up, skip]) = conv(up) + conv(skip)`: oneDNN adds the second onto the first, and nothing is
    /// concatenated.
    Split { up: Convolution, skip: PrepackedWeight },
    /// Winograd's kernels read both inputs without concatenating them.
    Winograd(Winograd),
}

/// A transposed convolution, 2x2 with stride 2.
pub(super) struct TransposedConv {
    pub weight: Weight,
    pub bias: Tensor,
}

impl Decoder {
    pub fn share(&self) -> Decoder {
        Decoder {
            up: self.up.share(),
            first: self.first.share(),
            second: self.second.share(),
        }
    }
}

impl Convolution {
    pub fn share(&self) -> Convolution {
        match self {
            Convolution::Direct {
                weight,
                bias,
                padding,
                relu,
            } => Convolution::Direct {
                weight: weight.share(),
                bias: bias.shallow_clone(),
                padding: *padding,
                relu: *relu,
            },
            Convolution::Winograd(winograd) => Convolution::Winograd(winograd.share()),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Convolution::Winograd(winograd) => winograd.forward(&[x]),
            Convolution::Direct {
                weight: Weight::Prepacked(weight),
                bias,
                relu,
                ..
            } => fused::convolution(x, weight, bias, *relu),
            Convolution::Direct {
                weight: Weight::Plain(weight),
                bias,
                padding,
                relu,
            } => {
                let out = x.f_conv2d(weight, Some(bias), [1, 1], [*padding, *padding], [1, 1], 1)?;
                if *relu { { out }.f_relu_() } else { Ok(out) }
            }
        }
    }
}

impl SkipConcatConv {
    pub fn share(&self) -> SkipConcatConv {
        match self {
            SkipConcatConv::Whole(convolution) => SkipConcatConv::Whole(convolution.share()),
            SkipConcatConv::Split { up, skip } => SkipConcatConv::Split {
                up: up.share(),
                skip: skip.share(),
            },
            SkipConcatConv::Winograd(winograd) => SkipConcatConv::Winograd(winograd.share()),
        }
    }

    pub fn forward(&self, up: Tensor, skip: Tensor) -> Result<Tensor, TchError> {
        match self {
            SkipConcatConv::Whole(convolution) => convolution.forward(&Tensor::f_cat(&[up, skip], 1)?),
            SkipConcatConv::Winograd(winograd) => winograd.forward(&[&up, &skip]),
            SkipConcatConv::Split {
                up: above,
                skip: weight,
            } => {
                let sum = above.forward(&up)?;
                drop(up);
                fused::convolution_onto(sum, &skip, weight)
            }
        }
    }
}

impl TransposedConv {
    pub fn share(&self) -> TransposedConv {
        TransposedConv {
            weight: self.weight.share(),
            bias: self.bias.shallow_clone(),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match &self.weight {
            Weight::Prepacked(weight) => fused::transposed_convolution(x, weight, &self.bias),
            Weight::Plain(weight) => {
                x.f_conv_transpose2d(weight, Some(&self.bias), [2, 2], [0, 0], [0, 0], 1, [1, 1])
            }
        }
    }
}

impl Weight {
    pub fn share(&self) -> Weight {
        match self {
            Weight::Plain(weight) => Weight::Plain(weight.shallow_clone()),
            Weight::Prepacked(weight) => Weight::Prepacked(weight.share()),
        }
    }
}
