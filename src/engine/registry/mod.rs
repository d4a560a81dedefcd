//! Loaded models and versions: loading, routing, shadows, readiness, and the watched model repository.

mod backoff;
pub mod engine;
pub mod loads;
pub mod policy;
mod readiness;
pub mod repository_watcher;
pub mod routing;
mod scan;
pub mod shadow;
