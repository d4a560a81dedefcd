//! A loaded model: preprocessing, network, scores and gate of one image or of a batch.
//!
//! - [`ModelExecutor`]: a loaded model on its own thread; it segments a batch of images, opens one for interpretation.
//! - [`ModelSpec`]: what is known of a model without its network; prepares images and decides, on any thread.
//! - [`Segmentation`]: what the model says of one image, and the evidence on which the gate decides.
//! - [`Interpretation`]: every layer's SAM and every unit's score of one image, one at a time as they are asked for.
//! - [`self_test`]: whether a loaded model still does what it did when it was made.

mod contract;
mod error;
mod interpretation;
mod pass;
mod segmentation;
mod self_test;
mod tensors;

pub use contract::{ModelId, ModelSpec, PreparedImage};
pub use error::ExecutorError;
pub use interpretation::{Interpretation, LayerView, Resolution, UnitView};
pub use pass::{Forward, ModelExecutor};
pub use segmentation::{LayerScore, Score, Segmentation, dice};
pub use self_test::self_test;
