//! The U-Net of Fig. 4 in its training form: convolutions, batch norms and ReLUs as separate operations that record
//! gradients.
//!
//! Four encoder blocks, a bottleneck and four decoder blocks, each of two 3x3 convolutions (padding 1, no bias) followed
//! by batch norm and ReLU; max-pool 2 on the way down, transposed convolution 2x2 with stride 2 on the way up, skip
//! connections by concatenation (`[up, skip]`), and a 1x1 convolution as the head. The 18 activations after the ReLUs are
//! the taps; [`super::layers::LAYERS`] names them.

mod config;
mod parameters;

use std::cell::RefCell;

pub use config::{SIDE_MULTIPLE, UNetConfig, UNetConfigError, padded_side};
pub use parameters::Parameter;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{TchError, Tensor, nn};
use thiserror::Error;

/// Share of a batch's statistics in the running statistics of batch norm (torch's default).
const NORM_MOMENTUM: f64 = 0.1;

/// What batch norm adds to a variance before the square root (torch's default). Folding needs it too.
pub const NORM_EPSILON: f64 = 1e-5;

/// The result of one forward pass.
#[derive(Debug)]
pub struct Forward {
    /// `[B, K + 1, H, W]`, before the softmax; channel 0 is the background.
    pub logits: Tensor,
    /// The 18 feature maps, layer 1 first, each `[B, channels, H / downsampling, W / downsampling]`.
    pub taps: Vec<Tensor>,
}

/// The network in its training form.
#[derive(Debug)]
pub struct UNet {
    config: UNetConfig,
    encoders: Vec<Block>,
    bottleneck: Block,
    /// Deepest first: decoder 4 to decoder 1.
    decoders: Vec<(Kernel, Block)>,
    head: Kernel,
}

#[derive(Debug)]
struct Block {
    first: ConvNorm,
    second: ConvNorm,
}

#[derive(Debug)]
struct ConvNorm {
    kernel: Tensor,
    scale: Tensor,
    shift: Tensor,
    running_mean: Tensor,
    running_variance: Tensor,
}

#[derive(Debug)]
struct Kernel {
    weight: Tensor,
    bias: Tensor,
}

impl UNet {
    /// Makes a network's variables at `path` (its kernels He-initialised from `seed`, independent of torch's own random
    /// state) and the network on them.
    ///
    /// # Errors
    /// When `config` is out of range, or libtorch cannot allocate.
    pub fn new(path: &nn::Path, config: &UNetConfig, seed: u64) -> Result<UNet, UNetError> {
        config.validate()?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut variables = Variables { list: Vec::new() };
        for parameter in config.parameters() {
            let initial = parameter.initial(&mut random)?.f_to_device(path.device())?;
            let mut components: Vec<&str> = parameter.name.split('.').collect();
            let leaf = components.pop().unwrap_or_default();
            let place = components
                .into_iter()
                .fold(path.clone(), |path, part| path.sub(part));
            variables
                .list
                .push(place.add(leaf, initial, parameter.trainable()));
        }
        // `Variables` hands the tensors out in the order of `parameters`.
        variables.list.reverse();
        let encoders = (0..4).map(|_| variables.block()).collect();
        let bottleneck = variables.block();
        let decoders = (0..4).map(|_| (variables.kernel(), variables.block())).collect();
        let head = variables.kernel();
        Ok(UNet {
            config: *config,
            encoders,
            bottleneck,
            decoders,
            head,
        })
    }

    /// The architecture's parameters.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// Runs the network on `image`, `[B, in_channels, H, W]` with sides that are multiples of 16. With `train`, batch
    /// norm uses the batch's statistics and moves its running ones; without, it uses the running ones.
    ///
    /// # Errors
    /// When the input's shape does not fit, or libtorch fails (out of memory).
    pub fn forward_t(&self, image: &Tensor, train: bool) -> Result<Forward, UNetError> {
        self.run(image, train, &|_, map| Ok(map))
    }

