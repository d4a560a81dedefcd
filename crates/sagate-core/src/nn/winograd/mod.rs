//! Convolutions of 3x3 with stride 1 and padding 1 by Winograd's minimal filtering F(2x2, 3x3), which multiplies 16 times where the sum
//! multiplies 36 times (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4.1).
//!
//! A tile of 2x2 outputs is `A^T [(G g G^T) * (B^T d B)] A` of the 4x4 inputs `d` that it sees and the kernel `g`, `*` taken value by value
//! and summed over the input channels. [`kernels`] holds `G g G^T`; [`input`] makes `B^T d B` of some tiles, channels together; for each of
//! the 16 positions of a tile [`product`] sums over the channels, a product of matrices; [`output`] makes the outputs of the sums.
//! [`tiles`] runs these three steps for as many tiles at a time as fit into a core's cache.
//!
//! Every output is the same sum in the same order, independent of the batch, the position in the image, the number of threads and the
//! [`Form`].

mod input;
mod kernels;
mod lanes;
mod output;
mod planes;
mod product;
mod sizes;
mod tiles;

use std::sync::Arc;

use protoseg::platform::{UninitTensor, for_each_dynamic};
use tch::{Kind, TchError, Tensor};

use self::kernels::Kernels;
use self::lanes::LANES;
use self::sizes::WIDTH;
use self::tiles::{Job, NhwcView, Task};
use super::layout::channels_last;

/// An instruction set that the loops are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// AVX2 and FMA, 256 bits.
    Avx2,
    /// AVX-512 F besides, 512 bits.
    Avx512,
}

impl Form {
    /// The forms that this processor supports, widest last; empty on other processors than x86-64.
    pub fn available() -> Vec<Form> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(Form::Avx2);
            if is_x86_feature_detected!("avx512f") {
                found.push(Form::Avx512);
            }
        }
        found
    }
}

/// A convolution, and the ReLU that may follow it.
pub struct Winograd {
    form: Form,
    kernels: Arc<Kernels>,
    relu: bool,
}

impl Winograd {
    /// Of a weight `[out, in, 3, 3]` and a bias `[out]`, in the widest form. `None` where this processor has no form, and of other weights:
    /// not 3x3, or channels that do not come in whole vectors (8 in, 16 out).
    ///
    /// # Errors
    /// libtorch's.
    pub fn new(weight: &Tensor, bias: &Tensor, relu: bool) -> Result<Option<Winograd>, TchError> {
        let Some(form) = Form::available().pop().filter(|_| fits(weight)) else {
            return Ok(None);
        };
        let kernels = Arc::new(Kernels::new(weight, bias)?);
        Ok(Some(Winograd { form, kernels, relu }))
    }

    /// The same memory for another thread.
    pub(super) fn share(&self) -> Winograd {
        Winograd {
            form: self.form,
            kernels: self.kernels.clone(),
            relu: self.relu,
        }
    }

    /// The same memory in another form; `None` where this processor does not have it.
    pub fn with(&self, form: Form) -> Option<Winograd> {
        let form = Form::available().into_iter().find(|&own| own == form)?;
        Some(Winograd { form, ..self.share() })
    }

    /// Convolves the channel concatenation of feature maps `[B, C, H, W]`, float32 on the CPU, without concatenating them. The output is
    /// channels-last; channels-last inputs are not copied.
    ///
    /// # Errors
    /// When the inputs' sizes fit neither each other nor the weight; libtorch's.
    pub fn forward(&self, inputs: &[&Tensor]) -> Result<Tensor, TchError> {
        let laid: Vec<Tensor> = inputs
            .iter()
            .map(|input| channels_last(&input.f_to_kind(Kind::Float)?))
            .collect::<Result<_, _>>()?;
        let [batch, height, width] = self.size(&laid)?;
        let mut blank = UninitTensor::new(&[batch, height, width, self.kernels.outputs() as i64])?;
        let (height, width) = (height as usize, width as usize);
        let job = Job {
            form: self.form,
            inputs: laid.iter().map(NhwcView::new).collect(),
            size: [height, width],
            kernels: &self.kernels,
            relu: self.relu,
        };
        let row = width * self.kernels.outputs();
        let rows = 2 * job.tile_rows_a_task(tch::get_num_threads().max(1) as usize);
        let mut tasks: Vec<_> = (blank.values().chunks_mut(height * row).enumerate())
            .flat_map(|(image, output)| {
                (output.chunks_mut(rows * row).enumerate()).map(move |(part, output)| Task {
                    image,
                    first_row: part * rows,
                    output,
                })
            })
            .collect();
        for_each_dynamic(&mut tasks, |task| job.run(task));
        blank.into_tensor().f_permute([0, 3, 1, 2])
    }

    /// `[B, H, W]` that all inputs have.
    fn size(&self, inputs: &[Tensor]) -> Result<[i64; 3], TchError> {
        let mut sizes = Vec::with_capacity(inputs.len());
        let mut channels = 0;
        for input in inputs {
            let (batch, own, height, width) = input.size4()?;
            channels += own as usize;
            sizes.push([batch, height, width]);
        }
        let fits = channels == self.kernels.inputs() && sizes.windows(2).all(|pair| pair[0] == pair[1]);
        match sizes.first() {
            Some(&size) if fits => Ok(size),
            _ => Err(TchError::Shape(format!(
                "a convolution of {} channels got maps of {channels} channels and sizes [B, H, W] {sizes:?}",
                self.kernels.inputs()
            ))),
        }
    }
}

fn fits(weight: &Tensor) -> bool {
    match weight.size()[..] {
        [outputs, inputs, 3, 3] => outputs % WIDTH as i64 == 0 && inputs % LANES as i64 == 0,
        _ => false,
    }
}
