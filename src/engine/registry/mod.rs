//! Which models and versions answer: loading, routing, shadows, readiness, and the watched model folder.

mod backoff;
pub mod engine;
pub mod loads;
pub mod policy;
mod readiness;
pub mod repository_watcher;
pub mod routing;
pub mod shadow;
