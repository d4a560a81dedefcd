//! The U-Net of Fig. 4 in its training form: convolutions, batch norms and ReLUs as separate operations that record
//! gradients.
//!
//! Four encoder blocks, a bottleneck and four decoder blocks, each of two 3x3 convolutions (padding 1, no bias) followed
//! by batch norm and ReLU; max-pool 2 on the way down, transposed convolution 2x2 with stride 2 on the way up, skip
//! connections by concatenation (`[up, skip]`), and a 1x1 convolution as the head. The 18 activations after the ReLUs are
//! the taps; [`super::layers::LAYERS`] names them.

use std::cell::RefCell;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor, nn};
use thiserror::Error;

/// The sides of an input must be multiples of this: four times halved and doubled again.
pub const SIDE_MULTIPLE: i64 = 16;

/// Share of a batch's statistics in the running statistics of batch norm (torch's default).
const NORM_MOMENTUM: f64 = 0.1;

/// What batch norm adds to a variance before the square root (torch's default). Folding needs it too.
pub const NORM_EPSILON: f64 = 1e-5;

/// A side rounded up to the next multiple of 16, which the network can take.
pub fn padded_side(side: i64) -> i64 {
    (side + SIDE_MULTIPLE - 1) / SIDE_MULTIPLE * SIDE_MULTIPLE
}

/// The parameters of the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Channels of the input image, at least 1.
    pub in_channels: i64,
    /// Object classes K, 1 to 254 (a label is a byte, and 255 marks what is left out). The head has K + 1 logits: the background's first.
    pub classes: i64,
    /// Channels of the first block, at least 1; every level down doubles them. The paper's is 64.
    pub base_width: i64,
}

/// A parameter of the architecture outside its range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} is {value}; it must be from {low} to {high}")]
pub struct UNetConfigError {
    /// The field of [`UNetConfig`].
    pub field: &'static str,
    /// What it was.
    pub value: i64,
    /// The least it may be.
    pub low: i64,
    /// The most it may be.
    pub high: i64,
}

/// One tensor of the network's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, as in `encoder1.conv1.weight`.
    pub name: String,
    /// Its shape: `[out, in, 3, 3]` for a convolution, `[in, out, 2, 2]` for a transposed one, `[channels]` else.
    pub shape: Vec<i64>,
    /// What it starts from, which also says whether it is trained.
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Kernel followed by a ReLU: He initialisation, deviation `sqrt(2 / inputs)`.
    Kernel { inputs: i64 },
    /// Kernel followed by nothing: deviation `sqrt(1 / inputs)`.
    LinearKernel { inputs: i64 },
    /// Trained, starts at 1.
    Scale,
    /// Trained, starts at 0.
    Shift,
    /// A running mean: starts at 0, moved by the forward pass.
    RunningMean,
    /// A running variance: starts at 1, moved by the forward pass.
    RunningVariance,
}

impl Parameter {
    /// Whether the optimiser moves it; running statistics are moved by the forward pass instead.
    pub fn trainable(&self) -> bool {
        !matches!(self.role, Role::RunningMean | Role::RunningVariance)
    }

    fn initial(&self, random: &mut ChaCha8Rng) -> Result<Tensor, TchError> {
        let deviation = match self.role {
            Role::Kernel { inputs } => (2.0 / inputs as f64).sqrt(),
            Role::LinearKernel { inputs } => (1.0 / inputs as f64).sqrt(),
            Role::Scale | Role::RunningVariance => {
                return Tensor::f_ones(&self.shape, (Kind::Float, tch::Device::Cpu));
            }
            Role::Shift | Role::RunningMean => {
                return Tensor::f_zeros(&self.shape, (Kind::Float, tch::Device::Cpu));
            }
        };
        let count = self.shape.iter().product::<i64>() as usize;
        let values: Vec<f32> = (0..count)
            .map(|_| {
                let normal: f64 = StandardNormal.sample(random);
                (normal * deviation) as f32
            })
            .collect();
        Tensor::f_from_slice(&values)?.f_view(&self.shape[..])
    }
}

impl UNetConfig {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// Names the first field outside its range, with the range.
    pub fn validate(&self) -> Result<(), UNetConfigError> {
        for (field, value, high) in [
            ("in_channels", self.in_channels, 1024),
            ("classes", self.classes, 254),
            ("base_width", self.base_width, 1024),
        ] {
            if !(1..=high).contains(&value) {
                return Err(UNetConfigError {
                    field,
                    value,
                    low: 1,
                    high,
                });
            }
        }
        Ok(())
    }

    /// Every tensor of the network's state, in the order in which the network uses them.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut list = Vec::new();
        let width = |level: u32| self.base_width << level;
        let mut inputs = self.in_channels;
        for level in 0..4 {
            push_block(&mut list, &format!("encoder{}", level + 1), inputs, width(level));
            inputs = width(level);
        }
        push_block(&mut list, "bottleneck", inputs, width(4));
        for level in (0..4).rev() {
            let (below, here) = (width(level + 1), width(level));
            let name = format!("upconv{}", level + 1);
            // With stride 2 and a 2x2 kernel, each output pixel sees each input channel once.
            push(
                &mut list,
                &name,
                "weight",
                vec![below, here, 2, 2],
                Role::LinearKernel { inputs: below },
            );
            push(&mut list, &name, "bias", vec![here], Role::Shift);
            push_block(&mut list, &format!("decoder{}", level + 1), 2 * here, here);
        }
        let (outputs, inputs) = (self.classes + 1, self.base_width);
        push(
            &mut list,
            "head",
            "weight",
            vec![outputs, inputs, 1, 1],
            Role::LinearKernel { inputs },
        );
        push(&mut list, "head", "bias", vec![outputs], Role::Shift);
        list
    }
}

fn push(list: &mut Vec<Parameter>, module: &str, name: &str, shape: Vec<i64>, role: Role) {
    list.push(Parameter {
        name: format!("{module}.{name}"),
        shape,
        role,
    });
}

fn push_block(list: &mut Vec<Parameter>, block: &str, inputs: i64, outputs: i64) {
    for (position, inputs) in [(1, inputs), (2, outputs)] {
        let role = Role::Kernel { inputs: inputs * 9 };
        push(
            list,
            &format!("{block}.conv{position}"),
            "weight",
            vec![outputs, inputs, 3, 3],
            role,
        );
        let norm = format!("{block}.norm{position}");
        push(list, &norm, "weight", vec![outputs], Role::Scale);
        push(list, &norm, "bias", vec![outputs], Role::Shift);
        push(list, &norm, "running_mean", vec![outputs], Role::RunningMean);
        push(list, &norm, "running_var", vec![outputs], Role::RunningVariance);
    }
}

/// What one forward pass gives.
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

    /// `after` sees each block's output with its layer's number, and gives what goes on from there.
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
