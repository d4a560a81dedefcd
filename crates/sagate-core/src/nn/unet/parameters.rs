//! Every tensor of the network's state: name, shape and initialisation.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, TchError, Tensor};

use super::config::UNetConfig;

/// One tensor of the network's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, as in `encoder1.conv1.weight`.
    pub name: String,
    /// Its shape: `[out, in, 3, 3]` for a convolution, `[in, out, 2, 2]` for a transposed one, `[channels]` else.
    pub shape: Vec<i64>,
    /// Its initialisation, which also determines whether it is trained.
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Kernel followed by a ReLU: He initialisation, deviation `sqrt(2 / inputs)`.
    Kernel { inputs: i64 },
    /// Kernel without a following ReLU: deviation `sqrt(1 / inputs)`.
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

    pub(super) fn initial(&self, random: &mut ChaCha8Rng) -> Result<Tensor, TchError> {
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
