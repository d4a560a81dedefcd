//! Images become results: one pass through preprocessing, network, scores and gate.
//!
//! - [`Pass`]: a loaded model; it prepares images, segments a batch of them, opens one for interpretation.
//! - [`Segmentation`]: what the model says of one image, and the evidence on which the gate decides.
//! - [`Interpretation`]: every layer's SAM and every unit's score of one image, one at a time as they are asked for.

mod contract;
mod error;
mod interpretation;
mod observer;
mod pass;
mod segmentation;
mod tensors;

pub use contract::{Contract, ModelId, Ready};
pub use error::EngineError;
pub use interpretation::{Interpretation, LayerView, UnitView};
pub use observer::Observer;
pub use pass::{Forward, Pass};
pub use segmentation::{Segmentation, dice};
