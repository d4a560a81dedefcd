//! Images become results: one pass through preprocessing, network, scores and gate, alone or in the batches of a service.
//!
//! - [`Pass`]: a loaded model on its own thread; it segments a batch of images, opens one for interpretation.
//! - [`Contract`]: what is known of a model without its network; prepares images and decides, on any thread.
//! - [`Segmentation`]: what the model says of one image, and the evidence on which the gate decides.
//! - [`Interpretation`]: every layer's SAM and every unit's score of one image, one at a time as they are asked for.
//! - [`Engine`]: models as a service, threads of their own each; models come and go while others answer. [`Hosted::admit`] takes a
//!   [`Place`] in a bounded queue, [`Hosted::segment`] and [`Hosted::interpret`] wait in it; one scheduler makes batches of what waits
//!   and gives each its part of the device. An [`Observer`] hears of it all.
//! - [`Folder`]: keeps the engine true to a folder of models that changes.

mod backoff;
mod batch;
mod contract;
mod cost;
mod error;
mod folder;
mod helpers;
mod hosted;
mod interpretation;
mod loads;
mod observer;
mod pace;
mod pass;
mod place;
mod pool;
mod priority;
mod queue;
mod readiness;
mod scheduler;
mod seat;
mod segmentation;
mod self_test;
mod serving;
mod shadow;
mod task;
mod tensors;
mod warm_up;
mod worker;

pub use contract::{Contract, ModelId, Ready};
pub use error::EngineError;
pub use folder::Folder;
pub use hosted::{Asker, Events, Hosted, Instances, Pending, State};
pub use interpretation::{Interpretation, LayerView, Resolution, UnitView};
pub use loads::Load;
pub use observer::Observer;
pub(crate) use pace::ROOM;
pub use pass::{Forward, Pass};
pub use place::{Admission, Bound, Bounds, Client, Place, Usage};
pub use pool::{Engine, Route, Setup};
pub use priority::Priority;
pub use scheduler::Slots;
pub use segmentation::{LayerScore, Score, Segmentation, dice};
pub use serving::{Canary, Forming, Serving, ServingPlan, Traffic, Versions};
pub use shadow::{Comparison, Looking, look_on};
pub use task::{Event, Plan, Scored, Timing, UnitChoice, UnitPlan};
