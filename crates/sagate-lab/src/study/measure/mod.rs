//! Measurements of a network on images, shared by all tables, figures and scores.

mod certainty;
mod many_passes;
mod one_pass;
mod temperature;
mod tensors;

pub use certainty::Certainty;
pub use many_passes::{ManyPasses, Networks, Sampling, many_passes};
pub(super) use one_pass::confusions;
pub(super) use one_pass::own_mask;
pub use one_pass::{LayerCounts, OnePass, one_pass};
pub use temperature::fit_temperature;
pub(super) use tensors::{pixels, truth};
