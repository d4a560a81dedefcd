//! The U-Net in its inference form: batch norm folded into the convolutions, channels-last, convolution and ReLU in one
//! operator where libtorch has oneDNN, and only the requested taps kept.

mod bucket;
mod convolution;
mod fold;
mod taps;

use std::collections::BTreeMap;

use bucket::Extents;
use convolution::{Convolution, Decoder};
use fold::Fold;
use taps::Taps;
use tch::{Device, Kind, TchError, Tensor};

use super::checkpoint::{CheckpointError, Weights};
use super::layers::{LAYER_COUNT, LAYERS, Layer};
use super::layout::channels_last;
use super::placement::Placement;
use super::threads::on_one_thread;
use super::unet::{UNetConfig, padded_side};

/// The network in its inference form. Must stay on the thread that created it.
pub struct InferenceNet {
    config: UNetConfig,
    placement: Placement,
    encoders: Vec<[Convolution; 2]>,
    bottleneck: [Convolution; 2],
    /// Deepest first.
    decoders: Vec<Decoder>,
    head: Convolution,
}

/// The result of one forward pass, at the padded size `[H', W']`: the image's `[H, W]`, each side rounded up to a multiple of 16.
pub struct Output {
    /// `[B, K, H', W']` float32: the probability of each object class.
    pub probability: Tensor,
    /// The requested feature maps by layer number, `[B, C, h, w]`, float32; float16 on a GPU in half precision.
    pub taps: BTreeMap<usize, Tensor>,
    /// `[B, 1, H', W']` uint8, 0 in the padding; absent where nothing was padded.
    pub valid: Option<Tensor>,
    /// The image's own `[H, W]`.
    pub size: [i64; 2],
}

