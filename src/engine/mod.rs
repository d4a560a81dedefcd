//! Images become results: one pass through preprocessing, network, scores and gate, alone or in the batches of a service.
//!
//! - [`Pass`]: a loaded model on its own thread; it segments a batch of images, opens one for interpretation.
//! - [`Contract`]: what is known of a model without its network; prepares images and decides, on any thread.
//! - [`Segmentation`]: what the model says of one image, and the evidence on which the gate decides.
//! - [`Interpretation`]: every layer's SAM and every unit's score of one image, one at a time as they are asked for.
//! - [`Engine`]: models as a service, one thread each. [`Hosted::admit`] takes a [`Place`] in a bounded queue, [`Hosted::segment`] and
//!   [`Hosted::interpret`] wait in it; the thread makes batches of what waits. An [`Observer`] hears of it all.

mod contract;
mod error;
mod hosted;
mod interpretation;
mod observer;
mod pass;
mod place;
mod pool;
mod queue;
mod segmentation;
mod task;
mod tensors;
mod turns;
mod worker;

pub use contract::{Contract, ModelId, Ready};
pub use error::EngineError;
pub use hosted::{Events, Hosted, Pending};
pub use interpretation::{Interpretation, LayerView, Resolution, UnitView};
pub use observer::Observer;
pub use pass::{Forward, Pass};
pub use place::{Bounds, Place, Usage};
pub use pool::{Engine, Setup};
pub use segmentation::{LayerScore, Score, Segmentation, dice};
pub use task::{Event, Plan, Scored, Timing, UnitChoice, UnitPlan};
