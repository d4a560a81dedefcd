//! From a checkpoint to the inference form: batch norm folded, weights placed on the device.

use tch::{Device, Kind, TchError, Tensor};

use super::convolution::{Convolution, Decoder, SkipConcatConv, TransposedConv, Weight};
use crate::nn::checkpoint::{CheckpointError, Difference, Weights};
use crate::nn::fused::Window;
use crate::nn::layout::channels_last;
use crate::nn::placement::{Placement, Precision};
use crate::nn::prepacked::PrepackedWeight;
use crate::nn::unet::NORM_EPSILON;
use crate::nn::winograd::Winograd;

/// Takes tensors out of a checkpoint and folds batch norm into the convolutions.
pub(super) struct Fold<'a> {
    pub weights: &'a Weights,
    pub placement: Placement,
}

impl Fold<'_> {
    pub fn get(&self, name: &str) -> Result<Tensor, CheckpointError> {
        let tensor = self.weights.get(name).ok_or_else(|| CheckpointError::Mismatch {
            origin: "the weights".into(),
            differences: vec![Difference::Missing {
                name: name.into(),
                shape: Vec::new(),
            }],
        })?;
        Ok(tensor.f_to_kind(Kind::Double)?)
    }

    fn place(&self, tensor: &Tensor) -> Result<Tensor, TchError> {
        let Placement {
            device, precision, ..
        } = self.placement;
        tensor.f_to_kind(precision.kind())?.f_to_device(device)
    }

    pub fn block(&self, name: &str) -> Result<[Convolution; 2], CheckpointError> {
        Ok([self.folded(name, 1)?, self.folded(name, 2)?])
    }

    pub fn decoder(&self, level: u32) -> Result<Decoder, CheckpointError> {
        let block = format!("decoder{level}");
        let up = self.up(&format!("upconv{level}"))?;
        let second = self.folded(&block, 2)?;
        let (weight, bias) = self.fold(&block, 1)?;
        let first = if let Some(winograd) = self.winograd(&weight, &bias, true)? {
            SkipConcatConv::Winograd(winograd)
        } else if self.has_onednn() {
            let half = weight.size()[1] / 2;
            let skip = channels_last(&self.place(&weight.f_narrow(1, half, half)?)?)?;
            SkipConcatConv::Split {
                up: self.convolution(weight.f_narrow(1, 0, half)?, bias, 1, false)?,
                skip: PrepackedWeight::new(skip, Window::sliding(1)),
            }
        } else {
            SkipConcatConv::Whole(self.convolution(weight, bias, 1, true)?)
        };
        Ok(Decoder { up, first, second })
    }

    fn folded(&self, block: &str, position: usize) -> Result<Convolution, CheckpointError> {
        let (weight, bias) = self.fold(block, position)?;
        self.convolution(weight, bias, 1, true)
    }

    /// `conv -> norm` as the weight and bias of one convolution: each output channel scaled by `weight / sqrt(var + eps)`.
    fn fold(&self, block: &str, position: usize) -> Result<(Tensor, Tensor), CheckpointError> {
        let norm = |leaf: &str| self.get(&format!("{block}.norm{position}.{leaf}"));
        let scale = norm("weight")?.f_div(&norm("running_var")?.f_add_scalar(NORM_EPSILON)?.f_sqrt()?)?;
        let bias = norm("bias")?.f_sub(&norm("running_mean")?.f_mul(&scale)?)?;
        let weight = self.get(&format!("{block}.conv{position}.weight"))?;
        Ok((weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?, bias))
    }

    pub fn convolution(
        &self,
        weight: Tensor,
        bias: Tensor,
        padding: i64,
        relu: bool,
    ) -> Result<Convolution, CheckpointError> {
        if let Some(winograd) = self.winograd(&weight, &bias, relu)? {
            return Ok(Convolution::Winograd(winograd));
        }
        Ok(Convolution::Direct {
            weight: self.weight(&weight, Window::sliding(padding))?,
            bias: self.place(&bias)?,
            padding,
            relu,
        })
    }

    /// The Winograd form, where it is enabled and supported.
    fn winograd(&self, weight: &Tensor, bias: &Tensor, relu: bool) -> Result<Option<Winograd>, TchError> {
        if !self.placement.has_winograd() {
            return Ok(None);
        }
        Winograd::new(weight, bias, relu)
    }

    fn up(&self, name: &str) -> Result<TransposedConv, CheckpointError> {
        Ok(TransposedConv {
            weight: self.weight(&self.get(&format!("{name}.weight"))?, Window::DOUBLING)?,
            bias: self.place(&self.get(&format!("{name}.bias"))?)?,
        })
    }

    fn weight(&self, weight: &Tensor, window: Window) -> Result<Weight, TchError> {
        let weight = channels_last(&self.place(weight)?)?;
        Ok(if self.has_onednn() {
            Weight::Prepacked(PrepackedWeight::new(weight, window))
        } else {
            Weight::Plain(weight)
        })
    }

    /// Whether oneDNN's operators are used.
    fn has_onednn(&self) -> bool {
        let Placement {
            device, precision, ..
        } = self.placement;
        device == Device::Cpu && precision == Precision::Float32 && tch::utils::has_mkldnn()
    }
}
