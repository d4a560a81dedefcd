//! Who runs next: queues of models, batches, and leases on the slots of one device.

mod batch_size;
pub mod batching;
mod busy;
mod fairness;
pub mod lease;
pub mod mailbox;
pub mod model_queue;
mod omp_threads;
mod queue;
pub mod scheduler;
pub mod slots;
pub mod task;
mod wait;
