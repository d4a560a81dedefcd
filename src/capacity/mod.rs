//! Many replicas behind a load balancer, simulated event by event: how many it takes, what is refused, and what breaks first.
//!
//! - [`Arrivals`]: when images come.
//! - [`ServiceTimes`]: how long a replica works on one, from a load test of a real one.
//! - [`Balancing`]: which replica gets it.
//! - [`Scaling`]: how the number of replicas follows the load.
//! - [`SimulationConfig`], [`simulate`]: all of it together; [`Outcome`]: what came of it.
//!
//! A replica is what [`crate::engine`] is for one model on a CPU: slots, a queue in the order of arrival, a bound on it, and images that
//! cannot be done in their time refused when they come. `make cluster-demo` holds the simulation against real replicas.

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