    /// Runs the network with its running statistics and drops each channel of the outputs of encoder 4, of the bottleneck and of
    /// decoder 4 with the probability `share`: a sample of Monte Carlo dropout (Gal and Ghahramani 2016), injected into a network
    /// that was trained without.
    ///
    /// # Errors
    /// As [`UNet::forward_t`].
    pub fn forward_dropout(
        &self,
        image: &Tensor,
        share: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<Forward, UNetError> {
        let random = RefCell::new(random);
        let drop_channels = |layer: usize, map: Tensor| {
            if ![8, 10, 12].contains(&layer) {
                return Ok(map);
            }
            let [batch, channels] = [map.size()[0], map.size()[1]];
            let mut random = random.borrow_mut();
            let kept: Vec<f32> = (0..batch * channels)
                .map(|_| {
                    if random.gen_bool(share) {
                        0.0
                    } else {
                        1.0 / (1.0 - share as f32)
                    }
                })
                .collect();
            let kept = Tensor::f_from_slice(&kept)?.f_view([batch, channels, 1, 1])?;
            map.f_mul(&kept.f_to_device(map.device())?)
        };
        self.run(image, false, &drop_channels)
    }

    /// `after` gets each block's output with its layer number and returns the input of the next block.
    fn run(
        &self,
        image: &Tensor,
        train: bool,
        after: &dyn Fn(usize, Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Forward, UNetError> {
        self.check_input(image)?;
        let mut taps = Vec::with_capacity(super::layers::LAYER_COUNT);
        let mut skips = Vec::with_capacity(self.encoders.len());
        let mut current = image.shallow_clone();
        for encoder in &self.encoders {
            let skip = encoder.forward(&current, train, &mut taps)?;
            let skip = after(taps.len(), skip)?;
            current = skip.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?;
            skips.push(skip);
        }
        current = self.bottleneck.forward(&current, train, &mut taps)?;
        current = after(taps.len(), current)?;
        for ((up, decoder), skip) in self.decoders.iter().zip(skips.iter().rev()) {
            let (stride, none, one) = ([2, 2], [0, 0], [1, 1]);
            let up = current.f_conv_transpose2d(&up.weight, Some(&up.bias), stride, none, none, 1, one)?;
            current = decoder.forward(&Tensor::f_cat(&[&up, skip], 1)?, train, &mut taps)?;
            current = after(taps.len(), current)?;
        }
        let head = &self.head;
        let logits = current.f_conv2d(&head.weight, Some(&head.bias), [1, 1], [0, 0], [1, 1], 1)?;
        Ok(Forward { logits, taps })
    }

    fn check_input(&self, image: &Tensor) -> Result<(), UNetError> {
        let shape = image.size();
        let fits = matches!(shape[..], [batch, channels, height, width]
            if batch > 0 && channels == self.config.in_channels
                && height > 0 && height % SIDE_MULTIPLE == 0
                && width > 0 && width % SIDE_MULTIPLE == 0);
        if fits {
            Ok(())
        } else {
            Err(UNetError::Input {
                shape,
                channels: self.config.in_channels,
            })
        }
    }
}

/// Why a network could not be made or run.
#[derive(Debug, Error)]
pub enum UNetError {
    /// The architecture's parameters are out of range.
    #[error("the network's {0}")]
    Config(#[from] UNetConfigError),
    /// The input has the wrong shape.
    #[error(
        "the network's input has the shape {shape:?}; it must be [batch, {channels}, height, width] with sides that are \
         multiples of 16"
    )]
    Input {
        /// The shape that was given.
        shape: Vec<i64>,
        /// The channels the network takes.
        channels: i64,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

struct Variables {
    list: Vec<Tensor>,
}

impl Variables {
    fn next(&mut self) -> Tensor {
        self.list.pop().unwrap_or_default()
    }

    fn conv_norm(&mut self) -> ConvNorm {
        ConvNorm {
            kernel: self.next(),
            scale: self.next(),
            shift: self.next(),
            running_mean: self.next(),
            running_variance: self.next(),
        }
    }

    fn block(&mut self) -> Block {
        Block {
            first: self.conv_norm(),
            second: self.conv_norm(),
        }
    }

    fn kernel(&mut self) -> Kernel {
        Kernel {
            weight: self.next(),
            bias: self.next(),
        }
    }
}

impl Block {
    fn forward(&self, input: &Tensor, train: bool, taps: &mut Vec<Tensor>) -> Result<Tensor, TchError> {
        let first = self.first.forward(input, train)?;
        let second = self.second.forward(&first, train)?;
        taps.push(first);
        taps.push(second.shallow_clone());
        Ok(second)
    }
}

impl ConvNorm {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        input
            .f_conv2d(&self.kernel, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1)?
            .f_batch_norm(
                Some(&self.scale),
                Some(&self.shift),
                Some(&self.running_mean),
                Some(&self.running_variance),
                train,
                NORM_MOMENTUM,
                NORM_EPSILON,
                true,
            )?
            .f_relu_()
    }
}
