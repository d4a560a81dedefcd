//! A convolution's weight in the orders that oneDNN likes.
//!
//! Which one it likes depends on the input's size and on the threads. Given another one, it would order the weight anew for every image,
//! which at a quarter of the size for that the weight was ordered takes longer than the convolution itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tch::{TchError, Tensor};

use super::fused::{self, Window};

/// Inputs whose order is known; when there are more, all are looked up anew.
const MOST_INPUTS: usize = 256;

/// A weight, and its orders, which all threads that run the network share.
pub(super) struct PrepackedWeight {
    plain: Tensor,
    window: Window,
    orders: Arc<Mutex<Orders>>,
}

#[derive(Default)]
struct Orders {
    /// oneDNN's name for each order, and the weight in it: three or four in all, whatever comes.
    weights: Vec<(Vec<u8>, Tensor)>,
    /// Which of them an input gets.
    of: HashMap<Input, usize>,
}

/// What the order depends on.
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

    /// Where the weight lies in the input.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The weight in the order for an input `[B, C, H, W]`.
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
        if let Some(&known) = orders.of.get(&input) {
            return Ok(orders.weights[known].1.shallow_clone());
        }
        let weight = fused::reorder_weight(&self.plain, self.window, input.size)?;
        let name = Vec::<u8>::try_from(fused::order(&weight)?)?;
        let place = orders.weights.iter().position(|(there, _)| *there == name);
        let place = place.unwrap_or_else(|| {
            orders.weights.push((name, weight));
            orders.weights.len() - 1
        });
        if orders.of.len() >= MOST_INPUTS {
            orders.of.clear();
        }
        orders.of.insert(input, place);
        Ok(orders.weights[place].1.shallow_clone())
    }
}
