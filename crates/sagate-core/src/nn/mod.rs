//! Networks that give an output and its feature maps: the U-Net of Fig. 4 and its checkpoints.
//!
//! - [`layers`]: the table of the 18 feature maps: name, group, level, channels, resolution.
//! - [`unet`]: the training form of the network.
//! - [`inference`]: the form that serves.
//! - [`checkpoint`]: its weights on disk, every name and shape checked.
//! - [`gradient`]: what a backward pass adds on its way.
//! - [`layout`]: channels-last memory.
//! - [`memory`]: what a pass takes while it runs.
//! - [`placement`]: the device, and how wide numbers are on it.
//! - [`stream`]: copies and computations side by side on a GPU.
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