/// Why the network could not run.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The image's shape does not fit the network.
    #[error("the image has shape {found:?}; [B, {channels}, H, W] with no side 0 would fit the network")]
    Shape {
        /// The shape of the image.
        found: Vec<i64>,
        /// The network's input channels.
        channels: i64,
    },
    /// A tap that the network does not have.
    #[error("layer {0} does not exist; the network has the layers 1 to {LAYER_COUNT}")]
    Layer(usize),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl InferenceNet {
    /// Folds weights into the inference form on a device, by default in single precision.
    ///
    /// # Errors
    /// Lists every tensor that is missing or has another shape than the architecture's.
    pub fn new(
        weights: &Weights,
        config: &UNetConfig,
        placement: impl Into<Placement>,
    ) -> Result<InferenceNet, CheckpointError> {
        let placement = placement.into();
        let differences = weights.differences(config)?;
        if !differences.is_empty() {
            return Err(CheckpointError::Mismatch {
                origin: "the weights".into(),
                differences,
            });
        }
        let _no_grad = tch::no_grad_guard();
        let fold = Fold { weights, placement };
        let encoders = (1..=4)
            .map(|level| fold.block(&format!("encoder{level}")))
            .collect::<Result<_, _>>()?;
        let decoders = (1..=4)
            .rev()
            .map(|level| fold.decoder(level))
            .collect::<Result<_, _>>()?;
        Ok(InferenceNet {
            config: *config,
            placement,
            encoders,
            bottleneck: fold.block("bottleneck")?,
            decoders,
            head: fold.convolution(fold.get("head.weight")?, fold.get("head.bias")?, 0, false)?,
        })
    }

    /// The same network for another thread. It shares the weights' memory, which is read only.
    pub fn share(&self) -> InferenceNet {
        InferenceNet {
            config: self.config,
            placement: self.placement,
            encoders: self.encoders.iter().map(shared_block).collect(),
            bottleneck: shared_block(&self.bottleneck),
            decoders: self.decoders.iter().map(Decoder::share).collect(),
            head: self.head.share(),
        }
    }

    /// The architecture's parameters.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// The network's device.
    pub fn device(&self) -> Device {
        self.placement.device
    }

    /// Runs the network on `[B, C, H, W]` float32 of any size, keeping the feature maps of the named layers (1 to 18).
    ///
    /// # Errors
    /// When the shape does not fit, a layer does not exist, or libtorch fails (out of memory).
    pub fn forward(&self, image: &Tensor, taps: &[usize]) -> Result<Output, InferenceError> {
        let _no_grad = tch::no_grad_guard();
        let size = self.check(image, taps)?;
        let padded = size.map(padded_side);
        let (probability, kept) = self.run(self.pad(image, size, padded)?, taps, &Extents::all())?;
        let valid = if padded == size {
            None
        } else {
            Some(self.validity(image.size()[0], size, padded)?)
        };
        Ok(Output {
            probability,
            taps: kept,
            valid,
            size,
        })
    }

    /// Runs images `[C, H, W]` of several sizes in one batch, as large as the largest of each side. Every result is what
    /// [`InferenceNet::forward`] gives for the image alone: in every layer the area beyond an image's own padding is kept zero.
    ///
    /// # Errors
    /// As there, of the first image for which something is wrong.
    pub fn forward_bucket(&self, images: &[Tensor], taps: &[usize]) -> Result<Vec<Output>, InferenceError> {
        let _no_grad = tch::no_grad_guard();
        let mut sizes = Vec::with_capacity(images.len());
        for image in images {
            sizes.push(self.check(&image.f_unsqueeze(0)?, taps)?);
        }
        let padded: Vec<[i64; 2]> = sizes.iter().map(|size| size.map(padded_side)).collect();
        let most = |axis: usize| padded.iter().map(|size| size[axis]).max().unwrap_or(0);
        let bucket = [most(0), most(1)];
        let placed: Result<Vec<Tensor>, TchError> = (images.iter().zip(&sizes))
            .map(|(image, &size)| self.pad(image, size, bucket))
            .collect();
        let extents = Extents { bucket, own: &padded };
        let (probability, kept) = self.run(Tensor::f_stack(&placed?, 0)?, taps, &extents)?;
        let cut = |map: &Tensor, index: usize, down: i64| -> Result<Tensor, TchError> {
            let [height, width] = padded[index];
            map.f_narrow(0, index as i64, 1)?
                .f_narrow(2, 0, height / down)?
                .f_narrow(3, 0, width / down)
        };
        let mut outputs = Vec::with_capacity(images.len());
        for (index, &size) in sizes.iter().enumerate() {
            let mut taps = BTreeMap::new();
            for (&number, map) in &kept {
                let down = LAYERS[number - 1].downsampling;
                taps.insert(number, channels_last(&cut(map, index, down)?)?);
            }
            outputs.push(Output {
                probability: cut(&probability, index, 1)?.f_contiguous()?,
                taps,
                valid: if padded[index] == size {
                    None
                } else {
                    Some(self.validity(1, size, padded[index])?)
                },
                size,
            });
        }
        Ok(outputs)
    }

    /// `[B, K, H', W']` and the taps of a batch `[B, C, H', W']`.
    fn run(
        &self,
        image: Tensor,
        taps: &[usize],
        extents: &Extents<'_>,
    ) -> Result<(Tensor, BTreeMap<usize, Tensor>), InferenceError> {
        let mut kept = Taps::new(taps, extents);
        let mut skips = Vec::with_capacity(self.encoders.len());
        let mut current = channels_last(&image)?;
        drop(image);
        for encoder in &self.encoders {
            let skip = block(encoder, current, &mut kept)?;
            current = skip.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
            skips.push(skip);
        }
        current = block(&self.bottleneck, current, &mut kept)?;
        for decoder in &self.decoders {
            let skip = skips.pop().expect("as many encoders as decoders");
            let up = decoder.up.forward(&current)?;
            extents.clear(&up)?;
            let first = decoder.first.forward(up, skip)?;
            kept.visit(&first)?;
            current = decoder.second.forward(&first)?;
            kept.visit(&current)?;
        }
        let logits = self.head.forward(&current)?;
        // libtorch splits the softmax by the number of threads, and the vector remainders at the splits round differently.
        let probability = on_one_thread(|| logits.f_softmax(1, Kind::Float))?
            .f_narrow(1, 1, self.config.classes)?
            .f_contiguous()?;
        Ok((probability, kept.into_feature_maps()))
    }

    fn check(&self, image: &Tensor, taps: &[usize]) -> Result<[i64; 2], InferenceError> {
        if let Some(&missing) = taps.iter().find(|&&number| Layer::by_number(number).is_none()) {
            return Err(InferenceError::Layer(missing));
        }
        match image.size()[..] {
            [batch, channels, height, width]
                if batch > 0 && channels == self.config.in_channels && height > 0 && width > 0 =>
            {
                Ok([height, width])
            }
            _ => Err(InferenceError::Shape {
                found: image.size(),
                channels: self.config.in_channels,
            }),
        }
    }

    /// Zero padding below and to the right, like the padding of a convolution.
    fn pad(&self, image: &Tensor, size: [i64; 2], padded: [i64; 2]) -> Result<Tensor, TchError> {
        let image = image
            .f_to_device(self.device())?
            .f_to_kind(self.placement.precision.kind())?;
        if padded == size {
            return Ok(image);
        }
        image.f_constant_pad_nd([0, padded[1] - size[1], 0, padded[0] - size[0]])
    }

    fn validity(&self, batch: i64, size: [i64; 2], padded: [i64; 2]) -> Result<Tensor, TchError> {
        let valid = Tensor::f_zeros([batch, 1, padded[0], padded[1]], (Kind::Uint8, self.device()))?;
        let _ = valid
            .f_narrow(2, 0, size[0])?
            .f_narrow(3, 0, size[1])?
            .f_fill_(1)?;
        Ok(valid)
    }
}

impl Output {
    /// A map at the padded size without its padding.
    pub fn crop(&self, map: &Tensor) -> Tensor {
        map.narrow(-2, 0, self.size[0]).narrow(-1, 0, self.size[1])
    }
}

/// Takes ownership of its input, so that it is freed as soon as the first convolution is done.
fn block(layers: &[Convolution; 2], input: Tensor, taps: &mut Taps<'_>) -> Result<Tensor, TchError> {
    let first = layers[0].forward(&input)?;
    drop(input);
    taps.visit(&first)?;
    let second = layers[1].forward(&first)?;
    taps.visit(&second)?;
    Ok(second)
}

fn shared_block(layers: &[Convolution; 2]) -> [Convolution; 2] {
    [layers[0].share(), layers[1].share()]
}
