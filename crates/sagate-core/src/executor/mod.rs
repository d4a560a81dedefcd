//! A loaded model: preprocessing, network, scores and gate of one image or of a batch.
//!
//! - [`ModelExecutor`]: a loaded model on its own thread; segments a batch of images, or one for interpretation.
//! - [`ModelSpec`]: a model without its network; prepares images and decides, on any thread.
//! - [`Segmentation`]: the result for one image, with the inputs of the gate's decision.
//! - [`Interpretation`]: the SAM of each layer and the scores of each unit for one image, computed on request.
//! - [`self_test`]: whether a loaded model reproduces its golden result.

mod error;
mod interpretation;
mod model_executor;
mod model_spec;
mod segmentation;
mod self_test;
mod tensors;

pub use error::ExecutorError;
pub use interpretation::{Interpretation, LayerView, Resolution, UnitView};
pub use model_executor::{Forward, ModelExecutor};
pub use model_spec::{ModelId, ModelSpec, PreparedImage};
pub use segmentation::{LayerScore, Score, Segmentation, dice};
pub use self_test::self_test;
