//! Random delays that spread simultaneous actions over time.

use std::time::Duration;

use rand::Rng;

/// A uniform random time from `least` to `least` plus this share of it.
pub fn longer(least: Duration, share: f64, random: &mut impl Rng) -> Duration {
    least.saturating_add(part(least, share, random))
}

/// A uniform random time within this share of `middle` on both sides.
pub fn around(middle: Duration, share: f64, random: &mut impl Rng) -> Duration {
    let least = middle.saturating_sub(middle.mul_f64(share.clamp(0.0, 1.0)));
    least.saturating_add(part(middle, 2.0 * share, random))
}

fn part(of: Duration, share: f64, random: &mut impl Rng) -> Duration {
    let seconds = of.as_secs_f64() * share * random.gen_range(0.0..=1.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}
