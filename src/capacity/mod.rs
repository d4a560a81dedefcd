//! Capacity planning by discrete-event simulation of replicas behind a load balancer.
//!
//! - [`Arrivals`]: arrival times of images.
//! - [`ServiceTimes`]: service time of an image, from a load test of a real replica.
//! - [`Balancing`]: load balancing between replicas.
//! - [`Scaling`]: autoscaling of the replicas.
//! - [`SimulationConfig`], [`simulate`]: the simulation; [`Outcome`]: its results.
//!
//! A replica behaves like [`crate::engine`] with one model on a CPU: slots, a bounded FIFO queue, and early refusal of images that would miss
//! their deadline. `make cluster-demo` compares the simulation with real replicas.

mod arrivals;
mod balancing;
mod outcome;
mod replica;
mod scaling;
mod service;
mod simulation;

pub(crate) use arrivals::gap;
pub use arrivals::{Arrivals, TraceError};
pub use balancing::Balancing;
pub use outcome::{Outcome, Step};
pub use scaling::Scaling;
pub use service::{ServiceTimes, ServiceTimesError};
pub use simulation::{Loss, SimulationConfig, simulate};
