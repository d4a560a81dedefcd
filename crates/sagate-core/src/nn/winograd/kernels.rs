//! The kernels of a convolution as `G g G^T`, in the order that the products read them.

use tch::{Device, Kind, TchError, Tensor};

use super::sizes::{POSITIONS, WIDTH};

/// Rows of `G`.
const G: [[f64; 3]; 4] = [
    [1.0, 0.0, 0.0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0.0, 0.0, 1.0],
];

/// All kernels of a convolution, with its bias.
pub(super) struct Kernels {
    inputs: usize,
    /// `[out / WIDTH, POSITIONS, in, WIDTH]`.
    values: Vec<[f32; WIDTH]>,
    /// `[out / WIDTH, WIDTH]`.
    bias: Vec<[f32; WIDTH]>,
}

impl Kernels {
    /// Of `[out, in, 3, 3]` and `[out]`, computed in double precision and rounded once.
    pub fn new(weight: &Tensor, bias: &Tensor) -> Result<Kernels, TchError> {
        let (outputs, inputs, ..) = weight.size4()?;
        let (outputs, inputs) = (outputs as usize, inputs as usize);
        let weight = numbers(weight)?;
        let mut values = vec![[0.0; WIDTH]; outputs / WIDTH * POSITIONS * inputs];
        for (index, kernel) in weight.as_chunks::<9>().0.iter().enumerate() {
            let (output, input) = (index / inputs, index % inputs);
            for (position, value) in filtered(kernel).into_iter().enumerate() {
                let index = (output / WIDTH * POSITIONS + position) * inputs + input;
                values[index][output % WIDTH] = value as f32;
            }
        }
        let bias: Vec<f32> = numbers(bias)?.iter().map(|&value| value as f32).collect();
        Ok(Kernels {
            inputs,
            values,
            bias: bias.as_chunks().0.to_vec(),
        })
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.bias.len() * WIDTH
    }

    /// The bias of each block of output channels.
    pub fn bias(&self) -> &[[f32; WIDTH]] {
        &self.bias
    }

    /// What all input channels give to a block of output channels at a position.
    #[inline(always)]
    pub fn at(&self, block: usize, position: usize) -> &[[f32; WIDTH]] {
        &self.values[(block * POSITIONS + position) * self.inputs..][..self.inputs]
    }
}

/// `G g G^T` of one kernel.
fn filtered(kernel: &[f64; 9]) -> [f64; POSITIONS] {
    std::array::from_fn(|position| {
        let (left, right) = (G[position / 4], G[position % 4]);
        kernel
            .iter()
            .enumerate()
            .map(|(tap, value)| left[tap / 3] * value * right[tap % 3])
            .sum()
    })
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, TchError> {
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    Vec::try_from(flat.f_contiguous()?.f_view(-1)?)
}
