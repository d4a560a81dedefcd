//! Models as a service: bounded queues, batches, and a thread for each instance of a model.
//!
//! | folder | responsibility |
//! |---|---|
//! | `admission` | which images are admitted: [`QueuePermit`], [`RequestContext`], [`Priority`], deadlines, [`DecodePermits`] |
//! | `scheduling` | which batch runs next: weighted fair scheduling, [`BatchingPolicy`], leases on the [`Slots`] of a device |
//! | `runtime` | the threads: [`ModelHandle`] is the entry point, a worker owns each instance |
//! | `registry` | which models and versions answer: [`Engine`], [`Route`], [`ShadowRun`], [`RepositoryWatcher`] |
//!
//! Each folder imports only from those above it in the table. [`EngineError`] holds every failure; an [`Observer`] receives all events.
//!
//! The path of an image: [`ModelHandle::admit`] takes a [`QueuePermit`], [`ModelHandle::segment`] or [`ModelHandle::interpret`] queues the
//! image, the scheduler puts it into a batch, a worker runs the batch and sends the answer.

mod admission;
mod error;
mod observer;
mod registry;
mod runtime;
mod scheduling;

pub(crate) use admission::deadline::DEADLINE_HEADROOM;
pub use admission::decode_permits::{DecodePermit, DecodePermits, DecodeSize};
pub use admission::permits::{AdmissionLimits, QueueLimits, QueuePermit, QueueUsage};
pub use admission::priority::Priority;
pub use admission::request::{ClientId, RequestContext};
pub use error::{EngineError, LimitScope};
pub use observer::{Comparison, Instances, Observer};
pub use registry::engine::{Engine, EngineConfig};
pub use registry::loads::Load;
pub use registry::policy::{Canary, ServingPolicies, ServingPolicy, Traffic, Versions};
pub use registry::repository_watcher::RepositoryWatcher;
pub use registry::routing::Route;
pub use registry::shadow::ShadowRun;
pub use runtime::handle::{InterpretationEvents, ModelHandle, ModelState, PendingSegmentation};
pub use scheduling::batching::BatchingPolicy;
pub use scheduling::slots::Slots;
pub use scheduling::task::{
    InterpretationEvent, InterpretationPlan, TimedSegmentation, Timing, UnitOrder, UnitSelection,
};
