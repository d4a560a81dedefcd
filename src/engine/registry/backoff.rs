//! Backoff between load attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Delay after the first failure, doubled after each further one, up to the maximum.
const FIRST_DELAY: Duration = Duration::from_secs(2);
const MAX_DELAY: Duration = Duration::from_secs(300);
/// Lower bound of the jitter factor, so that replicas with the same broken version do not retry in step.
const MIN_JITTER: f64 = 0.75;

/// The delay after this number of successive failures, at least 1.
pub fn after(failures: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << (failures.clamp(1, 16) - 1));
    doubled
        .min(MAX_DELAY)
        .mul_f64(MIN_JITTER + (1.0 - MIN_JITTER) * random())
}

/// A random number in [0, 1). The standard library seeds each hasher randomly.
fn random() -> f64 {
    (RandomState::new().hash_one(()) >> 11) as f64 / (1u64 << 53) as f64
}
