//! Admission control: limits of waiting and running images, priorities, and whether a deadline can be met.

pub mod cost;
pub mod deadline;
pub mod decode_permits;
pub mod permits;
pub mod priority;
pub mod request;
