//! The threads of a model: each owns an instance, takes batches, runs them and answers.

mod batch;
pub mod handle;
pub mod warm_up;
pub mod worker;
