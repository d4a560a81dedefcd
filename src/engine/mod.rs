//! Models as a service: bounded queues, batches, a thread for each instance of a model.
//!
//! - [`Engine`]: models as a service, threads of their own each; models come and go while others answer. [`Hosted::admit`] takes a
//!   [`Place`] in a bounded queue, [`Hosted::segment`] and [`Hosted::interpret`] wait in it; one scheduler makes batches of what waits
//!   and gives each its part of the device. An [`Observer`] hears of it all.
//! - [`Folder`]: keeps the engine true to a folder of models that changes.

mod backoff;
mod batch;
mod cost;
mod decode_permits;
mod error;
mod folder;
mod helpers;
mod hosted;
mod loads;
mod observer;
mod pace;
mod place;
mod pool;
mod priority;
mod queue;
mod readiness;
mod scheduler;
mod seat;
mod serving;
mod shadow;
mod task;
mod wait;
mod warm_up;
mod worker;

pub use decode_permits::{DecodePermit, DecodePermits, Payload};
pub use error::EngineError;
pub use folder::Folder;
pub use hosted::{Asker, Events, Hosted, Instances, Pending, State};
pub use loads::Load;
pub use observer::Observer;
pub(crate) use pace::ROOM;
pub use place::{Admission, Bound, Bounds, Client, Place, Usage};
pub use pool::{Engine, Route, Setup};
pub use priority::Priority;
pub use scheduler::Slots;
pub use serving::{Canary, Forming, Serving, ServingPlan, Traffic, Versions};
pub use shadow::{Comparison, ShadowRun};
pub use task::{Event, Plan, Scored, Timing, UnitChoice, UnitPlan};
