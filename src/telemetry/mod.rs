//! What sagate says about itself while it runs: logs. No image content and no patient data ever goes in.

pub mod logs;
pub mod phases;
mod stub;
pub use phases::{Phase, Phases};
pub use stub::*;
