//! The threads of a model. Each owns an instance, takes batches, runs them and sends the answers.

mod batch;
pub mod handle;
pub mod warm_up;
pub mod worker;
