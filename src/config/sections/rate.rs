//! Section `rate`.

use crate::config::rule::{number, whole};
use crate::config::section::section;

section! {
    /// The rate limit of each client. One client is a name proven by token or certificate, or else an address (IPv6: a /64
    /// network).
    #[derive(Copy)]
    pub struct RateSettings: "rate" {
        /// Images per second of one client in the long run; a call without images counts as one. Beyond it a request gets
        /// `RESOURCE_EXHAUSTED`, `RATE_LIMITED` and a retry delay.
        per_second: f64 = 0.0, number("", " (no limit)", 0.0..=1e6);
        /// Images at once after a pause. A request of more images than this is accepted after a pause, and the next one waits
        /// until all of them are paid off.
        burst: u64 = 20, whole(1..=1_000_000);
    }
}
