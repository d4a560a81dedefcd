//! A convolution's weight, prepacked in oneDNN's memory formats.
//!
//! The format that oneDNN selects depends on the input's size and on the number of threads. With a weight in another format it would
//! reorder the weight for every image, which for small images takes longer than the convolution itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tch::{TchError, Tensor};

use super::fused::{self, Window};

/// Limit on cached input sizes; beyond it the cache is cleared.
const MAX_INPUTS: usize = 256;

/// A weight with its memory formats, shared by all threads that run the network.
pub(super) struct PrepackedWeight {
    plain: Tensor,
    window: Window,
    orders: Arc<Mutex<Orders>>,
}

#[derive(Default)]
struct Orders {
    /// oneDNN's identifier of each format, and the weight in it: three or four in practice.
    weights: Vec<(Vec<u8>, Tensor)>,
    /// Index of the format for an input.
    by_input: HashMap<Input, usize>,
}

/// What the memory format depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Input {
    /// `[B, C, H, W]`.
    size: [i64; 4],
    threads: i32,
}

impl PrepackedWeight {
    /// `plain` as libtorch has it: `[out, in, k, k]`, or `[in, out, k, k]` of a transposed convolution.
    pub fn new(plain: Tensor, window: Window) -> PrepackedWeight {
        PrepackedWeight {
            plain,
            window,
            orders: Arc::default(),
        }
    }

    /// The same memory for another thread.
    pub fn share(&self) -> PrepackedWeight {
        PrepackedWeight {
            plain: self.plain.shallow_clone(),
            window: self.window,
            orders: self.orders.clone(),
        }
    }

    /// How the kernel moves over its input.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The weight in the memory format for an input `[B, C, H, W]`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn for_input(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let (batch, channels, height, width) = input.size4()?;
        let input = Input {
            size: [batch, channels, height, width],
            threads: tch::get_num_threads(),
        };
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&index) = orders.by_input.get(&input) {
            return Ok(orders.weights[index].1.shallow_clone());
        }
        let weight = fused::reorder_weight(&self.plain, self.window, input.size)?;
        let name = Vec::<u8>::try_from(fused::order(&weight)?)?;
        let index = orders.weights.iter().position(|(format, _)| *format == name);
        let index = index.unwrap_or_else(|| {
            orders.weights.push((name, weight));
            orders.weights.len() - 1
        });
        if orders.by_input.len() >= MAX_INPUTS {
            orders.by_input.clear();
        }
        orders.by_input.insert(input, index);
        Ok(orders.weights[index].1.shallow_clone())
    }
}
