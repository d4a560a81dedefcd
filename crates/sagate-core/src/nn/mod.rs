//! Networks that give an output and its feature maps: the U-Net of Fig. 4 and its checkpoints.
//!
//! - [`layers`]: the table of the 18 feature maps: name, group, level, channels, resolution.
//! - [`unet`]: the training form of the network.
//! - [`inference`]: the inference form.
//! - [`checkpoint`]: its weights on disk, every name and shape checked.
//! - [`gradient`]: a hook that adds to a gradient.
//! - [`layout`]: channels-last memory.
//! - [`memory`]: peak memory of a pass.
//! - [`placement`]: device, precision and convolution algorithm.
//! - [`stream`]: GPU streams, which overlap copies and computations.
//! - [`winograd`]: convolutions with fewer multiplications.
//! - [`threads`]: how many CPU threads operations use.

pub mod checkpoint;
mod fused;
pub mod gradient;
pub mod inference;
pub mod layers;
pub mod layout;
pub mod memory;
pub mod placement;
mod prepacked;
pub mod stream;
pub mod threads;
pub mod unet;
pub mod winograd;
