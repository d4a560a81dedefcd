//! How long to wait before a load that failed is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// After the first failure; twice as long after each further one, up to the longest.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);
/// Replicas that saw the same broken version do not try again in step: each waits between this share of the time and all of it.
const LEAST_SHARE: f64 = 0.75;

/// The wait after so many failures in a row, at least 1.
pub fn after(failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << (failures.clamp(1, 16) - 1));
    doubled
        .min(LONGEST)
        .mul_f64(LEAST_SHARE + (1.0 - LEAST_SHARE) * random())
}

/// In [0, 1). The standard library seeds each hasher of a process by itself.
fn random() -> f64 {
    (RandomState::new().hash_one(()) >> 11) as f64 / (1u64 << 53) as f64
}
